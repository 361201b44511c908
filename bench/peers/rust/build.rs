// SPDX-License-Identifier: MIT

//! Tells the program the versions that it is built from, as Cargo.lock pins them.

use std::{env, fs, process::Command};

fn locked(lock: &str, package: &str) -> String {
    let after = lock.split(&format!("name = \"{package}\"\nversion = \"")).nth(1);
    after.and_then(|rest| rest.split('"').next()).unwrap_or("of unknown version").to_string()
}

fn main() {
    println!("cargo:rerun-if-changed=Cargo.lock");
    let lock = fs::read_to_string("Cargo.lock").unwrap_or_default();
    let rustc = Command::new(env::var("RUSTC").unwrap()).arg("--version").output().unwrap();
    let rustc = String::from_utf8_lossy(&rustc.stdout);
    println!(
        "cargo:rustc-env=BENCH_VERSION=tokio {}, tokio-util {}, {}",
        locked(&lock, "tokio"),
        locked(&lock, "tokio-util"),
        rustc.split(" (").next().unwrap_or("rustc"),
    );
}
