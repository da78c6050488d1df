//! Env files, as `docker run --env-file` reads them: keys and values verbatim, `#` begins a comment line, a key alone is
//! taken from the process environment. Quotes are part of the value.

use std::path::Path;

use crate::failure::{Failure, Kind};

/// The most bytes an env file may have.
pub(super) const MAXIMUM_BYTES: u64 = 1 << 20;
const REMEDY: &str = "write a line for each setting: `KEY=VALUE`, nothing around it";

/// A line of an env file.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) number: usize,
    pub(super) key: String,
    /// None: the process environment has it.
    pub(super) value: Option<String>,
}

/// Reads the bytes of a file, bounded.
pub(super) fn read_bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    use std::io::Read as _;
    let shown = path.display();
    let failed =
        |message: String, remedy: &str| Failure::new(Kind::Settings, format!("reading `{shown}`"), message, remedy);
    let there = "give the path of the env file as `--env-file`, readable by this account";
    let file = std::fs::File::open(path).map_err(|error| failed(error.to_string(), there))?;
    let mut bytes = Vec::new();
    file.take(MAXIMUM_BYTES + 1).read_to_end(&mut bytes).map_err(|error| failed(error.to_string(), there))?;
    if bytes.len() as u64 > MAXIMUM_BYTES {
        return Err(failed(format!("it has more than {MAXIMUM_BYTES} bytes"), "give an env file"));
    }
    Ok(bytes)
}

/// Takes an env file apart. Messages name the line, never what it holds.
pub(super) fn parse(name: &str, bytes: &[u8]) -> Result<Vec<Line>, Failure> {
    let failed = |number: usize, message: &str| {
        Failure::new(Kind::Settings, format!("reading `{name}`, line {number}"), message, REMEDY)
    };
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if let Some(at) = bytes.iter().position(|&byte| byte == 0) {
        let number = bytes[..at].iter().filter(|&&byte| byte == b'\n').count() + 1;
        return Err(failed(number, "it holds a NUL byte (is it UTF-16? save it as UTF-8)"));
    }
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(bytes.split(|&byte| byte == b'\n')) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = std::str::from_utf8(line).map_err(|_| failed(number, "it is not UTF-8"))?.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = match line.split_once('=') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (line.trim_end(), None),
        };
        if key.is_empty() {
            return Err(failed(number, "there is no key before the `=`"));
        }
        if key.contains(char::is_whitespace) {
            return Err(failed(number, "there is a blank in the key"));
        }
        lines.push(Line { number, key: key.to_owned(), value });
    }
    Ok(lines)
}
