// SPDX-License-Identifier: MIT

package main

import (
	"runtime"
	"runtime/debug"
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

// The same for one to ten million, the few of them more than once.
func growthSpawn(n int) float64      { return repeat(n, spawnJoin) }
func growthSpawnYield(n int) float64 { return repeat(n, spawnJoinYield) }

func repeat(n int, run func(int) float64) float64 {
	total := 0.0
	rounds := fanRounds(n)
	for range rounds {
		total += run(n)
	}
	return total / float64(rounds)
}

// A task with more than one leaf below it starts another for one half, does the
// other half itself, and waits. One operation is one leaf, and so one task.
func grow(leaves int) {
	if leaves > 1 {
		var half sync.WaitGroup
		half.Add(1)
		go growBranch(&half, leaves/2)
		grow(leaves - leaves/2)
		half.Wait()
	}
}

func growBranch(above *sync.WaitGroup, leaves int) {
	grow(leaves)
	above.Done()
}

func spawnTree(n int) float64 {
	start := time.Now()
	grow(n)
	return perOp(start, n)
}

// n tasks sleep a millisecond ten times; what counts is the CPU time.
func sleepers(n int) float64 {
	const naps = 10
	var wg sync.WaitGroup
	task := func() {
		for range naps {
			time.Sleep(time.Millisecond)
		}
		wg.Done()
	}
	start := time.Now()
	wg.Add(n)
	for range n {
		go task()
	}
	wg.Wait()
	return perOp(start, n*naps)
}

// A second in which nothing is to be done; what counts is the CPU time.
func idle(n int) float64 {
	spawnJoin(1000)
	before := cpuSeconds()
	start := time.Now()
	time.Sleep(time.Second)
	ns := perOp(start, n)
	cpuOfPart = cpuSeconds() - before
	return ns
}

// n tasks wait at a gate; what they keep resident, page tables included.
// waitWith3k and waitWith12k have so many bytes on the stack while they wait.
//
//go:noinline
func waitWith3k(wait func()) byte {
	var locals [3 << 10]byte
	for i := range locals {
		locals[i] = 1
	}
	wait()
	return locals[len(locals)/2]
}

//go:noinline
func waitWith12k(wait func()) byte {
	var locals [12 << 10]byte
	for i := range locals {
		locals[i] = 1
	}
	wait()
	return locals[len(locals)/2]
}

func blockedRSS(n int) float64 { return blocked(n, func(wait func()) byte { wait(); return 0 }) }

func blockedRSS3k(n int) float64 { return blocked(n, waitWith3k) }

func blockedRSS12k(n int) float64 { return blocked(n, waitWith12k) }

func blocked(n int, with func(func()) byte) float64 {
	spawnJoin(1000)
	gate := make(chan struct{})
	var arrived, returned sync.WaitGroup
	wait := func() {
		arrived.Done()
		<-gate
	}
	task := func() {
		with(wait)
		returned.Done()
	}
	before := resident()
	start := time.Now()
	arrived.Add(n)
	returned.Add(n)
	for range n {
		go task()
	}
	arrived.Wait()
	settle()
	ns := perOp(start, n)
	residentEach = (resident() - before) / int64(n)
	close(gate)
	returned.Wait()
	// What a program would do that wants the memory back now.
	debug.FreeOSMemory()
	time.Sleep(keptAfter(n))
	keptEach = max(0, resident()-before) / int64(n)
	return ns
}
