//! Evaluating a query in memory, by the same rules as the databases.

use super::tokens::{self, Target};
use super::{Expression, Query, Test};
use crate::asset::Class;
use crate::asset::schema::{self, SearchValue};
use crate::clock::Instant;
use crate::fold::fold;

/// What is known of an asset's presence: `inventory.status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// There.
    Present,
    /// Missing at the source, and held by the guard until an operator releases it (design D9).
    Held,
    /// Proven absent.
    Gone,
}

impl Presence {
    /// All, in the order of [`Self::WORDS`].
    pub const ALL: [Self; 3] = [Self::Present, Self::Held, Self::Gone];
    /// Their words.
    pub const WORDS: [&'static str; 3] = ["present", "held", "gone"];

    /// The word used in queries and lists.
    pub fn word(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Held => "held",
            Self::Gone => "gone",
        }
    }
}

/// What the inventory knows of an asset beside its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    source: String,
    connector: String,
    presence: Presence,
    created: Instant,
    last_updated: Instant,
}

impl Inventory {
    /// From the names of the connector's type and of the connector, as people write them, and the asset's own columns.
    pub fn new(
        source_name: &str,
        connector_name: &str,
        presence: Presence,
        created: Instant,
        last_updated: Instant,
    ) -> Self {
        Self { source: fold(source_name), connector: fold(connector_name), presence, created, last_updated }
    }
}

/// An asset, as a query sees it.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// Its class.
    pub class: Class,
    /// Its search values, as [`crate::asset::schema::search_values`] makes them.
    pub values: &'a [Option<SearchValue>],
    /// The elements of its lists, in the order of [`schema::lists`], as [`schema::search_elements`] makes them.
    pub lists: &'a [Vec<Vec<Option<SearchValue>>>],
    /// What the inventory knows of it.
    pub inventory: &'a Inventory,
}

enum Found<'a> {
    Text(&'a str),
    Number(i64),
}

impl<'a> Found<'a> {
    fn of(value: &'a SearchValue) -> Self {
        match value {
            SearchValue::Text(text) => Self::Text(text),
            SearchValue::Number(number) => Self::Number(*number),
        }
    }
}

/// Whether a query selects a row.
pub fn eval(query: &Query, row: &Row<'_>, now: Instant) -> bool {
    query.selects(row.class) && holds(query.expression(), row, now)
}

fn holds(expression: &Expression, row: &Row<'_>, now: Instant) -> bool {
    match expression {
        Expression::All(parts) => parts.iter().all(|part| holds(part, row, now)),
        Expression::Any(parts) => parts.iter().any(|part| holds(part, row, now)),
        Expression::Not(inner) => !holds(inner, row, now),
        Expression::Test(target, test) => {
            target.class().is_none_or(|class| class == row.class) && passes(test, found(*target, row), now)
        }
        Expression::Element(list, inner) => {
            let lists = schema::lists(row.class).zip(row.lists);
            let mut own = lists.filter(|(one, _)| one.token == list.token).flat_map(|(_, elements)| elements);
            own.any(|element| element_holds(inner, element, now))
        }
        Expression::FreeText(test) => tokens::of_class(row.class)
            .filter(|target| target.is_free_text())
            .any(|target| matches!(found(target, row), Some(Found::Text(text)) if test.passes(text))),
    }
}

/// An expression over the fields of one element.
fn element_holds(expression: &Expression, element: &[Option<SearchValue>], now: Instant) -> bool {
    match expression {
        Expression::All(parts) => parts.iter().all(|part| element_holds(part, element, now)),
        Expression::Any(parts) => parts.iter().any(|part| element_holds(part, element, now)),
        Expression::Not(inner) => !element_holds(inner, element, now),
        Expression::Test(Target::Element { index, .. }, test) => {
            passes(test, element.get(*index).and_then(Option::as_ref).map(Found::of), now)
        }
        Expression::Test(..) | Expression::Element(..) | Expression::FreeText(_) => false,
    }
}

fn passes(test: &Test, found: Option<Found<'_>>, now: Instant) -> bool {
    match (test, found) {
        (Test::Present, found) => found.is_some(),
        (Test::Missing, found) => found.is_none(),
        (Test::Text(test), Some(Found::Text(text))) => test.passes(text),
        (Test::Number(interval), Some(Found::Number(number))) => interval.holds(number, now),
        (Test::Text(_) | Test::Number(_), _) => false,
    }
}

fn found<'a>(target: Target, row: &Row<'a>) -> Option<Found<'a>> {
    let inventory = row.inventory;
    Some(match target {
        Target::Field { index, .. } => Found::of(row.values.get(index)?.as_ref()?),
        // Asked element by element.
        Target::Element { .. } => return None,
        Target::Source => Found::Text(&inventory.source),
        Target::Connector => Found::Text(&inventory.connector),
        Target::Status => Found::Text(inventory.presence.word()),
        Target::Created => Found::Number(inventory.created.0),
        Target::LastUpdated => Found::Number(inventory.last_updated.0),
    })
}
