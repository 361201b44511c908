// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"sync"
	"time"
)

// n tasks wait on one context; from its cancellation to their last return.
func ctxCancelFan(n int) float64 {
	var total time.Duration
	rounds := fanRounds(n)
	for range rounds {
		total += cancelFan(n)
	}
	return float64(total.Nanoseconds()) / float64(rounds) / float64(n)
}

func cancelFan(n int) time.Duration {
	ctx, cancel := context.WithCancel(context.Background())
	var arrived, returned sync.WaitGroup
	arrived.Add(n)
	returned.Add(n)
	waiter := func() {
		arrived.Done()
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
	return time.Since(start)
}
