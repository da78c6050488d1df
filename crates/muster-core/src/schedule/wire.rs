//! The JSON of a schedule, both ways.

use jiff::civil::{Date, DateTime, Time};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::cron::Cron;
use super::error::{ScheduleError, shortened};
use super::recurrence::{Recurrence, Unit, Weekdays};
use super::zone::Zone;
use super::{Rule, Schedule};

const MOST_EVERY: u64 = 1_000;
const YEARS: std::ops::RangeInclusive<i16> = 1970..=9_000;
const WALL_REMEDY: &str = "write date and time without offset, such as `2026-03-01T02:30`; the zone stands in `zone`";
const TIME_REMEDY: &str = "write a time of day such as `02:30`";

type Result<T> = std::result::Result<T, ScheduleError>;

impl Schedule {
    /// Reads the wire form.
    pub fn from_json(value: &Value) -> Result<Self> {
        let Value::Object(object) = value else {
            return Err(ScheduleError::new("schedule", "is not an object", "write `{\"type\": …}`"));
        };
        let mut fields = Fields(object.clone());
        let schedule = Self {
            zone: fields.text("zone")?.map_or_else(|| Ok(Zone::utc()), |name| Zone::named(&name))?,
            start: fields.wall("start")?,
            end: fields.wall("end")?,
            rule: fields.rule()?,
        };
        fields.nothing_left()?;
        schedule.check()?;
        Ok(schedule)
    }

    /// The wire form, with what was left out left out.
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        match &self.rule {
            Rule::Single => drop(object.insert("type".to_owned(), "single".into())),
            Rule::Cron(cron) => {
                object.insert("type".to_owned(), "cron".into());
                object.insert("expression".to_owned(), cron.as_str().into());
            }
            Rule::Recurring(recurrence) => write_recurrence(recurrence, &mut object),
        }
        object.insert("zone".to_owned(), self.zone.name().into());
        for (name, wall) in [("start", self.start), ("end", self.end)] {
            if let Some(wall) = wall {
                object.insert(name.to_owned(), wall.to_string().into());
            }
        }
        Value::Object(object)
    }

    fn check(&self) -> Result<()> {
        if self.rule == Rule::Single && self.start.is_none() {
            return Err(ScheduleError::new("start", "is missing", "write when the single occurrence is"));
        }
        if let (Some(start), Some(end)) = (self.start(), self.end())
            && end <= start
        {
            return Err(ScheduleError::new("end", "is not after the start", "write a later end, or leave it out"));
        }
        let Rule::Recurring(recurrence) = &self.rule else { return Ok(()) };
        let start_needed = "is missing, and there is no start to take it from";
        match recurrence.unit {
            Unit::Weeks if recurrence.weekdays == Weekdays::default() && self.start.is_none() => {
                Err(ScheduleError::new("weekdays", start_needed, "write at least one, such as `[\"monday\"]`"))
            }
            Unit::Months if recurrence.day.is_none() && self.start.is_none() => {
                Err(ScheduleError::new("day", start_needed, "write a day of the month, 1 to 31"))
            }
            _ => Ok(()),
        }
    }
}

fn write_recurrence(recurrence: &Recurrence, object: &mut Map<String, Value>) {
    object.insert("type".to_owned(), "recurring".into());
    object.insert("every".to_owned(), recurrence.every.into());
    object.insert("unit".to_owned(), recurrence.unit.word().into());
    if recurrence.weekdays != Weekdays::default() {
        let chosen = Weekdays::NAMES.iter().zip(recurrence.weekdays.0).filter(|(_, chosen)| *chosen);
        object.insert("weekdays".to_owned(), chosen.map(|(name, _)| *name).collect());
    }
    if let Some(day) = recurrence.day {
        object.insert("day".to_owned(), day.into());
    }
    if let Some(at) = recurrence.at {
        object.insert("at".to_owned(), json!(at.to_string()));
    }
}

/// The fields that nobody has read yet.
struct Fields(Map<String, Value>);

impl Fields {
    /// A field; `null` is as good as absent.
    fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    fn text(&mut self, name: &str) -> Result<Option<String>> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(ScheduleError::new(name, "is not text", "write it in quotation marks")),
        }
    }

    fn needed(&mut self, name: &str, remedy: &str) -> Result<String> {
        self.text(name)?.ok_or_else(|| ScheduleError::new(name, "is missing", remedy))
    }

    fn wall(&mut self, name: &str) -> Result<Option<DateTime>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let bad = |problem: String| ScheduleError::new(name, problem, WALL_REMEDY);
        let wall = read_wall(&text).ok_or_else(|| bad(format!("is no date and time: `{}`", shortened(&text))))?;
        if !YEARS.contains(&wall.year()) {
            return Err(bad(format!("lies outside the years {} to {}", YEARS.start(), YEARS.end())));
        }
        Ok(Some(wall))
    }

    fn number(&mut self, name: &str, most: u64) -> Result<Option<u64>> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let number = value.as_u64().filter(|number| (1..=most).contains(number));
        let bad = || ScheduleError::new(name, "is out of bounds", format!("write a whole number, 1 to {most}"));
        number.map(Some).ok_or_else(bad)
    }

    fn rule(&mut self) -> Result<Rule> {
        const TYPES: &str = "write `single`, `recurring` or `cron`";
        match self.needed("type", TYPES)?.as_str() {
            "single" => Ok(Rule::Single),
            "recurring" => self.recurrence().map(Rule::Recurring),
            "cron" => {
                let expression = self.needed("expression", "write five or six fields, such as `0 3 * * *`")?;
                let cron = Cron::parse(&expression).map_err(|error| {
                    let place = error.field.map(|field| format!("{field} field, ")).unwrap_or_default();
                    let problem = format!("is wrong at {place}character {}: {}", error.position, error.problem);
                    ScheduleError::new("expression", problem, error.remedy)
                })?;
                Ok(Rule::Cron(cron))
            }
            other => Err(ScheduleError::new("type", format!("is unknown: `{}`", shortened(other)), TYPES)),
        }
    }

    fn recurrence(&mut self) -> Result<Recurrence> {
        const UNITS: &str = "write `minutes`, `hours`, `days`, `weeks` or `months`";
        let word = self.needed("unit", UNITS)?;
        let bad = || ScheduleError::new("unit", format!("is unknown: `{}`", shortened(&word)), UNITS);
        let unit = Unit::ALL.into_iter().find(|unit| unit.word() == word).ok_or_else(bad)?;
        let every = self.number("every", MOST_EVERY)?.and_then(|every| u16::try_from(every).ok());
        let every = every.ok_or_else(|| {
            ScheduleError::new("every", "is missing", format!("write a whole number, 1 to {MOST_EVERY}"))
        })?;
        let elapsed = matches!(unit, Unit::Minutes | Unit::Hours);
        for (name, used) in [("at", !elapsed), ("weekdays", unit == Unit::Weeks), ("day", unit == Unit::Months)] {
            if !used && self.take(name).is_some() {
                let remedy = if name == "at" { "set `start`, from which they are counted" } else { "leave it out" };
                return Err(ScheduleError::new(name, format!("has no meaning for {word}"), remedy));
            }
        }
        let day = self.number("day", 31)?.and_then(|day| i8::try_from(day).ok());
        Ok(Recurrence { every, unit, weekdays: self.weekdays()?, day, at: self.time("at")? })
    }

    fn time(&mut self, name: &str) -> Result<Option<Time>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let bad = || ScheduleError::new(name, format!("is no time of day: `{}`", shortened(&text)), TIME_REMEDY);
        read_time(&text).map(Some).ok_or_else(bad)
    }

    fn weekdays(&mut self) -> Result<Weekdays> {
        let mut weekdays = Weekdays::default();
        let Some(value) = self.take("weekdays") else { return Ok(weekdays) };
        let names = format!("write a list of {}", Weekdays::NAMES.join(", "));
        let bad = |problem: &str| ScheduleError::new("weekdays", problem, names.clone());
        let list = value.as_array().ok_or_else(|| bad("is not a list"))?;
        if list.is_empty() {
            return Err(bad("is empty"));
        }
        for entry in list {
            let position = Weekdays::NAMES.iter().position(|name| entry.as_str() == Some(name));
            weekdays.0[position.ok_or_else(|| bad("has an entry that is no weekday"))?] = true;
        }
        Ok(weekdays)
    }

    fn nothing_left(&self) -> Result<()> {
        let Some((name, _)) = self.0.iter().find(|(_, value)| !value.is_null()) else { return Ok(()) };
        Err(ScheduleError::new(&shortened(name), "is not a field of this type of schedule", "leave it out"))
    }
}

/// `YYYY-MM-DDTHH:MM[:SS]`.
fn read_wall(text: &str) -> Option<DateTime> {
    let (date, time) = text.split_once('T')?;
    let [year, month, day] = numbers(date, '-', &[4, 2, 2])?.try_into().ok()?;
    let small = |number: i16| i8::try_from(number).ok();
    let date = Date::new(year, small(month)?, small(day)?).ok()?;
    Some(date.to_datetime(read_time(time)?))
}

/// `HH:MM[:SS]`.
fn read_time(text: &str) -> Option<Time> {
    let parts = numbers(text, ':', &[2, 2, 2]).or_else(|| numbers(text, ':', &[2, 2]))?;
    let small = |index: usize| parts.get(index).map_or(Some(0), |&number| i8::try_from(number).ok());
    Time::new(small(0)?, small(1)?, small(2)?, 0).ok()
}

/// Numbers of exactly these widths.
fn numbers(text: &str, separator: char, widths: &[usize]) -> Option<Vec<i16>> {
    let parts: Vec<&str> = text.split(separator).collect();
    let digits = |part: &str, width: usize| part.len() == width && part.bytes().all(|byte| byte.is_ascii_digit());
    if parts.len() != widths.len() || !parts.iter().zip(widths).all(|(part, &width)| digits(part, width)) {
        return None;
    }
    parts.into_iter().map(|part| part.parse().ok()).collect()
}

impl Serialize for Schedule {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Self::from_json(&Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
