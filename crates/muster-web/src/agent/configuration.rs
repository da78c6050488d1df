//! What an agent is told to read: settings without secrets, the closed list of attributes, where to begin.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use muster_core::agent::{Configuration, ScopeCursor};
use muster_core::connector::Offer;
use muster_core::fold::fingerprint;
use muster_core::model::{Attribute, AttributeKind};
use muster_store::ConnectorRow;
use muster_store::hub::{ConnectionRow, ProfileRow};
use serde_json::{Value, json};

use crate::error::{Code, Problem};
use crate::hub::Hub;
use crate::settings;

/// What an agent of a profile reads, and how; no secret is in it yet.
pub(super) async fn of(
    hub: &Hub,
    (connection, profile): (&ConnectionRow, &ProfileRow),
) -> Result<Configuration, Problem> {
    let offer = hub.offer(&connection.type_name).ok_or_else(|| Problem::new(Code::UnknownConnection))?;
    let open = connection.settings.as_object().cloned().unwrap_or_default();
    let mut made = Configuration {
        revision: String::new(),
        connector_type: connection.type_name.clone(),
        connector: connection.name.clone(),
        profile: profile.name.clone(),
        sections: settings::join(&open, &[], Some(&profile.parameters)),
        sealed: BTreeMap::new(),
        attributes: attributes(offer, &profile.parameters),
        cursors: Vec::new(),
    };
    // Of secrets, that they changed: they are sealed anew whenever they are given.
    let secrets = hub.store.secrets(connection.tenant, &connection.uuid).await?;
    let secrets: Vec<_> = secrets.into_iter().map(|secret| (secret.field, secret.sealed)).collect();
    let all = json!([made, secrets, profile.active]);
    made.revision = HEXLOWER.encode(&fingerprint(all.to_string().as_bytes()));
    Ok(made)
}

/// Where the next reading of each scope of a profile begins.
pub(super) async fn cursors(
    hub: &Hub,
    (connection, profile): (&ConnectionRow, &ProfileRow),
) -> Result<Vec<ScopeCursor>, Problem> {
    let row = ConnectorRow { id: connection.id, tenant: connection.tenant, name: String::new() };
    let scopes = hub.store.scopes(&row).await?.into_iter().filter(|scope| scope.profile == Some(profile.id));
    let cursors = scopes.filter_map(|scope| {
        let (stream, name) = (scope.stream, scope.name);
        scope.cursor.map(|cursor| ScopeCursor { stream, scope: name, cursor })
    });
    Ok(cursors.collect())
}

/// The closed list of each stream (design D14): the data model's, without secrets, and of what hangs on a choice only what
/// the profile chose.
fn attributes(offer: &Offer, parameters: &Value) -> BTreeMap<String, Vec<String>> {
    let asked = |attribute: &&Attribute| {
        let chosen = attribute.only_with.as_deref().is_none_or(|choice| is_chosen(choice, parameters));
        attribute.kind != AttributeKind::Secret && chosen
    };
    let names = |attributes: &[Attribute]| {
        attributes.iter().filter(asked).map(|attribute| attribute.name.clone()).collect::<Vec<_>>()
    };
    offer.model.streams.iter().map(|stream| (stream.name.clone(), names(&stream.attributes))).collect()
}

/// Whether a profile makes a choice of the data model: by the value of a parameter, or by one of that name that is set.
fn is_chosen(choice: &str, parameters: &Value) -> bool {
    let same = |key: &str| {
        let lower = |text: &str| text.replace('_', "").to_lowercase();
        lower(key) == lower(choice)
    };
    let parameters = parameters.as_object().into_iter().flatten();
    parameters.into_iter().any(|(key, value)| value.as_str() == Some(choice) || same(key) && *value == json!(true))
}
