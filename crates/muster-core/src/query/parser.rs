//! The grammar: `or` binds weakest, then `and`, then `not`, then a group or a leaf.

use super::cursor::{Bare, Bracketed, Cursor};
use super::error::{Problem, QueryError};
use super::syntax::{Leaf, Literal, Node, Operand, Operator, Style, Word};
use super::{MAXIMUM_DEPTH, MAXIMUM_LEAVES, MAXIMUM_LENGTH, MAXIMUM_VALUE, MAXIMUM_VALUES};

/// Reads a query; `None` where there is none.
pub(super) fn parse(text: &str) -> Result<Option<Node>, QueryError> {
    if text.chars().nth(MAXIMUM_LENGTH).is_some() {
        return Err(limit(MAXIMUM_LENGTH + 1, MAXIMUM_LENGTH, "characters"));
    }
    if let Some(position) = text.chars().position(|next| next == '\0') {
        return Err(QueryError::at(position + 1, Problem::Nul));
    }
    let mut parser = Parser { cursor: Cursor::new(text), depth: 0, leaves: 0 };
    parser.cursor.blanks();
    if parser.cursor.peek().is_none() {
        return Ok(None);
    }
    let node = parser.any()?;
    if parser.cursor.peek().is_some() {
        return Err(parser.expected("`and`, `or` or the end (a value with blanks stands in quotes)"));
    }
    Ok(Some(node))
}

fn limit(column: usize, limit: usize, what: &'static str) -> QueryError {
    QueryError::at(column, Problem::Limit { limit, what })
}

struct Parser {
    cursor: Cursor,
    depth: usize,
    leaves: usize,
}

impl Parser {
    fn expected(&self, expected: &'static str) -> QueryError {
        QueryError::at(self.cursor.column(), Problem::Expected { expected, found: self.cursor.found() })
    }

    fn any(&mut self) -> Result<Node, QueryError> {
        let mut nodes = vec![self.all()?];
        while self.connective("or") {
            nodes.push(self.all()?);
        }
        Ok(one_or(nodes, Node::Or))
    }

    fn all(&mut self) -> Result<Node, QueryError> {
        let mut nodes = vec![self.negated()?];
        while self.connective("and") {
            nodes.push(self.negated()?);
        }
        Ok(one_or(nodes, Node::And))
    }

    fn connective(&mut self, word: &str) -> bool {
        self.cursor.blanks();
        self.cursor.take_word(word)
    }

    fn negated(&mut self) -> Result<Node, QueryError> {
        if self.connective("not") {
            return self.deeper(|parser| Ok(Node::Not(Box::new(parser.negated()?))));
        }
        self.primary()
    }

    fn deeper(&mut self, read: impl FnOnce(&mut Self) -> Result<Node, QueryError>) -> Result<Node, QueryError> {
        self.depth += 1;
        if self.depth > MAXIMUM_DEPTH {
            return Err(limit(self.cursor.column(), MAXIMUM_DEPTH, "levels of nesting"));
        }
        let node = read(self)?;
        self.depth -= 1;
        Ok(node)
    }

    fn leaf_counted(&mut self) -> Result<(), QueryError> {
        self.leaves += 1;
        if self.leaves > MAXIMUM_LEAVES {
            return Err(limit(self.cursor.column(), MAXIMUM_LEAVES, "conditions"));
        }
        Ok(())
    }

    fn primary(&mut self) -> Result<Node, QueryError> {
        if self.cursor.take('(') {
            return self.group();
        }
        let nothing = self.cursor.peek().is_none_or(|next| matches!(next, ')' | '[' | ']'));
        if nothing || self.cursor.at_connective() {
            return Err(self.expected("a condition"));
        }
        if self.at_token() { self.leaf() } else { self.free_text() }
    }

    /// What follows `(`, up to its `)`.
    fn group(&mut self) -> Result<Node, QueryError> {
        let node = self.deeper(Self::any)?;
        self.cursor.blanks();
        if self.cursor.take(')') { Ok(node) } else { Err(self.expected("`and`, `or` or `)`")) }
    }

    fn at_token(&self) -> bool {
        self.cursor.peek().is_some_and(char::is_alphabetic) && self.cursor.token_begins()
    }

    fn leaf(&mut self) -> Result<Node, QueryError> {
        self.leaf_counted()?;
        let column = self.cursor.column();
        let token = Word { text: self.cursor.name(), column };
        self.cursor.blanks();
        let operator_column = self.cursor.column();
        if let Some(missing) = self.cursor.take_null_test() {
            let operand = if missing { Operand::Null } else { Operand::NotNull };
            return Ok(Node::Leaf(Leaf { token, operator: Operator::Has, operator_column, operand }));
        }
        let operator = self.operator()?;
        self.cursor.blanks();
        let operand = match self.cursor.peek() {
            Some('[') => {
                self.cursor.position += 1;
                match self.cursor.bracketed() {
                    Bracketed::Range => self.range(true, ']')?,
                    Bracketed::Query | Bracketed::List => self.list(']')?,
                }
            }
            Some('(') => {
                self.cursor.position += 1;
                match self.cursor.bracketed() {
                    Bracketed::Query => return Ok(Node::Inner { token, inner: Box::new(self.group()?) }),
                    Bracketed::Range => self.range(false, ')')?,
                    Bracketed::List => self.list(')')?,
                }
            }
            _ => Operand::One(self.value(Bare::Word)?),
        };
        Ok(Node::Leaf(Leaf { token, operator, operator_column, operand }))
    }

    fn operator(&mut self) -> Result<Operator, QueryError> {
        let operator = match self.cursor.peek() {
            Some(':') => Operator::Has,
            Some('=') => Operator::Equal,
            Some('>') => Operator::Greater,
            Some('<') => Operator::Less,
            _ => return Err(self.expected("an operator")),
        };
        self.cursor.position += 1;
        Ok(match operator {
            Operator::Greater if self.cursor.take('=') => Operator::GreaterOrEqual,
            Operator::Less if self.cursor.take('=') => Operator::LessOrEqual,
            operator => operator,
        })
    }

    /// A value that must be there.
    fn value(&mut self, bare: Bare) -> Result<Literal, QueryError> {
        if self.cursor.at_connective() {
            return Err(self.expected("a value (in quotes if it is meant to be this word)"));
        }
        let literal = self.cursor.literal(bare)?;
        if literal.style == Style::Bare && literal.text.is_empty() {
            return Err(self.expected("a value"));
        }
        if literal.text.chars().nth(MAXIMUM_VALUE).is_some() {
            return Err(limit(literal.column, MAXIMUM_VALUE, "characters in one value"));
        }
        Ok(literal)
    }

    fn range(&mut self, inclusive: bool, closing: char) -> Result<Operand, QueryError> {
        self.cursor.blanks();
        let from = self.value(Bare::End)?;
        self.cursor.blanks();
        if !self.cursor.take_dots() {
            return Err(self.expected("`..`"));
        }
        self.cursor.blanks();
        let to = self.value(Bare::End)?;
        self.cursor.blanks();
        if !self.cursor.take(closing) {
            return Err(self.expected(if closing == ']' { "`]`" } else { "`)`" }));
        }
        Ok(Operand::Range { from, to, inclusive })
    }

    fn list(&mut self, closing: char) -> Result<Operand, QueryError> {
        let mut values = Vec::new();
        loop {
            self.cursor.blanks();
            if values.len() == MAXIMUM_VALUES {
                return Err(limit(self.cursor.column(), MAXIMUM_VALUES, "values in one list"));
            }
            values.push(self.value(Bare::Item)?);
            self.cursor.blanks();
            if self.cursor.take(closing) {
                return Ok(Operand::List(values));
            }
            if !self.cursor.take(',') {
                return Err(self.expected(if closing == ']' { "`,` or `]`" } else { "`,` or `)`" }));
            }
        }
    }

    /// Words side by side: all of them.
    fn free_text(&mut self) -> Result<Node, QueryError> {
        let mut words = Vec::new();
        loop {
            self.leaf_counted()?;
            words.push(Node::Free(self.value(Bare::Word)?));
            self.cursor.blanks();
            let ends = self.cursor.peek().is_none_or(|next| matches!(next, '(' | ')' | '[' | ']'));
            if ends || self.cursor.at_connective() || self.at_token() {
                return Ok(one_or(words, Node::And));
            }
        }
    }
}

fn one_or(mut nodes: Vec<Node>, several: fn(Vec<Node>) -> Node) -> Node {
    if nodes.len() == 1
        && let Some(node) = nodes.pop()
    {
        return node;
    }
    several(nodes)
}
