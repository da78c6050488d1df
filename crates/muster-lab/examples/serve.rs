//! Serves a simulated directory: `serve USERS [SEED [PORT]]`; prints its banner.

use std::io::Write;
use std::net::SocketAddr;

use muster_lab::directory::{DirectoryOptions, start};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |otherwise: u64| arguments.next().map_or(Ok(otherwise), |text| text.parse::<u64>());
    let (users, seed, port) = (number(1000)?, number(1)?, u16::try_from(number(0)?)?);
    let listen = SocketAddr::from(([127, 0, 0, 1], port));
    let directory = start(DirectoryOptions { listen, seed, users, ..DirectoryOptions::default() }).await?;
    writeln!(std::io::stdout(), "{}", directory.banner())?;
    tokio::signal::ctrl_c().await?;
    directory.stop().await;
    Ok(())
}
