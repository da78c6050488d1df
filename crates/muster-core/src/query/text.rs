//! What a query asks of a text. Both sides are folded by [`crate::fold::fold`], so that comparing bytes is enough.

use super::syntax::{Literal, Operator, Style};
use crate::asset::schema::TextKind;
use crate::fold::fold;

/// A condition on a folded text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextTest {
    /// It is one of these, which are sorted and stand once.
    Equals(Vec<String>),
    /// It holds this somewhere.
    Contains(String),
    /// It begins with this, which is not empty.
    StartsWith(String),
    /// It is made of these pieces with anything between them: at least two pieces, the first at its beginning, the last
    /// at its end; either may be empty.
    Pattern(Vec<String>),
}

impl TextTest {
    /// Whether a folded text passes.
    pub fn passes(&self, text: &str) -> bool {
        match self {
            Self::Equals(values) => values.iter().any(|value| value == text),
            Self::Contains(piece) => text.contains(piece.as_str()),
            Self::StartsWith(piece) => text.starts_with(piece.as_str()),
            Self::Pattern(pieces) => pattern_passes(pieces, text),
        }
    }

    /// The test that a literal asks of a text of that kind; `None` is the lone `*`: anything there is.
    pub(super) fn of(literal: &Literal, operator: Operator, kind: TextKind) -> Option<Self> {
        let value = || fold(&literal.text);
        match literal.style {
            Style::Exact => Some(Self::Equals(vec![value()])),
            Style::Double if operator == Operator::Equal => Some(Self::Equals(vec![value()])),
            Style::Double => Some(Self::Contains(value())),
            Style::Bare if literal.text.contains('*') => Self::wildcard(&literal.text),
            Style::Bare if operator == Operator::Equal => Some(Self::Equals(vec![value()])),
            Style::Bare => Some(match kind {
                TextKind::Keyword => Self::Equals(vec![value()]),
                TextKind::Prose => Self::Contains(value()),
                TextKind::Identifier => Self::StartsWith(value()),
            }),
        }
    }

    /// The test of words that ask no token: they stand somewhere in the text.
    pub(super) fn of_free_text(literal: &Literal) -> Option<Self> {
        Self::of(literal, Operator::Has, TextKind::Prose)
    }

    fn wildcard(text: &str) -> Option<Self> {
        let mut pieces: Vec<String> = text.split('*').map(fold).collect();
        let last = pieces.len() - 1;
        let mut position = 0;
        pieces.retain(|piece| {
            position += 1;
            position == 1 || position == last + 1 || !piece.is_empty()
        });
        match pieces.as_slice() {
            [first, last] if first.is_empty() && last.is_empty() => None,
            [first, last] if last.is_empty() => Some(Self::StartsWith(first.clone())),
            [first, middle, last] if first.is_empty() && last.is_empty() => Some(Self::Contains(middle.clone())),
            _ => Some(Self::Pattern(pieces)),
        }
    }
}

fn pattern_passes(pieces: &[String], text: &str) -> bool {
    let [first, middle @ .., last] = pieces else { return false };
    let Some(mut rest) = text.strip_prefix(first.as_str()).and_then(|rest| rest.strip_suffix(last.as_str())) else {
        return false;
    };
    for piece in middle {
        let Some(found) = rest.find(piece.as_str()) else { return false };
        rest = &rest[found + piece.len()..];
    }
    true
}
