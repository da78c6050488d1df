//! A connection to a hub: requests of HTTP/1.1, one after the other.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use anyhow::{Context, Result, bail};
use serde_json::Value;

pub(super) struct Client {
    stream: BufReader<TcpStream>,
    host: String,
    token: String,
}

impl Client {
    /// Connects to `host:port`; a token that is not empty is sent with each request.
    pub(super) fn connect(host: &str, token: &str) -> Result<Self> {
        let stream = TcpStream::connect(host).with_context(|| format!("connecting to `{host}`"))?;
        stream.set_nodelay(true).context("connecting")?;
        Ok(Self { stream: BufReader::new(stream), host: host.to_owned(), token: token.to_owned() })
    }

    /// Signs in and gives the token.
    pub(super) fn sign_in(&mut self, name: &str, password: &str) -> Result<String> {
        let form = format!("username={name}&password={password}&token=true");
        let (status, token) = self.ask("POST", "/auth", ("application/x-www-form-urlencoded", &form))?;
        if status != 201 {
            bail!("signing in was answered with {status}: {token}");
        }
        Ok(token)
    }

    pub(super) fn get(&mut self, path: &str) -> Result<(u16, String)> {
        self.ask("GET", path, ("", ""))
    }

    /// The JSON of an answer, which must be 200.
    pub(super) fn json(&mut self, path: &str) -> Result<Value> {
        let (status, text) = self.get(path)?;
        read(path, status, &text)
    }

    pub(super) fn post(&mut self, path: &str, body: &Value) -> Result<Value> {
        self.send("POST", path, body)
    }

    pub(super) fn send(&mut self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let (status, text) = self.ask(method, path, ("application/json", &body.to_string()))?;
        read(path, status, &text)
    }

    fn ask(&mut self, method: &str, path: &str, (kind, body): (&str, &str)) -> Result<(u16, String)> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.host);
        if !self.token.is_empty() {
            request.push_str(&format!("Authorization: Bearer {}\r\n", self.token));
        }
        if !kind.is_empty() {
            request.push_str(&format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        request.push_str(body);
        let asked = || format!("asking for `{path}`");
        self.stream.get_mut().write_all(request.as_bytes()).with_context(asked)?;
        let line = self.line().with_context(asked)?;
        let status = line.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status = status.with_context(|| format!("`{path}` was answered with `{line}`"))?;
        let mut length = 0;
        loop {
            let line = self.line().with_context(asked)?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().with_context(asked)?;
            } else if line.starts_with("transfer-encoding:") {
                bail!("`{path}` is answered in chunks, which this client does not read");
            }
        }
        let mut text = vec![0; length];
        self.stream.read_exact(&mut text).with_context(asked)?;
        Ok((status, String::from_utf8(text).with_context(asked)?))
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line).context("reading an answer")?;
        line.truncate(line.trim_end().len());
        Ok(line)
    }
}

fn read(path: &str, status: u16, text: &str) -> Result<Value> {
    if !(200..300).contains(&status) {
        bail!("`{path}` answered {status}: {text}");
    }
    serde_json::from_str(text).with_context(|| format!("reading the answer of `{path}`"))
}
