//! Memberships both ways: direct ones, and those through other groups.

use std::collections::{HashMap, HashSet};

use super::{name, place};
use crate::console::part::{Badge, Number};
use crate::error::Problem;
use crate::hub::Hub;

/// How many of each sort a page shows.
const SHOWN: usize = 200;
/// How many are looked at before "or more" has to do.
const MOST: usize = 20_000;
const DEEPEST: usize = 32;

/// An asset that this one is in, or has in it.
pub(super) struct Neighbour {
    pub(super) name: String,
    pub(super) href: Option<String>,
    pub(super) class: String,
    pub(super) presence: Badge,
    /// The group through which, where it is not direct.
    pub(super) through: Option<String>,
}

/// All of them.
#[derive(Default)]
pub(super) struct Circle {
    pub(super) direct: Vec<Neighbour>,
    pub(super) direct_count: usize,
    pub(super) nested: Vec<Neighbour>,
    pub(super) nested_count: usize,
    /// Whether there are more than were looked at.
    pub(super) is_cut: bool,
}

impl Circle {
    pub(super) fn direct_number(&self) -> Number {
        Number(u64::try_from(self.direct_count).unwrap_or(0))
    }

    pub(super) fn nested_number(&self) -> Number {
        Number(u64::try_from(self.nested_count).unwrap_or(0))
    }

    /// How many there are beside those shown.
    pub(super) fn more(&self) -> usize {
        self.direct_count - self.direct.len() + self.nested_count - self.nested.len()
    }
}

/// What an asset is a member of.
pub(super) async fn owners(hub: &Hub, tenant: i64, asset: i64) -> Result<Circle, Problem> {
    walk(hub, tenant, asset, Way::Up).await
}

/// The members of a group.
pub(super) async fn members(hub: &Hub, tenant: i64, asset: i64) -> Result<Circle, Problem> {
    walk(hub, tenant, asset, Way::Down).await
}

#[derive(Clone, Copy)]
enum Way {
    Up,
    Down,
}

/// Level by level; groups may hold each other in a circle.
async fn walk(hub: &Hub, tenant: i64, asset: i64, way: Way) -> Result<Circle, Problem> {
    let mut seen = HashSet::from([asset]);
    let mut level = vec![asset];
    let (mut direct, mut nested) = (Vec::new(), Vec::new());
    let mut is_cut = false;
    for depth in 0..DEEPEST {
        let pairs = match way {
            Way::Up => hub.store.owners_of(tenant, &level).await?,
            Way::Down => hub.store.members_of(tenant, &level).await?,
        };
        level = Vec::new();
        for (from, to) in pairs {
            if seen.insert(to) {
                level.push(to);
                if depth == 0 { direct.push((to, None)) } else { nested.push((to, Some(from))) }
            }
        }
        if level.is_empty() {
            break;
        }
        is_cut = seen.len() > MOST || depth + 1 == DEEPEST;
        if is_cut {
            break;
        }
    }
    let (direct_count, nested_count) = (direct.len(), nested.len());
    direct.truncate(SHOWN);
    nested.truncate(SHOWN);
    let direct = named(hub, tenant, &direct).await?;
    let nested = named(hub, tenant, &nested).await?;
    Ok(Circle { direct, direct_count, nested, nested_count, is_cut })
}

async fn named(hub: &Hub, tenant: i64, found: &[(i64, Option<i64>)]) -> Result<Vec<Neighbour>, Problem> {
    let mut ids: Vec<i64> = found.iter().flat_map(|(id, through)| [Some(*id), *through]).flatten().collect();
    ids.sort_unstable();
    ids.dedup();
    let assets = hub.store.assets(tenant, &ids).await?;
    let assets: HashMap<i64, _> = assets.into_iter().map(|asset| (asset.id, asset)).collect();
    let name_of = |id: &i64| assets.get(id).map(|asset| name(&asset.document, &asset.source_key));
    let mut neighbours: Vec<Neighbour> = found
        .iter()
        .filter_map(|(id, through)| {
            let asset = assets.get(id)?;
            Some(Neighbour {
                name: name_of(id)?,
                href: place(&asset.class, *id),
                class: asset.class.clone(),
                presence: Badge::presence(asset.status),
                through: through.as_ref().and_then(name_of),
            })
        })
        .collect();
    neighbours.sort_by_cached_key(|neighbour| muster_core::fold::fold(&neighbour.name));
    Ok(neighbours)
}
