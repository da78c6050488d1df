//! From which address a request comes, also through proxies.
//!
//! What stands in `X-Forwarded-For` was written from left to right, by each proxy the address that asked it; only what
//! a trusted proxy wrote is true. So it is read from the right, until an address that is no trusted proxy's.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address a request comes from, as far as it is known.
#[derive(Debug, Clone)]
pub(crate) struct Address(pub(crate) String);

impl<S: Sync> FromRequestParts<S> for Address {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_else(|| Self("unknown".to_owned())))
    }
}

/// The address of whoever asks.
pub(crate) fn address(request: &Request, trusted: &[IpNet]) -> Option<Address> {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>()?.0.ip();
    Some(Address(asking(peer, request.headers(), trusted).to_string()))
}

fn asking(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    let lines: Vec<&str> = headers.get_all(&FORWARDED_FOR).iter().filter_map(|line| line.to_str().ok()).collect();
    let mut forwarded = lines.iter().rev().flat_map(|line| line.rsplit(','));
    let mut client = peer.to_canonical();
    while is_trusted(client)
        && let Some(before) = forwarded.next().and_then(read)
    {
        client = before;
    }
    client
}

/// An address, with or without a port.
fn read(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let address = text.parse().ok().or_else(with_port).or_else(bare)?;
    Some(IpAddr::to_canonical(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_trusted_proxies_wrote_is_believed() {
        let trusted: [IpNet; 2] = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let cases: &[(&str, &[&str], &str)] = &[
            // Nobody in between, or somebody whom nobody trusts: the peer itself, whatever it says.
            ("203.0.113.9", &[], "203.0.113.9"),
            ("203.0.113.9", &["198.51.100.7"], "203.0.113.9"),
            // A trusted proxy: who asked it.
            ("10.0.0.5", &["198.51.100.7"], "198.51.100.7"),
            ("10.0.0.5", &[], "10.0.0.5"),
            ("::ffff:10.0.0.5", &["198.51.100.7"], "198.51.100.7"),
            // Two trusted proxies; what stands left of them was sent by the client and may be invented.
            ("10.0.0.5", &["127.0.0.1, 198.51.100.7, 10.0.0.6"], "198.51.100.7"),
            ("10.0.0.5", &["127.0.0.1", "198.51.100.7, fd00::6"], "198.51.100.7"),
            // With ports, in brackets, mapped.
            ("10.0.0.5", &["198.51.100.7:4711"], "198.51.100.7"),
            ("10.0.0.5", &["[2001:db8::7]:4711"], "2001:db8::7"),
            ("10.0.0.5", &["[2001:db8::7]"], "2001:db8::7"),
            ("10.0.0.5", &["::ffff:198.51.100.7"], "198.51.100.7"),
            // Nothing that can be read: the last that is known.
            ("10.0.0.5", &["198.51.100.7, unknown"], "10.0.0.5"),
            ("10.0.0.5", &["198.51.100.7, _hidden, 10.0.0.6"], "10.0.0.6"),
            ("10.0.0.5", &[""], "10.0.0.5"),
        ];
        for (peer, lines, client) in cases {
            let mut headers = HeaderMap::new();
            for line in *lines {
                headers.append(&FORWARDED_FOR, line.parse().unwrap());
            }
            let found = asking(peer.parse().unwrap(), &headers, &trusted);
            assert_eq!(found, client.parse::<IpAddr>().unwrap(), "{peer} {lines:?}");
        }
    }
}
