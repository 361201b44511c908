// SPDX-License-Identifier: MIT

use crate::measure::*;
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex, Once, RwLock};
use std::time::Instant;
use tokio::sync::{Barrier, Notify};
use tokio_util::task::TaskTracker;

pub fn rows() -> Vec<Row> {
    vec![
        row("once_hit", |n| Box::pin(once_hit(n))),
        row("once_value_hit", |n| Box::pin(once_value_hit(n))),
        row("waitgroup_add_done", |n| Box::pin(waitgroup_add_done(n))),
        row("mutex_uncontended", |n| Box::pin(mutex_uncontended(n))),
        row("mutex_contended_0", |n| Box::pin(contend(n, |_| 0))),
        row("mutex_contended_100", |n| Box::pin(contend(n, work))),
        row("rwmutex_read", |n| Box::pin(rwmutex_read(n))),
        row("rwmutex_mixed", |n| Box::pin(rwmutex_mixed(n))),
        row("cond_pingpong", |n| Box::pin(cond_pingpong(n))),
        row("cond_barrier32", |n| Box::pin(meet(n, 32))),
        row("cond_barrier1000", |n| Box::pin(meet(n, 1000))),
    ]
}

static ONCE: Once = Once::new();
static ONCE_RUNS: AtomicUsize = AtomicUsize::new(0);

async fn once_hit(n: usize) -> f64 {
    let run = || {
        ONCE_RUNS.fetch_add(1, Relaxed);
    };
    ONCE.call_once(run);
    let start = Instant::now();
    for _ in 0..n {
        black_box(&ONCE).call_once(run);
    }
    let ns = per_op(start, n);
    assert_eq!(ONCE_RUNS.load(Relaxed), 1);
    ns
}

static VALUE: LazyLock<usize> = LazyLock::new(|| 1);

async fn once_value_hit(n: usize) -> f64 {
    let mut sum = **black_box(&VALUE);
    let start = Instant::now();
    for _ in 1..n {
        sum += **black_box(&VALUE);
    }
    let ns = per_op(start, n);
    assert_eq!(sum, n);
    ns
}

async fn waitgroup_add_done(n: usize) -> f64 {
    let tracker = TaskTracker::new();
    let start = Instant::now();
    for _ in 0..n {
        drop(black_box(tracker.token()));
    }
    per_op(start, n)
}

/// For a section without an await tokio's manual asks for the standard library's lock.
async fn mutex_uncontended(n: usize) -> f64 {
    let mutex = Mutex::new(());
    let start = Instant::now();
    for _ in 0..n {
        drop(black_box(&mutex).lock().unwrap());
    }
    per_op(start, n)
}

pub const LOCKERS: usize = 64;

async fn contend(n: usize, work: fn(u64) -> u64) -> f64 {
    let guarded = Arc::new(Mutex::new((0, 0)));
    let each = n / LOCKERS;
    let start = Instant::now();
    let all = Countdown::new(LOCKERS);
    for _ in 0..LOCKERS {
        let guarded = guarded.clone();
        tokio::spawn(async move {
            for _ in 0..each {
                let mut inside = guarded.lock().unwrap();
                inside.0 += 1;
                inside.1 = work(inside.1);
            }
            all.done();
        });
    }
    all.wait().await;
    let ns = per_op(start, each * LOCKERS);
    assert_eq!(guarded.lock().unwrap().0, each * LOCKERS);
    ns
}

async fn rwmutex_read(n: usize) -> f64 {
    let lock = RwLock::new(());
    let start = Instant::now();
    for _ in 0..n {
        drop(black_box(&lock).read().unwrap());
    }
    per_op(start, n)
}

async fn rwmutex_mixed(n: usize) -> f64 {
    const WRITE_EVERY: usize = 10;
    let record = Arc::new(RwLock::new((0, 0)));
    let each = n / LOCKERS;
    let start = Instant::now();
    let all = Countdown::new(LOCKERS);
    for _ in 0..LOCKERS {
        let record = record.clone();
        tokio::spawn(async move {
            let mut seen = 0u64;
            for i in (1..=each).rev() {
                if i % WRITE_EVERY == 0 {
                    let mut inside = record.write().unwrap();
                    inside.0 += 1;
                    inside.1 = work(inside.1);
                } else {
                    seen = seen.wrapping_add(work(record.read().unwrap().1));
                }
            }
            black_box(seen);
            all.done();
        });
    }
    all.wait().await;
    let ns = per_op(start, each * LOCKERS);
    assert_eq!(record.read().unwrap().0, each / WRITE_EVERY * LOCKERS);
    ns
}

/// Two tasks hand a turn to each other. There is no cond for tasks; Notify is what is used instead.
async fn cond_pingpong(n: usize) -> f64 {
    let turns = Arc::new([Notify::new(), Notify::new()]);
    turns[0].notify_one();
    let start = Instant::now();
    let both = Countdown::new(2);
    for me in 0..2 {
        let turns = turns.clone();
        tokio::spawn(async move {
            for _ in 0..n / 2 {
                turns[me].notified().await;
                turns[1 - me].notify_one();
            }
            both.done();
        });
    }
    both.wait().await;
    per_op(start, n / 2 * 2)
}

async fn meet(n: usize, parties: usize) -> f64 {
    let barrier = Arc::new(Barrier::new(parties));
    let start = Instant::now();
    let all = Countdown::new(parties);
    for _ in 0..parties {
        let barrier = barrier.clone();
        tokio::spawn(async move {
            for _ in 0..n / parties {
                barrier.wait().await;
            }
            all.done();
        });
    }
    all.wait().await;
    per_op(start, n / parties * parties)
}
