//! What can go wrong on an LDAP connection.

use std::io;

use thiserror::Error;

use super::message::ResultCode;
use super::tls::CertificateError;

/// A failure of an LDAP operation.
#[derive(Debug, Error)]
pub enum LdapError {
    /// The host's name has no address.
    #[error("resolving `{host}`")]
    Resolve {
        /// The host.
        host: String,
        /// Why.
        #[source]
        source: Option<io::Error>,
    },
    /// No connection.
    #[error("connecting to `{address}`")]
    Connect {
        /// Address and port.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No encryption.
    #[error("encrypting the connection to `{host}`: {reason}")]
    Tls {
        /// The host.
        host: String,
        /// Why, in a sentence.
        reason: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// The supplied certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The connection broke.
    #[error("talking to the directory")]
    Io(#[source] io::Error),
    /// The server closed the connection.
    #[error("the directory closed the connection")]
    Closed,
    /// The server is silent.
    #[error("the directory did not answer within {seconds} s")]
    Silent {
        /// How long was waited.
        seconds: u64,
    },
    /// The server said that it ends the connection (RFC 4511 section 4.4.1).
    #[error("the directory ended the connection: {code} {message}")]
    Disconnected {
        /// Its result code.
        code: ResultCode,
        /// Its words.
        message: String,
    },
    /// The server's bytes are not LDAP.
    #[error("the directory's answer is malformed: {0}")]
    Malformed(&'static str),
    /// A message beyond the bound.
    #[error("the directory's answer has a message of {length} bytes; at most {limit} are read")]
    TooLarge {
        /// Its length.
        length: usize,
        /// The bound.
        limit: usize,
    },
    /// There is no password to bind with. An empty one is never sent: many servers answer success to it, and give the
    /// rights of nobody (RFC 4513 section 5.1.2).
    #[error("binding as `{name}`: the password is empty, and an empty one is never sent")]
    EmptyPassword {
        /// The bind name.
        name: String,
    },
    /// The bind was refused.
    #[error("binding as `{name}`: {failure}")]
    Bind {
        /// The bind name.
        name: String,
        /// Why.
        failure: BindFailure,
    },
    /// A search was refused.
    #[error("{operation}: {code}{}", if message.is_empty() { String::new() } else { format!(" ({message})") })]
    Refused {
        /// What was being done.
        operation: String,
        /// The result code.
        code: ResultCode,
        /// The server's words.
        message: String,
    },
    /// The reader was told to stop.
    #[error("reading was cancelled")]
    Cancelled,
}

/// Why a bind was refused, as far as the server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindFailure {
    /// The result code.
    pub code: ResultCode,
    /// Active Directory's sub-code, such as `52e` (MS-ERREF 2.2), where its message has one.
    pub sub_code: Option<String>,
    /// The server's words.
    pub message: String,
}

impl BindFailure {
    pub(super) fn new(code: ResultCode, message: &str) -> Self {
        // Active Directory's form: `80090308: LdapErr: DSID-…, comment: AcceptSecurityContext error, data 52e, v4563`.
        let after = message.split(", data ").nth(1).or_else(|| message.split(" data ").nth(1));
        let sub_code = after.map(|rest| rest.chars().take_while(char::is_ascii_hexdigit).collect::<String>());
        let sub_code = sub_code.filter(|text| !text.is_empty() && text.len() <= 8).map(|text| text.to_lowercase());
        Self { code, sub_code, message: message.to_owned() }
    }

    /// What the sub-code means, and what to do about it.
    pub fn explain(&self) -> (&'static str, &'static str) {
        match (self.code.0, self.sub_code.as_deref()) {
            (49, Some("52e")) => ("the name or the password is wrong", "check `bindDn` and `password`"),
            (49, Some("525")) => {
                ("there is no such account", "check `bindDn`: a DN, a user principal name or `DOMAIN\\user`")
            }
            (49, Some("530")) => ("the account may not log on at this time", "widen the account's logon hours"),
            (49, Some("531")) => (
                "the account may not log on from this machine",
                "allow this machine in the account's logon workstations",
            ),
            (49, Some("532")) => {
                ("the account's password has expired", "set a new password, and let a service account's never expire")
            }
            (49, Some("533")) => ("the account is disabled", "enable the account"),
            (49, Some("701")) => ("the account has expired", "extend the account's expiry date"),
            (49, Some("773")) => (
                "the account must change its password at the next logon",
                "log on once and change it, or clear `User must change password at next logon`",
            ),
            (49, Some("775")) => {
                ("the account is locked out", "unlock the account, and look for who keeps trying its password")
            }
            (49, _) => {
                ("the name or the password is wrong, or the account may not log on", "check `bindDn` and `password`")
            }
            (8, _) => (
                "the server demands encryption before a password is sent",
                "set `protocol = \"ldaps\"` or `\"starttls\"` and give `certificate`",
            ),
            (34, _) => (
                "the name is not a distinguished name",
                "write `bindDn` as a DN, a user principal name or `DOMAIN\\user`",
            ),
            (48 | 53, _) => ("the server does not allow this kind of bind", "use an account with a password"),
            _ => ("the server refused", "ask the directory's administrator about this result code"),
        }
    }
}

impl std::fmt::Display for BindFailure {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (meaning, _) = self.explain();
        write!(out, "{meaning} ({}", self.code)?;
        if let Some(sub_code) = &self.sub_code {
            write!(out, ", data {sub_code}")?;
        }
        write!(out, ")")
    }
}
