//! Asking for APIs again, by their keys (design D3).

use std::collections::BTreeMap;
use std::sync::Arc;

use muster_core::connector::{Batch, BatchSink, ConnectorError, ErrorKind, Verdict};
use serde_json::{Value as Json, json};

use super::client::List;
use super::instance::{Instance, push, text};
use super::plan::{EXCHANGE, Scope};
use super::read::Job;
use super::{Anypoint, MODEL, refused};
use crate::kit::marks::Verdicts;

pub(super) async fn confirm(
    platform: &Anypoint,
    keys: &[String],
    sink: &dyn BatchSink,
) -> Result<Vec<Verdict>, ConnectorError> {
    let (mut verdicts, mut lists) = (Verdicts::default(), BTreeMap::new());
    for key in keys {
        verdicts.take(one(platform, (key, &mut lists), sink).await)?;
        if verdicts.is_over {
            break;
        }
    }
    Ok(verdicts.of(keys.len()))
}

async fn one(
    platform: &Anypoint,
    (key, lists): (&str, &mut Lists),
    sink: &dyn BatchSink,
) -> Result<Verdict, ConnectorError> {
    let wanted = || !sink.is_closed();
    let mut parts = key.splitn(3, '/');
    let (Some(organization), Some(environment), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return Ok(Verdict::Unknown);
    };
    let scope = format!("{organization}/{environment}");
    let place = match platform.found(&scope) {
        Some(Scope::Place(place)) => Some(place),
        _ => None,
    };
    let (client, shared, organizations) = (&platform.client, &platform.shared, platform.organizations());
    let found = if environment == EXCHANGE {
        let job = place.as_ref().map(|place| Job { client, place, shared, wanted: &wanted, organizations });
        published(platform, (organization, rest), (job.as_ref(), lists), &wanted).await?
    } else {
        instance(platform, (organization, environment, rest), place.is_some(), &wanted).await?
    };
    let (instance, place) = match (found, place) {
        (Err(verdict), _) => return Ok(verdict),
        // What answers and is not listed proves that a list is short, unless the profile leaves it out.
        (Ok(_), None) if platform.config.reads(organization, environment) => return Ok(Verdict::Present),
        (Ok(_), None) => return Ok(Verdict::OutOfScope),
        (Ok(instance), Some(place)) => (instance, place),
    };
    let job = Job { client, place: &place, shared, wanted: &wanted, organizations: platform.organizations() };
    let (parts, is_whole) = job.single(instance).await?;
    // What is known of it stays.
    if !is_whole && !shared.bare.has(key) {
        return Ok(Verdict::Present);
    }
    let mut batch = Batch::new(Arc::from("apis"), Arc::from(place.scope()));
    push(&mut batch, &MODEL.streams[0], (&place, parts));
    let operation = format!("reading `{key}`");
    let closed = |_| ConnectorError::new(ErrorKind::Cancelled, operation, "the run is over");
    sink.send(batch).await.map_err(closed)?;
    Ok(Verdict::Present)
}

/// What Exchange lists of each business group, asked once for all keys.
type Lists = BTreeMap<String, List>;
type Wanted<'a> = crate::kit::http::Wanted<'a>;

async fn instance(
    platform: &Anypoint,
    (organization, environment, id): (&str, &str, &str),
    is_planned: bool,
    wanted: Wanted<'_>,
) -> Result<Result<Instance, Verdict>, ConnectorError> {
    let operation = format!("reading API instance `{id}`");
    let answer = platform.client.instance((organization, environment, id), wanted).await?;
    match answer.status.as_u16() {
        200 => {}
        403 => return Ok(Err(Verdict::Forbidden)),
        _ if refused::is_not_found(&answer) && is_planned => return Ok(Err(Verdict::Deleted)),
        // What lies in an environment that is not listed may only be hidden with it.
        _ if refused::is_not_found(&answer) => {
            let answer = platform.client.environment((organization, environment), wanted).await?;
            if !refused::is_not_found(&answer) {
                return Ok(Err(match answer.status.as_u16() {
                    403 => Verdict::Forbidden,
                    200 => Verdict::Deleted,
                    _ => Verdict::Unknown,
                }));
            }
            // So may the environment, with its business group.
            let answer = platform.client.any_organization(organization, wanted).await?;
            return Ok(Err(match answer.status.as_u16() {
                403 => Verdict::Forbidden,
                200 => Verdict::Deleted,
                _ => Verdict::Unknown,
            }));
        }
        _ => return Err(refused::call(&operation, &answer)),
    }
    let detail: Json = answer.json(&operation)?;
    // The entry of the list says no more than the instance, but for the asset's name.
    let found = Instance::of(&json!({}), &detail).and_then(|one| one.with_detail(&detail));
    Ok(found.ok().filter(|one| one.id.as_deref() == Some(id)).ok_or(Verdict::Unknown))
}

/// An asset that no instance served when it was read last.
async fn published(
    platform: &Anypoint,
    (organization, rest): (&str, &str),
    (job, lists): (Option<&Job<'_>>, &mut Lists),
    wanted: Wanted<'_>,
) -> Result<Result<Instance, Verdict>, ConnectorError> {
    let Some(job) = job else {
        // Exchange shows nothing of a business group that may not be seen: that proves no deletion.
        return Ok(Err(match platform.client.environments(organization, wanted).await {
            Err(ConnectorError { kind: ErrorKind::Forbidden { .. }, .. }) => Verdict::Forbidden,
            Err(error) if matches!(error.kind, ErrorKind::Auth | ErrorKind::Cancelled) => return Err(error),
            Err(_) => Verdict::Unknown,
            // Planned, it would be read.
            Ok(_) if platform.config.unmanaged && platform.config.reads(organization, EXCHANGE) => Verdict::Unknown,
            Ok(_) => Verdict::OutOfScope,
        }));
    };
    if !lists.contains_key(organization) {
        lists.insert(organization.to_owned(), platform.client.published(organization, wanted).await?);
    }
    let Some(list) = lists.get(organization) else { return Ok(Err(Verdict::Unknown)) };
    let is = |entry: &&Json| {
        let part = |key: &str| text(&entry[key]).unwrap_or_default();
        format!("{}/{}", part("groupId"), part("assetId")) == rest
    };
    let served = job.served().await?;
    match list.items.iter().find(is) {
        Some(entry) if job.serves(&served, entry) => Ok(Err(Verdict::OutOfScope)),
        Some(entry) => Ok(Instance::published(entry).map_err(|_| Verdict::Unknown)),
        None if list.open.is_some() => Ok(Err(Verdict::Unknown)),
        None => Ok(Err(Verdict::Deleted)),
    }
}
