//! What a profile is to be, checked: its maps, its parameters with the connector's settings, where it reads, its schedule.

use muster_core::clock::Instant;
use muster_core::connector::{Area, Offer, Sections, overlap};
use muster_core::schedule::{Schedule, ScheduleError};
use muster_core::secret::Secret;
use muster_store::hub::{ConnectionRow, ProfileChange, ProfileRow};
use serde_json::{Map, Value};

use super::profiles::ProfileBody;
use crate::error::{Code, Problem};
use crate::hub::Hub;
use crate::settings;

/// The map of a stream that names none.
const DEFAULT: &str = "default";

/// A profile that may be kept.
#[derive(Debug)]
pub(super) struct Plan {
    active: bool,
    maps: Value,
    parameters: Value,
    schedule: Option<Value>,
    next_at: Option<Instant>,
}

impl Plan {
    pub(super) fn change<'a>(&'a self, name: &'a str, now: Instant) -> ProfileChange<'a> {
        ProfileChange {
            name,
            active: self.active,
            maps: &self.maps,
            parameters: &self.parameters,
            schedule: self.schedule.as_ref(),
            next_at: self.next_at,
            now,
        }
    }
}

/// Checks what is given for a profile of a connector; `before` is what it changes, `uuid` the profile's.
pub(super) async fn of(
    hub: &Hub,
    connector: &ConnectionRow,
    (uuid, before): (&str, Option<&ProfileRow>),
    given: &ProfileBody,
) -> Result<Plan, Problem> {
    let offer = hub.offer(&connector.type_name).ok_or_else(|| Problem::new(Code::NotFound))?;
    let active = given.active.unwrap_or(true);
    let maps = maps(hub, (offer, connector), given.transform_maps.as_ref()).await?;
    let parameters = Value::Object(given.parameters.clone().unwrap_or_default());
    let open = connector.settings.as_object().cloned().unwrap_or_default();
    let secrets = settings::open(hub, connector).await?;
    let read = Read { offer: (offer, &connector.execution), open: &open, secrets: &secrets };
    let areas = read.areas(&parameters)?;
    if active {
        let others = hub.store.profiles(connector.tenant, connector.id).await?;
        let others = others.iter().filter(|other| other.active && before.is_none_or(|before| before.id != other.id));
        apart(&read, &areas, others)?;
    }
    let schedule = given.schedule.as_ref().filter(|schedule| !schedule.is_null());
    if schedule.is_some() && connector.execution == "agent" {
        return Err(Problem::new(Code::InvalidSchedule)
            .field("schedule")
            .detail("an agent runs this connector, by the cron expression of its own settings")
            .remedy("leave the schedule out, or let the hub run the connector"));
    }
    let kept = before.and_then(|before| before.schedule.as_ref());
    let schedule = schedule.map(|given| runs_again(hub, given, kept)).transpose()?;
    let next_at = schedule.as_ref().filter(|_| active).and_then(|schedule| schedule.next_of(uuid, hub.now()));
    Ok(Plan { active, maps, parameters, schedule: schedule.map(|schedule| schedule.to_json()), next_at })
}

/// Reads a schedule.
pub(crate) fn schedule(given: &Value) -> Result<Schedule, Problem> {
    Schedule::from_json(given).map_err(refused)
}

fn refused(error: ScheduleError) -> Problem {
    let field = if error.field == "schedule" { error.field } else { format!("schedule.{}", error.field) };
    Problem::new(Code::InvalidSchedule).field(field).detail(error.problem).remedy(error.remedy)
}

/// Reads a schedule that is to be kept. One that never runs is refused, unless it is what is kept already: its time has
/// come, and the profile may still be changed.
fn runs_again(hub: &Hub, given: &Value, kept: Option<&Value>) -> Result<Schedule, Problem> {
    let schedule = self::schedule(given)?;
    let is_kept = kept.is_some_and(|kept| *kept == schedule.to_json());
    match schedule.never(hub.now()).filter(|_| !is_kept) {
        Some(error) => Err(refused(error)),
        None => Ok(schedule),
    }
}

struct Read<'a> {
    /// What is read, and by whom: `hub` or `agent`.
    offer: (&'a Offer, &'a str),
    open: &'a Sections,
    secrets: &'a [(String, Secret)],
}

impl Read<'_> {
    fn areas(&self, parameters: &Value) -> Result<Vec<Area>, Problem> {
        let sections = settings::join(self.open, self.secrets, Some(parameters));
        settings::check(self.offer, sections).map_err(|error| settings::refused(error, "connector."))
    }
}

/// Refuses what another active profile reads, too.
fn apart<'a>(read: &Read<'_>, areas: &[Area], others: impl Iterator<Item = &'a ProfileRow>) -> Result<(), Problem> {
    for other in others {
        // One that can no longer be read stands in nobody's way.
        let Ok(theirs) = read.areas(&other.parameters) else { continue };
        if areas.iter().any(|area| theirs.iter().any(|their| overlap(area, their))) {
            return Err(Problem::new(Code::ScopesOverlap)
                .detail(format!("it would read what the active profile `{}` reads", other.name))
                .remedy("narrow one of them, or make one inactive"));
        }
    }
    Ok(())
}

/// Stream → `default` or the public id of one of the tenant's own maps for that stream.
async fn maps(
    hub: &Hub,
    (offer, connector): (&Offer, &ConnectionRow),
    given: Option<&Map<String, Value>>,
) -> Result<Value, Problem> {
    let mut kept = Map::new();
    for (stream, map) in given.into_iter().flatten() {
        let field = format!("transformMaps.{stream}");
        if offer.model.stream(stream).is_none() {
            return Err(Problem::value(&field, "the connector type has no such stream"));
        }
        let unknown = || Problem::value(&field, "give `default`, or the id of a map for this stream");
        let id = map.as_str().ok_or_else(unknown)?;
        if id != DEFAULT {
            let own = hub.store.own_map(connector.tenant, id).await?.ok_or_else(unknown)?;
            if own.type_name != connector.type_name || own.stream != *stream {
                return Err(unknown());
            }
        }
        kept.insert(stream.clone(), id.into());
    }
    Ok(Value::Object(kept))
}
