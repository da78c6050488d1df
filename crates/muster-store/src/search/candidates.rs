//! SQLite's trigram index, asked once for a whole query: a set of ids that holds all that the query can select.
//!
//! The exact tests stand behind it, so it may hold a little more: LIKE serves the index only without ESCAPE, and then
//! `%` and `_` of the text are wildcards. Asked test by test the planner would rather walk the tenant's whole index.

use muster_core::asset::Class;
use muster_core::asset::schema::{Search, TextKind};
use muster_core::query::tokens::{self, Target};
use muster_core::query::{Expression, Test, TextTest, constant};

/// How many LIKEs one query may ask of the index; beyond that it is scanned.
const MOST: usize = 64;

/// A column of the substring index, and a LIKE pattern over it.
pub(super) type Candidate = (&'static str, String);

/// The patterns whose matches together hold all that the expression selects; `None` where the index does not bound it.
pub(super) fn candidates(expression: &Expression, class: Class) -> Option<Vec<Candidate>> {
    bounds(expression, class).filter(|found| (1..=MOST).contains(&found.len()))
}

fn bounds(expression: &Expression, class: Class) -> Option<Vec<Candidate>> {
    if constant(expression, class) == Some(false) {
        return Some(Vec::new());
    }
    match expression {
        Expression::All(parts) if parts.iter().any(|part| is_narrow(part, class)) => None,
        Expression::All(parts) => parts.iter().find_map(|part| bounds(part, class)),
        Expression::Any(parts) => {
            let each = parts.iter().map(|part| bounds(part, class)).collect::<Option<Vec<_>>>()?;
            Some(each.concat())
        }
        Expression::Test(target, Test::Text(test)) if !matches!(test, TextTest::StartsWith(_)) => {
            Some(vec![(indexed_column(*target)?, pattern(test)?)])
        }
        Expression::FreeText(test) => {
            let pattern = pattern(test)?;
            let columns = tokens::of_class(class).filter_map(indexed_column);
            Some(columns.map(|column| (column, pattern.clone())).collect())
        }
        Expression::Not(_) | Expression::Test(..) => None,
    }
}

/// Whether a test selects so few that its own index is the better way in.
fn is_narrow(expression: &Expression, class: Class) -> bool {
    let Expression::Test(target @ Target::Field { field, .. }, Test::Text(test)) = expression else { return false };
    field.class == class
        && field.search != Search::Scanned
        && target.text() != Some(TextKind::Keyword)
        && matches!(test, TextTest::Equals(_) | TextTest::StartsWith(_))
}

fn indexed_column(target: Target) -> Option<&'static str> {
    match target {
        Target::Field { field, .. } if target.is_free_text() => Some(field.column),
        _ => None,
    }
}

/// `None` where no three characters stand together, of which the index is made.
fn pattern(test: &TextTest) -> Option<String> {
    let pieces: Vec<&str> = match test {
        TextTest::Equals(_) => return None,
        TextTest::Contains(piece) => vec!["", piece, ""],
        TextTest::StartsWith(piece) => vec![piece, ""],
        TextTest::Pattern(pieces) => pieces.iter().map(String::as_str).collect(),
    };
    let serves = |piece: &&str| piece.split(['%', '_']).any(|run| run.chars().nth(2).is_some());
    pieces.iter().any(serves).then(|| pieces.join("%"))
}
