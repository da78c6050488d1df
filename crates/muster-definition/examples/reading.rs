//! Times the reading of a document: `cargo run --release -p muster-definition --example reading FILE`.

use std::error::Error;
use std::io::Write;

use muster_definition::{Limits, read};

const TIMES: u32 = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("name a document")?;
    let bytes = std::fs::read(&path)?;
    let mut out = std::io::stdout();
    let mut times = Vec::new();
    let mut endpoints = 0;
    for _ in 0..TIMES {
        let start = std::time::Instant::now();
        endpoints = read(&bytes, &Limits::default())?.endpoints.len();
        times.push(start.elapsed());
    }
    times.sort();
    let peak = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = peak.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default().to_owned();
    let megabytes = bytes.len() / 1_000_000;
    writeln!(out, "{megabytes} MB, {endpoints} endpoints: median {:?}, best {:?}; {peak}", times[2], times[0])?;
    Ok(())
}
