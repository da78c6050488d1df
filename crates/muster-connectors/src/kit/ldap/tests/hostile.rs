//! `Connection` against servers that mean no good.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use ldap3_proto::proto::{LdapExtendedResponse, LdapOp, LdapResultCode};
use muster_core::secret::Secret;

use crate::kit::ldap::{
    Connection, ConnectionSettings, DirectoryReader, Encryption, Filter, LdapError, PageEnd, ResultCode, Scope, Search,
    SearchControls,
};
use crate::testkit::{self, encode, message, serve};

fn settings(port: u16) -> ConnectionSettings {
    ConnectionSettings {
        host: "127.0.0.1".to_owned(),
        port,
        encryption: Encryption::Ldap,
        certificates: Vec::new(),
        patience: Duration::from_secs(20),
    }
}

fn connect(settings: &ConnectionSettings) -> Connection {
    Connection::connect(settings, &Connection::resolve(settings).unwrap()).unwrap()
}

/// A server that answers the first request with these bytes and keeps the connection open.
fn saying(bytes: Vec<u8>) -> u16 {
    serve(move |mut socket| {
        request(&mut socket);
        socket.write_all(&bytes).unwrap();
        // Until the client leaves.
        let _ = socket.read(&mut [0]);
    })
}

fn request(socket: &mut TcpStream) -> Vec<u8> {
    let mut bytes = vec![0; 4096];
    let count = socket.read(&mut bytes).unwrap();
    bytes.truncate(count);
    bytes
}

fn search() -> Search {
    Search {
        base: String::new(),
        scope: Scope::Base,
        filter: Filter::Present("objectClass".to_owned()),
        attributes: Vec::new(),
        page_size: 0,
        controls: SearchControls::default(),
    }
}

fn receive(connection: &mut Connection) -> Result<PageEnd, LdapError> {
    let ticket = connection.begin(&search(), &[])?;
    connection.receive(ticket, &mut |_| Ok(()))
}

fn answer_to(bytes: Vec<u8>) -> Result<PageEnd, LdapError> {
    receive(&mut connect(&settings(saying(bytes))))
}

#[test]
fn a_claimed_length_allocates_nothing() {
    // 255 MiB are claimed, within the bound; three bytes come, then the end.
    let port = serve(|mut socket| {
        request(&mut socket);
        socket.write_all(&[0x30, 0x84, 0x0f, 0xf0, 0, 0, 2, 1, 1]).unwrap();
    });
    let mut connection = connect(&settings(port));
    let result = receive(&mut connection);
    assert!(matches!(result, Err(LdapError::Closed)), "{result:?}");
    assert!(connection.buffer_size() <= 256 << 10, "{}", connection.buffer_size());
}

#[test]
fn a_length_beyond_the_bound_is_refused_at_once() {
    for claim in [&[0x30, 0x84, 0x10, 0, 0, 1][..], &[0x30, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]] {
        let result = answer_to(claim.to_vec());
        assert!(matches!(result, Err(LdapError::TooLarge { .. })), "{result:?}");
    }
}

#[test]
fn a_large_message_is_read_and_its_memory_given_back() {
    let large = vec![b'x'; 8 << 20];
    let mut bytes = encode(message(1, testkit::entry("CN=a", &[("member", &[&large])])));
    let done = || LdapOp::SearchResultDone(testkit::result(LdapResultCode::Success));
    bytes.extend(encode(message(1, done())));
    let port = serve(move |mut socket| {
        request(&mut socket);
        socket.write_all(&bytes).unwrap();
        request(&mut socket);
        socket.write_all(&encode(message(2, done()))).unwrap();
        let _ = socket.read(&mut [0]);
    });
    let mut connection = connect(&settings(port));
    let ticket = connection.begin(&search(), &[]).unwrap();
    let mut length = 0;
    let end = connection.receive(ticket, &mut |entry| {
        length += entry.and_then(|entry| entry.first("member")).map_or(0, <[u8]>::len);
        Ok(())
    });
    assert_eq!((end.unwrap().entries, length), (1, 8 << 20));
    assert!(connection.buffer_size() <= 32 << 20);
    assert_eq!(receive(&mut connection).unwrap().code, ResultCode::SUCCESS);
    assert!(connection.buffer_size() <= 1 << 20, "{}", connection.buffer_size());
}

#[test]
fn a_notice_of_disconnection_is_told_in_its_words() {
    let mut result = testkit::result(LdapResultCode::Unavailable);
    result.message = "going down".to_owned();
    let notice = LdapExtendedResponse { res: result, name: Some("1.3.6.1.4.1.1466.20036".to_owned()), value: None };
    let answer = answer_to(encode(message(0, LdapOp::ExtendedResponse(notice))));
    let Err(LdapError::Disconnected { code, message }) = answer else { panic!("{answer:?}") };
    assert_eq!((code, message.as_str()), (ResultCode(52), "going down"));
}

#[test]
fn answers_to_nobodys_request_are_refused() {
    let done = LdapOp::SearchResultDone(testkit::result(LdapResultCode::Success));
    assert!(matches!(answer_to(encode(message(2, done))), Err(LdapError::Malformed(_))));
    let bind = LdapOp::DelResponse(testkit::result(LdapResultCode::Success));
    assert!(matches!(answer_to(encode(message(1, bind))), Err(LdapError::Malformed(_))));
    for bytes in [&b"HTTP/1.1 400 Bad Request\r\n"[..], &[0x30, 0x80, 0, 0], &[0x30, 3, 4, 1, 1], &[0x30, 0]] {
        let result = answer_to(bytes.to_vec());
        assert!(matches!(result, Err(LdapError::Malformed(_))), "{result:?}");
    }
}

#[test]
fn silence_ends_with_the_patience() {
    let patience = Duration::from_secs(1);
    let mut connection = connect(&ConnectionSettings { patience, ..settings(saying(Vec::new())) });
    let began = Instant::now();
    let result = receive(&mut connection);
    assert!(matches!(result, Err(LdapError::Silent { seconds: 1 })), "{result:?}");
    assert!((1..5).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

/// Sends a byte whenever the other side has had time to look up, until it leaves.
fn dripping() -> u16 {
    serve(|mut socket| {
        request(&mut socket);
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let mut byte: &[u8] = &[0x30, 0x84, 0x0f, 0, 0, 0];
        loop {
            if socket.write_all(&byte[..1]).is_err() {
                return;
            }
            byte = if byte.len() > 1 { &byte[1..] } else { &[0] };
            match socket.read(&mut [0]) {
                Ok(0) => return,
                _ => continue,
            }
        }
    })
}

#[test]
fn dripping_bytes_hold_nobody() {
    let patience = Duration::from_secs(1);
    let mut connection = connect(&ConnectionSettings { patience, ..settings(dripping()) });
    let began = Instant::now();
    assert!(matches!(receive(&mut connection), Err(LdapError::Silent { .. })));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn whoever_waits_can_stop_while_bytes_drip() {
    let mut connection = connect(&settings(dripping()));
    let ticket = connection.begin(&search(), &[]).unwrap();
    let began = Instant::now();
    let looks = AtomicUsize::new(0);
    let result = connection.receive(ticket, &mut |_| {
        let stop = looks.fetch_add(1, Ordering::Relaxed) == 1;
        if stop { Err(LdapError::Cancelled) } else { Ok(()) }
    });
    assert!(matches!(result, Err(LdapError::Cancelled)));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[test]
fn clear_text_behind_the_answer_to_start_tls_is_refused() {
    let answer = |extra: &[u8]| {
        let granted = LdapExtendedResponse { res: testkit::result(LdapResultCode::Success), name: None, value: None };
        let mut bytes = encode(message(1, LdapOp::ExtendedResponse(granted)));
        bytes.extend(extra);
        let settings = ConnectionSettings { encryption: Encryption::StartTls, ..settings(saying(bytes)) };
        connect(&settings).encrypt()
    };
    let result = answer(b"0");
    assert!(matches!(result, Err(LdapError::Malformed("clear text follows the answer to StartTLS"))), "{result:?}");
}

#[test]
fn a_refused_or_strange_answer_to_start_tls_sends_no_password() {
    let refused = LdapExtendedResponse { res: testkit::result(LdapResultCode::ProtocolError), name: None, value: None };
    let strange = LdapOp::DelResponse(testkit::result(LdapResultCode::Success));
    for (op, expected) in [(LdapOp::ExtendedResponse(refused), "starting TLS: 2 protocolError"), (strange, "malformed")]
    {
        let port = saying(encode(message(1, op)));
        let settings = ConnectionSettings { encryption: Encryption::StartTls, ..settings(port) };
        let error = connect(&settings).encrypt().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn an_empty_password_is_never_sent() {
    let (sender, receiver) = mpsc::channel();
    let port = serve(move |mut socket| {
        let mut bytes = Vec::new();
        let _ = socket.read_to_end(&mut bytes);
        sender.send(bytes).unwrap();
    });
    let mut connection = connect(&settings(port));
    let result = connection.bind("CN=svc,DC=b", &Secret::new(""));
    assert!(matches!(result, Err(LdapError::EmptyPassword { .. })), "{result:?}");
    drop(connection);
    assert_eq!(receiver.recv_timeout(Duration::from_secs(10)).unwrap(), Vec::<u8>::new());
}
