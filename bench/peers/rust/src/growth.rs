// SPDX-License-Identifier: MIT

//! What an operation costs as the number of things grows.

use crate::measure::*;
use std::future::Future;
use std::os::fd::{FromRawFd, OwnedFd};
use std::pin::{Pin, pin};
use std::process::exit;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::time::{Sleep, sleep};
use tokio_util::sync::CancellationToken;

pub fn rows() -> Vec<Row> {
    vec![
        row("growth_waiters", |n| Box::pin(repeat(n, move || broadcast(n)))),
        row("growth_ctx_deep", |n| Box::pin(cancel_tree(n, true))),
        row("growth_ctx_wide", |n| Box::pin(cancel_tree(n, false))),
        row("growth_timers", |n| Box::pin(timers(n))),
        row("growth_descriptors", |n| Box::pin(descriptors(n))),
    ]
}

/// n tasks wait for one Notify; from its broadcast to their last return.
async fn broadcast(n: usize) -> Duration {
    let gate = leak(Notify::new());
    let (arrived, returned) = (Countdown::new(n), Countdown::new(n));
    for _ in 0..n {
        tokio::spawn(async move {
            let mut open = pin!(gate.notified());
            open.as_mut().enable();
            arrived.done();
            open.await;
            returned.done();
        });
    }
    arrived.wait().await;
    let start = Instant::now();
    gate.notify_waiters();
    returned.wait().await;
    start.elapsed()
}

/// Begin n contexts, cancel the first of all, end them: per context.
async fn cancel_tree(n: usize, deep: bool) -> f64 {
    let rounds = fan_rounds(n);
    let start = Instant::now();
    for _ in 0..rounds {
        let root = CancellationToken::new();
        let mut contexts: Vec<CancellationToken> = Vec::with_capacity(n);
        for _ in 0..n {
            let parent = contexts.last().filter(|_| deep).unwrap_or(&root);
            contexts.push(parent.child_token());
        }
        root.cancel();
        while let Some(context) = contexts.pop() {
            assert!(context.is_cancelled());
        }
    }
    per_op(start, n * rounds)
}

/// n timers are set, then all are stopped: per timer. A Sleep is set when it is first polled.
async fn timers(n: usize) -> f64 {
    let rounds = fan_rounds(n);
    let mut context = Context::from_waker(Waker::noop());
    let start = Instant::now();
    for _ in 0..rounds {
        let mut timers: Vec<Pin<Box<Sleep>>> = Vec::with_capacity(n);
        for _ in 0..n {
            let mut timer = Box::pin(sleep(Duration::from_secs(3600)));
            assert!(timer.as_mut().poll(&mut context).is_pending());
            timers.push(timer);
        }
    }
    per_op(start, n * rounds)
}

fn allow_descriptors(n: usize) {
    let mut limit = unsafe { std::mem::zeroed::<libc::rlimit>() };
    let wanted = n as u64 + 64;
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    if limit.rlim_cur < wanted {
        limit.rlim_cur = wanted;
        limit.rlim_max = limit.rlim_max.max(wanted);
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) } != 0 {
            eprintln!("so many descriptors are not allowed here");
            exit(77);
        }
    }
}

/// n tasks wait for a descriptor each; all become ready: per descriptor.
async fn descriptors(n: usize) -> f64 {
    allow_descriptors(n);
    let (arrived, returned) = (Countdown::new(n), Countdown::new(n));
    let mut fds = Vec::with_capacity(n);
    for _ in 0..n {
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK) };
        assert!(fd >= 0);
        fds.push(fd);
        let event = unsafe { AsyncFd::register(OwnedFd::from_raw_fd(fd)) }.unwrap();
        tokio::spawn(async move {
            arrived.done();
            event.readable().await.unwrap().retain_ready();
            returned.done();
        });
    }
    arrived.wait().await;
    settle().await;
    let one = 1u64;
    let start = Instant::now();
    for fd in fds {
        assert_eq!(unsafe { libc::write(fd, (&raw const one).cast(), 8) }, 8);
    }
    returned.wait().await;
    per_op(start, n)
}
