//! The query language: one grammar, evaluated in memory here and compiled to SQL by the store, by the same rules.
//!
//! ```text
//! query  = query or query | query and query | not query | ( query ) | leaf          weakest first; any case
//! leaf   = token op value | token is [not] null | token : ( query ) | word…
//! op     = :   =   >   >=   <   <=
//! value  = bare | "contains" | 'exactly' | `exactly` | number | true | false | time | [ a .. b ] | ( a .. b )
//!        | [ value, … ] | ( value, … )
//! time   = 2018-01-22 | 2018-01-22T09:30:00Z | now | now-3M        s m h d w M y; a date is its whole UTC day
//! ```
//!
//! **Text** is folded on both sides ([`crate::fold`]). `"…"` is contained in it; `'…'` and backticks are all of it, so
//! is whatever follows `=`. A bare value is all of a keyword, stands in prose, begins an identifier
//! ([`crate::asset::schema::TextKind`]); a `*` in it stands for any run of characters, alone for any value at all. A
//! quotation mark inside its own quotation is written twice. Curly quotation marks do as straight ones.
//!
//! **Ranges** in `[ ]` hold both ends, in `( )` neither, and are written with two or three dots. `( … )` behind a token
//! is a range if it holds `..`, a sub-query if it holds a token and an operator, else a list. A sub-query puts its token
//! before those inside: `user:(name:x and status:y)` is `user.name:x and user.status:y`.
//!
//! **Lists**: a test of an element's field holds where it holds for any element: `endpoints.method:DELETE`, and with `not`
//! before it for none. In a sub-query of the list all that stands inside holds for the same element:
//! `endpoints:(method:DELETE and not path:"/users")`. `endpoints is null` selects where the list is empty.
//!
//! **Missing values** pass no test but `is null`; `not` turns every answer round, so `not a:b` selects where `a` is
//! missing. Logic has two values everywhere.
//!
//! **Words without a token** are each contained in one of the class's fields with a substring index.
//!
//! **Classes**: a token is found in full or by its last segments where these are unique in what is asked. A test of one
//! class's field does not hold for assets of another class. Asked without a class, a query selects from the classes it
//! names, and from all listed ones where it names none; a class for which it cannot hold is left out, so that
//! `user.status:x and group.type:y` selects nothing and the same with `or` selects from both.

use crate::asset::Class;
use crate::asset::schema::List;

mod cursor;
mod error;
mod eval;
mod interval;
mod parser;
mod resolve;
mod syntax;
mod text;
pub mod tokens;

pub use error::{Problem, QueryError};
pub use eval::{Inventory, Presence, Row, eval};
pub use interval::{Bound, End, Interval, Unit};
pub use text::TextTest;
pub use tokens::Target;

/// How many characters a query can have.
pub const MAXIMUM_LENGTH: usize = 4_096;
/// How many characters one value can have.
pub const MAXIMUM_VALUE: usize = 1_024;
/// How deep groups, sub-queries and negations can be nested.
pub const MAXIMUM_DEPTH: usize = 32;
/// How many conditions and words a query can have.
pub const MAXIMUM_LEAVES: usize = 256;
/// How many values a list can have.
pub const MAXIMUM_VALUES: usize = 1_000;

/// What a query means.
#[derive(Debug, Clone)]
pub enum Expression {
    /// All of these; of none: anything.
    All(Vec<Expression>),
    /// At least one of these.
    Any(Vec<Expression>),
    /// Not this.
    Not(Box<Expression>),
    /// A test of one value.
    Test(Target, Test),
    /// At least one element of the list is so; inside, all tests are of the list's own elements.
    Element(&'static List, Box<Expression>),
    /// A test that one of the class's free-text fields passes.
    FreeText(TextTest),
}

/// A test of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// There is a value.
    Present,
    /// There is none.
    Missing,
    /// The text passes.
    Text(TextTest),
    /// The number or instant lies in the interval.
    Number(Interval),
}

/// A query, read and understood.
#[derive(Debug, Clone)]
pub struct Query {
    expression: Expression,
    classes: Vec<Class>,
}

impl Query {
    /// Reads a query over one class, or over all where none is given. An empty text selects everything.
    pub fn parse(text: &str, class: Option<Class>) -> Result<Self, QueryError> {
        let expression = match parser::parse(text)? {
            Some(node) => resolve::Resolver { class }.node(&node, &resolve::Within::default())?,
            None => Expression::All(Vec::new()),
        };
        let mut classes = match class {
            Some(class) => vec![class],
            None => named_classes(&expression),
        };
        if classes.is_empty() {
            classes.extend(tokens::listed_classes());
        }
        classes.retain(|&class| constant(&expression, class) != Some(false));
        Ok(Self { expression, classes })
    }

    /// What it means.
    pub fn expression(&self) -> &Expression {
        &self.expression
    }

    /// The classes it selects from.
    pub fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// Whether it selects from that class.
    pub fn selects(&self, class: Class) -> bool {
        self.classes.contains(&class)
    }
}

/// The classes whose fields are asked, in the order of [`Class::ALL`].
fn named_classes(expression: &Expression) -> Vec<Class> {
    fn collect(expression: &Expression, classes: &mut Vec<Class>) {
        match expression {
            Expression::All(parts) | Expression::Any(parts) => parts.iter().for_each(|part| collect(part, classes)),
            Expression::Not(inner) => collect(inner, classes),
            Expression::Test(target, _) => classes.extend(target.class()),
            Expression::Element(list, _) => classes.push(list.class),
            Expression::FreeText(_) => {}
        }
    }
    let mut classes = Vec::new();
    collect(expression, &mut classes);
    classes.sort_unstable();
    classes.dedup();
    classes
}

/// What an expression is for every asset of a class, where that is known without looking at any.
pub fn constant(expression: &Expression, class: Class) -> Option<bool> {
    match expression {
        Expression::All(parts) => folded(parts, class, false),
        Expression::Any(parts) => folded(parts, class, true),
        Expression::Not(inner) => constant(inner, class).map(|value| !value),
        Expression::Test(target, _) => target.class().filter(|&owner| owner != class).map(|_| false),
        Expression::Element(list, _) => (list.class != class).then_some(false),
        Expression::FreeText(_) => (!tokens::of_class(class).any(Target::is_free_text)).then_some(false),
    }
}

/// `deciding` is the value that decides the whole: false of all, true of any.
fn folded(parts: &[Expression], class: Class, deciding: bool) -> Option<bool> {
    let mut known = Some(!deciding);
    for part in parts {
        match constant(part, class) {
            Some(value) if value == deciding => return Some(deciding),
            Some(_) => {}
            None => known = None,
        }
    }
    known
}

#[cfg(test)]
mod tests;
