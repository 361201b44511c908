// SPDX-License-Identifier: MIT

use crate::measure::*;
use std::pin::pin;
use std::time::Instant;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub fn rows() -> Vec<Row> {
    vec![
        row("chan_pingpong", |n| Box::pin(chan_pingpong(n))),
        row("select_pingpong", |n| Box::pin(select_pingpong(n))),
        row("chan_buffered128", |n| Box::pin(chan_buffered128(n))),
    ]
}

/// tokio's smallest channel has room for one.
async fn chan_pingpong(n: usize) -> f64 {
    let ((there, mut here), (back, mut home)) = (mpsc::channel(1), mpsc::channel(1));
    tokio::spawn(async move {
        while let Some(ball) = here.recv().await {
            back.send(ball).await.unwrap();
        }
    });
    let start = Instant::now();
    for i in 0..n {
        there.send(i).await.unwrap();
        home.recv().await.unwrap();
    }
    per_op(start, n)
}

/// The same where both are ready to be told to stop, as servers are.
async fn select_pingpong(n: usize) -> f64 {
    let ((there, mut here), (back, mut home)) = (mpsc::channel(1), mpsc::channel(1));
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tokio::spawn(async move {
        let mut told = pin!(stopped.cancelled());
        loop {
            tokio::select! {
                biased;
                Some(ball) = here.recv() => back.send(ball).await.unwrap(),
                _ = &mut told => return,
            }
        }
    });
    let mut told = pin!(stop.cancelled());
    let start = Instant::now();
    for i in 0..n {
        there.send(i).await.unwrap();
        tokio::select! {
            biased;
            Some(_) = home.recv() => {}
            _ = &mut told => panic!("stopped too early"),
        }
    }
    let ns = per_op(start, n);
    stop.cancel();
    ns
}

async fn chan_buffered128(n: usize) -> f64 {
    let (sender, mut receiver) = mpsc::channel(128);
    let start = Instant::now();
    tokio::spawn(async move {
        for i in 0..n {
            sender.send(i).await.unwrap();
        }
    });
    let mut sum = 0;
    while let Some(value) = receiver.recv().await {
        sum += value;
    }
    let ns = per_op(start, n);
    assert_eq!(sum, n * (n - 1) / 2);
    ns
}
