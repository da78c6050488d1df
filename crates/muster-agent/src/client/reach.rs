//! The way to the hub, gone step by step: proxy, tunnel, TLS. For `--check`, and to say which part failed.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64;
use reqwest::Url;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::failure::{Failure, Kind};
use crate::settings::Proxy;

const PATIENCE: Duration = Duration::from_secs(10);
/// The longest head of a proxy's answer.
const LONGEST_HEAD: usize = 16 << 10;
pub(super) const HUB_REMEDY: &str = "check that the hub runs, and that `connector.api.url` is its address";
pub(super) const PROXY_USER: &str = "check `service.http.proxy.username` and `service.http.proxy.password`";
const PROXY_REMEDY: &str = "check `service.http.proxy.host`, `.port` and `.scheme`, and that the proxy runs";

/// A part of the way that was gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reached {
    /// Its name: `proxy`, `connection`, `tls`.
    pub(crate) step: &'static str,
    /// What is there.
    pub(crate) message: String,
}

/// From here to the hub.
#[derive(Clone)]
pub(crate) struct Way {
    pub(super) hub: Url,
    pub(super) proxy: Option<Proxy>,
    pub(super) tls: Arc<ClientConfig>,
}

impl std::fmt::Debug for Way {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Way")
            .field("hub", &self.hub.as_str())
            .field("proxy", &self.proxy)
            .finish_non_exhaustive()
    }
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

impl Way {
    /// Goes it, blocking; each part that is there is told.
    pub(crate) fn walk(&self, reached: &mut dyn FnMut(Reached)) -> Result<(), Failure> {
        let doing = format!("reaching the hub at `{}`", self.hub);
        let fails = |kind, message: String, remedy: &str| Failure::new(kind, doing.clone(), message, remedy);
        let (Some(host), Some(port)) = (self.hub.host_str(), self.hub.port_or_known_default()) else {
            return Err(fails(Kind::Settings, "the URL has no host".to_owned(), HUB_REMEDY));
        };
        let secure = self.hub.scheme() == "https";
        let mut stream: Box<dyn Stream> = match &self.proxy {
            None => {
                let stream = connect(bare(host), port)
                    .map_err(|why| fails(Kind::Hub, format!("`{host}:{port}`: {why}"), HUB_REMEDY))?;
                reached(Reached { step: "connection", message: format!("`{host}:{port}` takes connections") });
                Box::new(stream)
            }
            Some(proxy) => {
                let shown = format!("{}://{}:{}", proxy.scheme, proxy.host, proxy.port);
                let stream = self
                    .to_proxy(proxy)
                    .map_err(|why| fails(Kind::Proxy, format!("the proxy `{shown}`: {why}"), PROXY_REMEDY))?;
                reached(Reached { step: "proxy", message: format!("`{shown}` takes connections") });
                stream
            }
        };
        if !secure {
            return Ok(());
        }
        if let Some(proxy) = &self.proxy {
            tunnel(&mut *stream, proxy, host, port).map_err(|(kind, message, remedy)| fails(kind, message, remedy))?;
            reached(Reached { step: "connection", message: format!("the proxy leads to `{host}:{port}`") });
        }
        self.handshake(stream, host).map_err(|why| {
            let remedy = "check that `--hub-ca` is the root certificate of the authority that signed the hub's \
                          certificate, and that the certificate names the host of `connector.api.url`";
            fails(Kind::Tls, format!("TLS with `{host}:{port}`: {why}"), remedy)
        })?;
        reached(Reached {
            step: "tls",
            message: format!("`{host}` proves its name by a certificate that is believed"),
        });
        Ok(())
    }

    fn to_proxy(&self, proxy: &Proxy) -> Result<Box<dyn Stream>, String> {
        let stream = connect(bare(&proxy.host), proxy.port)?;
        if proxy.scheme == "https" {
            return Ok(Box::new(self.handshake(Box::new(stream), &proxy.host)?));
        }
        Ok(Box::new(stream))
    }

    fn handshake(
        &self,
        stream: Box<dyn Stream>,
        host: &str,
    ) -> Result<StreamOwned<ClientConnection, Box<dyn Stream>>, String> {
        let name = ServerName::try_from(bare(host).to_owned()).map_err(|_| "the host's name is none".to_owned())?;
        let connection = ClientConnection::new(Arc::clone(&self.tls), name).map_err(|error| error.to_string())?;
        let mut stream = StreamOwned::new(connection, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).map_err(|error| told(&error))?;
        }
        Ok(stream)
    }
}

/// An address in brackets, without them.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

fn connect(host: &str, port: u16) -> Result<TcpStream, String> {
    let addresses = (host, port).to_socket_addrs().map_err(|error| format!("its name is not known: {error}"))?;
    let mut last = "its name has no address".to_owned();
    for address in addresses {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => {
                let bounded = stream.set_read_timeout(Some(PATIENCE)).and(stream.set_write_timeout(Some(PATIENCE)));
                return bounded.map(|()| stream).map_err(|error| told(&error));
            }
            Err(error) => last = told(&error),
        }
    }
    Err(last)
}

fn told(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => "no answer in time".to_owned(),
        _ => error.to_string(),
    }
}

/// Asks the proxy for the way through (RFC 9110, 9.3.6).
fn tunnel(stream: &mut dyn Stream, proxy: &Proxy, host: &str, port: u16) -> Result<(), (Kind, String, &'static str)> {
    let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n");
    if let Some((user, password)) = &proxy.user {
        let pair = BASE64.encode(format!("{user}:{}", password.reveal()).as_bytes());
        request.push_str(&format!("Proxy-Authorization: Basic {pair}\r\n"));
    }
    request.push_str("\r\n");
    let cut =
        |error: std::io::Error| (Kind::Proxy, format!("the proxy ends the connection: {}", told(&error)), PROXY_REMEDY);
    stream.write_all(request.as_bytes()).and_then(|()| stream.flush()).map_err(cut)?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && head.len() < LONGEST_HEAD {
        if stream.read(&mut byte).map_err(cut)? == 0 {
            break;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head);
    let status = head.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse::<u16>().ok());
    match status {
        Some(200..=299) => Ok(()),
        Some(407) => Err((Kind::Proxy, "the proxy refuses its user (407)".to_owned(), PROXY_USER)),
        // 500 and 502 to 504: the proxy itself does not come through.
        Some(status @ (500 | 502..=504)) => {
            Err((Kind::Hub, format!("the proxy does not reach `{host}:{port}` (status {status})"), HUB_REMEDY))
        }
        Some(status) => Err((
            Kind::Proxy,
            format!("the proxy refuses to lead to `{host}:{port}` (status {status})"),
            "ask who runs the proxy to let this machine through to the hub",
        )),
        None => Err((Kind::Proxy, "what answers there is no HTTP proxy".to_owned(), PROXY_REMEDY)),
    }
}
