//! A connector's settings: sections of JSON, their secrets apart and sealed (design P7).
//!
//! ```text
//! given sections ─split→ open part (kept as JSON) + secrets (sealed, `section.key`)
//! open part + opened secrets + a profile's parameters ─join→ what `Offer::check` and the worker's connector read
//! ```
//!
//! A secret is sealed for the place {tenant's id, connector's public id, `section.key`}.

use muster_core::connector::{Area, Offer, Sections, SettingError, put_secret, stand_in};
use muster_core::seal::Place;
use muster_core::secret::Secret;
use muster_store::hub::{ConnectionRow, SealedSecret};
use serde_json::{Map, Value, json};

use crate::error::{Code, Problem};
use crate::hub::Hub;

/// The sections that belong to a connector; `profile` belongs to its profiles.
pub(crate) const SECTIONS: [&str; 2] = ["authentication", "endpoints"];

/// Settings, split.
#[derive(Debug, Default)]
pub struct Split {
    /// What may be shown.
    pub open: Sections,
    /// What may not: field, value.
    pub secrets: Vec<(String, Secret)>,
}

/// Parts the secrets from what may be shown. A secret that is absent, or stands there as answers show it, is kept.
pub fn split(offer: &Offer, given: &Sections) -> Result<Split, Problem> {
    let mut split = Split::default();
    for (section, keys) in given {
        let wrong =
            |detail: &str| Err(setting(section, detail, "give `authentication` and `endpoints`, each an object"));
        if section == "profile" {
            return wrong("it belongs to the connector's profiles, as their `parameters`");
        }
        if !SECTIONS.contains(&section.as_str()) {
            return wrong("there is no such section");
        }
        let Value::Object(keys) = keys else { return wrong("it is no object") };
        let mut open = Map::new();
        for (key, value) in keys {
            if !is_secret(offer, section, key) {
                open.insert(key.clone(), value.clone());
                continue;
            }
            let field = format!("{section}.{key}");
            match value {
                Value::String(text) => split.secrets.push((field, Secret::new(text.clone()))),
                Value::Null => {}
                kept if *kept == json!({ "set": true }) || *kept == json!({ "set": false }) => {}
                _ => {
                    return Err(setting(
                        &field,
                        "it is no text",
                        "give the secret as text, or leave it out to keep it",
                    ));
                }
            }
        }
        split.open.insert(section.clone(), Value::Object(open));
    }
    Ok(split)
}

/// Whether a key holds a secret.
pub fn is_secret(offer: &Offer, section: &str, key: &str) -> bool {
    offer.spec.fields.iter().any(|field| field.kind == "secret" && field.section == section && field.key == key)
}

/// Settings as answers show them: of secrets only whether they are set.
pub fn shown(offer: Option<&Offer>, settings: &Value, set: &[SealedSecret]) -> Value {
    let mut shown = settings.as_object().cloned().unwrap_or_default();
    let secrets =
        offer.map(|offer| offer.spec.fields).unwrap_or_default().iter().filter(|field| field.kind == "secret");
    for field in secrets {
        let name = format!("{}.{}", field.section, field.key);
        let is_set = set.iter().any(|secret| secret.field == name);
        let section = shown.entry(field.section).or_insert_with(|| json!({}));
        section[field.key] = json!({ "set": is_set });
    }
    Value::Object(shown)
}

/// Seals secrets for a connector.
pub fn seal(
    hub: &Hub,
    (tenant, owner): (i64, &str),
    secrets: &[(String, Secret)],
) -> Result<Vec<SealedSecret>, Problem> {
    let tenant = tenant.to_string();
    let seal = |(field, secret): &(String, Secret)| {
        let place = Place { tenant: &tenant, owner, field };
        let sealed = hub.keyring.seal(&place, secret, &mut *hub.random.generator());
        let sealed = sealed.map_err(|error| setting(field, &error.to_string(), "give a shorter one"))?;
        Ok(SealedSecret { field: field.clone(), sealed })
    };
    secrets.iter().map(seal).collect()
}

/// Opens the secrets of a connector.
pub async fn open(hub: &Hub, connection: &ConnectionRow) -> Result<Vec<(String, Secret)>, Problem> {
    let tenant = connection.tenant.to_string();
    let sealed = hub.store.secrets(connection.tenant, &connection.uuid).await?;
    let open = |secret: SealedSecret| {
        let place = Place { tenant: &tenant, owner: &connection.uuid, field: &secret.field };
        let opened = hub.keyring.open(&place, &secret.sealed).map_err(|error| {
            tracing::error!(connector.id = connection.uuid, field = secret.field, error = %error, "a secret cannot be opened");
            Problem::new(Code::Internal)
        })?;
        Ok((secret.field, opened))
    };
    sealed.into_iter().map(open).collect()
}

/// Everything that a connector of that type reads: `parameters` is a profile's.
pub fn join(open: &Sections, secrets: &[(String, Secret)], parameters: Option<&Value>) -> Sections {
    let mut sections = open.clone();
    for (field, secret) in secrets {
        put_secret(&mut sections, field, secret);
    }
    if let Some(parameters) = parameters {
        sections.insert("profile".to_owned(), parameters.clone());
    }
    sections
}

/// Checks settings of a connector that is read there (`hub`, `agent`); tells where they read. Secrets that are not here
/// the agent may hold itself.
pub fn check((offer, execution): (&Offer, &str), mut sections: Sections) -> Result<Vec<Area>, SettingError> {
    if execution == "agent" {
        stand_in(&mut sections, offer.spec);
    }
    (offer.check)(&sections)
}

/// A setting that cannot work, as a problem: `prefix` is where the body holds its sections.
pub fn refused(error: SettingError, prefix: &str) -> Problem {
    let field = match error.field.strip_prefix("profile.") {
        Some(key) => format!("parameters.{key}"),
        None => format!("{prefix}{}", error.field),
    };
    Problem::new(Code::InvalidSetting).field(field).detail(error.problem).remedy(error.remedy)
}

fn setting(field: &str, detail: &str, remedy: &str) -> Problem {
    Problem::new(Code::InvalidSetting).field(format!("settings.{field}")).detail(detail).remedy(remedy)
}
