//! The functions of a map: a closed, typed set, named by verbs.

use serde::Deserialize;

/// What a row's values pass through. Each takes the values of the step before it; the first takes the sources' values,
/// one per source that has any.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Function {
    /// Passes the first source's value on. The default.
    Copy,
    /// Gives this value, whatever the source says.
    Constant(serde_json::Value),
    /// Gives the first value there is, in the order of the sources.
    Coalesce,
    /// Gives the latest time, or the greatest number.
    Latest,
    /// Gives what the first row whose condition holds says.
    Lookup(Vec<LookupRow>),
    /// Gives whether all bits of the mask are set.
    BitTest {
        /// The bits.
        mask: i64,
    },
    /// Cuts text into a list.
    Split {
        /// Where to cut.
        separator: String,
    },
    /// Gives one element of a list; the first is 0, the last is -1.
    Index(i64),
    /// Joins all values to one text.
    Join {
        /// What to put between.
        separator: String,
    },
    /// Gives lower-case text.
    Lower,
    /// Gives upper-case text.
    Upper,
    /// Gives a time as text.
    Date {
        /// How much of it.
        precision: DatePrecision,
    },
}

/// How much of a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatePrecision {
    /// `2026-11-21`
    Day,
    /// `2026-11-21T10:00:00Z`
    Second,
}

/// One row of a lookup table: first match wins.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LookupRow {
    /// When it applies; always, where absent.
    #[serde(default)]
    pub when: Option<Condition>,
    /// What it gives.
    pub then: serde_json::Value,
}

/// When a row of a lookup table applies. An attribute without a value meets no condition but `absent` and `not`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// The value handed on by the step before equals this.
    Value(serde_json::Value),
    /// An attribute equals this.
    Equals {
        /// The attribute.
        attribute: String,
        /// The value.
        value: serde_json::Value,
    },
    /// An attribute's value, as the source wrote it, is this text.
    Raw {
        /// The attribute.
        attribute: String,
        /// The text.
        text: String,
    },
    /// An attribute has all bits of the mask.
    Bits {
        /// The attribute.
        attribute: String,
        /// The bits.
        mask: i64,
    },
    /// A time that has come: not later than the run's start.
    Past {
        /// The attribute.
        attribute: String,
    },
    /// A time that, with an interval added, has not come yet.
    Within {
        /// The attribute that holds the time.
        attribute: String,
        /// The attribute that holds the interval.
        interval: String,
    },
    /// A time that, with an interval added, has come.
    Elapsed {
        /// The attribute that holds the time.
        attribute: String,
        /// The attribute that holds the interval.
        interval: String,
    },
    /// An attribute has no value.
    Absent {
        /// The attribute.
        attribute: String,
    },
    /// All of these.
    All(Vec<Condition>),
    /// One of these.
    Any(Vec<Condition>),
    /// Not this.
    Not(Box<Condition>),
}

impl Condition {
    /// The attributes it looks at.
    pub fn attributes(&self) -> Vec<&str> {
        match self {
            Self::Value(_) => Vec::new(),
            Self::Equals { attribute, .. }
            | Self::Raw { attribute, .. }
            | Self::Bits { attribute, .. }
            | Self::Past { attribute }
            | Self::Absent { attribute } => vec![attribute],
            Self::Within { attribute, interval } | Self::Elapsed { attribute, interval } => vec![attribute, interval],
            Self::All(inner) | Self::Any(inner) => inner.iter().flat_map(Self::attributes).collect(),
            Self::Not(inner) => inner.attributes(),
        }
    }
}

impl Function {
    /// The verb.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Copy => "copy",
            Self::Constant(_) => "constant",
            Self::Coalesce => "coalesce",
            Self::Latest => "latest",
            Self::Lookup(_) => "lookup",
            Self::BitTest { .. } => "bit_test",
            Self::Split { .. } => "split",
            Self::Index(_) => "index",
            Self::Join { .. } => "join",
            Self::Lower => "lower",
            Self::Upper => "upper",
            Self::Date { .. } => "date",
        }
    }

    /// The attributes that its conditions look at.
    pub fn attributes(&self) -> Vec<&str> {
        match self {
            Self::Lookup(rows) => {
                rows.iter().filter_map(|row| row.when.as_ref()).flat_map(Condition::attributes).collect()
            }
            _ => Vec::new(),
        }
    }
}
