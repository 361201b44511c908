// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/singleflight"
)

// What an operation costs as the number of things grows: average of rounds.
func repeatTimed(n int, run func(int) time.Duration) float64 {
	var total time.Duration
	rounds := fanRounds(n)
	for range rounds {
		total += run(n)
	}
	return float64(total.Nanoseconds()) / float64(rounds) / float64(n)
}

// n tasks wait on a cond; from its broadcast to their last return.
func growthWaiters(n int) float64 { return repeatTimed(n, broadcast) }

func broadcast(n int) time.Duration {
	var mu sync.Mutex
	cond := sync.NewCond(&mu)
	arrived, open := 0, false
	var returned sync.WaitGroup
	returned.Add(n)
	task := func() {
		mu.Lock()
		arrived++
		for !open {
			cond.Wait()
		}
		mu.Unlock()
		returned.Done()
	}
	for range n {
		go task()
	}
	for here := 0; here < n; {
		runtime.Gosched()
		mu.Lock()
		here = arrived
		mu.Unlock()
	}
	start := time.Now()
	mu.Lock()
	open = true
	cond.Broadcast()
	mu.Unlock()
	returned.Wait()
	return time.Since(start)
}

// n keys are in flight at once: the tasks that lead wait at a gate.
func growthKeys(n int) float64 {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = strconv.Itoa(i)
	}
	return repeatTimed(n, func(int) time.Duration { return flyKeys(keys) })
}

func flyKeys(keys []string) time.Duration {
	n := len(keys)
	var g singleflight.Group
	var gate, leading, returned sync.WaitGroup
	gate.Add(1)
	leading.Add(n)
	returned.Add(n)
	wait := func() (any, error) {
		leading.Done()
		gate.Wait()
		return answer, nil
	}
	start := time.Now()
	for _, key := range keys {
		go func() {
			if v, _, _ := g.Do(key, wait); v != answer {
				fail("wrong answer")
			}
			returned.Done()
		}()
	}
	leading.Wait()
	gate.Done()
	returned.Wait()
	return time.Since(start)
}

func growthCtxDeep(n int) float64 { return cancelTree(n, true) }
func growthCtxWide(n int) float64 { return cancelTree(n, false) }

// Begin n contexts, cancel the first of all, end them: per context.
func cancelTree(n int, deep bool) float64 {
	contexts := make([]context.Context, n)
	cancels := make([]context.CancelFunc, n)
	rounds := fanRounds(n)
	start := time.Now()
	for range rounds {
		root, cancel := context.WithCancel(context.Background())
		parent := root
		for i := range contexts {
			contexts[i], cancels[i] = context.WithCancel(parent)
			if deep {
				parent = contexts[i]
			}
		}
		cancel()
		for i := n - 1; i >= 0; i-- {
			if contexts[i].Err() == nil {
				fail("a context outlived the first")
			}
			cancels[i]()
		}
	}
	return perOp(start, n*rounds)
}

// n timers are set, then all are stopped: per timer.
func growthTimers(n int) float64 {
	timers := make([]*time.Timer, n)
	never := func() { fail("a timer of an hour went off") }
	rounds := fanRounds(n)
	start := time.Now()
	for range rounds {
		for i := range timers {
			timers[i] = time.AfterFunc(time.Hour, never)
		}
		for _, timer := range timers {
			if !timer.Stop() {
				fail("a timer of an hour went off")
			}
		}
	}
	return perOp(start, n*rounds)
}

func allowDescriptors(n int) {
	var limit syscall.Rlimit
	syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	wanted := uint64(n) + 64
	if limit.Cur >= wanted {
		return
	}
	limit.Cur, limit.Max = wanted, max(wanted, limit.Max)
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		skip("so many descriptors are not allowed here")
	}
}

// n tasks wait for a descriptor each; all become ready: per descriptor.
func growthDescriptors(n int) float64 {
	const nonblock = syscall.O_NONBLOCK | syscall.O_CLOEXEC
	allowDescriptors(n)
	var arrived, returned sync.WaitGroup
	arrived.Add(n)
	returned.Add(n)
	fds := make([]int, n)
	files := make([]*os.File, n)
	for i := range n {
		fd, _, errno := syscall.Syscall(syscall.SYS_EVENTFD2, 0, nonblock, 0)
		if errno != 0 {
			fail("eventfd: " + errno.Error())
		}
		fds[i], files[i] = int(fd), os.NewFile(fd, "event")
		conn, err := files[i].SyscallConn()
		if err != nil {
			fail(err.Error())
		}
		go func() {
			waited := false
			err := conn.Read(func(uintptr) bool {
				if waited {
					return true // not read, as in the others
				}
				waited = true
				arrived.Done()
				return false
			})
			if err != nil {
				fail(err.Error())
			}
			returned.Done()
		}()
	}
	arrived.Wait()
	settle()
	one := [8]byte{1}
	start := time.Now()
	for _, fd := range fds {
		if written, err := syscall.Write(fd, one[:]); written != len(one) {
			fail(err.Error())
		}
	}
	returned.Wait()
	ns := perOp(start, n)
	for _, file := range files {
		file.Close()
	}
	return ns
}
