//! What the app proves itself with: a client secret, or a certificate whose key signs an assertion (RFC 7523; Microsoft's
//! `PS256` with `x5t#S256`).

use std::sync::Arc;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use muster_core::clock::Instant;
use muster_core::connector::{ConnectorError, ErrorKind, SettingError};
use muster_core::secret::Secret;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{KeyPair as _, RSA_PSS_SHA256, RsaKeyPair};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::Settings;
use crate::kit::ldap::read_certificates;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How long an assertion is good for; it is used at once. Clocks differ by as much.
const GOOD_FOR_SECONDS: i64 = 300;

/// What the app proves itself with.
#[derive(Debug, Clone)]
pub(super) enum Credential {
    Secret(Secret),
    Certificate(Arc<Certificate>),
}

/// A certificate and its key.
pub(super) struct Certificate {
    /// SHA-256 of the certificate, as assertions name it.
    print: String,
    key: RsaKeyPair,
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Certificate").field("print", &self.print).finish_non_exhaustive()
    }
}

impl Credential {
    /// The one that the settings give: a secret, or certificate and key.
    pub(super) fn read(
        secret: Option<Secret>,
        (certificate, key): (Option<&str>, Option<Secret>),
        settings: &Settings,
    ) -> Result<Self, SettingError> {
        let one_of_them = "give `clientSecret`, or `certificate` and `privateKey`";
        let field = |key: &str| format!("authentication.{key}");
        let missing = |key: &str| SettingError::new(&field(key), "it is missing", one_of_them);
        match (secret, certificate, key) {
            (Some(secret), None, None) if secret.is_empty() => {
                let remedy = "create one under the app's `Certificates & secrets` and give its value, not its id";
                Err(SettingError::new(&field("clientSecret"), "it is empty", remedy))
            }
            (Some(secret), None, None) => Ok(Self::Secret(secret)),
            (None, Some(certificate), Some(key)) => Certificate::read(certificate, &key, settings),
            (None, None, None) => Err(missing("clientSecret")),
            (None, Some(_), None) => Err(missing("privateKey")),
            (None, None, Some(_)) => Err(missing("certificate")),
            (Some(_), ..) => {
                Err(SettingError::new(&field("clientSecret"), "it is given beside a certificate", one_of_them))
            }
        }
    }

    /// The fields of a sign-in that prove who asks.
    pub(super) fn proof(
        &self,
        (client, endpoint): (&str, &str),
        now: Instant,
    ) -> Result<Vec<(&'static str, Secret)>, ConnectorError> {
        match self {
            Self::Secret(secret) => Ok(vec![("client_secret", secret.clone())]),
            Self::Certificate(certificate) => Ok(vec![
                ("client_assertion_type", Secret::new(ASSERTION_TYPE.to_owned())),
                ("client_assertion", certificate.assertion((client, endpoint), now)?),
            ]),
        }
    }
}

impl Certificate {
    fn read(certificate: &str, key: &Secret, settings: &Settings) -> Result<Credential, SettingError> {
        let field = "authentication.certificate";
        let bytes = settings.file_or_text(field, certificate)?;
        let read = read_certificates(&bytes).map_err(|error| {
            let remedy = "give the certificate that was uploaded to the app, as PEM or DER";
            SettingError::new(field, &error.to_string(), remedy)
        })?;
        let Some(first) = read.first() else {
            return Err(SettingError::new(field, "it holds none", "give the certificate that was uploaded to the app"));
        };
        let key = settings.file_or_text("authentication.privateKey", key.reveal()).map_err(|_| {
            // What was taken for a path may be the key.
            let remedy =
                "give the text of the PEM file, from its line `-----BEGIN` on, or the path of one that can be read";
            SettingError::new("authentication.privateKey", "it is neither PEM text nor a file that can be read", remedy)
        })?;
        let key = private_key(&key)?;
        let public = key.public_key().as_ref();
        if !first.windows(public.len()).any(|part| part == public) {
            let remedy = "give the key that the certificate was made for";
            return Err(SettingError::new("authentication.privateKey", "it is not the certificate's", remedy));
        }
        let print = BASE64URL_NOPAD.encode(&Sha256::digest(first));
        Ok(Credential::Certificate(Arc::new(Self { print, key })))
    }

    fn assertion(&self, (client, endpoint): (&str, &str), now: Instant) -> Result<Secret, ConnectorError> {
        let failed = |_| ConnectorError::new(ErrorKind::Config, "signing in", "the key cannot sign");
        let random = SystemRandom::new();
        let mut id = [0; 16];
        random.fill(&mut id).map_err(failed)?;
        let second = now.0.div_euclid(1_000_000);
        let head = json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": self.print });
        let claims = json!({
            "aud": endpoint, "iss": client, "sub": client, "jti": BASE64URL_NOPAD.encode(&id), "iat": second,
            "nbf": second - GOOD_FOR_SECONDS, "exp": second + GOOD_FOR_SECONDS,
        });
        let part = |value: serde_json::Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let signed = format!("{}.{}", part(head), part(claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key.sign(&RSA_PSS_SHA256, &random, signed.as_bytes(), &mut signature).map_err(failed)?;
        Ok(Secret::new(format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature))))
    }
}

/// An RSA key as PEM text; its line ends may be lost, as one-line forms lose them.
fn private_key(bytes: &[u8]) -> Result<RsaKeyPair, SettingError> {
    let remedy = "give the RSA key as PEM text without passphrase: `openssl pkcs8 -topk8 -nodes -in KEY` writes it";
    let problem = |problem: &str| SettingError::new("authentication.privateKey", problem, remedy);
    let text = std::str::from_utf8(bytes).map_err(|_| problem("it is no PEM text"))?;
    let parted = text.split_once("-----BEGIN ").and_then(|(_, rest)| rest.split_once("-----"));
    let (label, rest) = parted.ok_or_else(|| problem("it is no PEM text"))?;
    let body: String = rest.split("-----END").next().unwrap_or_default().split_whitespace().collect();
    let der = BASE64.decode(body.as_bytes()).map_err(|_| problem("its PEM text is damaged"))?;
    let key = match label {
        "PRIVATE KEY" => RsaKeyPair::from_pkcs8(&der),
        "RSA PRIVATE KEY" => RsaKeyPair::from_der(&der),
        "ENCRYPTED PRIVATE KEY" => return Err(problem("it is locked with a passphrase")),
        _ => return Err(problem("it is no private key")),
    };
    key.map_err(|_| problem("it is no RSA key of at least 2,048 bits"))
}
