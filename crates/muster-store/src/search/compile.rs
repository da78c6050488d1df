//! From a query's meaning to a condition in SQL.
//!
//! A test of a missing value is NULL here, not false. `and`, `or` and WHERE treat the two alike, and `not` is written
//! `IS NOT TRUE`, which treats them alike too: so two-valued logic needs no guard around each test, and indexes serve.

use muster_core::asset::schema::Search;
use muster_core::query::tokens::{self, Target};
use muster_core::query::{End, Expression, Interval, Presence, Query, Test, TextTest, constant};

use super::candidates::candidates;
use super::schema::{list_table, table, text_table};
use super::{Bind, Dialect, View};

/// How many ids of an index are few.
const FEW: usize = 10_000;

/// A condition over `a` (asset), `s` (its search table) and, where it says so, `c` (its connector).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiled {
    /// The condition; it begins with the tenant (P11).
    pub sql_where: String,
    /// What its placeholders stand for, in their order.
    pub binds: Vec<Bind>,
    /// Whether it asks `a`.
    pub asset: bool,
    /// Whether it asks `c`.
    pub connector: bool,
    /// What bounds the condition by SQLite's substring index, where it can.
    pub substring: Option<Substring>,
}

/// A way into the search table by SQLite's substring index.
///
/// It pays where it gives few ids. Where it gives many, the pages and capped counts of a walk through the table are soon
/// full. The database finds out which, as it keeps no figures: a list is asked both ways, and one of them is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Substring {
    /// The condition that an asset is among the index's ids. `s` must be read `NOT INDEXED` beside it, which leaves its
    /// key: the planner would rather walk the tenant's whole index.
    pub among: String,
    /// The condition that there are few.
    pub few: String,
}

/// Compiles a query for one class; its placeholders begin at `$first`.
pub fn compile(query: &Query, view: &View, first: usize) -> Compiled {
    let mut compiler = Compiler::new(view, first);
    let tenant = compiler.bind(Bind::Number(view.tenant));
    let mut sql_where = format!("s.tenant = {tenant}");
    let mut substring = None;
    if !query.selects(view.class) {
        sql_where.push_str(" AND 1 = 0");
    } else if constant(query.expression(), view.class) != Some(true) {
        substring = compiler.substring(query.expression());
        sql_where.push_str(" AND ");
        sql_where.push_str(&compiler.expression(query.expression()));
    }
    let Compiler { binds, asset, connector, .. } = compiler;
    Compiled { sql_where, binds, asset, connector, substring }
}

/// A condition told in two more ways, for lists in an order of their own: SQLite keeps no figures by which to choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Narrow {
    /// The condition again, for which no index serves but that of the order.
    pub(super) walked: String,
    /// The condition that an indexed test selects few.
    pub(super) few: String,
}

/// The narrowest indexed test that a query's every answer passes. `order` is the column the list is sorted by, whose own
/// index serves both ways.
pub(super) fn narrow(query: &Query, view: &View, order: &str, binds: &mut Vec<Bind>) -> Option<Narrow> {
    let open = query.selects(view.class) && constant(query.expression(), view.class).is_none();
    if view.dialect != Dialect::Sqlite || !open {
        return None;
    }
    let parts = match query.expression() {
        Expression::All(parts) => parts.as_slice(),
        one => std::slice::from_ref(one),
    };
    let led = |part: &&Expression| rank(part, view, order);
    let narrowest = parts.iter().filter(|part| led(part).is_some()).min_by_key(led)?;
    if order == "s.asset_id"
        && matches!(narrowest, Expression::Test(_, Test::Text(TextTest::Equals(one))) if one.len() == 1)
    {
        // Equal values stand in the order of ids.
        return None;
    }
    let mut compiler = Compiler::new(view, binds.len() + 1);
    // The tenant is the first bind of every condition.
    let few = format!(
        "(SELECT COUNT(*) FROM (SELECT 1 FROM {} AS s WHERE s.tenant = $1 AND {} LIMIT {})) <= {FEW}",
        table(view.class),
        compiler.expression(narrowest),
        FEW + 1
    );
    compiler.walked = Some(order.to_owned());
    let walked = format!("s.tenant = $1 AND {}", compiler.expression(query.expression()));
    binds.append(&mut compiler.binds);
    Some(Narrow { walked, few })
}

/// How good a way in a test is; none where it is no way in.
fn rank(part: &Expression, view: &View, order: &str) -> Option<u8> {
    let Expression::Test(target @ Target::Field { field, .. }, test) = part else { return None };
    if field.class != view.class || field.search == Search::Scanned || column(*target) == order {
        return None;
    }
    match test {
        Test::Text(TextTest::Equals(_)) => Some(0),
        Test::Text(TextTest::StartsWith(piece)) if !piece.is_empty() => Some(1),
        Test::Number(_) => Some(2),
        _ => None,
    }
}

struct Compiler<'a> {
    view: &'a View,
    first: usize,
    binds: Vec<Bind>,
    asset: bool,
    connector: bool,
    /// The column whose index alone may serve, if that is so.
    walked: Option<String>,
}

impl<'a> Compiler<'a> {
    fn new(view: &'a View, first: usize) -> Self {
        Self { view, first, binds: Vec::new(), asset: false, connector: false, walked: None }
    }

    fn bind(&mut self, bind: Bind) -> String {
        self.binds.push(bind);
        format!("${}", self.first + self.binds.len() - 1)
    }

    fn text(&mut self, text: impl Into<String>) -> String {
        self.bind(Bind::Text(text.into()))
    }

    fn substring(&mut self, expression: &Expression) -> Option<Substring> {
        if self.view.dialect != Dialect::Sqlite {
            return None;
        }
        let table = text_table(self.view.class);
        let wanted = candidates(expression, self.view.class)?;
        let wanted = self.text(wanted);
        let ids = format!("SELECT rowid FROM {table} WHERE {table} MATCH {wanted}");
        Some(Substring {
            among: format!("s.asset_id IN ({ids})"),
            few: format!("(SELECT COUNT(*) FROM ({ids} LIMIT {})) <= {FEW}", FEW + 1),
        })
    }

    fn expression(&mut self, expression: &Expression) -> String {
        match constant(expression, self.view.class) {
            Some(true) => return "1 = 1".to_owned(),
            Some(false) => return "1 = 0".to_owned(),
            None => {}
        }
        match expression {
            Expression::All(parts) => self.joined(parts, " AND "),
            Expression::Any(parts) => self.joined(parts, " OR "),
            Expression::Not(inner) => format!("({} IS NOT TRUE)", self.expression(inner)),
            Expression::Test(target, test) => self.test(*target, test),
            Expression::Element(list, inner) => {
                let inner = self.expression(inner);
                let table = list_table(list);
                format!("EXISTS (SELECT 1 FROM {table} AS e WHERE e.asset_id = s.asset_id AND {inner})")
            }
            Expression::FreeText(test) => {
                let free = tokens::of_class(self.view.class).filter(|target| target.is_free_text());
                let parts = free.map(|target| self.text_test(target, test)).collect();
                balanced(parts, " OR ")
            }
        }
    }

    fn joined(&mut self, parts: &[Expression], word: &str) -> String {
        let class = self.view.class;
        let open = parts.iter().filter(|part| constant(part, class).is_none());
        let parts = open.map(|part| self.expression(part)).collect();
        balanced(parts, word)
    }

    /// The column in which a target's value stands.
    fn column(&mut self, target: Target) -> String {
        self.asset |= !matches!(target, Target::Field { .. } | Target::Element { .. });
        self.connector |= matches!(target, Target::Source | Target::Connector);
        let column = column(target);
        // A sign before a column keeps SQLite from its index, and changes nothing else.
        match &self.walked {
            Some(order) if column.starts_with("s.") && *order != column => format!("+{column}"),
            _ => column,
        }
    }

    fn test(&mut self, target: Target, test: &Test) -> String {
        let column = self.column(target);
        match test {
            Test::Present => format!("({column} IS NOT NULL)"),
            Test::Missing => format!("({column} IS NULL)"),
            Test::Number(interval) => self.interval(&column, interval),
            Test::Text(test) if matches!(target, Target::Status) => presence(test),
            Test::Text(test) => self.text_test(target, test),
        }
    }

    fn interval(&mut self, column: &str, interval: &Interval) -> String {
        let now = self.view.now;
        if let (Some(low), Some(high)) = (interval.low, interval.high)
            && low.inclusive
            && high.inclusive
            && low.bound.at(now) == high.bound.at(now)
        {
            let number = self.bind(Bind::Number(low.bound.at(now)));
            return format!("({column} = {number})");
        }
        let mut end = |end: Option<End>, strict: &str| {
            let end = end?;
            let number = self.bind(Bind::Number(end.bound.at(now)));
            let equal = if end.inclusive { "=" } else { "" };
            Some(format!("{column} {strict}{equal} {number}"))
        };
        let ends: Vec<String> = [end(interval.low, ">"), end(interval.high, "<")].into_iter().flatten().collect();
        format!("({})", ends.join(" AND "))
    }

    fn text_test(&mut self, target: Target, test: &TextTest) -> String {
        let column = self.column(target);
        match test {
            TextTest::Equals(values) => {
                let values: Vec<String> = values.iter().map(|value| self.text(value)).collect();
                match values.as_slice() {
                    [value] => format!("({column} = {value})"),
                    several => format!("({column} IN ({}))", several.join(", ")),
                }
            }
            TextTest::StartsWith(piece) => self.starts_with(&column, piece),
            TextTest::Contains(piece) => match self.view.dialect {
                Dialect::Sqlite => format!("(instr({column}, {}) > 0)", self.text(piece)),
                Dialect::Postgres => format!("({column} LIKE {})", self.text(format!("%{}%", escaped(piece)))),
            },
            TextTest::Pattern(pieces) => {
                let start = match pieces.first() {
                    Some(first) if !first.is_empty() => format!("{} AND ", self.starts_with(&column, first)),
                    _ => String::new(),
                };
                let pattern: Vec<String> = pieces.iter().map(|piece| escaped(piece)).collect();
                let pattern = self.text(pattern.join("%"));
                // PostgreSQL escapes by a backslash unless told otherwise, and only then uses its index.
                let escape = if self.view.dialect == Dialect::Sqlite { " ESCAPE '\\'" } else { "" };
                format!("({start}{column} LIKE {pattern}{escape})")
            }
        }
    }

    /// Texts that begin with a piece are those from it up to, not with, the next text that does not. Both databases
    /// compare UTF-8 by bytes, which is the order of code points.
    fn starts_with(&mut self, column: &str, piece: &str) -> String {
        let low = self.text(piece);
        match successor(piece) {
            Some(next) => format!("({column} >= {low} AND {column} < {})", self.text(next)),
            None => format!("({column} >= {low})"),
        }
    }
}

/// The column, or expression, in which a target's value stands.
pub(super) fn column(target: Target) -> String {
    match target {
        Target::Field { field, .. } => format!("s.{}", field.column),
        Target::Element { field, .. } => format!("e.{}", field.column),
        Target::Source => "c.source_folded".to_owned(),
        Target::Connector => "c.name_folded".to_owned(),
        Target::Status => {
            "CASE WHEN a.state = 'gone' THEN 'gone' WHEN a.missing_since IS NOT NULL THEN 'held' ELSE 'present' END"
                .to_owned()
        }
        Target::Created => "a.first_seen".to_owned(),
        Target::LastUpdated => "a.changed_at".to_owned(),
    }
}

/// There are only three words to ask for: which of them pass is known before the database is asked.
fn presence(test: &TextTest) -> String {
    let passing = Presence::ALL.into_iter().filter(|presence| test.passes(presence.word()));
    let conditions = passing.map(|presence| match presence {
        Presence::Gone => "(a.state = 'gone')".to_owned(),
        Presence::Held => "(a.state <> 'gone' AND a.missing_since IS NOT NULL)".to_owned(),
        Presence::Present => "(a.state <> 'gone' AND a.missing_since IS NULL)".to_owned(),
    });
    balanced(conditions.collect(), " OR ")
}

/// Joins conditions as a shallow tree: SQLite bounds the depth of expressions, and a chain is as deep as it is long.
fn balanced(mut parts: Vec<String>, word: &str) -> String {
    while parts.len() > 1 {
        parts = parts
            .chunks(2)
            .map(|pair| if pair.len() == 2 { format!("({})", pair.join(word)) } else { pair.concat() })
            .collect();
    }
    parts.pop().unwrap_or_else(|| "1 = 0".to_owned())
}

/// A piece as it stands in a LIKE pattern.
fn escaped(piece: &str) -> String {
    let mut text = String::with_capacity(piece.len());
    for character in piece.chars() {
        if matches!(character, '\\' | '%' | '_') {
            text.push('\\');
        }
        text.push(character);
    }
    text
}

/// The least text that is greater than all that begin with this one; none where there is none.
fn successor(text: &str) -> Option<String> {
    let mut rest = text;
    while let Some(last) = rest.chars().next_back() {
        rest = &rest[..rest.len() - last.len_utf8()];
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(u32::from(last) + 1) };
        if let Some(next) = next {
            return Some(format!("{rest}{next}"));
        }
    }
    None
}
