// SPDX-License-Identifier: MIT

//! Bytes there and back over sockets; one operation is one round trip.

use crate::measure::*;
use std::env::var;
use std::process::{Command, id};
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

const CONNECTIONS: usize = 100;

pub fn rows() -> Vec<Row> {
    vec![
        row("fd_pingpong", |n| Box::pin(echo_between(n, 1))),
        row("fd_echo100", |n| Box::pin(echo_between(n, CONNECTIONS))),
        row("fd_serve100", |n| Box::pin(serve(n))),
    ]
}

/// With room for more: a read that fills less tells tokio that nothing is left, which saves it a
/// call that would have to find that out.
async fn read_byte(stream: &mut UnixStream) {
    assert_eq!(stream.read(&mut [0; 16]).await.unwrap(), 1);
}

async fn write_byte(stream: &mut UnixStream) {
    stream.write_all(&[0]).await.unwrap();
}

fn ask(mut stream: UnixStream, count: usize, returned: &'static Countdown) {
    tokio::spawn(async move {
        for _ in 0..count {
            write_byte(&mut stream).await;
            read_byte(&mut stream).await;
        }
        returned.done();
    });
}

fn echo(mut stream: UnixStream, count: usize, returned: &'static Countdown) {
    tokio::spawn(async move {
        for _ in 0..count {
            read_byte(&mut stream).await;
            write_byte(&mut stream).await;
        }
        returned.done();
    });
}

async fn echo_between(n: usize, pairs: usize) -> f64 {
    let each = n / pairs;
    let returned = Countdown::new(2 * pairs);
    let sockets: Vec<_> = (0..pairs).map(|_| UnixStream::pair().unwrap()).collect();
    let start = Instant::now();
    for (near, far) in sockets {
        ask(near, each, returned);
        echo(far, each, returned);
    }
    returned.wait().await;
    per_op(start, each * pairs)
}

/// The same where the ones who ask are in another process: ../../clients.c.
async fn serve(n: usize) -> f64 {
    let each = n / CONNECTIONS;
    let name = format!("weft-bench-{}", id());
    let listener = UnixListener::bind(format!("\0{name}")).unwrap();
    let program = var("BENCH_CLIENTS").expect("BENCH_CLIENTS says where bench-clients is");
    let arguments = [name, CONNECTIONS.to_string(), each.to_string()];
    let mut clients = Command::new(program).args(arguments).spawn().unwrap();
    let mut streams = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        let (stream, _) = listener.accept().await.unwrap();
        streams.push(stream);
    }
    for stream in &mut streams {
        write_byte(stream).await;
    }
    let returned = Countdown::new(CONNECTIONS);
    let start = Instant::now();
    for stream in streams {
        echo(stream, each, returned);
    }
    returned.wait().await;
    let ns = per_op(start, each * CONNECTIONS);
    assert!(clients.wait().unwrap().success());
    ns
}
