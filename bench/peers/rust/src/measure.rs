// SPDX-License-Identifier: MIT

//! What all benches share: the passes, the clock, the counts, the line of JSON.

use std::arch::asm;
use std::fs::read_to_string;
use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicUsize, Ordering::*};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

/// A bench does n operations and returns the nanoseconds that each took.
pub type Pass = Pin<Box<dyn Future<Output = f64> + Send>>;

#[derive(Clone, Copy)]
pub enum Run {
    /// In a task of the runtime.
    Task(fn(usize) -> Pass),
    /// Before there is a runtime.
    Bare(fn(usize) -> f64),
}

#[derive(Clone, Copy)]
pub struct Row {
    pub name: &'static str,
    pub run: Run,
    /// A warm pass would hide what is measured.
    pub cold: bool,
}

pub fn row(name: &'static str, run: fn(usize) -> Pass) -> Row {
    Row { name, run: Run::Task(run), cold: false }
}

pub struct Bench {
    pub n: usize,
    pub procs: usize,
    pub cold: bool,
}

static PROCS: AtomicUsize = AtomicUsize::new(1);

pub fn procs() -> usize {
    PROCS.load(Relaxed)
}

pub fn runtime() -> Runtime {
    let mut builder = match procs() {
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    builder.worker_threads(procs()).enable_all().build().unwrap()
}

/// Set by a bench that measures memory: bytes per operation, and those that stay.
pub static RESIDENT_EACH: AtomicI64 = AtomicI64::new(0);
pub static KEPT_EACH: AtomicI64 = AtomicI64::new(-1);

/// Set by a bench of whose pass only a part counts: nanoseconds of CPU time.
pub static CPU_OF_PART: AtomicI64 = AtomicI64::new(-1);

/// After the first: so many, unless they take longer than that; but so few unless even longer.
const PASSES: usize = 5;
const PASSES_TIME: Duration = Duration::from_millis(200);
const FEW_PASSES: usize = 3;
const FEW_PASSES_TIME: Duration = Duration::from_secs(1);

/// How long after its end a bench of n things looks what stays.
pub fn kept_after(n: usize) -> Duration {
    Duration::from_secs(3 + n as u64 / 125_000)
}

impl Bench {
    fn pass(&self, runtime: Option<&Runtime>, run: Run) -> f64 {
        match (run, runtime) {
            (Run::Task(run), Some(runtime)) => {
                let pass = run(self.n);
                runtime.block_on(async { tokio::spawn(pass).await.unwrap() })
            }
            (Run::Bare(run), _) => run(self.n),
            (Run::Task(_), None) => unreachable!(),
        }
    }

    pub fn measure(&self, row: Row) {
        PROCS.store(self.procs, Relaxed);
        let runtime = matches!(row.run, Run::Task(_)).then(runtime);
        let cold = (!self.cold).then(|| self.pass(runtime.as_ref(), row.run));
        Lags::reset();
        let (ns, cpu) = self.middle(runtime.as_ref(), row.run);
        self.report(row.name, ns, cold, cpu as f64 / 1e9);
    }

    /// Of up to so many passes, see ../../../bench.c: its time and CPU time.
    fn middle(&self, runtime: Option<&Runtime>, run: Run) -> (f64, i64) {
        let most = if self.cold { 1 } else { PASSES };
        let mut all = Vec::new();
        let start = Instant::now();
        let limit = |count| if count < FEW_PASSES { FEW_PASSES_TIME } else { PASSES_TIME };
        while all.is_empty() || (all.len() < most && start.elapsed() < limit(all.len())) {
            let before = cpu_ns();
            let ns = self.pass(runtime, run);
            let cpu = match CPU_OF_PART.load(Relaxed) {
                -1 => cpu_ns() - before,
                part => part,
            };
            all.push((ns, cpu));
        }
        all.sort_by(|one, other| one.0.total_cmp(&other.0));
        all[(all.len() - 1) / 2]
    }

    fn report(&self, name: &str, ns: f64, cold: Option<f64>, cpu: f64) {
        let rss = match RESIDENT_EACH.load(Relaxed) {
            0 => status_bytes("VmHWM"),
            each => each,
        };
        let mut more = String::new();
        if let Some(cold) = cold {
            more += &format!("\"cold_ns_per_op\":{cold:.3},");
        }
        if KEPT_EACH.load(Relaxed) >= 0 {
            more += &format!("\"kept_bytes\":{},", KEPT_EACH.load(Relaxed));
        }
        if let Some([p50, p99, p999]) = Lags::percentiles() {
            more += &format!("\"p50_ns\":{p50},\"p99_ns\":{p99},\"p999_ns\":{p999},");
        }
        println!(
            "{{\"bench\":\"{name}\",\"n\":{},\"ns_per_op\":{ns:.3},{more}\"rss_bytes\":{rss},\
             \"cpu_seconds\":{cpu:.6},\"workers\":{},\"version\":\"{}\"}}",
            self.n, self.procs, VERSION
        );
    }
}

const VERSION: &str = env!("BENCH_VERSION");

pub fn per_op(start: Instant, n: usize) -> f64 {
    start.elapsed().as_nanos() as f64 / n as f64
}

/// How often a fan of n waiters is repeated inside one run.
pub fn fan_rounds(n: usize) -> usize {
    (100_000 / n).clamp(1, 20_000)
}

/// The average of as many rounds as that, per waiter; run returns nanoseconds.
pub async fn repeat<F: Future<Output = Duration>>(n: usize, run: impl Fn() -> F) -> f64 {
    let rounds = fan_rounds(n);
    let mut total = Duration::ZERO;
    for _ in 0..rounds {
        total += run().await;
    }
    total.as_nanos() as f64 / rounds as f64 / n as f64
}

/// Let tasks that have announced a blocking call go on to block in it.
pub async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// What tasks share for the whole run: no count of who still has it goes up and down for each.
pub fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// Waits for a number of tasks without a handle for each.
pub struct Countdown {
    left: AtomicUsize,
    zero: Notify,
}

impl Countdown {
    pub fn new(count: usize) -> &'static Self {
        leak(Countdown { left: AtomicUsize::new(count), zero: Notify::new() })
    }

    pub fn done(&self) {
        if self.left.fetch_sub(1, AcqRel) == 1 {
            self.zero.notify_one();
        }
    }

    pub async fn wait(&self) {
        self.zero.notified().await;
    }
}

/// About 100 ns that no compiler can shorten.
pub fn work(mut x: u64) -> u64 {
    for _ in 0..70 {
        x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        // SAFETY: it is empty. It keeps two steps from being made one.
        unsafe { asm!("/* {} */", inout(reg) x) };
    }
    x
}

/// How long many things took, as ../../bench.h counts it: 16 buckets an octave.
pub struct Lags([u32; LAG_BUCKETS]);

const LAG_BUCKETS: usize = 16 * 45;
static ALL_LAGS: [AtomicU32; LAG_BUCKETS] = [const { AtomicU32::new(0) }; LAG_BUCKETS];

fn lag_bucket(ns: u64) -> usize {
    if ns < 32 {
        return ns as usize;
    }
    let octave = ns.ilog2() as usize;
    (16 * (octave - 3) + (ns >> (octave - 4) & 15) as usize).min(LAG_BUCKETS - 1)
}

impl Lags {
    pub fn new() -> Self {
        Lags([0; LAG_BUCKETS])
    }

    pub fn note(&mut self, lag: Duration) {
        self.0[lag_bucket(lag.as_nanos() as u64)] += 1;
    }

    /// Counts one lag at once, for tasks that have only one.
    pub fn note_one(lag: Duration) {
        ALL_LAGS[lag_bucket(lag.as_nanos() as u64)].fetch_add(1, Relaxed);
    }

    pub fn add_up(&self) {
        for (all, &count) in ALL_LAGS.iter().zip(&self.0) {
            all.fetch_add(count, Relaxed);
        }
    }

    fn reset() {
        ALL_LAGS.iter().for_each(|count| count.store(0, Relaxed));
    }

    fn percentiles() -> Option<[u64; 3]> {
        let counts: Vec<u64> = ALL_LAGS.iter().map(|count| count.load(Relaxed).into()).collect();
        let total: u64 = counts.iter().sum();
        (total > 0).then(|| [2, 100, 1000].map(|share| percentile(&counts, total / share)))
    }
}

fn percentile(counts: &[u64], mut longer: u64) -> u64 {
    for (bucket, &count) in counts.iter().enumerate().rev() {
        if count > longer {
            let b = bucket as u64;
            return if b < 32 { b } else { (16 + b % 16) << (b / 16 - 1) };
        }
        longer -= count;
    }
    0
}

/// CPU time of this process until now.
pub fn cpu_ns() -> i64 {
    let mut usage = unsafe { std::mem::zeroed::<libc::rusage>() };
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) };
    let ns = |t: libc::timeval| t.tv_sec * 1_000_000_000 + t.tv_usec * 1_000;
    ns(usage.ru_utime) + ns(usage.ru_stime)
}

pub fn resident() -> i64 {
    status_bytes("VmRSS") + status_bytes("VmPTE")
}

fn status_bytes(key: &str) -> i64 {
    let status = read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap();
    let kib: i64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

/// The time since the program began, to be sent from task to task.
pub fn now() -> Duration {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    EPOCH.get_or_init(Instant::now).elapsed()
}
