//! What the machine says of itself.

use std::io::Read as _;

/// Its name, for people.
pub(crate) fn name() -> String {
    let mut name = String::new();
    let read =
        std::fs::File::open("/proc/sys/kernel/hostname").and_then(|file| file.take(255).read_to_string(&mut name));
    match (read, name.trim()) {
        (Ok(_), name) if !name.is_empty() => name.to_owned(),
        _ => "unknown".to_owned(),
    }
}
