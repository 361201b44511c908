// SPDX-License-Identifier: MIT

use crate::measure::*;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

pub fn rows() -> Vec<Row> {
    vec![row("ctx_cancel_fan", |n| Box::pin(repeat(n, move || cancel_together(n))))]
}

/// n tasks wait on one context; from its cancellation to their last return.
async fn cancel_together(n: usize) -> Duration {
    loop {
        if let Some(elapsed) = cancel_fan(n).await {
            return elapsed;
        }
    }
}

/// None when one came only after the cancellation: it never waited.
async fn cancel_fan(n: usize) -> Option<Duration> {
    let ctx = leak(CancellationToken::new());
    let (arrived, returned) = (Countdown::new(n), Countdown::new(n));
    let late = leak(AtomicBool::new(false));
    for _ in 0..n {
        tokio::spawn(async move {
            arrived.done();
            if ctx.is_cancelled() {
                late.store(true, Relaxed);
            }
            ctx.cancelled().await;
            returned.done();
        });
    }
    arrived.wait().await;
    settle().await;
    let start = Instant::now();
    ctx.cancel();
    returned.wait().await;
    let elapsed = start.elapsed();
    (!late.load(Relaxed)).then_some(elapsed)
}
