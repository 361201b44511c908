// SPDX-License-Identifier: MIT

package main

import (
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
)

var answer any = new(int)

func keyNames() (keys [1024]string) {
	for i := range keys {
		keys[i] = "user:" + strconv.Itoa(i)
	}
	return keys
}

func flightSolo(n int) float64 {
	keys := keyNames()
	var g singleflight.Group
	task := func() (any, error) { return answer, nil }
	start := time.Now()
	for i := range n {
		if v, _, _ := g.Do(keys[i%len(keys)], task); v != answer {
			fail("wrong answer")
		}
	}
	return perOp(start, n)
}

// Callers walk through the keys, each from where no other is.
func flightKeys(n int) float64 {
	keys := keyNames()
	callers := 4 * runtime.GOMAXPROCS(0)
	var g singleflight.Group
	task := func() (any, error) { return answer, nil }
	var wg sync.WaitGroup
	start := time.Now()
	for me := range callers {
		first := me * len(keys) / callers
		wg.Go(func() {
			for i := range n / callers {
				if v, _, _ := g.Do(keys[(first+i)%len(keys)], task); v != answer {
					fail("wrong answer")
				}
			}
		})
	}
	wg.Wait()
	return perOp(start, n/callers*callers)
}

const hotCallers = 128

// The call yields once, as a call worth sharing would, so others join it.
func flightHot(n int) float64 {
	var g singleflight.Group
	calls := 0 // of one key, so never two at once
	task := func() (any, error) {
		calls++
		runtime.Gosched()
		return answer, nil
	}
	var wg sync.WaitGroup
	start := time.Now()
	for range hotCallers {
		wg.Go(func() {
			for range n / hotCallers {
				if v, _, _ := g.Do("user:42", task); v != answer {
					fail("wrong answer")
				}
			}
		})
	}
	wg.Wait()
	ns := perOp(start, n/hotCallers*hotCallers)
	callsEach = float64(calls) / float64(n/hotCallers*hotCallers)
	return ns
}

// n callers join one call that blocks; from its release to their last return.
func flightStampede(n int) float64 {
	var total time.Duration
	rounds := fanRounds(n)
	for i := 0; i < rounds; {
		if elapsed, together := stampede(n); together {
			total += elapsed
			i++
		}
	}
	return float64(total.Nanoseconds()) / float64(rounds) / float64(n)
}

// together is false when a caller came only after the release: not a stampede.
func stampede(n int) (elapsed time.Duration, together bool) {
	var g singleflight.Group
	var gate, leading, arrived, returned sync.WaitGroup
	var late atomic.Int64
	gate.Add(1)
	leading.Add(1)
	arrived.Add(n)
	returned.Add(n + 1)
	go func() {
		g.Do("user:42", func() (any, error) {
			leading.Done()
			gate.Wait()
			return answer, nil
		})
		returned.Done()
	}()
	leading.Wait()
	comeLate := func() (any, error) {
		late.Add(1)
		return answer, nil
	}
	caller := func() {
		arrived.Done()
		g.Do("user:42", comeLate)
		returned.Done()
	}
	for range n {
		go caller()
	}
	arrived.Wait()
	settle()
	start := time.Now()
	gate.Done()
	returned.Wait()
	return time.Since(start), late.Load() == 0
}
