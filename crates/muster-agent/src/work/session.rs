//! A session: what the hub says there is to read, and the secrets for it, in memory alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use muster_connectors::{ConnectorType, Settings as ConnectorSettings, find};
use muster_core::agent::{Configuration, Hello, Welcome, session_keyring};
use muster_core::connector::{Connector, Sections, SettingError, put_secret};
use muster_core::model::DataModel;
use muster_core::seal::Place;
use muster_core::secret::Secret;
use ring::agreement::{EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral};
use ring::rand::SystemRandom;

use crate::client::Link;
use crate::failure::{Failure, Kind};
use crate::machine;
use crate::settings::Settings;

/// What is read, with all that is needed for it.
pub(crate) struct Source {
    kind: &'static ConnectorType,
    pub(crate) configuration: Configuration,
    sections: Sections,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Source").field("configuration", &self.configuration).finish_non_exhaustive()
    }
}

impl Source {
    /// Begins a session with the hub.
    pub(crate) async fn begin(link: &Link, settings: &Settings) -> Result<Self, Failure> {
        let doing = "beginning a session";
        let random =
            |_| Failure::new(Kind::Settings, doing, "there is no randomness to make a key of", "see to the machine");
        let private = EphemeralPrivateKey::generate(&X25519, &SystemRandom::new()).map_err(random)?;
        let public = private.compute_public_key().map_err(random)?;
        let hello = Hello {
            customer: settings.customer.clone(),
            connection: settings.connection.clone(),
            profile: settings.profile.clone(),
            host: machine::name(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            cron: settings.cron.as_ref().map(|cron| cron.as_str().to_owned()),
            time_zone: settings.zone.name().to_owned(),
            public_key: BASE64URL_NOPAD.encode(public.as_ref()),
            holds: settings.held.keys().cloned().collect(),
        };
        let welcome = link.hello(&hello).await.map_err(|error| error.into_failure(doing))?;
        let secrets = open(private, public.as_ref(), &welcome, &settings.customer)?;
        link.set_session(&welcome.session);
        Self::of(welcome.configuration, &secrets, &settings.held)
    }

    pub(super) fn of(
        configuration: Configuration,
        secrets: &BTreeMap<String, Secret>,
        held: &BTreeMap<String, Secret>,
    ) -> Result<Self, Failure> {
        let kind = find(&configuration.connector_type).ok_or_else(|| {
            let message = format!("this agent knows no connector type `{}`", configuration.connector_type);
            Failure::new(Kind::Settings, "beginning a session", message, "bring agent and hub to the same version")
        })?;
        let mut sections = configuration.sections.clone();
        // What the agent holds itself goes before what the hub says.
        for (field, secret) in secrets.iter().chain(held) {
            put_secret(&mut sections, field, secret);
        }
        Ok(Self { kind, configuration, sections })
    }

    /// What it reads.
    pub(crate) fn model(&self) -> Arc<DataModel> {
        (self.kind.model)()
    }

    /// Opens the connector; nothing is sent yet. Its settings name no file of this machine: they come from the hub.
    pub(crate) fn open(&self) -> Result<Arc<dyn Connector>, SettingError> {
        (self.kind.open)(&ConnectorSettings { sections: self.sections.clone(), base_directory: None })
    }
}

fn open(
    private: EphemeralPrivateKey,
    public: &[u8],
    welcome: &Welcome,
    customer: &str,
) -> Result<BTreeMap<String, Secret>, Failure> {
    let odd = |message: String| {
        let remedy = "bring agent and hub to the same version; if they are, somebody is between them";
        Failure::new(Kind::Hub, "opening the session's secrets", message, remedy)
    };
    let hub =
        BASE64URL_NOPAD.decode(welcome.public_key.as_bytes()).map_err(|_| odd("the hub's key is none".to_owned()))?;
    let peer = UnparsedPublicKey::new(&X25519, &hub);
    let keyring = agree_ephemeral(private, &peer, |shared| session_keyring(shared, public, &hub))
        .map_err(|_| odd("the hub's key is none".to_owned()))?;
    let mut secrets = BTreeMap::new();
    for (field, sealed) in &welcome.configuration.sealed {
        let place = Place { tenant: customer, owner: &welcome.session, field };
        let secret = keyring.open(&place, sealed).map_err(|error| odd(format!("`{field}`: {error}")))?;
        secrets.insert(field.clone(), secret);
    }
    Ok(secrets)
}
