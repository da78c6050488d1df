//! Servers inside the test's process: a scripted directory whose codec is `ldap3_proto`'s, and raw sockets.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use bytes::BytesMut;
use ldap3_proto::LdapCodec;
use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::{
    LdapBindResponse, LdapMsg, LdapOp, LdapPartialAttribute, LdapResult, LdapResultCode, LdapSearchRequest,
    LdapSearchResultEntry,
};
use tokio_util::codec::{Decoder, Encoder};

/// Serves connections one after another, on a port of its own.
pub(crate) fn serve(mut handle: impl FnMut(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || listener.incoming().map_while(Result::ok).for_each(&mut handle));
    port
}

pub(crate) fn codec() -> LdapCodec {
    LdapCodec::new(Some(16 << 20), None)
}

/// The bytes of a message by the other codec.
pub(crate) fn encode(message: LdapMsg) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    codec().encode(message, &mut bytes).unwrap();
    bytes.to_vec()
}

/// The message of bytes by the other codec.
pub(crate) fn decode(bytes: &[u8]) -> LdapMsg {
    codec().decode(&mut BytesMut::from(bytes)).unwrap().unwrap()
}

pub(crate) fn message(msgid: i64, op: LdapOp) -> LdapMsg {
    LdapMsg { msgid: i32::try_from(msgid).unwrap(), op, ctrl: Vec::new() }
}

pub(crate) fn result(code: LdapResultCode) -> LdapResult {
    LdapResult { code, matcheddn: String::new(), message: String::new(), referral: Vec::new() }
}

/// An entry with its attributes.
pub(crate) fn entry(dn: &str, attributes: &[(&str, &[&[u8]])]) -> LdapOp {
    let attributes = attributes.iter().map(|(name, values)| LdapPartialAttribute {
        atype: (*name).to_owned(),
        vals: values.iter().map(|value| value.to_vec()).collect(),
    });
    LdapOp::SearchResultEntry(LdapSearchResultEntry { dn: dn.to_owned(), attributes: attributes.collect() })
}

/// What a scripted directory says to a search.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) entries: Vec<LdapOp>,
    /// Nothing: the server falls silent.
    pub(crate) code: Option<LdapResultCode>,
    pub(crate) cookie: Vec<u8>,
    pub(crate) estimate: i64,
}

impl Reply {
    pub(crate) fn all(entries: Vec<LdapOp>) -> Self {
        Self { entries, code: Some(LdapResultCode::Success), cookie: Vec::new(), estimate: 0 }
    }

    pub(crate) fn silence() -> Self {
        Self { entries: Vec::new(), code: None, cookie: Vec::new(), estimate: 0 }
    }

    pub(crate) fn refusal(code: LdapResultCode) -> Self {
        Self { entries: Vec::new(), code: Some(code), cookie: Vec::new(), estimate: 0 }
    }
}

pub(crate) const HEAD: &str = "DC=muster,DC=test";
const SERVICE: &str = "CN=NTDS Settings,CN=DC1,CN=Servers,CN=Configuration,DC=muster,DC=test";

/// What a test has seen the directory being asked: base, attributes, cookie.
pub(crate) type Asked = Arc<Mutex<Vec<(String, Vec<String>, Vec<u8>)>>>;

/// A directory that looks like a domain controller and answers other searches as `answer` says; one connection.
pub(crate) fn directory(mut answer: impl FnMut(&LdapSearchRequest, &[u8]) -> Reply + Send + 'static) -> (u16, Asked) {
    let asked = Asked::default();
    let seen = Arc::clone(&asked);
    let port = serve(move |socket| converse(socket, &seen, &mut answer));
    (port, asked)
}

/// The same for several connections at once; `answer` is told which one asks, counted from 0.
pub(crate) fn parallel_directory(
    answer: impl Fn(usize, &LdapSearchRequest, &[u8]) -> Reply + Send + Sync + 'static,
) -> (u16, Asked) {
    let asked = Asked::default();
    let seen = Arc::clone(&asked);
    let answer = Arc::new(answer);
    let mut number = 0;
    let port = serve(move |socket| {
        let (seen, answer, this) = (Arc::clone(&seen), Arc::clone(&answer), number);
        number += 1;
        thread::spawn(move || converse(socket, &seen, &mut |search, cookie| answer(this, search, cookie)));
    });
    (port, asked)
}

/// A directory that closes every connection but the first.
pub(crate) fn lonely_directory(
    answer: impl FnMut(&LdapSearchRequest, &[u8]) -> Reply + Send + 'static,
) -> (u16, Asked) {
    let asked = Asked::default();
    let seen = Arc::clone(&asked);
    let mut answer = Some(answer);
    let port = serve(move |socket| {
        if let (Some(mut answer), seen) = (answer.take(), Arc::clone(&seen)) {
            thread::spawn(move || converse(socket, &seen, &mut answer));
        }
    });
    (port, asked)
}

fn converse(mut socket: TcpStream, asked: &Asked, answer: &mut dyn FnMut(&LdapSearchRequest, &[u8]) -> Reply) {
    let (mut codec, mut bytes, mut chunk) = (codec(), BytesMut::new(), [0; 4096]);
    loop {
        while let Some(request) = codec.decode(&mut bytes).unwrap() {
            let id = i64::from(request.msgid);
            match request.op {
                LdapOp::BindRequest(_) => {
                    let answer = LdapBindResponse { res: result(LdapResultCode::Success), saslcreds: None };
                    socket.write_all(&encode(message(id, LdapOp::BindResponse(answer)))).unwrap();
                }
                LdapOp::SearchRequest(search) => {
                    let cookie = request.ctrl.iter().find_map(|control| match control {
                        LdapControl::SimplePagedResults { cookie, .. } => Some(cookie.clone()),
                        _ => None,
                    });
                    let paged = cookie.is_some();
                    let cookie = cookie.unwrap_or_default();
                    asked.lock().unwrap().push((search.base.clone(), search.attrs.clone(), cookie.clone()));
                    let reply = known(&search).unwrap_or_else(|| answer(&search, &cookie));
                    // A client that has left in the middle is what some tests are about.
                    if send(&mut socket, id, paged, reply).is_err() {
                        return;
                    }
                }
                _ => return,
            }
        }
        match socket.read(&mut chunk) {
            Ok(count) if count > 0 => bytes.extend_from_slice(&chunk[..count]),
            _ => return,
        }
    }
}

fn send(socket: &mut TcpStream, id: i64, paged: bool, reply: Reply) -> std::io::Result<()> {
    let mut out = Vec::new();
    for op in reply.entries {
        out.extend(encode(message(id, op)));
    }
    if let Some(code) = reply.code {
        let mut done = message(id, LdapOp::SearchResultDone(result(code)));
        if paged {
            done.ctrl.push(LdapControl::SimplePagedResults { size: reply.estimate, cookie: reply.cookie });
        }
        out.extend(encode(done));
    }
    socket.write_all(&out)
}

/// What every domain controller says of itself.
fn known(search: &LdapSearchRequest) -> Option<Reply> {
    let text = |text: &'static str| text.as_bytes();
    match search.base.as_str() {
        "" => Some(Reply::all(vec![entry(
            "",
            &[
                ("defaultNamingContext", &[text(HEAD)]),
                ("namingContexts", &[text(HEAD)]),
                ("dnsHostName", &[text("dc1.muster.test")]),
                ("dsServiceName", &[text(SERVICE)]),
                ("highestCommittedUSN", &[text("1000")]),
                ("supportedControl", &[text("1.2.840.113556.1.4.529")]),
            ],
        )])),
        SERVICE => Some(Reply::all(vec![entry(SERVICE, &[("invocationId", &[&[7; 16]])])])),
        // The policy of the head is not for everybody to see: no session may fail for it.
        HEAD if search.attrs.iter().any(|name| name == "maxPwdAge") => {
            Some(Reply::refusal(LdapResultCode::InsufficentAccessRights))
        }
        HEAD if search.attrs == ["1.1"] && matches!(search.scope, ldap3_proto::proto::LdapSearchScope::Base) => {
            Some(Reply::all(vec![entry(HEAD, &[])]))
        }
        _ => None,
    }
}
