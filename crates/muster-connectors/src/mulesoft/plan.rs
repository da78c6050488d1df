//! What there is to read: business groups, and the environments of each. Each environment is a scope, as is the Exchange of
//! a business group where it is asked for, and each gap: a group that refuses, a list that was cut short. A plan with gaps
//! proves nothing of what is not in it (design D3).

use std::collections::BTreeMap;
use std::sync::Arc;

use muster_core::connector::{ConnectorError, ErrorKind, Plan, ScopePlan};
use serde_json::Value as Json;

use super::client::Client;
use super::config::Config;
use super::instance::text;

/// Where an API lies.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) organization: String,
    pub(super) organization_name: Option<String>,
    /// Id and name; none for what lies in Exchange alone.
    pub(super) environment: Option<(String, Option<String>)>,
}

impl Place {
    /// The scope's name, and the beginning of its records' keys.
    pub(super) fn scope(&self) -> String {
        let environment = self.environment.as_ref().map_or(EXCHANGE, |(id, _)| id);
        format!("{}/{environment}", self.organization)
    }
}

/// What stands for the environment in keys of assets that no instance serves.
pub(super) const EXCHANGE: &str = "exchange";

/// A scope of the plan.
#[derive(Debug, Clone)]
pub(super) enum Scope {
    Place(Place),
    /// What could not be listed.
    Gap {
        reason: String,
        remedy: Option<String>,
    },
}

/// How deep business groups may be nested: Anypoint has five levels.
const DEEPEST: usize = 32;

pub(super) async fn plan(client: &Client, config: &Config) -> Result<(Plan, BTreeMap<String, Scope>), ConnectorError> {
    let mut scopes = BTreeMap::new();
    let mut notes = Vec::new();
    let wanted = &|| true;
    let groups = match groups(client, config).await {
        Ok(groups) => groups,
        Err(error) if matches!(error.kind, ErrorKind::Auth | ErrorKind::Cancelled | ErrorKind::Config) => {
            return Err(error);
        }
        // The group itself may be read where its tree, or its name, may not.
        Err(error) => {
            if config.below {
                let name = format!("{}/business groups below", config.organization);
                scopes.insert(name, gap(&error));
            } else {
                notes.push(format!("the business group's name is not known: {error}"));
            }
            vec![(config.organization.clone(), None)]
        }
    };
    for (organization, organization_name) in groups {
        let place = |environment| Place {
            organization: organization.clone(),
            organization_name: organization_name.clone(),
            environment,
        };
        let list = match client.environments(&organization, wanted).await {
            Ok(list) => list,
            Err(error) if matches!(error.kind, ErrorKind::Auth | ErrorKind::Cancelled) => return Err(error),
            Err(error) => {
                scopes.insert(organization.clone(), gap(&error));
                continue;
            }
        };
        if let Some(reason) = list.open {
            scopes.insert(organization.clone(), Scope::Gap { reason, remedy: None });
        } else if list.items.is_empty() {
            let reason = "no environment is visible".to_owned();
            let remedy = "give the connected app the scope `View Environment` for this business group's environments";
            scopes.insert(organization.clone(), Scope::Gap { reason, remedy: Some(remedy.to_owned()) });
        }
        for item in &list.items {
            let Some(id) = text(&item["id"]).filter(|id| is_id(id)) else {
                let reason = "an environment without id is listed".to_owned();
                scopes.insert(organization.clone(), Scope::Gap { reason, remedy: None });
                continue;
            };
            if config.environment.as_deref().is_some_and(|wanted| !wanted.eq_ignore_ascii_case(id)) {
                continue;
            }
            let place = place(Some((id.to_owned(), text(&item["name"]).map(str::to_owned))));
            scopes.insert(place.scope(), Scope::Place(place));
        }
        if let Some(environment) = &config.environment
            && !scopes.values().any(|scope| matches!(scope, Scope::Place(_)))
        {
            let reason = format!("environment `{environment}` is not among those that are visible");
            let remedy = "check the environment id, and the scopes of the connected app for it";
            scopes.insert(
                format!("{organization}/{environment}"),
                Scope::Gap { reason, remedy: Some(remedy.to_owned()) },
            );
        }
        if config.unmanaged {
            let place = place(None);
            scopes.insert(place.scope(), Scope::Place(place));
        }
    }
    let plans = scopes.keys().map(|name| ScopePlan { stream: "apis".to_owned(), name: Arc::from(name.as_str()) });
    Ok((Plan { scopes: plans.collect(), notes, origin: None }, scopes))
}

fn gap(error: &ConnectorError) -> Scope {
    Scope::Gap { reason: error.to_string(), remedy: error.remedy.clone() }
}

/// Ids and names of the business groups to read.
async fn groups(client: &Client, config: &Config) -> Result<Vec<(String, Option<String>)>, ConnectorError> {
    let wanted = &|| true;
    let named = |group: &Json| text(&group["name"]).map(str::to_owned);
    if !config.below {
        let group = client.organization(wanted).await?;
        return Ok(vec![(config.organization.clone(), named(&group))]);
    }
    let tree = client.hierarchy(wanted).await?;
    let mut found = vec![(config.organization.clone(), named(&tree))];
    let mut level: Vec<&Json> = vec![&tree];
    for _ in 0..DEEPEST {
        level = level.iter().flat_map(|group| group["subOrganizations"].as_array().into_iter().flatten()).collect();
        for group in &level {
            let id = text(&group["id"]).filter(|id| is_id(id)).ok_or_else(|| {
                let operation = format!("reading the business groups below `{}`", config.organization);
                ConnectorError::new(ErrorKind::Protocol, operation, "a business group has no id")
            })?;
            found.push((id.to_owned(), named(group)));
        }
    }
    Ok(found)
}

/// What may stand in a path and a key.
fn is_id(text: &str) -> bool {
    text.len() <= 128 && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}
