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

// As a global, which is where such functions live.
var makeValue = sync.OnceValue(func() int { return 1 })

func onceValueHit(n int) float64 {
	sum := 0
	makeValue()
	start := time.Now()
	for range n {
		sum += makeValue()
	}
	ns := perOp(start, n)
	if sum != n {
		fail("once gave a wrong value")
	}
	return ns
}
