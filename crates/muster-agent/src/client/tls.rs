//! Whom the agent believes to be the hub.

use std::path::Path;
use std::sync::Arc;

use muster_connectors::kit::ldap::read_certificates;
use rustls::{ClientConfig, RootCertStore};

use crate::failure::{Failure, Kind};

/// The roots: those of a file alone, or the machine's.
pub(super) fn config(hub_ca: Option<&Path>) -> Result<ClientConfig, Failure> {
    let mut roots = RootCertStore::empty();
    match hub_ca {
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        Some(path) => {
            let shown = path.display();
            let failed = |message: String| {
                let remedy = "give the root certificate of the hub's authority, PEM or DER, as `--hub-ca`";
                Failure::new(Kind::Settings, format!("reading `{shown}`"), message, remedy)
            };
            let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
            let certificates = read_certificates(&bytes).map_err(|error| failed(error.to_string()))?;
            for certificate in certificates {
                roots.add(certificate).map_err(|error| failed(error.to_string()))?;
            }
        }
    }
    let failed = |error: rustls::Error| {
        Failure::new(Kind::Tls, "preparing TLS", error.to_string(), "this build is broken: install another one")
    };
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
