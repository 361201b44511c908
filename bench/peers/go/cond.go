// SPDX-License-Identifier: MIT

package main

import (
	"sync"
	"time"
)

// Two tasks hand a turn to each other; one operation is one hand-over.
func condPingpong(n int) float64 {
	var mu sync.Mutex
	cond := sync.NewCond(&mu)
	turn := 0
	player := func(me int) {
		for range n / 2 {
			mu.Lock()
			for turn != me {
				cond.Wait()
			}
			turn = 1 - me
			cond.Signal()
			mu.Unlock()
		}
	}
	var wg sync.WaitGroup
	start := time.Now()
	wg.Go(func() { player(0) })
	wg.Go(func() { player(1) })
	wg.Wait()
	return perOp(start, n/2*2)
}

func condBarrier32(n int) float64   { return meet(n, 32) }
func condBarrier1000(n int) float64 { return meet(n, 1000) }

// Tasks meet again and again; one operation is one arrival.
func meet(n, parties int) float64 {
	var mu sync.Mutex
	cond := sync.NewCond(&mu)
	arrived, round := 0, 0
	party := func() {
		for range n / parties {
			mu.Lock()
			arrived++
			if arrived == parties {
				arrived = 0
				round++
				cond.Broadcast()
			} else {
				for mine := round; mine == round; {
					cond.Wait()
				}
			}
			mu.Unlock()
		}
	}
	var wg sync.WaitGroup
	start := time.Now()
	for range parties {
		wg.Go(party)
	}
	wg.Wait()
	ns := perOp(start, n/parties*parties)
	if round != n/parties {
		fail("the barrier lost a round")
	}
	return ns
}
