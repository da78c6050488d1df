//! From rows to an opened connector: settings, secrets, maps; where an agent reads, the far end of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use muster_connectors::{ConnectorType, Settings};
use muster_core::connector::{Connector, Sections, put_secret, stand_in};
use muster_core::map::{self, TransformMap};
use muster_core::seal::Place;
use muster_store::StoreError;
use muster_store::hub::{ConnectionRow, JobRow, ProfileRow};
use serde_json::Value;

use super::Worker;
use super::remote::{Ordering, Remote};

/// A connector that can be read.
pub(super) struct Opened {
    pub(super) connector: Arc<dyn Connector>,
    pub(super) maps: BTreeMap<String, Arc<TransformMap>>,
}

/// Why it cannot be opened: the store's fault, or something an operator has to mend, in a sentence.
pub(super) enum NotOpened {
    Store(StoreError),
    Settings(String),
}

impl From<StoreError> for NotOpened {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Opens a job's connection, with a profile's parameters and maps where there is one.
pub(super) async fn open(
    worker: &Worker,
    job: &JobRow,
    (connection, profile): (&ConnectionRow, Option<&ProfileRow>),
) -> Result<Opened, NotOpened> {
    let kind =
        worker.kinds.iter().copied().find(|kind| kind.spec.type_name == connection.type_name).ok_or_else(|| {
            NotOpened::Settings(format!("this version knows no connector type `{}`", connection.type_name))
        })?;
    let is_remote = connection.execution == "agent";
    let mut sections = sections(worker, connection).await?;
    if is_remote {
        // What the agent holds itself is not here, and here it is not needed.
        stand_in(&mut sections, kind.spec);
    }
    let parameters = profile.map_or_else(|| Value::Object(Sections::new()), |profile| profile.parameters.clone());
    sections.insert("profile".to_owned(), parameters);
    let connector = (kind.open)(&Settings { sections, base_directory: None })
        .map_err(|error| NotOpened::Settings(format!("{error}; {}", error.remedy)))?;
    let maps = maps(worker, kind, (connection.tenant, profile)).await?;
    if !is_remote {
        return Ok(Opened { connector, maps });
    }
    let mut ids = BTreeMap::new();
    for (stream, map) in &maps {
        let id = worker.store.ensure_map(connection.tenant, map, worker.clock.now()).await?;
        ids.insert(stream.clone(), id);
    }
    let ordering = Ordering {
        tenant: connection.tenant,
        connector: connection.id,
        profile: profile.map(|profile| profile.id),
        job: job.id,
        maps: ids,
    };
    let place = (worker.store.clone(), Arc::clone(&worker.clock));
    Ok(Opened { connector: Arc::new(Remote::new(place, connector, ordering)), maps })
}

/// The settings of a connection with its secrets in their places.
async fn sections(worker: &Worker, connection: &ConnectionRow) -> Result<Sections, NotOpened> {
    let Value::Object(mut sections) = connection.settings.clone() else {
        return Err(StoreError::Corrupt(format!("the settings of connector `{}`", connection.uuid)).into());
    };
    for secret in worker.store.secrets(connection.tenant, &connection.uuid).await? {
        let tenant = connection.tenant.to_string();
        let place = Place { tenant: &tenant, owner: &connection.uuid, field: &secret.field };
        let opened = worker
            .keyring
            .open(&place, &secret.sealed)
            .map_err(|error| NotOpened::Settings(format!("opening the secret `{}`: {error}", secret.field)))?;
        put_secret(&mut sections, &secret.field, &opened);
    }
    Ok(sections)
}

/// The map of each stream: the locked default, or the latest version of one of the tenant's own.
async fn maps(
    worker: &Worker,
    kind: &ConnectorType,
    (tenant, profile): (i64, Option<&ProfileRow>),
) -> Result<BTreeMap<String, Arc<TransformMap>>, NotOpened> {
    let model = (kind.model)();
    let mut maps = BTreeMap::new();
    for stream in &model.streams {
        let chosen = profile.and_then(|profile| profile.maps.get(&stream.name)).and_then(Value::as_str);
        let text = match chosen {
            None | Some("default") => kind.default_map(&stream.name).unwrap_or_default().to_owned(),
            Some(uuid) => match worker.store.own_map(tenant, uuid).await? {
                Some(own) => own.text,
                None => {
                    let problem =
                        format!("the profile's map of `{}` is not there any more; choose another", stream.name);
                    return Err(NotOpened::Settings(problem));
                }
            },
        };
        let map = map::compile(&text, stream)
            .map_err(|error| NotOpened::Settings(format!("the map of stream `{}`: {error}", stream.name)))?;
        maps.insert(stream.name.clone(), Arc::new(map));
    }
    Ok(maps)
}
