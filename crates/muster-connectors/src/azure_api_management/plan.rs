//! What there is to read: subscriptions, and the services of each. Each service is a scope, and so is each gap: a
//! subscription whose services cannot be listed, a list that was cut short. A plan with gaps proves nothing of what is
//! not in it (design D3).

use std::collections::BTreeMap;
use std::sync::Arc;

use muster_core::connector::{ConnectorError, ErrorKind, Plan, ScopePlan};
use serde::Deserialize;

use super::api::{Service, segment};
use super::arm;
use super::client::Client;
use super::config::Config;

/// A scope of the plan.
#[derive(Debug, Clone)]
pub(super) enum Found {
    /// A service.
    Service(Box<Service>),
    /// What could not be listed.
    Gap { reason: String, remedy: Option<String> },
    /// A subscription that is listed and not read, for its state. It is no scope.
    LeftOut,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subscription {
    subscription_id: String,
    state: Option<String>,
}

/// Which gap stands for the list of subscriptions.
const SUBSCRIPTIONS: &str = "/subscriptions";

/// What an empty list of subscriptions calls for.
pub(super) fn no_subscription(config: &Config) -> String {
    format!(
        "let an owner run: az role assignment create --assignee {} --role Reader --scope /subscriptions/SUBSCRIPTION; a \
         permission of Microsoft Graph, such as User.Read, gives none",
        config.client_id
    )
}

pub(super) async fn plan(client: &Client, config: &Config) -> Result<(Plan, BTreeMap<String, Found>), ConnectorError> {
    let mut found = BTreeMap::new();
    let mut notes = Vec::new();
    let list = client.subscriptions(&|| true).await?;
    let gap = |reason: String, remedy: Option<String>| Found::Gap { reason, remedy };
    if let Some(reason) = list.open {
        found.insert(SUBSCRIPTIONS.to_owned(), gap(reason, None));
    }
    let mut ids = Vec::new();
    for item in &list.items {
        match Subscription::deserialize(item) {
            Ok(Subscription { subscription_id, state }) => match state.as_deref() {
                Some(state @ ("Disabled" | "Deleted")) => {
                    notes.push(format!("subscription `{subscription_id}` is {state}: it is not read"));
                    found.insert(subscription(&subscription_id), Found::LeftOut);
                }
                _ => ids.push(subscription_id.to_ascii_lowercase()),
            },
            Err(error) => {
                found.insert(SUBSCRIPTIONS.to_owned(), gap(format!("a subscription cannot be read: {error}"), None));
            }
        }
    }
    if list.items.is_empty() {
        let reason = "no subscription is visible: the app has no role on any".to_owned();
        found.insert(SUBSCRIPTIONS.to_owned(), gap(reason, Some(no_subscription(config))));
    }
    for wanted in &config.subscriptions {
        // One that is left out for its state was told of.
        if !ids.contains(wanted) && !found.contains_key(&subscription(wanted)) {
            let reason = format!("subscription `{wanted}` of the profile is not among those that are visible");
            found.insert(subscription(wanted), gap(reason, Some(no_subscription(config))));
        }
    }
    ids.retain(|id| config.subscriptions.is_empty() || config.subscriptions.contains(id));
    for id in ids {
        services(client, &id, &mut found).await?;
    }
    notes.extend(figures(client, &found).await);
    let scopes = found.iter().filter(|(_, one)| !matches!(one, Found::LeftOut));
    let scopes = scopes.map(|(name, _)| ScopePlan { stream: "apis".to_owned(), name: Arc::from(name.as_str()) });
    Ok((Plan { scopes: scopes.collect(), notes, origin: None }, found))
}

/// What stands for a whole subscription.
pub(super) fn subscription(id: &str) -> String {
    format!("{SUBSCRIPTIONS}/{}", id.to_ascii_lowercase())
}

async fn services(
    client: &Client,
    subscription: &str,
    found: &mut BTreeMap<String, Found>,
) -> Result<(), ConnectorError> {
    let name = self::subscription(subscription);
    let list = match client.services(subscription, &|| true).await {
        Ok(list) => list,
        Err(error) if arm::is_unregistered(&error) => return Ok(()),
        // Not about this subscription alone.
        Err(error) if matches!(error.kind, ErrorKind::Auth | ErrorKind::Cancelled) => return Err(error),
        Err(error) => {
            found.insert(name, Found::Gap { reason: error.to_string(), remedy: error.remedy });
            return Ok(());
        }
    };
    let mut gap = list.open;
    for item in &list.items {
        match Service::deserialize(item) {
            Ok(service) => {
                workspaces(client, &service, found).await?;
                found.insert(service.scope(), Found::Service(Box::new(service)));
            }
            Err(error) => gap = Some(format!("a service of subscription `{subscription}` cannot be read: {error}")),
        }
    }
    if let Some(reason) = gap {
        found.insert(name, Found::Gap { reason, remedy: None });
    }
    Ok(())
}

/// The workspaces of a service: each has a list of APIs of its own, and so is a scope.
async fn workspaces(
    client: &Client,
    service: &Service,
    found: &mut BTreeMap<String, Found>,
) -> Result<(), ConnectorError> {
    let name = format!("{}/workspaces", service.scope());
    let list = match client.below((&service.id, service.subscription()), "workspaces", &|| true).await {
        Ok(list) => list,
        Err(error) if arm::is_beyond_the_tier(&error) => return Ok(()),
        Err(error) if matches!(error.kind, ErrorKind::Auth | ErrorKind::Cancelled) => return Err(error),
        Err(error) => {
            found.insert(name, Found::Gap { reason: error.to_string(), remedy: error.remedy });
            return Ok(());
        }
    };
    let mut gap = list.open;
    for item in &list.items {
        match item["id"].as_str().filter(|id| segment(id, "workspaces").is_some()) {
            Some(id) => {
                let workspace = service.workspace(id);
                found.insert(workspace.scope(), Found::Service(Box::new(workspace)));
            }
            None => gap = Some(format!("a workspace of `{}` cannot be read", service.id)),
        }
    }
    if let Some(reason) = gap {
        found.insert(name, Found::Gap { reason, remedy: None });
    }
    Ok(())
}

/// Lists of each API, whatever changed: operations, revisions, schemas.
const LISTS_AN_API: u64 = 3;

/// What the run will ask of Resource Manager, and how long that takes at the least: nothing where no service counts.
async fn figures(client: &Client, found: &BTreeMap<String, Found>) -> Option<String> {
    let (mut services, mut apis) = (0_u64, BTreeMap::<String, u64>::new());
    for one in found.values() {
        let Found::Service(service) = one else { continue };
        let subscription = service.subscription();
        if let Some(count) = client.count_apis((&service.id, subscription), &|| true).await {
            services += u64::from(!service.is_workspace());
            *apis.entry(subscription.to_ascii_lowercase()).or_default() += count;
        }
    }
    let total: u64 = apis.values().sum();
    let seconds = |calls_an_api: u64| {
        let each = apis.iter().map(|(subscription, count)| client.earliest(subscription, count * calls_an_api));
        each.max().unwrap_or_default().as_secs()
    };
    let (lists, exports) = (LISTS_AN_API, LISTS_AN_API + 1);
    (services > 0).then(|| {
        format!(
            "{total} APIs in {services} services: about {} calls and {} s at the least, {} calls and {} s where every \
             definition is exported",
            total * lists,
            seconds(lists),
            total * exports,
            seconds(exports)
        )
    })
}
