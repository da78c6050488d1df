//! One client's connection: requests are answered one after the other, as they come.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::{
    LdapBindCred, LdapBindRequest, LdapBindResponse, LdapExtendedRequest, LdapExtendedResponse, LdapMsg, LdapOp,
    LdapResult, LdapResultCode,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::controller::{Account, Controller};
use super::listing::Listing;
use super::wire::{decode, encode, result};

const WHO_AM_I: &str = "1.3.6.1.4.1.4203.1.11.3";
const START_TLS: &str = "1.3.6.1.4.1.1466.20037";
const DISCONNECTION: &str = "1.3.6.1.4.1.1466.20036";
/// The text before a bind's sub-code.
const BIND_FAILURE: &str = "80090308: LdapErr: DSID-0C090447, comment: AcceptSecurityContext error, data ";

const DEMANDS_ENCRYPTION: &str = "00002028: LdapErr: DSID-0C090202, comment: The server requires binds to turn on \
                                  integrity checking if SSL\\TLS are not already active on the connection, data 0, v4563";

/// Whether a connection goes on after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Continue,
    Close,
}

/// A client's connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) controller: Arc<Controller>,
    pub(super) account: Account,
    /// Listings of which a page is outstanding; a cookie dies with its connection.
    pub(super) listings: VecDeque<Listing>,
    pub(super) next_listing: u64,
    pub(super) stream: TcpStream,
    /// What is to be written.
    pub(super) out: Vec<u8>,
}

impl Connection {
    pub(super) fn new(controller: Arc<Controller>, stream: TcpStream) -> Self {
        Self {
            controller,
            account: Account::Nobody,
            listings: VecDeque::new(),
            next_listing: 1,
            stream,
            out: Vec::new(),
        }
    }

    /// Serves until the client or a fault ends it.
    pub(super) async fn serve(mut self) -> std::io::Result<()> {
        let mut buffer = Vec::new();
        loop {
            match decode(&mut buffer) {
                Ok(Some(message)) => {
                    let next = self.answer(message).await?;
                    self.flush().await?;
                    if next == Next::Close {
                        return Ok(());
                    }
                }
                Ok(None) => {
                    if self.stream.read_buf(&mut buffer).await? == 0 {
                        return Ok(());
                    }
                }
                Err(_) => {
                    self.disconnect(LdapResultCode::ProtocolError, "the request cannot be read");
                    return self.flush().await;
                }
            }
        }
    }

    pub(super) async fn flush(&mut self) -> std::io::Result<()> {
        self.stream.write_all(&self.out).await?;
        self.out.clear();
        Ok(())
    }

    pub(super) fn send(&mut self, message_id: i32, operation: LdapOp) {
        encode(&mut self.out, message_id, operation, Vec::new());
    }

    /// A notice of disconnection (RFC 4511 section 4.4.1).
    pub(super) fn disconnect(&mut self, code: LdapResultCode, words: &str) {
        let name = Some(DISCONNECTION.to_owned());
        self.send(0, LdapOp::ExtendedResponse(LdapExtendedResponse { res: result(code, words), name, value: None }));
    }

    async fn answer(&mut self, message: LdapMsg) -> std::io::Result<Next> {
        let id = message.msgid;
        let refusal =
            || result(LdapResultCode::InsufficentAccessRights, "00002098: SecErr: this directory is read only");
        match message.op {
            LdapOp::BindRequest(request) => {
                let res = self.bind(&request);
                self.send(id, LdapOp::BindResponse(LdapBindResponse { res, saslcreds: None }));
            }
            LdapOp::UnbindRequest => return Ok(Next::Close),
            // Answers are complete before the next request is read: there is nothing left to abandon.
            LdapOp::AbandonRequest(_) => {}
            LdapOp::SearchRequest(request) => return self.search(id, &request, &message.ctrl).await,
            LdapOp::ExtendedRequest(request) => {
                let response = self.extended(&request);
                self.send(id, LdapOp::ExtendedResponse(response));
            }
            LdapOp::ModifyRequest(_) => self.send(id, LdapOp::ModifyResponse(refusal())),
            LdapOp::AddRequest(_) => self.send(id, LdapOp::AddResponse(refusal())),
            LdapOp::DelRequest(_) => self.send(id, LdapOp::DelResponse(refusal())),
            LdapOp::ModifyDNRequest(_) => self.send(id, LdapOp::ModifyDNResponse(refusal())),
            LdapOp::CompareRequest(_) => self.send(id, LdapOp::CompareResult(refusal())),
            _ => {
                self.disconnect(LdapResultCode::ProtocolError, "a client does not send that");
                return Ok(Next::Close);
            }
        }
        Ok(Next::Continue)
    }

    fn bind(&mut self, request: &LdapBindRequest) -> LdapResult {
        self.account = Account::Nobody;
        self.listings.clear();
        if request.version != 3 {
            return result(LdapResultCode::ProtocolError, "version 3 is spoken here");
        }
        let LdapBindCred::Simple(password) = &request.cred else {
            return result(LdapResultCode::AuthMethodNotSupported, "00002027: LdapErr: simple binds only");
        };
        let faults = self.controller.faults.get();
        if faults.demands_encryption {
            return result(LdapResultCode::StrongerAuthRequired, DEMANDS_ENCRYPTION);
        }
        if let Some(code) = faults.bind {
            return refused_bind(&code);
        }
        // A name without a password is nobody, successfully (RFC 4513 section 5.1.2), as Active Directory has it.
        if password.is_empty() {
            return result(LdapResultCode::Success, "");
        }
        match self.controller.authenticate(&request.dn, password) {
            Some(account) => {
                self.account = account;
                result(LdapResultCode::Success, "")
            }
            None => refused_bind("52e"),
        }
    }

    fn extended(&self, request: &LdapExtendedRequest) -> LdapExtendedResponse {
        let answer = |code, words: &str| LdapExtendedResponse { res: result(code, words), name: None, value: None };
        match request.name.as_str() {
            WHO_AM_I => {
                let name = match self.account {
                    Account::Nobody => "",
                    Account::Service => "u:MUSTER\\svc-muster",
                    Account::Administrator => "u:MUSTER\\Administrator",
                };
                LdapExtendedResponse { value: Some(name.as_bytes().to_vec()), ..answer(LdapResultCode::Success, "") }
            }
            START_TLS => {
                let words = "00000000: LdapErr: DSID-0C090F78, comment: Error initializing SSL/TLS, data 0, v4563";
                LdapExtendedResponse { name: Some(START_TLS.to_owned()), ..answer(LdapResultCode::Unavailable, words) }
            }
            _ => answer(LdapResultCode::ProtocolError, "0000203D: LdapErr: unknown extended request"),
        }
    }

    pub(super) async fn wait(&mut self, milliseconds: u32) {
        tokio::time::sleep(Duration::from_millis(u64::from(milliseconds))).await;
    }
}

fn refused_bind(code: &str) -> LdapResult {
    result(LdapResultCode::InvalidCredentials, &format!("{BIND_FAILURE}{code}, v4563"))
}

/// The controls of a search that this server knows.
#[derive(Debug, Default)]
pub(super) struct Controls {
    /// Entries a page, and the cookie.
    pub(super) paging: Option<(i64, Vec<u8>)>,
    pub(super) show_deleted: bool,
    /// Names with GUID and SID; as text, else in hexadecimal.
    pub(super) extended: Option<bool>,
}

impl Controls {
    /// Reads them; a critical one that is not known refuses the search (RFC 4511 section 4.1.11).
    pub(super) fn read(controls: &[LdapControl]) -> Result<Self, LdapResult> {
        let mut read = Self::default();
        for control in controls {
            match control {
                LdapControl::SimplePagedResults { size, cookie } => read.paging = Some((*size, cookie.clone())),
                LdapControl::ShowDeleted { .. } => read.show_deleted = true,
                LdapControl::ExtendedDn { format, .. } => read.extended = Some(*format == 1),
                LdapControl::Unknown { criticality: true, .. } | LdapControl::AdDirsync { .. } => {
                    return Err(unavailable_extension());
                }
                _ => {}
            }
        }
        Ok(read)
    }
}

/// What Active Directory says of a control that it does not know, and of a cookie that is not its own.
pub(super) fn unavailable_extension() -> LdapResult {
    let words = "00000057: LdapErr: DSID-0C090A8A, comment: Error processing control, data 0, v4563";
    result(LdapResultCode::UnavailableCriticalExtension, words)
}
