//! Runs the studies: `cargo run --release --example validate -- --help`.

// A face for studies: what none of them uses today is still part of it.
#[allow(dead_code)]
mod fit;
#[allow(dead_code)]
mod report;
#[allow(dead_code)]
mod studies;

fn main() {}
