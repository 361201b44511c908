// SPDX-License-Identifier: MIT

//! How long a hand-over takes, not on average but for the unlucky.

use crate::lock::LOCKERS;
use crate::measure::*;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc};
use tokio::task::{JoinHandle, spawn_blocking, yield_now};

pub fn rows() -> Vec<Row> {
    vec![
        row("lag_mutex_0", |n| Box::pin(lag_mutex(n, |_| 0))),
        row("lag_mutex_100", |n| Box::pin(lag_mutex(n, work))),
        row("lag_cond", |n| Box::pin(lag_cond(n))),
        row("lag_chan", |n| Box::pin(exchange(n, |_| Vec::new()))),
        row("lag_chan_busy", |n| Box::pin(lag_chan_busy(n))),
        row("lag_chan_hog", |n| Box::pin(exchange(n, |over| vec![tokio::spawn(hog(over))]))),
        row("lag_chan_blocking", |n| Box::pin(exchange(n, blockers))),
        row("lag_spawn_hog", |n| Box::pin(lag_spawn_hog(n))),
    ]
}

/// From asking for a mutex to holding it, by one of 64 tasks.
async fn lag_mutex(n: usize, work: fn(u64) -> u64) -> f64 {
    let guarded = Arc::new(Mutex::new(0));
    let each = n / LOCKERS;
    let start = Instant::now();
    let all = Countdown::new(LOCKERS);
    for _ in 0..LOCKERS {
        let guarded = guarded.clone();
        tokio::spawn(async move {
            let mut lags = Lags::new();
            for _ in 0..each {
                let asked = now();
                let mut inside = guarded.lock().unwrap();
                let held = now();
                *inside = work(*inside);
                drop(inside);
                lags.note(held - asked);
            }
            lags.add_up();
            all.done();
        });
    }
    all.wait().await;
    per_op(start, each * LOCKERS)
}

/// From the notification to the return of the wait.
async fn lag_cond(n: usize) -> f64 {
    let turns = Arc::new([Notify::new(), Notify::new()]);
    let signalled = Arc::new(Mutex::new(now()));
    turns[0].notify_one();
    let start = Instant::now();
    let both = Countdown::new(2);
    for me in 0..2 {
        let (turns, signalled) = (turns.clone(), signalled.clone());
        tokio::spawn(async move {
            let mut lags = Lags::new();
            for _ in 0..n / 2 {
                turns[me].notified().await;
                {
                    let mut signalled = signalled.lock().unwrap();
                    lags.note(now() - *signalled);
                    *signalled = now();
                }
                turns[1 - me].notify_one();
            }
            lags.add_up();
            both.done();
        });
    }
    both.wait().await;
    per_op(start, n / 2 * 2)
}

type Over = Arc<AtomicBool>;

/// Two tasks send each other the time; beside them there may be others.
async fn exchange(n: usize, others: fn(Over) -> Vec<JoinHandle<()>>) -> f64 {
    let ((there, mut here), (back, mut home)) = (mpsc::channel(1), mpsc::channel(1));
    let over = Over::default();
    let others = others(over.clone());
    let other = tokio::spawn(async move {
        let mut lags = Lags::new();
        while let Some(sent) = here.recv().await {
            let now = now();
            lags.note(now - sent);
            back.send(now).await.unwrap();
        }
        lags.add_up();
    });
    let mut lags = Lags::new();
    let start = Instant::now();
    for _ in 0..n {
        there.send(now()).await.unwrap();
        let sent = home.recv().await.unwrap();
        lags.note(now() - sent);
    }
    let ns = per_op(start, n);
    over.store(true, Relaxed);
    drop(there);
    other.await.unwrap();
    for other in others {
        other.await.unwrap();
    }
    lags.add_up();
    ns
}

fn compute(time: Duration) {
    let mut x = 1;
    let end = Instant::now() + time;
    while Instant::now() < end {
        x = work(x);
    }
    black_box(x);
}

/// Who sends computes on, for 100 us.
async fn lag_chan_busy(n: usize) -> f64 {
    let (there, mut here) = mpsc::channel(128);
    let reader = tokio::spawn(async move {
        let mut lags = Lags::new();
        while let Some(sent) = here.recv().await {
            lags.note(now() - sent);
        }
        lags.add_up();
    });
    let start = Instant::now();
    for _ in 0..n {
        there.send(now()).await.unwrap();
        compute(Duration::from_micros(100));
    }
    let ns = per_op(start, n);
    drop(there);
    reader.await.unwrap();
    ns
}

/// Computes for 10 ms at a time, and lets others run in between.
async fn hog(over: Over) {
    while !over.load(Relaxed) {
        compute(Duration::from_millis(10));
        yield_now().await;
    }
}

/// Blocks a thread for a millisecond at a time: one that tokio keeps for that.
fn blockers(over: Over) -> Vec<JoinHandle<()>> {
    let blocker = |over: Over| async move {
        while !over.load(Relaxed) {
            spawn_blocking(|| std::thread::sleep(Duration::from_millis(1))).await.unwrap();
        }
    };
    (0..4 * procs()).map(|_| tokio::spawn(blocker(over.clone()))).collect()
}

/// From the start of a short task to its first instruction, beside a hog.
async fn lag_spawn_hog(n: usize) -> f64 {
    const AT_ONCE: usize = 100;
    let over = Over::default();
    let other = tokio::spawn(hog(over.clone()));
    let start = Instant::now();
    for _ in 0..n / AT_ONCE {
        let all = Countdown::new(AT_ONCE);
        for _ in 0..AT_ONCE {
            let sent = now();
            tokio::spawn(async move {
                Lags::note_one(now() - sent);
                all.done();
            });
        }
        all.wait().await;
    }
    let ns = per_op(start, n / AT_ONCE * AT_ONCE);
    over.store(true, Relaxed);
    other.await.unwrap();
    ns
}
