//! Reading a query character by character.

use super::error::{Problem, QueryError};
use super::syntax::{Literal, Style};

/// How many characters of a query are quoted back in a message.
const QUOTED: usize = 24;

/// Where a bare value ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bare {
    /// At a blank or a bracket.
    Word,
    /// At a comma or a bracket; blanks inside belong to it.
    Item,
    /// At two dots or a bracket; blanks inside belong to it.
    End,
}

pub(super) struct Cursor {
    characters: Vec<char>,
    pub(super) position: usize,
}

impl Cursor {
    pub(super) fn new(text: &str) -> Self {
        Self { characters: text.chars().collect(), position: 0 }
    }

    /// The column of the next character, counted from 1.
    pub(super) fn column(&self) -> usize {
        self.position + 1
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.ahead(0)
    }

    fn ahead(&self, distance: usize) -> Option<char> {
        self.characters.get(self.position + distance).copied()
    }

    pub(super) fn blanks(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.position += 1;
        }
    }

    pub(super) fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.position += usize::from(found);
        found
    }

    pub(super) fn at_dots(&self) -> bool {
        self.peek() == Some('.') && self.ahead(1) == Some('.')
    }

    /// Takes two or three dots.
    pub(super) fn take_dots(&mut self) -> bool {
        let found = self.at_dots();
        if found {
            self.position += 2;
            self.take('.');
        }
        found
    }

    /// A letter, then letters, digits, `.`, `_`, `-`; empty where none stands.
    pub(super) fn name(&mut self) -> String {
        let start = self.position;
        if self.peek().is_some_and(char::is_alphabetic) {
            while self.peek().is_some_and(is_of_name) {
                self.position += 1;
            }
        }
        self.characters[start..self.position].iter().collect()
    }

    /// Whether that word stands here, whole, in whatever case.
    pub(super) fn at_word(&self, word: &str) -> bool {
        let mut length = 0;
        for wanted in word.chars() {
            if !self.ahead(length).is_some_and(|found| found.eq_ignore_ascii_case(&wanted)) {
                return false;
            }
            length += 1;
        }
        self.ahead(length).is_none_or(|next| next.is_whitespace() || is_bracket(next) || closing(next).is_some())
    }

    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let found = self.at_word(word);
        if found {
            self.position += word.len();
        }
        found
    }

    /// Whether `and`, `or` or `not` stands here.
    pub(super) fn at_connective(&self) -> bool {
        ["and", "or", "not"].into_iter().any(|word| self.at_word(word))
    }

    /// A value, quoted or bare.
    pub(super) fn literal(&mut self, bare: Bare) -> Result<Literal, QueryError> {
        let column = self.column();
        if let Some((closings, closing_name, style)) = self.peek().and_then(closing) {
            self.position += 1;
            let text =
                self.quoted(closings).ok_or(QueryError::at(column, Problem::Unclosed { closing: closing_name }))?;
            return Ok(Literal { text, style, column });
        }
        let start = self.position;
        while let Some(next) = self.peek() {
            let ends = match bare {
                Bare::Word => next.is_whitespace(),
                Bare::Item => next == ',' || (next.is_whitespace() && self.connective_follows()),
                Bare::End => self.at_dots(),
            };
            if ends || is_bracket(next) {
                break;
            }
            self.position += 1;
        }
        let text: String = self.characters[start..self.position].iter().collect();
        Ok(Literal { text: text.trim_end().to_owned(), style: Style::Bare, column })
    }

    fn connective_follows(&self) -> bool {
        let rest =
            Self { characters: self.characters[self.position + 1..].iter().copied().take(4).collect(), position: 0 };
        rest.at_connective()
    }

    /// The text up to the closing mark; the mark twice stands for itself.
    fn quoted(&mut self, closings: &[char]) -> Option<String> {
        let mut text = String::new();
        loop {
            let next = self.peek()?;
            self.position += 1;
            if closings.contains(&next) && !self.take(next) {
                return Some(text);
            }
            text.push(next);
        }
    }

    /// What stands here, for a message.
    pub(super) fn found(&self) -> String {
        let rest = &self.characters[self.position.min(self.characters.len())..];
        if rest.is_empty() {
            return "the end".to_owned();
        }
        let length = rest.iter().position(|next| next.is_whitespace()).unwrap_or(rest.len()).clamp(1, QUOTED);
        format!("`{}`", rest[..length].iter().collect::<String>())
    }

    /// What the brackets that open behind this position hold.
    pub(super) fn bracketed(&self) -> Bracketed {
        let (mut depth, mut inner) = (0_usize, false);
        let mut scan = Self { characters: self.characters.clone(), position: self.position };
        let mut before = ' ';
        while let Some(next) = scan.peek() {
            let at_start = before.is_whitespace() || is_bracket(before) || is_operator(before) || before == ',';
            if let (true, Some((closings, _, _))) = (at_start, closing(next)) {
                scan.position += 1;
                scan.quoted(closings);
                before = 'x';
                continue;
            }
            match next {
                '(' | '[' => depth += 1,
                ')' | ']' if depth == 0 => break,
                ')' | ']' => depth -= 1,
                '.' if depth == 0 && scan.at_dots() => return Bracketed::Range,
                letter if at_start && letter.is_alphabetic() => {
                    inner |= scan.token_begins();
                }
                _ => {}
            }
            before = next;
            scan.position += 1;
        }
        if inner { Bracketed::Query } else { Bracketed::List }
    }

    /// Whether a token and its operator stand here.
    pub(super) fn token_begins(&self) -> bool {
        let mut end = self.position;
        while self.characters.get(end).copied().is_some_and(is_of_name) {
            end += 1;
        }
        let blanks = self.characters[end..].iter().take_while(|next| next.is_whitespace()).count();
        let rest = Self { characters: self.characters[end + blanks..].iter().copied().take(64).collect(), position: 0 };
        rest.peek().is_some_and(is_operator) || (blanks > 0 && rest.null_test().is_some())
    }

    /// `is null` is `Some(true)`, `is not null` is `Some(false)`.
    fn null_test(mut self) -> Option<bool> {
        self.take_null_test()
    }

    pub(super) fn take_null_test(&mut self) -> Option<bool> {
        let start = self.position;
        let mut word = |word| {
            self.blanks();
            self.take_word(word)
        };
        let missing = word("is").then(|| !word("not"));
        let found = missing.filter(|_| word("null"));
        if found.is_none() {
            self.position = start;
        }
        found
    }
}

/// What `( … )` or `[ … ]` behind an operator holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bracketed {
    Range,
    Query,
    List,
}

fn is_of_name(next: char) -> bool {
    next.is_alphanumeric() || matches!(next, '.' | '_' | '-')
}

fn is_operator(next: char) -> bool {
    matches!(next, ':' | '=' | '<' | '>')
}

fn is_bracket(next: char) -> bool {
    matches!(next, '(' | ')' | '[' | ']')
}

/// The marks that close what this one opens, the name of the first, and what the quotation means.
fn closing(opening: char) -> Option<(&'static [char], &'static str, Style)> {
    match opening {
        '"' => Some((&['"'], "`\"`", Style::Double)),
        '\'' => Some((&['\''], "`'`", Style::Exact)),
        '`' => Some((&['`'], "backtick", Style::Exact)),
        '“' | '”' | '„' | '‟' => Some((&['”', '“', '‟'], "`”`", Style::Double)),
        '‘' | '’' | '‚' | '‛' => Some((&['’', '‘', '‛'], "`’`", Style::Exact)),
        _ => None,
    }
}
