// SPDX-License-Identifier: MIT

// Command gobench is the subject "go" of weft's benchmarks: the work of
// ../../*.c, written as Go's own users would write it for speed.
//
//	gobench BENCH --n N --procs P
//
// runs BENCH twice over N operations with GOMAXPROCS=P, the first pass to warm
// up, and prints one line of JSON about the second.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
)

type bench struct {
	run  func(n int) float64 // nanoseconds per operation
	cold bool                // memory is measured: a warm pass would hide it
}

var benches = map[string]bench{
	"spawn_join":          {run: spawnJoin},
	"spawn_join_yield":    {run: spawnJoinYield},
	"blocked_rss":         {run: blockedRSS, cold: true},
	"group_go":            {run: groupGo},
	"group_go_yield":      {run: groupGoYield},
	"once_hit":            {run: onceHit},
	"waitgroup_add_done":  {run: waitgroupAddDone},
	"mutex_uncontended":   {run: mutexUncontended},
	"mutex_contended_0":   {run: mutexContended0},
	"mutex_contended_100": {run: mutexContended100},
	"rwmutex_read":        {run: rwmutexRead},
	"rwmutex_mixed":       {run: rwmutexMixed},
	"cond_pingpong":       {run: condPingpong},
	"cond_barrier32":      {run: condBarrier32},
	"chan_pingpong":       {run: chanPingpong},
	"chan_buffered128":    {run: chanBuffered128},
	"select_pingpong":     {run: selectPingpong},
	"flight_solo":         {run: flightSolo},
	"flight_hot":          {run: flightHot},
	"flight_stampede":     {run: flightStampede},
	"ctx_cancel_fan":      {run: ctxCancelFan},
}

type result struct {
	Bench   string   `json:"bench"`
	N       int      `json:"n"`
	Ns      float64  `json:"ns_per_op"`
	Cold    *float64 `json:"cold_ns_per_op,omitempty"`
	RSS     int64    `json:"rss_bytes"`
	CPU     float64  `json:"cpu_seconds"`
	Workers int      `json:"workers"`
	Version string   `json:"version"`
}

// residentEach is set by a bench that measures memory: bytes per operation.
var residentEach int64

func main() {
	if len(os.Args) < 2 {
		fail("usage: gobench BENCH --n N --procs P")
	}
	name := os.Args[1]
	flags := flag.NewFlagSet("gobench", flag.ExitOnError)
	n := flags.Int("n", 1000, "operations")
	procs := flags.Int("procs", 1, "GOMAXPROCS")
	flags.Parse(os.Args[2:])
	b, known := benches[name]
	if !known {
		fail("no bench named " + name)
	}
	if *n < 1 || *procs < 1 {
		fail("--n and --procs must be at least 1")
	}
	runtime.GOMAXPROCS(*procs)

	r := result{Bench: name, N: *n, Workers: *procs, Version: version()}
	if !b.cold {
		cold := b.run(*n)
		r.Cold = &cold
	}
	before := cpuSeconds()
	r.Ns = b.run(*n)
	r.CPU = cpuSeconds() - before
	r.RSS = statusBytes("VmHWM")
	if b.cold {
		r.RSS = residentEach
	}
	json.NewEncoder(os.Stdout).Encode(r)
}

func fail(message string) {
	fmt.Fprintln(os.Stderr, "gobench: "+message)
	os.Exit(2)
}

func perOp(start time.Time, n int) float64 {
	return float64(time.Since(start).Nanoseconds()) / float64(n)
}

// settle lets tasks that have announced a blocking call go on to block in it.
func settle() {
	for range 100 {
		runtime.Gosched()
	}
}

// fanRounds is how often a fan of n waiters is repeated inside one run.
func fanRounds(n int) int { return min(max(1, 100_000/n), 20_000) }

func version() string {
	v := runtime.Version()
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			v += ", " + dep.Path + " " + dep.Version
		}
	}
	return v
}

func cpuSeconds() float64 {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// statusBytes reads one line of /proc/self/status, such as "VmHWM: 1234 kB".
func statusBytes(key string) int64 {
	text, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, key+":"); ok {
			var kib int64
			fmt.Sscan(rest, &kib)
			return kib * 1024
		}
	}
	return 0
}
