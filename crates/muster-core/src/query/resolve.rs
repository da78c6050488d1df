//! From words to meaning: tokens are found, values take their tokens' types.

use super::error::{Problem, QueryError};
use super::interval::{Interval, Stretch};
use super::syntax::{Leaf, Literal, Node, Operand, Operator, Style, Word};
use super::text::TextTest;
use super::tokens::{self, Lookup, Target};
use super::{Expression, Test};
use crate::asset::Class;
use crate::asset::schema::{FieldType, TextKind};

pub(super) struct Resolver {
    /// The class whose list is asked; none asks all.
    pub(super) class: Option<Class>,
}

/// The sub-queries around a node.
#[derive(Clone, Default)]
pub(super) struct Within {
    /// Their tokens, joined; empty where there are none.
    prefix: String,
    /// Whether the last is a list's token: what is asked is of one element. Only its own fields' tokens begin with that.
    element: bool,
}

impl Resolver {
    pub(super) fn node(&self, node: &Node, within: &Within) -> Result<Expression, QueryError> {
        let several = |nodes: &[Node]| nodes.iter().map(|node| self.node(node, within)).collect::<Result<_, _>>();
        match node {
            Node::Or(nodes) => Ok(Expression::Any(several(nodes)?)),
            Node::And(nodes) => Ok(Expression::All(several(nodes)?)),
            Node::Not(inner) => Ok(Expression::Not(Box::new(self.node(inner, within)?))),
            Node::Leaf(leaf) => self.leaf(leaf, within),
            Node::Inner { token, inner } => {
                let prefix = joined(&within.prefix, &token.text);
                match tokens::lookup_list(&prefix, self.class) {
                    Some(list) => {
                        let within = Within { prefix: list.token.to_owned(), element: true };
                        Ok(Expression::Element(list, Box::new(self.node(inner, &within)?)))
                    }
                    None => self.node(inner, &Within { prefix, element: within.element }),
                }
            }
            Node::Free(literal) if within.prefix.is_empty() => {
                // A lone `*` asks for anything at all.
                Ok(TextTest::of_free_text(literal).map_or(Expression::All(Vec::new()), Expression::FreeText))
            }
            Node::Free(literal) => {
                Err(QueryError::at(literal.column, Problem::FreeText { prefix: within.prefix.clone() }))
            }
        }
    }

    fn target(&self, token: &Word, within: &Within) -> Result<Target, QueryError> {
        let name = joined(&within.prefix, &token.text);
        let problem = match tokens::lookup(&name, self.class) {
            Lookup::Found(target) => return Ok(target),
            Lookup::Ambiguous(candidates) => Problem::AmbiguousToken { token: name, candidates },
            Lookup::Unknown(near) => Problem::UnknownToken { token: name, near },
        };
        Err(QueryError::at(token.column, problem))
    }

    /// A test, or several of one token.
    fn leaf(&self, leaf: &Leaf, within: &Within) -> Result<Expression, QueryError> {
        let name = joined(&within.prefix, &leaf.token.text);
        if let Some(list) = tokens::lookup_list(&name, self.class) {
            // Of a list without elements nothing is known but that.
            let any = || Expression::Element(list, Box::new(Expression::All(Vec::new())));
            match leaf.operand {
                Operand::Null => return Ok(Expression::Not(Box::new(any()))),
                Operand::NotNull => return Ok(any()),
                _ if list.elements.iter().any(|field| field.token == list.token) => {}
                _ => {
                    let example = list.elements.first().map_or(list.token, |field| field.token);
                    return Err(QueryError::at(leaf.token.column, Problem::List { token: list.token, example }));
                }
            }
        }
        let target = self.target(&leaf.token, within)?;
        let test = Self::test(target, leaf)?;
        match target {
            Target::Element { list, .. } if !within.element => Ok(Expression::Element(list, Box::new(test))),
            _ => Ok(test),
        }
    }

    fn test(target: Target, leaf: &Leaf) -> Result<Expression, QueryError> {
        let test = |test| Expression::Test(target, test);
        let operator = leaf.operator;
        let several = |what| {
            let problem = Problem::Several { operator: operator.word(), what };
            QueryError::at(leaf.operator_column, problem)
        };
        match (&leaf.operand, target.text()) {
            (Operand::Null, _) => Ok(test(Test::Missing)),
            (Operand::NotNull, _) => Ok(test(Test::Present)),
            (Operand::Range { .. }, _) if operator.compares() => Err(several("range")),
            (Operand::List(_), _) if operator.compares() => Err(several("list")),
            (Operand::One(literal), None) if is_anything(literal, operator) => Ok(test(Test::Present)),
            (Operand::One(literal), None) => number(target, operator, literal).map(test),
            (Operand::List(literals), None) => numbers(target, operator, literals),
            (Operand::Range { from, to, inclusive }, None) => {
                Ok(test(Test::Number(Interval::between(stretch(target, from)?, stretch(target, to)?, *inclusive))))
            }
            (Operand::Range { from, .. }, Some(_)) => {
                Err(QueryError::at(from.column, Problem::TextRange { token: target.token().to_owned() }))
            }
            (_, Some(_)) if operator.compares() => {
                let problem = Problem::Order { token: target.token().to_owned(), operator: operator.word() };
                Err(QueryError::at(leaf.operator_column, problem))
            }
            (Operand::One(literal), Some(kind)) => text(target, kind, operator, literal).map(test),
            (Operand::List(literals), Some(kind)) => texts(target, kind, operator, literals),
        }
    }
}

fn joined(prefix: &str, token: &str) -> String {
    if prefix.is_empty() { token.to_owned() } else { format!("{prefix}.{token}") }
}

fn is_anything(literal: &Literal, operator: Operator) -> bool {
    literal.style == Style::Bare && literal.text == "*" && !operator.compares()
}

fn text(target: Target, kind: TextKind, operator: Operator, literal: &Literal) -> Result<Test, QueryError> {
    let Some(test) = TextTest::of(literal, operator, kind) else { return Ok(Test::Present) };
    if let Some(values) = target.values()
        && !values.iter().any(|value| test.passes(value))
    {
        let problem = Problem::NeverSo { token: target.token().to_owned(), value: literal.text.clone(), values };
        return Err(QueryError::at(literal.column, problem));
    }
    Ok(Test::Text(test))
}

/// Any of several texts; those that ask for the whole text become one test.
fn texts(target: Target, kind: TextKind, operator: Operator, literals: &[Literal]) -> Result<Expression, QueryError> {
    let mut whole = Vec::new();
    let mut parts = Vec::new();
    for literal in literals {
        match text(target, kind, operator, literal)? {
            Test::Text(TextTest::Equals(values)) => whole.extend(values),
            test => parts.push(Expression::Test(target, test)),
        }
    }
    if !whole.is_empty() {
        whole.sort_unstable();
        whole.dedup();
        parts.push(Expression::Test(target, Test::Text(TextTest::Equals(whole))));
    }
    Ok(Expression::Any(parts))
}

fn number(target: Target, operator: Operator, literal: &Literal) -> Result<Test, QueryError> {
    Ok(Test::Number(Interval::compare(operator, stretch(target, literal)?)))
}

fn numbers(target: Target, operator: Operator, literals: &[Literal]) -> Result<Expression, QueryError> {
    let tests = literals.iter().map(|literal| Ok(Expression::Test(target, number(target, operator, literal)?)));
    tests.collect::<Result<_, _>>().map(Expression::Any)
}

fn stretch(target: Target, literal: &Literal) -> Result<Stretch, QueryError> {
    let text = literal.text.trim();
    let (found, holds) = match target.value() {
        FieldType::Time => (
            Stretch::of_time(text),
            "a time (`2018-01-22`, `2018-01-22T09:30:00Z`, `now`, `now-3d` with one of s m h d w M y)",
        ),
        FieldType::Boolean => (Stretch::of_boolean(text), "`true` or `false`"),
        FieldType::Integer | FieldType::Text => (Stretch::of_integer(text), "a whole number"),
    };
    let problem = || Problem::Value { token: target.token().to_owned(), holds, value: literal.text.clone() };
    found.ok_or_else(|| QueryError::at(literal.column, problem()))
}
