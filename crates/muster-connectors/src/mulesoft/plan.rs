//! What there is to read: business groups, and the environments of each. Each environment is a scope, as is the Exchange of
//! a business group where it is asked for, and each gap: a group that refuses, a list that was cut short. A plan with gaps
//! proves nothing of what is not in it (design D3).

use std::collections::{BTreeMap, BTreeSet};
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
/// Gaps that are told one by one.
pub(super) const GAPS_TOLD: usize = 5;

/// Id and name of a business group.
type Group = (String, Option<String>);

pub(super) async fn plan(client: &Client, config: &Config) -> Result<(Plan, BTreeMap<String, Scope>), ConnectorError> {
    let mut scopes = BTreeMap::new();
    let mut notes = Vec::new();
    let wanted = &|| true;
    let below = format!("{}/business groups below", config.organization);
    let groups = match groups(client, config).await {
        Ok((groups, gaps)) => {
            if !gaps.is_empty() {
                let told = gaps.iter().take(GAPS_TOLD).cloned().collect::<Vec<_>>().join("; ");
                let more = gaps.len().saturating_sub(GAPS_TOLD);
                let reason = if more > 0 { format!("{told}; and {more} more") } else { told };
                let remedy = "give the connected app the scope `View Organization` for the business groups to be read";
                scopes.insert(below, Scope::Gap { reason, remedy: Some(remedy.to_owned()) });
            }
            groups
        }
        Err(error) if matches!(error.kind, ErrorKind::Auth | ErrorKind::Cancelled | ErrorKind::Config) => {
            return Err(error);
        }
        // The group itself may be read where its tree, or its name, may not.
        Err(error) => {
            if config.below {
                scopes.insert(below, gap(&error));
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
        notes.extend(list.note);
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

/// The business groups to read, and what of their tree is not known.
async fn groups(client: &Client, config: &Config) -> Result<(Vec<Group>, Vec<String>), ConnectorError> {
    let wanted = &|| true;
    if !config.below {
        let group = client.organization(wanted).await?;
        return Ok((vec![(config.organization.clone(), named(&group))], Vec::new()));
    }
    Ok(tree(&config.organization, &client.hierarchy(wanted).await?))
}

/// A tree of business groups, level by level. What it names and does not show is a gap.
fn tree(top: &str, tree: &Json) -> (Vec<Group>, Vec<String>) {
    let (mut found, mut gaps) = (vec![(top.to_owned(), named(tree))], Vec::new());
    match text(&tree["id"]) {
        Some(id) if !id.eq_ignore_ascii_case(top) => {
            gaps.push(format!("the tree that came is of another business group, `{id}`"));
            return (vec![(top.to_owned(), None)], gaps);
        }
        _ if !tree["subOrganizations"].is_array() => gaps.push("the tree does not say what lies below".to_owned()),
        _ => {}
    }
    let mut known = BTreeSet::from([top.to_ascii_lowercase()]);
    let mut level = vec![tree];
    for depth in 0.. {
        let mut next = Vec::new();
        for group in level {
            let of = text(&group["id"]).unwrap_or(top);
            let below = group["subOrganizations"].as_array().map(Vec::as_slice).unwrap_or_default();
            if depth == DEEPEST && !below.is_empty() {
                gaps.push(format!("the business groups below `{of}` lie deeper than {DEEPEST} levels"));
                continue;
            }
            let shown: BTreeSet<&str> = below.iter().filter_map(|one| text(&one["id"])).collect();
            let ids = group["subOrganizationIds"].as_array().into_iter().flatten().filter_map(text);
            let hidden = ids.filter(|id| !shown.contains(id));
            gaps.extend(hidden.map(|id| format!("business group `{id}`, below `{of}`, is named and not shown")));
            for one in below {
                match text(&one["id"]).filter(|id| is_id(id)) {
                    Some(id) if !known.insert(id.to_ascii_lowercase()) => {}
                    Some(id) => {
                        found.push((id.to_owned(), named(one)));
                        next.push(one);
                    }
                    None => gaps.push(format!("a business group below `{of}` has no id")),
                }
            }
        }
        if next.is_empty() {
            break;
        }
        level = next;
    }
    (found, gaps)
}

fn named(group: &Json) -> Option<String> {
    text(&group["name"]).map(str::to_owned)
}

/// What may stand in a path and a key.
fn is_id(text: &str) -> bool {
    text.len() <= 128 && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ids(found: &[Group]) -> Vec<&str> {
        found.iter().map(|(id, _)| id.as_str()).collect()
    }

    #[test]
    fn what_a_tree_of_business_groups_names_and_does_not_show_is_a_gap() {
        let whole = json!({ "id": "r", "name": "Root", "subOrganizationIds": ["a"], "subOrganizations": [
            { "id": "a", "name": "A", "subOrganizations": [{ "id": "b" }, { "id": "a", "subOrganizations": [] }] },
        ]});
        assert_eq!(
            tree("r", &whole),
            (
                vec![
                    ("r".to_owned(), Some("Root".to_owned())),
                    ("a".to_owned(), Some("A".to_owned())),
                    ("b".to_owned(), None),
                ],
                Vec::new()
            )
        );
        for (answer, told, shown) in [
            (json!({ "id": "r" }), "does not say what lies below", vec!["r"]),
            (json!({ "id": "r", "children": [{ "id": "a" }] }), "does not say what lies below", vec!["r"]),
            (json!({ "id": "x", "subOrganizations": [{ "id": "a" }] }), "another business group, `x`", vec!["r"]),
            (json!({ "id": "r", "subOrganizations": [{ "id": "a" }, { "name": "A" }] }), "has no id", vec!["r", "a"]),
            (json!({ "id": "r", "subOrganizations": [{ "id": "../a" }] }), "has no id", vec!["r"]),
            (
                json!({ "id": "r", "subOrganizationIds": ["a", "b"], "subOrganizations": [{ "id": "a" }] }),
                "`b`, below `r`, is named and not shown",
                vec!["r", "a"],
            ),
        ] {
            let (found, gaps) = tree("r", &answer);
            assert_eq!((ids(&found), gaps.len()), (shown, 1), "{answer}: {gaps:?}");
            assert!(gaps[0].contains(told), "{gaps:?}");
        }
        let nested = |levels: usize| {
            (0..levels)
                .rev()
                .fold(json!({ "id": "last" }), |below, n| json!({ "id": format!("g{n}"), "subOrganizations": [below] }))
        };
        assert_eq!(tree("g0", &nested(DEEPEST)).1, Vec::<String>::new());
        let (found, gaps) = tree("g0", &nested(DEEPEST + 1));
        assert_eq!((found.len(), gaps.len()), (DEEPEST + 1, 1), "{gaps:?}");
        assert!(gaps[0].contains("lie deeper than 32 levels"), "{gaps:?}");
    }
}
