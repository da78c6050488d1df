//! Stdout: data, whole lines. A reader that went away (`| head`) ends the program quietly.

use std::io::{ErrorKind, Write};

/// Writes text to stdout.
pub(crate) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) else { return };
    if error.kind() != ErrorKind::BrokenPipe {
        eprintln!("error: writing to stdout\ncaused by: {error}");
        std::process::exit(i32::from(crate::failure::FAILED));
    }
    std::process::exit(0);
}

/// Writes a line to stdout.
pub(crate) fn say_line(text: impl std::fmt::Display) {
    say(&format!("{text}\n"));
}
