// SPDX-License-Identifier: MIT

package main

import (
	"runtime"
	"sync"
	"time"
)

// spawnBatch is half a local run queue: a spawner that yields after as many
// keeps the queue from overflowing into the global one.
const spawnBatch = 128

// One func value serves every goroutine: no closure is allocated per task.
func spawnJoin(n int) float64 {
	var wg sync.WaitGroup
	task := func() { wg.Done() }
	start := time.Now()
	wg.Add(n)
	for range n {
		go task()
	}
	wg.Wait()
	return perOp(start, n)
}

// Not the idiom, but the fastest form: see spawnBatch.
func spawnJoinYield(n int) float64 {
	var wg sync.WaitGroup
	task := func() { wg.Done() }
	start := time.Now()
	wg.Add(n)
	for i := range n {
		go task()
		if i%spawnBatch == 0 {
			runtime.Gosched()
		}
	}
	wg.Wait()
	return perOp(start, n)
}

// n tasks wait at a gate; what they keep resident, page tables included.
func blockedRSS(n int) float64 {
	spawnJoin(1000)
	gate := make(chan struct{})
	var arrived, returned sync.WaitGroup
	task := func() {
		arrived.Done()
		<-gate
		returned.Done()
	}
	before := statusBytes("VmRSS") + statusBytes("VmPTE")
	start := time.Now()
	arrived.Add(n)
	returned.Add(n)
	for range n {
		go task()
	}
	arrived.Wait()
	settle()
	ns := perOp(start, n)
	residentEach = (statusBytes("VmRSS") + statusBytes("VmPTE") - before) / int64(n)
	close(gate)
	returned.Wait()
	return ns
}
