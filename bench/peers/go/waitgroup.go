// SPDX-License-Identifier: MIT

package main

import (
	"sync"
	"time"
)

func waitgroupAddDone(n int) float64 {
	var wg sync.WaitGroup
	start := time.Now()
	for range n {
		wg.Add(1)
		wg.Done()
	}
	ns := perOp(start, n)
	wg.Wait()
	return ns
}
