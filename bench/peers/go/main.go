// SPDX-License-Identifier: MIT

// Command gobench is the subject "go" of weft's benchmarks: the work of
// ../../*.c, written as Go's own users would write it for speed.
//
//	gobench BENCH --n N --procs P
//
// runs BENCH over N operations with GOMAXPROCS=P, the first pass to warm up, then
// three to five, fewer if they take long, and prints one line of JSON about the
// middle one.
package main

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"
)

type bench struct {
	run  func(n int) float64 // nanoseconds per operation
	cold bool                // a warm pass would hide what is measured
}

var benches = map[string]bench{
	"spawn_join":          {run: spawnJoin},
	"spawn_join_yield":    {run: spawnJoinYield},
	"spawn_tree":          {run: spawnTree},
	"sleepers":            {run: sleepers},
	"idle":                {run: idle},
	"blocked_rss":         {run: blockedRSS, cold: true},
	"blocked_rss_3k":      {run: blockedRSS3k, cold: true},
	"blocked_rss_12k":     {run: blockedRSS12k, cold: true},
	"group_go":            {run: groupGo},
	"group_go_yield":      {run: groupGoYield},
	"group_limit16":       {run: groupLimit16},
	"group_ctx_fan10":     {run: groupCtxFan10},
	"once_hit":            {run: onceHit},
	"once_value_hit":      {run: onceValueHit},
	"waitgroup_add_done":  {run: waitgroupAddDone},
	"mutex_uncontended":   {run: mutexUncontended},
	"mutex_contended_0":   {run: mutexContended0},
	"mutex_contended_100": {run: mutexContended100},
	"rwmutex_read":        {run: rwmutexRead},
	"rwmutex_mixed":       {run: rwmutexMixed},
	"cond_pingpong":       {run: condPingpong},
	"cond_barrier32":      {run: condBarrier32},
	"cond_barrier1000":    {run: condBarrier1000},
	"chan_pingpong":       {run: chanPingpong},
	"chan_buffered128":    {run: chanBuffered128},
	"select_pingpong":     {run: selectPingpong},
	"skynet":              {run: skynet},
	"fd_pingpong":         {run: fdPingpong},
	"fd_echo100":          {run: fdEcho100},
	"fd_serve100":         {run: fdServe100},
	"flight_solo":         {run: flightSolo},
	"flight_keys":         {run: flightKeys},
	"flight_hot":          {run: flightHot},
	"flight_stampede":     {run: flightStampede},
	"ctx_cancel_fan":      {run: ctxCancelFan},
	"lag_mutex_0":         {run: lagMutex0},
	"lag_mutex_100":       {run: lagMutex100},
	"lag_cond":            {run: lagCond},
	"lag_flight":          {run: lagFlight},
	"lag_chan":            {run: lagChan},
	"lag_chan_hog":        {run: lagChanHog},
	"lag_chan_blocking":   {run: lagChanBlocking},
	"lag_chan_busy":       {run: lagChanBusy},
	"lag_chan_silent":     {run: lagChanBlocking},
	"lag_spawn_hog":       {run: lagSpawnHog},
	"growth_spawn":        {run: growthSpawn},
	"growth_spawn_yield":  {run: growthSpawnYield},
	"growth_waiters":      {run: growthWaiters},
	"growth_keys":         {run: growthKeys},
	"growth_ctx_deep":     {run: growthCtxDeep},
	"growth_ctx_wide":     {run: growthCtxWide},
	"growth_timers":       {run: growthTimers},
	"growth_descriptors":  {run: growthDescriptors},
}

type result struct {
	Bench   string   `json:"bench"`
	N       int      `json:"n"`
	Ns      float64  `json:"ns_per_op"`
	Cold    *float64 `json:"cold_ns_per_op,omitempty"`
	Kept    *int64   `json:"kept_bytes,omitempty"`
	Calls   *float64 `json:"calls_per_op,omitempty"`
	P50     int64    `json:"p50_ns,omitempty"`
	P99     int64    `json:"p99_ns,omitempty"`
	P999    int64    `json:"p999_ns,omitempty"`
	RSS     int64    `json:"rss_bytes"`
	CPU     float64  `json:"cpu_seconds"`
	Workers int      `json:"workers"`
	Version string   `json:"version"`
}

// residentEach is set by a bench that measures memory: bytes per operation;
// keptEach by one that looks what stays, keptAfter the end of all.
var residentEach, keptEach int64 = 0, -1

// cpuOfPart is set by a bench of whose pass only a part counts, callsEach by one
// whose operations share calls: how many were made for each.
var cpuOfPart, callsEach = -1.0, -1.0

// keptAfter is how long after its end a bench of n things looks what stays.
func keptAfter(n int) time.Duration { return time.Duration(3+n/125_000) * time.Second }

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
	passes := 1
	if !b.cold {
		cold := b.run(*n)
		r.Cold = &cold
		passes = 5
	}
	allLags = lags{}
	middle := b.middleOf(passes, *n)
	r.Ns, r.CPU = middle.ns, middle.cpu
	r.RSS = statusBytes("VmHWM")
	if residentEach != 0 {
		r.RSS = residentEach
	}
	if keptEach >= 0 {
		r.Kept = &keptEach
	}
	if callsEach >= 0 {
		r.Calls = &callsEach
	}
	r.P50, r.P99, r.P999 = allLags.percentile(2), allLags.percentile(100), allLags.percentile(1000)
	json.NewEncoder(os.Stdout).Encode(r)
}

type pass struct{ ns, cpu float64 }

func (b bench) pass(n int) pass {
	before := cpuSeconds()
	ns := b.run(n)
	if cpuOfPart >= 0 {
		return pass{ns, cpuOfPart}
	}
	return pass{ns, cpuSeconds() - before}
}

// middleOf runs up to so many passes, see ../../bench.c.
func (b bench) middleOf(passes, n int) pass {
	var all []pass
	start, limit := time.Now(), time.Second
	for len(all) == 0 || len(all) < passes && time.Since(start) < limit {
		all = append(all, b.pass(n))
		if len(all) == 3 {
			limit = 200 * time.Millisecond
		}
	}
	slices.SortFunc(all, func(one, other pass) int { return cmp.Compare(one.ns, other.ns) })
	return all[(len(all)-1)/2]
}

// skip ends a bench that this machine cannot do: not a failure, but named.
func skip(why string) {
	fmt.Fprintln(os.Stderr, why)
	os.Exit(77)
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

func resident() int64 { return statusBytes("VmRSS") + statusBytes("VmPTE") }

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
