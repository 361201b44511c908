// SPDX-License-Identifier: MIT

package main

import (
	"context"
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

func groupLimit16(n int) float64 {
	var g errgroup.Group
	g.SetLimit(16)
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

// A group with a context of its own for ten tasks; one operation is all that.
func groupCtxFan10(n int) float64 {
	parent, cancel := context.WithCancel(context.Background())
	defer cancel()
	task := func() error { return nil }
	start := time.Now()
	for range n {
		g, _ := errgroup.WithContext(parent)
		for range 10 {
			g.Go(task)
		}
		if err := g.Wait(); err != nil {
			fail(err.Error())
		}
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
