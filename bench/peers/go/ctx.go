// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// n tasks wait on one context; from its cancellation to their last return.
func ctxCancelFan(n int) float64 {
	var total time.Duration
	rounds := fanRounds(n)
	for i := 0; i < rounds; {
		if elapsed, together := cancelFan(n); together {
			total += elapsed
			i++
		}
	}
	return float64(total.Nanoseconds()) / float64(rounds) / float64(n)
}

// together is false when one came only after the cancellation: it never waited.
func cancelFan(n int) (elapsed time.Duration, together bool) {
	ctx, cancel := context.WithCancel(context.Background())
	var arrived, returned sync.WaitGroup
	var late atomic.Int64
	arrived.Add(n)
	returned.Add(n)
	waiter := func() {
		arrived.Done()
		if ctx.Err() != nil {
			late.Add(1)
		}
		<-ctx.Done()
		returned.Done()
	}
	for range n {
		go waiter()
	}
	arrived.Wait()
	settle()
	start := time.Now()
	cancel()
	returned.Wait()
	return time.Since(start), late.Load() == 0
}
