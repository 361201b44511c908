// SPDX-License-Identifier: MIT

use crate::measure::*;
use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc};
use tokio::task::{JoinSet, yield_now};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

pub fn rows() -> Vec<Row> {
    vec![
        row("spawn_join", |n| Box::pin(spawn_join(n))),
        row("growth_spawn", |n| Box::pin(growth_spawn(n))),
        row("spawn_tree", |n| Box::pin(spawn_tree(n))),
        row("skynet", |n| Box::pin(skynet(n))),
        row("sleepers", |n| Box::pin(sleepers(n))),
        row("idle", |n| Box::pin(idle(n))),
        Row { name: "start", run: Run::Bare(start), cold: true },
        Row { cold: true, ..row("blocked_rss", |n| Box::pin(blocked_rss::<0>(n))) },
        Row { cold: true, ..row("blocked_rss_3k", |n| Box::pin(blocked_rss::<3072>(n))) },
        Row { cold: true, ..row("blocked_rss_12k", |n| Box::pin(blocked_rss::<12288>(n))) },
        row("group_go", |n| Box::pin(group_go(n))),
        row("group_limit16", |n| Box::pin(group_limit16(n))),
        row("group_ctx_fan10", |n| Box::pin(group_ctx_fan10(n))),
    ]
}

/// Half a local queue: whoever starts tasks and lets others run after as many keeps it from
/// overflowing into the one that all workers share.
const BATCH: usize = 128;

/// Handles that are dropped and one count are faster than a million handles.
async fn spawn_join(n: usize) -> f64 {
    let start = Instant::now();
    let all = Countdown::new(n);
    for i in 0..n {
        tokio::spawn(async { all.done() });
        if i % BATCH == 0 {
            yield_now().await;
        }
    }
    all.wait().await;
    per_op(start, n)
}

async fn growth_spawn(n: usize) -> f64 {
    let mut total = 0.0;
    for _ in 0..fan_rounds(n) {
        total += spawn_join(n).await;
    }
    total / fan_rounds(n) as f64
}

fn grow(leaves: usize) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        if leaves > 1 {
            let half = tokio::spawn(grow(leaves / 2));
            grow(leaves - leaves / 2).await;
            half.await.unwrap();
        }
    })
}

async fn spawn_tree(n: usize) -> f64 {
    let start = Instant::now();
    grow(n).await;
    per_op(start, n)
}

/// tokio has no channel without room; with room for all ten nobody waits to send.
fn skynet_node(
    above: mpsc::Sender<usize>,
    number: usize,
    leaves: usize,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        let mut sum = number;
        if leaves > 1 {
            let (sender, mut below) = mpsc::channel(10);
            for i in 0..10 {
                tokio::spawn(skynet_node(sender.clone(), number + i * (leaves / 10), leaves / 10));
            }
            sum = 0;
            for _ in 0..10 {
                sum += below.recv().await.unwrap();
            }
        }
        above.send(sum).await.unwrap();
    })
}

async fn skynet(n: usize) -> f64 {
    let (sender, mut result) = mpsc::channel(1);
    let start = Instant::now();
    tokio::spawn(skynet_node(sender, 0, n));
    let sum = result.recv().await.unwrap();
    let ns = per_op(start, (10 * n - 1) / 9);
    assert_eq!(sum, n * (n - 1) / 2);
    ns
}

async fn sleepers(n: usize) -> f64 {
    const NAPS: usize = 10;
    let start = Instant::now();
    let all = Countdown::new(n);
    for _ in 0..n {
        tokio::spawn(async move {
            for _ in 0..NAPS {
                sleep(Duration::from_millis(1)).await;
            }
            all.done();
        });
    }
    all.wait().await;
    per_op(start, n * NAPS)
}

async fn idle(n: usize) -> f64 {
    spawn_join(1000).await;
    let (before, start) = (cpu_ns(), Instant::now());
    sleep(Duration::from_secs(1)).await;
    let ns = per_op(start, n);
    CPU_OF_PART.store(cpu_ns() - before, Relaxed);
    ns
}

/// From nothing to the end of the first task.
fn start(n: usize) -> f64 {
    let start = Instant::now();
    let runtime = runtime();
    runtime.block_on(async { tokio::spawn(async {}).await.unwrap() });
    let ns = per_op(start, n);
    runtime.shutdown_background();
    ns
}

/// With so many bytes in a task while it waits.
async fn blocked_rss<const LIVE: usize>(n: usize) -> f64 {
    spawn_join(1000).await;
    let before = resident();
    let gate = leak(Notify::new());
    let (arrived, returned) = (Countdown::new(n), Countdown::new(n));
    let start = Instant::now();
    for _ in 0..n {
        tokio::spawn(async move {
            let locals = black_box([1u8; LIVE]);
            let mut open = std::pin::pin!(gate.notified());
            open.as_mut().enable();
            arrived.done();
            open.await;
            black_box(&locals);
            returned.done();
        });
    }
    arrived.wait().await;
    settle().await;
    let ns = per_op(start, n);
    RESIDENT_EACH.store((resident() - before) / n as i64, Relaxed);
    gate.notify_waiters();
    returned.wait().await;
    // What a program would do that wants the memory back now.
    unsafe { libc::malloc_trim(0) };
    sleep(kept_after(n)).await;
    KEPT_EACH.store((resident() - before).max(0) / n as i64, Relaxed);
    ns
}

/// A JoinSet is what comes nearest to an errgroup.
async fn join_all(set: &mut JoinSet<Result<(), i32>>) {
    while let Some(result) = set.join_next().await {
        result.unwrap().unwrap();
    }
}

async fn group_go(n: usize) -> f64 {
    let mut set = JoinSet::new();
    let start = Instant::now();
    for _ in 0..n {
        if set.len() == BATCH {
            join_all(&mut set).await;
        }
        set.spawn(async { Ok(()) });
    }
    join_all(&mut set).await;
    per_op(start, n)
}

async fn group_limit16(n: usize) -> f64 {
    let mut set: JoinSet<Result<(), i32>> = JoinSet::new();
    let start = Instant::now();
    for _ in 0..n {
        if set.len() == 16 {
            set.join_next().await.unwrap().unwrap().unwrap();
        }
        set.spawn(async { Ok(()) });
    }
    join_all(&mut set).await;
    per_op(start, n)
}

async fn group_ctx_fan10(n: usize) -> f64 {
    let parent = CancellationToken::new();
    let start = Instant::now();
    for _ in 0..n {
        let token = parent.child_token();
        let mut set = JoinSet::new();
        for _ in 0..10 {
            set.spawn(async { Ok(()) });
        }
        join_all(&mut set).await;
        token.cancel();
    }
    per_op(start, n)
}
