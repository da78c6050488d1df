//! SQLite's trigram index, asked once for a whole query: a set of ids that holds all that the query can select.
//!
//! The exact tests stand behind it, so it may hold more: it is asked for rows that hold the trigrams, in any column and
//! order. LIKE over the index would be exact, and reads each row's text again to be so: at a million matches that takes
//! seconds, where the trigrams alone take milliseconds.

use muster_core::asset::Class;
use muster_core::asset::schema::{Search, TextKind};
use muster_core::query::{Expression, Target, Test, TextTest, constant};

/// How many texts one query may ask of the index; beyond that it is scanned.
const MOST: usize = 64;
/// How many trigrams of one text are asked.
const TRIGRAMS: usize = 12;

/// What to MATCH in the substring index for ids among which all lie that the expression selects; `None` where the index
/// does not bound it.
pub(super) fn candidates(expression: &Expression, class: Class) -> Option<String> {
    let texts = bounds(expression, class).filter(|texts| (1..=MOST).contains(&texts.len()))?;
    Some(texts.join(" OR "))
}

/// One MATCH for each text.
fn bounds(expression: &Expression, class: Class) -> Option<Vec<String>> {
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
        Expression::Test(target, Test::Text(test)) if target.is_free_text() && !is_narrow(expression, class) => {
            Some(vec![trigrams(test)?])
        }
        Expression::FreeText(test) => Some(vec![trigrams(test)?]),
        Expression::Not(_) | Expression::Test(..) | Expression::Element(..) => None,
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

/// `None` where no three characters stand together.
fn trigrams(test: &TextTest) -> Option<String> {
    let pieces: &[String] = match test {
        // Several words are several texts, of which none need hold the trigrams of all.
        TextTest::Equals(words) if words.len() > 1 => return None,
        TextTest::Equals(pieces) | TextTest::Pattern(pieces) => pieces,
        TextTest::Contains(piece) | TextTest::StartsWith(piece) => std::slice::from_ref(piece),
    };
    let mut found = Vec::new();
    for piece in pieces {
        let characters: Vec<char> = piece.chars().collect();
        let quoted = |three: &[char]| format!("\"{}\"", three.iter().collect::<String>().replace('"', "\"\""));
        found.extend(characters.windows(3).map(quoted));
    }
    found.truncate(TRIGRAMS);
    (!found.is_empty()).then(|| format!("({})", found.join(" AND ")))
}
