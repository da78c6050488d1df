//! TLS for LDAP: trust in the supplied certificate alone, the host's name checked.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme, StreamOwned};
use thiserror::Error;

use super::LdapError;
use super::connection::ConnectionSettings;

/// Why the supplied certificate cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CertificateError {
    /// Neither PEM nor DER.
    #[error("the certificate is neither PEM text nor DER bytes of an X.509 certificate")]
    Unreadable,
    /// PEM without a certificate in it.
    #[error("the PEM text holds no certificate (a `BEGIN CERTIFICATE` block)")]
    NoneInPem,
    /// Not fit as a trust anchor.
    #[error("the certificate cannot serve as a trust anchor: {0}")]
    NotAnAnchor(String),
}

/// Reads one or more certificates from PEM text or one from DER bytes.
pub fn read_certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    if bytes.windows(11).any(|window| window == b"-----BEGIN ") {
        let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
        let certificates = parsed.map_err(|_| CertificateError::Unreadable)?;
        if certificates.is_empty() {
            return Err(CertificateError::NoneInPem);
        }
        return checked(certificates);
    }
    checked(vec![CertificateDer::from(bytes.to_vec())])
}

/// What is no certificate inside is told when the settings are read, not when the first run connects.
fn checked(certificates: Vec<CertificateDer<'static>>) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let readable = certificates.iter().all(|certificate| ParsedCertificate::try_from(certificate).is_ok());
    if readable { Ok(certificates) } else { Err(CertificateError::Unreadable) }
}

/// The client's TLS settings: only `anchors` are trusted, or a server certificate that is itself one of them.
pub(super) fn client_config(anchors: &[CertificateDer<'static>]) -> Result<Arc<ClientConfig>, LdapError> {
    let mut roots = RootCertStore::empty();
    for anchor in anchors {
        roots.add(anchor.clone()).map_err(|error| CertificateError::NotAnAnchor(error.to_string()))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .map_err(|error| CertificateError::NotAnAnchor(error.to_string()))?;
    let verifier = Verifier { inner, anchors: anchors.to_vec(), provider: Arc::clone(&provider) };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| CertificateError::NotAnAnchor(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// WebPKI's verification, and beside it the pinned server certificate: administrators often export the controller's
/// own self-signed certificate instead of its authority's. Its name and dates are the server's to prove either way.
#[derive(Debug)]
struct Verifier {
    inner: Arc<WebPkiServerVerifier>,
    anchors: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.anchors.iter().any(|anchor| anchor.as_ref() == end_entity.as_ref()) {
            verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
            return Ok(ServerCertVerified::assertion());
        }
        self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Encrypts a connection. The socket's reads time out after a moment, so that a dripping server cannot stretch it.
pub(super) fn handshake(
    mut socket: TcpStream,
    settings: &ConnectionSettings,
) -> Result<StreamOwned<ClientConnection, TcpStream>, LdapError> {
    let host = &settings.host;
    let name = ServerName::try_from(host.clone()).map_err(|_| LdapError::Tls {
        host: host.clone(),
        reason: "the host is neither a DNS name nor an address".to_owned(),
        remedy: "write `host` as a DNS name or an IP address",
    })?;
    let config = client_config(&settings.certificates)?;
    let mut client = ClientConnection::new(config, name).map_err(|error| explain(host, &error))?;
    let began = Instant::now();
    while client.is_handshaking() {
        while client.wants_write() {
            client.write_tls(&mut socket).map_err(|error| broken(host, error))?;
        }
        match client.read_tls(&mut socket) {
            Ok(0) => return Err(broken(host, io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => {
                if let Err(error) = client.process_new_packets() {
                    // The server learns why, as TLS demands; that it may not listen changes nothing.
                    let _ = client.write_tls(&mut socket);
                    return Err(explain(host, &error));
                }
            }
            Err(error) if is_pause(error.kind()) => {}
            Err(error) => return Err(broken(host, error)),
        }
        if began.elapsed() > settings.patience {
            return Err(LdapError::Silent { seconds: settings.patience.as_secs() });
        }
    }
    Ok(StreamOwned::new(client, socket))
}

fn is_pause(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

fn broken(host: &str, error: io::Error) -> LdapError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => LdapError::Tls {
            host: host.to_owned(),
            reason: "the server closed the connection during the handshake".to_owned(),
            remedy: "check that the controller has a certificate for LDAPS, and that the port is the right one",
        },
        _ => LdapError::Io(error),
    }
}

/// A handshake's failure in a sentence, with what to do about it.
pub(super) fn explain(host: &str, error: &rustls::Error) -> LdapError {
    use rustls::CertificateError as Certificate;
    let (reason, remedy) = match error {
        rustls::Error::InvalidCertificate(Certificate::UnknownIssuer | Certificate::BadSignature) => (
            "the server's certificate was not issued by the certificate in `certificate`".to_owned(),
            "export the root certificate of the directory's authority (Base-64 or DER) and give it as `certificate`",
        ),
        rustls::Error::InvalidCertificate(
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. },
        ) => (
            format!("the server's certificate is not for the name `{host}`"),
            "write `host` as the name that stands in the controller's certificate, usually its full DNS name",
        ),
        rustls::Error::InvalidCertificate(Certificate::Expired | Certificate::ExpiredContext { .. }) => {
            ("the server's certificate has expired".to_owned(), "renew the controller's certificate")
        }
        rustls::Error::InvalidCertificate(Certificate::NotValidYet | Certificate::NotValidYetContext { .. }) => (
            "the server's certificate is not valid yet".to_owned(),
            "check the clocks of this machine and of the controller",
        ),
        rustls::Error::InvalidMessage(_) => (
            "the server does not speak TLS on this port".to_owned(),
            "LDAPS is port 636; on port 389 set `protocol = \"starttls\"` or `\"ldap\"`",
        ),
        other => (other.to_string(), "check the controller's TLS settings"),
    };
    LdapError::Tls { host: host.to_owned(), reason, remedy }
}
