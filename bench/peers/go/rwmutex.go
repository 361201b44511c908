// SPDX-License-Identifier: MIT

package main

import (
	"sync"
	"time"
)

func rwmutexRead(n int) float64 {
	var mu sync.RWMutex
	start := time.Now()
	for range n {
		mu.RLock()
		mu.RUnlock()
	}
	return perOp(start, n)
}

const writeEvery = 10

// record is a lock and what it guards, on cache lines of their own.
type record struct {
	mu     sync.RWMutex
	_      [40]byte
	state  uint64
	writes int
	_      [48]byte
}

var rwmutexSeen uint64

func (r *record) use(n int) (seen uint64) {
	for i := n; i > 0; i-- {
		if i%writeEvery == 0 {
			r.mu.Lock()
			r.state = work(r.state)
			r.writes++
			r.mu.Unlock()
		} else {
			r.mu.RLock()
			seen += work(r.state)
			r.mu.RUnlock()
		}
	}
	return seen
}

func rwmutexMixed(n int) float64 {
	r := new(record)
	each := n / lockers
	var wg sync.WaitGroup
	var mu sync.Mutex
	start := time.Now()
	for range lockers {
		wg.Go(func() {
			seen := r.use(each)
			mu.Lock()
			rwmutexSeen += seen
			mu.Unlock()
		})
	}
	wg.Wait()
	ns := perOp(start, each*lockers)
	if r.writes != each/writeEvery*lockers {
		fail("the rwmutex lost an update")
	}
	return ns
}
