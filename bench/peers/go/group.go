// SPDX-License-Identifier: MIT

package main

import (
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"
)

func groupGo(n int) float64 {
	var g errgroup.Group
	task := func() error { return nil }
	start := time.Now()
	for range n {
		g.Go(task)
	}
	if err := g.Wait(); err != nil {
		fail(err.Error())
	}
	return perOp(start, n)
}

// Not the idiom, but the fastest form: see spawnBatch.
func groupGoYield(n int) float64 {
	var g errgroup.Group
	task := func() error { return nil }
	start := time.Now()
	for i := range n {
		g.Go(task)
		if i%spawnBatch == 0 {
			runtime.Gosched()
		}
	}
	if err := g.Wait(); err != nil {
		fail(err.Error())
	}
	return perOp(start, n)
}
