// SPDX-License-Identifier: MIT

package main

import (
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/singleflight"
)

// lags counts how long many things took, as ../../bench.h does: 16 buckets an
// octave. One for each task, added up at its end.
type lags [16 * 45]uint32

var (
	allLags   lags
	allLagsMu sync.Mutex
	epoch     = time.Now()
)

// now is what bench_now is in C: the clock's fastest form.
func now() int64 { return int64(time.Since(epoch)) }

func lagBucket(ns int64) int {
	if ns < 32 {
		return int(max(0, ns))
	}
	octave := bits.Len64(uint64(ns)) - 1
	return min(16*(octave-3)+int(ns>>(octave-4)&15), len(lags{})-1)
}

func (l *lags) note(ns int64) { l[lagBucket(ns)]++ }

func (l *lags) addUp() {
	allLagsMu.Lock()
	for i, count := range l {
		allLags[i] += count
	}
	allLagsMu.Unlock()
}

// percentile is the time that no more than one in share of all is longer than.
func (l *lags) percentile(share int64) int64 {
	total := int64(0)
	for _, count := range l {
		total += int64(count)
	}
	longer := total / share
	for b := len(l) - 1; b >= 0; b-- {
		if int64(l[b]) > longer {
			if b < 32 {
				return int64(b)
			}
			return int64(16+b%16) << (b/16 - 1)
		}
		longer -= int64(l[b])
	}
	return 0
}

func lagMutex0(n int) float64   { return lagMutex(n, func(uint64) uint64 { return 0 }) }
func lagMutex100(n int) float64 { return lagMutex(n, work) }

// From asking for a mutex to holding it, by one of 64 tasks.
func lagMutex(n int, work func(uint64) uint64) float64 {
	g := new(guarded)
	var wg sync.WaitGroup
	start := time.Now()
	for range lockers {
		wg.Go(func() {
			var l lags
			for range n / lockers {
				asked := now()
				g.mu.Lock()
				held := now()
				g.state = work(g.state)
				g.mu.Unlock()
				l.note(held - asked)
			}
			l.addUp()
		})
	}
	wg.Wait()
	return perOp(start, n/lockers*lockers)
}

// From the signal of a cond to the return of the wait with the lock.
func lagCond(n int) float64 {
	var mu sync.Mutex
	cond := sync.NewCond(&mu)
	turn, signalled := 0, int64(0)
	taker := func(me int) {
		var l lags
		mu.Lock()
		for range n / 2 {
			if turn != me {
				for turn != me {
					cond.Wait()
				}
				l.note(now() - signalled)
			}
			turn = 1 - me
			signalled = now()
			cond.Signal()
		}
		mu.Unlock()
		l.addUp()
	}
	var wg sync.WaitGroup
	start := time.Now()
	wg.Go(func() { taker(0) })
	wg.Go(func() { taker(1) })
	wg.Wait()
	return perOp(start, n/2*2)
}

// From the return of a shared call to that of those who had joined it.
func lagFlight(n int) float64 {
	const joiners = 16
	var g singleflight.Group
	calls := 0 // of one key, so never two at once
	giveTime := func() (any, error) {
		calls++
		runtime.Gosched()
		return now(), nil
	}
	var wg sync.WaitGroup
	start := time.Now()
	for range joiners {
		wg.Go(func() {
			var l lags
			for range n / joiners {
				v, _, _ := g.Do("user:42", giveTime)
				l.note(now() - v.(int64))
			}
			l.addUp()
		})
	}
	wg.Wait()
	ns := perOp(start, n/joiners*joiners)
	callsEach = float64(calls) / float64(n/joiners*joiners)
	return ns
}

// Two tasks send each other the time; beside them there may be others.
func exchange(n int, others ...func(over *atomic.Bool)) float64 {
	there, back := make(chan int64), make(chan int64)
	var over atomic.Bool
	var wg sync.WaitGroup
	for _, other := range others {
		wg.Go(func() { other(&over) })
	}
	go func() {
		var l lags
		for sent := range there {
			now := now()
			l.note(now - sent)
			back <- now
		}
		l.addUp()
		close(back)
	}()
	var l lags
	start := time.Now()
	for range n {
		there <- now()
		l.note(-<-back + now())
	}
	ns := perOp(start, n)
	over.Store(true)
	close(there)
	<-back
	wg.Wait()
	l.addUp()
	return ns
}

func lagChan(n int) float64 { return exchange(n) }

// compute for so many nanoseconds.
func compute(ns int64) {
	x := uint64(1)
	for end := now() + ns; now() < end; {
		x = work(x)
	}
	hogged.Store(x)
}

var hogged atomic.Uint64

// Who sends computes on, for 100 us.
func lagChanBusy(n int) float64 {
	there := make(chan int64, 128)
	var wg sync.WaitGroup
	wg.Go(func() {
		var l lags
		for sent := range there {
			l.note(now() - sent)
		}
		l.addUp()
	})
	start := time.Now()
	for range n {
		there <- now()
		compute(100_000)
	}
	ns := perOp(start, n)
	close(there)
	wg.Wait()
	return ns
}

// hog computes for 10 ms at a time, and lets others run in between.
func hog(over *atomic.Bool) {
	for !over.Load() {
		compute(10_000_000)
		runtime.Gosched()
	}
}

func lagChanHog(n int) float64 { return exchange(n, hog) }

// blocker blocks its thread for a millisecond at a time, in a system call.
func blocker(over *atomic.Bool) {
	for !over.Load() {
		syscall.Nanosleep(&syscall.Timespec{Nsec: 1_000_000}, nil)
		runtime.Gosched()
	}
}

func lagChanBlocking(n int) float64 {
	others := make([]func(*atomic.Bool), 4*runtime.GOMAXPROCS(0))
	for i := range others {
		others[i] = blocker
	}
	return exchange(n, others...)
}

// From the start of a short task to its first instruction, beside a hog.
func lagSpawnHog(n int) float64 {
	const atOnce = 100
	var l lags
	var over atomic.Bool
	var done, others sync.WaitGroup
	others.Go(func() { hog(&over) })
	start := time.Now()
	for range n / atOnce {
		done.Add(atOnce)
		for range atOnce {
			sent := now()
			go func() {
				atomic.AddUint32(&l[lagBucket(now()-sent)], 1)
				done.Done()
			}()
		}
		done.Wait()
	}
	ns := perOp(start, n/atOnce*atOnce)
	over.Store(true)
	others.Wait()
	l.addUp()
	return ns
}
