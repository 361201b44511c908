// SPDX-License-Identifier: MIT

package main

import (
	"sync"
	"time"
)

func mutexUncontended(n int) float64 {
	var mu sync.Mutex
	start := time.Now()
	for range n {
		mu.Lock()
		mu.Unlock()
	}
	return perOp(start, n)
}

const lockers = 64

// guarded is a counter and a state to work on, on cache lines of their own.
type guarded struct {
	mu    sync.Mutex
	_     [56]byte
	count int
	state uint64
	_     [48]byte
}

// work is about 100 ns that no compiler can shorten.
func work(x uint64) uint64 {
	for range 70 {
		x = x*6364136223846793005 + 1442695040888963407
	}
	return x
}

func mutexContended0(n int) float64 {
	g := new(guarded)
	return contend(n, g, func() {
		for range n / lockers {
			g.mu.Lock()
			g.count++
			g.mu.Unlock()
		}
	})
}

func mutexContended100(n int) float64 {
	g := new(guarded)
	return contend(n, g, func() {
		for range n / lockers {
			g.mu.Lock()
			g.count++
			g.state = work(g.state)
			g.mu.Unlock()
		}
	})
}

func contend(n int, g *guarded, locker func()) float64 {
	var wg sync.WaitGroup
	start := time.Now()
	for range lockers {
		wg.Go(locker)
	}
	wg.Wait()
	ns := perOp(start, n/lockers*lockers)
	if g.count != n/lockers*lockers {
		fail("the mutex lost an update")
	}
	return ns
}
