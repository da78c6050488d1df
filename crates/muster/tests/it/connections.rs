//! Connections to a hub: how many, for how long, and whose they are.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::hub::{Hub, Place, until};

/// Opens a connection and sends what is given.
fn connection(hub: &Hub, sent: &str) -> TcpStream {
    let mut stream = TcpStream::connect(hub.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(sent.as_bytes()).unwrap();
    stream
}

/// Whether the hub answers on a connection, or closes it instead.
fn answers(stream: &mut TcpStream) -> bool {
    let mut begin = [0_u8; 12];
    match stream.read(&mut begin) {
        Ok(0) => false,
        Ok(_) => begin.starts_with(b"HTTP/1.1 200"),
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
            false
        }
    }
}

const ASKED: &str = "GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n";

#[test]
fn whoever_keeps_the_hub_waiting_loses_the_connection() {
    let scratch = tempfile::tempdir().unwrap();
    let hub = Hub::start(&Place::Directory(scratch.path().join("hub")));
    let begun = Instant::now();
    let mut silent = connection(&hub, "");
    let mut slow = connection(&hub, "GET /healthz HTTP/1.1\r\nHost: hub\r\nX-Slow: ");
    let mut idle = connection(&hub, ASKED);
    assert!(answers(&mut idle));
    for stream in [&mut silent, &mut slow, &mut idle] {
        let mut rest = Vec::new();
        // The end of the stream, not the end of this test's patience.
        stream.read_to_end(&mut rest).unwrap();
        assert!(!rest.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&rest));
    }
    let took = begun.elapsed();
    assert!((Duration::from_secs(19)..Duration::from_secs(50)).contains(&took), "{took:?} (20 s on a quiet machine)");
}

#[test]
fn no_more_connections_are_open_than_there_shall_be() {
    let scratch = tempfile::tempdir().unwrap();
    let hub = Hub::start_with(&Place::Directory(scratch.path().join("hub")), &["--connections", "3"]);
    // Whoever signed in keeps a connection of its own.
    let mut open: Vec<TcpStream> = (0..2).map(|_| connection(&hub, ASKED)).collect();
    assert!(open.iter_mut().all(answers));
    assert!(!answers(&mut connection(&hub, ASKED)), "a connection too many was answered");
    open.pop();
    until("a place that was given back", || answers(&mut connection(&hub, ASKED)));
}

/// Fails to sign in so often that the address is refused, and tells whether another client's address still may.
fn refused_with(arguments: &[&str]) -> (u16, u16) {
    let scratch = tempfile::tempdir().unwrap();
    let hub = Hub::start_with(&Place::Directory(scratch.path().join("hub")), arguments);
    let attempt = |client: &str| {
        let form = [("Content-Type", "application/x-www-form-urlencoded"), ("X-Forwarded-For", client)];
        hub.ask(("POST", "/auth"), &form, Some("username=nobody&password=wrong")).0
    };
    let mut refused = 0;
    for _ in 0..11 {
        refused = attempt("192.0.2.7, 198.51.100.7");
    }
    (refused, attempt("192.0.2.7, 198.51.100.8"))
}

#[test]
fn behind_a_trusted_proxy_each_client_is_counted_for_itself() {
    assert_eq!(refused_with(&["--trusted-proxy", "127.0.0.0/8,::1"]), (429, 401));
    assert_eq!(refused_with(&["--trusted-proxy", "127.0.0.2"]), (429, 429), "nobody trusts 127.0.0.1");
    assert_eq!(refused_with(&[]), (429, 429), "what a client says of itself is not believed");
}
