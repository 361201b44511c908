// SPDX-License-Identifier: MIT

package main

import (
	"sync"
	"time"
)

var (
	once     sync.Once
	onceRuns int
)

func onceHit(n int) float64 {
	task := func() { onceRuns++ }
	once.Do(task)
	start := time.Now()
	for range n {
		once.Do(task)
	}
	ns := perOp(start, n)
	if onceRuns != 1 {
		fail("once ran more than once")
	}
	return ns
}
