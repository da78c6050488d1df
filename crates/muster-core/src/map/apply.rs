//! Running a map over one record.

use serde_json::Value as Json;

use super::{Condition, DatePrecision, Function, LookupRow, Target, TransformMap};
use crate::asset::Asset;
use crate::asset::schema::FieldType;
use crate::clock::Instant;
use crate::model::{AttributeId, StreamModel};
use crate::record::RecordView;
use crate::value::{FOREVER_MICROSECONDS, Value, decode};

/// What a map made of a record.
#[derive(Debug, Clone, Default)]
pub struct Mapped {
    /// The asset.
    pub asset: Asset,
    /// When the same record would give something else, by time alone.
    pub recheck_at: Option<Instant>,
    /// The optional values that could not be read.
    pub dropped: Vec<Dropped>,
}

/// An optional value that could not be read: the field stays empty, and it is counted (design P9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// The attribute.
    pub attribute: String,
    /// What is wrong with it.
    pub reason: String,
}

/// A record that a map cannot turn into an asset: a required target stays empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{target}` is required and has no value{}", if reason.is_empty() { String::new() } else { format!(": {reason}") })]
pub struct Rejection {
    /// The target.
    pub target: String,
    /// What is wrong with its source, where there is something.
    pub reason: String,
}

/// Which attribute a value came from, for previews.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The target.
    pub target: String,
    /// The attribute whose value it is; none for constants and lookups.
    pub attribute: Option<String>,
}

struct Context<'a> {
    model: &'a StreamModel,
    record: RecordView<'a>,
    as_of: Instant,
    recheck_at: Option<Instant>,
    dropped: Vec<Dropped>,
}

impl TransformMap {
    /// Maps one record as of the run's start.
    pub fn apply(&self, record: RecordView<'_>, as_of: Instant) -> Result<Mapped, Rejection> {
        self.apply_traced(record, as_of, None)
    }

    /// Maps one record and says which attribute each value came from.
    pub fn preview(&self, record: RecordView<'_>, as_of: Instant) -> (Result<Mapped, Rejection>, Vec<Origin>) {
        let mut origins = Vec::new();
        let mapped = self.apply_traced(record, as_of, Some(&mut origins));
        (mapped, origins)
    }

    fn apply_traced(
        &self,
        record: RecordView<'_>,
        as_of: Instant,
        mut origins: Option<&mut Vec<Origin>>,
    ) -> Result<Mapped, Rejection> {
        let mut context = Context { model: &self.model, record, as_of, recheck_at: None, dropped: Vec::new() };
        let mut asset = Asset::default();
        for row in &self.rows {
            let mut values: Vec<(Option<AttributeId>, Value)> = Vec::new();
            for &source in &row.sources {
                if let Some(value) = context.read(source) {
                    values.push((Some(source), value));
                }
            }
            for function in &row.functions {
                values = context.call(function, values);
            }
            let (attribute, value) = values.into_iter().next().unzip();
            let placed = value.and_then(|value| place(&mut asset, &row.target, &value));
            if placed.is_none() && row.required {
                let reason =
                    context.dropped.pop().map(|dropped| format!("`{}` is {}", dropped.attribute, dropped.reason));
                return Err(Rejection { target: row.target_name.clone(), reason: reason.unwrap_or_default() });
            }
            if let (Some(origins), Some(())) = (origins.as_deref_mut(), placed) {
                let attribute = attribute.flatten().and_then(|id| self.model.by_id(id)).map(|found| found.name.clone());
                origins.push(Origin { target: row.target_name.clone(), attribute });
            }
        }
        context.dropped.sort_by(|left, right| left.attribute.cmp(&right.attribute));
        context.dropped.dedup();
        Ok(Mapped { asset, recheck_at: context.recheck_at, dropped: context.dropped })
    }
}

fn place(asset: &mut Asset, target: &Target, value: &Value) -> Option<()> {
    match target {
        Target::ExternalId => asset.external_id = Some(value.to_text()),
        Target::VendorId => asset.vendor_id = Some(value.to_text()),
        Target::Name => {
            asset.detail.insert("name".to_owned(), value.to_text().into());
        }
        Target::Field { path, value: expected } => put(asset, path, fit(value, *expected)?)?,
        Target::List { path } => {
            let list = match value {
                Value::List(_) | Value::JsonList(_) => value.to_json(),
                single => Json::Array(vec![single.to_json()]),
            };
            put(asset, path, list)?;
        }
    }
    Some(())
}

fn put(asset: &mut Asset, path: &[&str], json: Json) -> Option<()> {
    let (last, parents) = path.split_last()?;
    let mut place = &mut asset.detail;
    for key in parents {
        let slot = place.entry(*key).or_insert_with(|| Json::Object(serde_json::Map::new()));
        place = slot.as_object_mut()?;
    }
    place.insert((*last).to_owned(), json);
    Some(())
}

fn fit(value: &Value, expected: FieldType) -> Option<Json> {
    match (expected, value) {
        (FieldType::Text, value) => Some(value.to_text().into()),
        (FieldType::Integer, Value::Integer(_))
        | (FieldType::Time, Value::Time(_))
        | (FieldType::Boolean, Value::Boolean(_)) => Some(value.to_json()),
        _ => None,
    }
}

impl Context<'_> {
    /// The value of an attribute; a list where it has several. What cannot be read is dropped and noted.
    fn read(&mut self, id: AttributeId) -> Option<Value> {
        let attribute = self.model.by_id(id)?;
        let mut values = Vec::new();
        for bytes in self.record.values(id) {
            match decode(attribute.value_type, bytes) {
                Ok(value) => values.extend(value),
                Err(error) => {
                    self.dropped.push(Dropped { attribute: attribute.name.clone(), reason: error.to_string() });
                }
            }
        }
        match values.len() {
            0 | 1 => values.pop(),
            _ => Some(Value::List(values)),
        }
    }

    fn read_named(&mut self, name: &str) -> Option<Value> {
        let id = self.model.attribute(name)?.id;
        self.read(id)
    }

    fn call(
        &mut self,
        function: &Function,
        values: Vec<(Option<AttributeId>, Value)>,
    ) -> Vec<(Option<AttributeId>, Value)> {
        let first = |values: Vec<(Option<AttributeId>, Value)>| values.into_iter().next();
        let one = |value: Option<Value>, origin| value.map(|value| (origin, value)).into_iter().collect();
        match function {
            Function::Copy | Function::Coalesce => first(values).into_iter().collect(),
            Function::Constant(value) => one(from_json(value), None),
            Function::Latest => values.into_iter().max_by(|left, right| left.1.cmp(&right.1)).into_iter().collect(),
            Function::Lookup(rows) => one(self.lookup(rows, first(values).map(|(_, value)| value).as_ref()), None),
            Function::Join { separator } => {
                let text = values.iter().map(|(_, value)| value.to_text()).collect::<Vec<_>>().join(separator);
                one((!text.is_empty()).then_some(Value::Text(text)), None)
            }
            single => {
                let Some((origin, value)) = first(values) else { return Vec::new() };
                one(transform(single, value), origin)
            }
        }
    }

    fn lookup(&mut self, rows: &[LookupRow], running: Option<&Value>) -> Option<Value> {
        let mut found = None;
        // Every row is looked at, also after the first match: a time in any of them may change the answer later.
        for row in rows {
            let holds = row.when.as_ref().is_none_or(|condition| self.holds(condition, running));
            if holds && found.is_none() {
                found = Some(from_json(&row.then));
            }
        }
        found.flatten()
    }

    fn holds(&mut self, condition: &Condition, running: Option<&Value>) -> bool {
        match condition {
            Condition::Value(wanted) => running.is_some_and(|value| same(value, wanted)),
            Condition::Equals { attribute, value } => self.read_named(attribute).is_some_and(|read| same(&read, value)),
            Condition::Raw { attribute, text } => self
                .model
                .attribute(attribute)
                .is_some_and(|found| self.record.values(found.id).any(|bytes| bytes == text.as_bytes())),
            Condition::Bits { attribute, mask } => {
                matches!(self.read_named(attribute), Some(Value::Integer(bits)) if bits & mask == *mask)
            }
            Condition::Past { attribute } => match self.read_named(attribute) {
                Some(Value::Time(time)) => self.has_come(time),
                _ => false,
            },
            Condition::Within { attribute, interval } => match self.end_of(attribute, interval) {
                Some(None) => true,
                Some(Some(end)) => !self.has_come(end),
                None => false,
            },
            Condition::Elapsed { attribute, interval } => match self.end_of(attribute, interval) {
                Some(Some(end)) => self.has_come(end),
                _ => false,
            },
            Condition::Absent { attribute } => self.read_named(attribute).is_none(),
            // Every part is looked at, also when the answer is known: a time in any of them may change it later.
            Condition::All(inner) => inner.iter().filter(|condition| !self.holds(condition, running)).count() == 0,
            Condition::Any(inner) => inner.iter().filter(|condition| self.holds(condition, running)).count() > 0,
            Condition::Not(inner) => !self.holds(inner, running),
        }
    }

    /// A time plus an interval: outer none where one of them is missing, inner none where the interval never ends.
    fn end_of(&mut self, attribute: &str, interval: &str) -> Option<Option<Instant>> {
        let (Some(Value::Time(time)), Some(Value::Integer(length))) =
            (self.read_named(attribute), self.read_named(interval))
        else {
            return None;
        };
        Some((length != FOREVER_MICROSECONDS).then(|| time.plus(length)))
    }

    /// Whether a time has come; one that has not is a time to look again.
    fn has_come(&mut self, time: Instant) -> bool {
        if time <= self.as_of {
            return true;
        }
        self.recheck_at = Some(self.recheck_at.map_or(time, |known| known.min(time)));
        false
    }
}

fn transform(function: &Function, value: Value) -> Option<Value> {
    match (function, value) {
        (Function::BitTest { mask }, Value::Integer(bits)) => Some(Value::Boolean(bits & mask == *mask)),
        (Function::Split { separator }, Value::Text(text)) => {
            Some(Value::List(text.split(separator.as_str()).map(|part| Value::Text(part.to_owned())).collect()))
        }
        (Function::Index(index), Value::List(mut values)) => {
            let length = i64::try_from(values.len()).ok()?;
            let index = usize::try_from(if *index < 0 { length + index } else { *index }).ok()?;
            (index < values.len()).then(|| values.swap_remove(index))
        }
        (Function::Lower, value) => Some(Value::Text(value.to_text().to_lowercase())),
        (Function::Upper, value) => Some(Value::Text(value.to_text().to_uppercase())),
        (Function::Date { precision }, Value::Time(time)) => {
            let text = time.to_rfc3339();
            match precision {
                DatePrecision::Day => text.get(..10).map(|day| Value::Text(day.to_owned())),
                DatePrecision::Second => text.get(..19).map(|second| Value::Text(format!("{second}Z"))),
            }
        }
        _ => None,
    }
}

fn from_json(json: &Json) -> Option<Value> {
    match json {
        Json::String(text) => Some(Value::Text(text.clone())),
        Json::Bool(flag) => Some(Value::Boolean(*flag)),
        Json::Number(number) => number.as_i64().map(Value::Integer),
        Json::Array(values) => Some(Value::List(values.iter().filter_map(from_json).collect())),
        Json::Null | Json::Object(_) => None,
    }
}

fn same(value: &Value, wanted: &Json) -> bool {
    match (value, wanted) {
        (Value::Integer(number), Json::Number(wanted)) => wanted.as_i64() == Some(*number),
        (Value::Boolean(flag), Json::Bool(wanted)) => flag == wanted,
        (Value::Text(text), Json::String(wanted)) => text == wanted,
        (Value::List(values), wanted) => values.iter().any(|value| same(value, wanted)),
        _ => false,
    }
}
