//! What is wrong with a query, and where.

use thiserror::Error;

/// A query that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("column {column}: {problem}")]
pub struct QueryError {
    /// The character at which it goes wrong, counted from 1.
    pub column: usize,
    /// What is wrong.
    pub problem: Problem,
}

/// What can be wrong with a query.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Problem {
    /// A bound of the language is passed.
    #[error("the query has more than {limit} {what}")]
    Limit {
        /// How many are read.
        limit: usize,
        /// Of what.
        what: &'static str,
    },
    /// A character that no database keeps in text.
    #[error("the query holds a NUL character")]
    Nul,
    /// Something else was expected.
    #[error("expected {expected}, found {found}")]
    Expected {
        /// What could stand here.
        expected: &'static str,
        /// What stands here: a quoted piece, or "the end".
        found: String,
    },
    /// A quotation mark without its partner.
    #[error("the value that begins here has no closing {closing}")]
    Unclosed {
        /// The missing mark.
        closing: &'static str,
    },
    /// No such token.
    #[error("there is no token `{token}`{}", suggestion(near.as_deref()))]
    UnknownToken {
        /// What was asked.
        token: String,
        /// The nearest token there is.
        near: Option<String>,
    },
    /// The end of several tokens.
    #[error("`{token}` is short for {}: write one in full", listed(candidates))]
    AmbiguousToken {
        /// What was asked.
        token: String,
        /// What it could be.
        candidates: Vec<String>,
    },
    /// An operator that the token's type does not know.
    #[error("`{token}` holds text, which has no order: `{operator}` compares numbers and times, text takes `:` or `=`")]
    Order {
        /// The token.
        token: String,
        /// The operator.
        operator: &'static str,
    },
    /// A range over text.
    #[error("`{token}` holds text, which has no order: a range takes a number or a time")]
    TextRange {
        /// The token.
        token: String,
    },
    /// A range or list behind a comparison.
    #[error("`{operator}` takes one value: write `:` before a {what}")]
    Several {
        /// The operator.
        operator: &'static str,
        /// "range" or "list".
        what: &'static str,
    },
    /// A value that is not of the token's type.
    #[error("`{token}` holds {holds}: `{value}` is none")]
    Value {
        /// The token.
        token: String,
        /// What it holds, with the ways to write it.
        holds: &'static str,
        /// What was written.
        value: String,
    },
    /// A value that the token never has.
    #[error("`{token}` is {}, never `{value}`", listed_any(values))]
    NeverSo {
        /// The token.
        token: String,
        /// What was written.
        value: String,
        /// What it can be.
        values: &'static [&'static str],
    },
    /// A list is asked as if it were one value.
    #[error("`{token}` is a list: ask its elements, as `{example}`, several of the same one as `{token}:( … )`")]
    List {
        /// The list's token.
        token: &'static str,
        /// One of the tokens of its elements.
        example: &'static str,
    },
    /// Words inside `token:( … )` that ask no token.
    #[error("words without a token cannot stand inside `{prefix}:( … )`")]
    FreeText {
        /// The prefix of the sub-query.
        prefix: String,
    },
}

fn suggestion(near: Option<&str>) -> String {
    match near {
        Some(near) => format!(", the nearest is `{near}`; quote the text if it is no token"),
        None => "; quote the text if it is no token".to_owned(),
    }
}

fn listed(candidates: &[String]) -> String {
    candidates.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ")
}

fn listed_any(values: &[&str]) -> String {
    values.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ")
}

impl QueryError {
    pub(super) fn at(column: usize, problem: Problem) -> Self {
        Self { column, problem }
    }
}
