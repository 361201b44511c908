// SPDX-License-Identifier: MIT

//! The subject "tokio" of weft's benchmarks: the work of ../../*.c, written as tokio's own users
//! would write it for speed.
//!
//!     bench-tokio BENCH --n N --procs P
//!
//! runs BENCH over N operations on P workers, the first pass to warm up, then three to five, fewer if
//! they take long, and prints one line of JSON about the middle one. With one worker it is tokio's single-threaded runtime, which is faster.
//! The bench runs in a task: the thread that starts a runtime is no worker where there are several,
//! and where there is one, each wake of what it waits for itself costs a call of the kernel.

mod chan;
mod ctx;
mod fd;
mod growth;
mod lag;
mod lock;
mod measure;
mod task;

use measure::{Bench, Row};
use std::process::exit;

fn rows() -> Vec<Row> {
    [task::rows(), lock::rows(), chan::rows(), ctx::rows(), fd::rows(), growth::rows(), lag::rows()].concat()
}

fn usage() -> ! {
    eprintln!("usage: bench-tokio BENCH --n N --procs P");
    exit(2)
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (mut n, mut procs) = (1000, 1);
    if args.len() < 2 || args.len() % 2 != 0 {
        usage();
    }
    for pair in args[2..].chunks(2) {
        let value = pair[1].parse().ok().filter(|&value| value > 0).unwrap_or_else(|| usage());
        match pair[0].as_str() {
            "--n" => n = value,
            "--procs" => procs = value,
            _ => usage(),
        }
    }
    let row = rows().into_iter().find(|row| row.name == args[1]).unwrap_or_else(|| usage());
    let cold = row.cold;
    let bench = Bench { n, procs, cold };
    bench.measure(row);
}
