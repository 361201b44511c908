// SPDX-License-Identifier: MIT

use crate::measure::*;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

pub fn rows() -> Vec<Row> {
    vec![row("ctx_cancel_fan", |n| Box::pin(repeat(n, move || cancel_fan(n))))]
}

/// n tasks wait on one context; from its cancellation to their last return.
async fn cancel_fan(n: usize) -> Duration {
    let ctx = leak(CancellationToken::new());
    let (arrived, returned) = (Countdown::new(n), Countdown::new(n));
    for _ in 0..n {
        tokio::spawn(async move {
            arrived.done();
            ctx.cancelled().await;
            returned.done();
        });
    }
    arrived.wait().await;
    settle().await;
    let start = Instant::now();
    ctx.cancel();
    returned.wait().await;
    start.elapsed()
}
