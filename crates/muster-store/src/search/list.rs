//! Lists: a page by key, a capped count, a facet.

use muster_core::asset::schema::{FieldType, Search, SearchValue};
use muster_core::query::tokens::Target;
use muster_core::query::{Expression, Query};
use thiserror::Error;

use super::compile::{Compiled, Narrow, Substring, column, compile, narrow};
use super::schema::table;
use super::{Bind, Dialect, Statement, View};

/// How far a capped count counts.
const COUNT_LIMIT: i64 = 10_000;
/// How many values a facet shows.
pub const FACET_VALUES: u32 = 50;
/// How long a page can be.
const PAGE_LIMIT: u32 = 10_000;

/// A list that cannot be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SearchError {
    /// A page key made for another sort.
    #[error("the page key belongs to a list sorted otherwise than by `{0}`")]
    PageKey(&'static str),
    /// A facet over something that is not a keyword of the class.
    #[error("`{0}` cannot be counted by value: only keywords of the listed class can")]
    Facet(&'static str),
    /// A sort by another class's field, or by what an asset has several of.
    #[error("the list cannot be sorted by `{0}`, which is another class's or stands for several values")]
    Sort(&'static str),
}

/// What a list is sorted by; the asset's id decides between equals, in the same direction.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sort {
    /// The target; none sorts by the asset's id alone.
    pub by: Option<Target>,
    /// Greatest first. Missing values come last either way.
    pub descending: bool,
}

/// Where a page ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageKey {
    /// The `sort_value` of its last row.
    pub value: Option<SearchValue>,
    /// The `id` of its last row.
    pub id: i64,
}

/// A page of a list.
#[derive(Debug, Clone)]
pub struct Page {
    /// Its order.
    pub sort: Sort,
    /// Where the page before it ended; none is the first.
    pub after: Option<PageKey>,
    /// How many rows; at most 10,000.
    pub limit: u32,
}

/// A number of assets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// How many, at least.
    pub value: i64,
    /// Whether these are all.
    pub exact: bool,
}

/// How far to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counting {
    /// Up to 10,000; more is "10,000+".
    Capped,
    /// To the end.
    Exact,
}

impl Counting {
    /// The count that the statement's answer means.
    pub fn count(self, answer: i64) -> Count {
        match self {
            Self::Capped => Count { value: answer.min(COUNT_LIMIT), exact: answer <= COUNT_LIMIT },
            Self::Exact => Count { value: answer, exact: true },
        }
    }
}

/// A page: rows of `id` and `sort_value` (text, or an integer for other types), the next key being the last row's.
///
/// Two arms, those with a value and those without, each walk their end of the index; so missing values come last in both
/// directions and on both databases, and no page is slower than the first.
pub fn page(query: &Query, view: &View, page: &Page) -> Result<Statement, SearchError> {
    let mut compiled = compile(query, view, 1);
    let by = sort_column(view, page.sort)?;
    asked(&mut compiled, page.sort.by);
    let (operator, direction) = if page.sort.descending { ("<", "DESC") } else { (">", "ASC") };
    let ways =
        if walkable(page.sort) { ordered_ways(query, view, (&mut compiled, &by)) } else { ways(view, &compiled) };
    let mut bind = |bind| {
        compiled.binds.push(bind);
        format!("${}", compiled.binds.len())
    };
    let limit = bind(Bind::Number(i64::from(page.limit.min(PAGE_LIMIT))));
    let after_id = page.after.as_ref().map(|key| bind(Bind::Number(key.id)));
    let after_value = after_value(page)?.map(bind);
    let mut arms = Vec::new();
    if page.after.is_none() || after_value.is_some() || page.sort.by.is_none() {
        arms.extend(ways.iter().map(|way| {
            let (by, key) = (way.free(&by), way.free("s.asset_id"));
            let after = match (&after_value, &after_id) {
                (Some(value), Some(id)) => format!(" AND ({by}, {key}) {operator} ({value}, {id})"),
                (None, Some(id)) => format!(" AND {key} {operator} {id}"),
                _ => String::new(),
            };
            let present = if can_miss(page.sort) { format!(" AND {by} IS NOT NULL") } else { String::new() };
            format!(
                "SELECT s.asset_id AS id, {by} AS sort_value FROM {}{present}{after} \
                 ORDER BY {by} {direction}, {key} {direction}{}",
                way.from,
                way.limit(Some(&limit))
            )
        }));
    }
    let valued = arms.len();
    if can_miss(page.sort) {
        arms.extend(ways.iter().map(|way| {
            let (by, key) = (way.free(&by), way.free("s.asset_id"));
            let after = match (&after_value, &after_id) {
                (None, Some(id)) => format!(" AND {key} {operator} {id}"),
                _ => String::new(),
            };
            format!(
                "SELECT s.asset_id AS id, {by} AS sort_value FROM {} AND {by} IS NULL{after} \
                 ORDER BY {key} {direction}{}",
                way.from,
                way.limit(Some(&limit))
            )
        }));
    }
    let sql = match arms.as_slice() {
        [only] => only.clone(),
        several => {
            let arm = |(index, arm): (usize, &String)| {
                format!("SELECT *, {} AS missing FROM ({arm}) AS arm{index}", i32::from(index >= valued))
            };
            let arms: Vec<String> = several.iter().enumerate().map(arm).collect();
            format!(
                "SELECT id, sort_value FROM ({}) AS listed \
                 ORDER BY missing, sort_value {direction}, id {direction} LIMIT {limit}",
                arms.join(" UNION ALL ")
            )
        }
    };
    Ok(Statement { sql, binds: compiled.binds })
}

/// A count of what a query selects: one row, one integer, for [`Counting::count`].
pub fn count(query: &Query, view: &View, counting: Counting) -> Statement {
    let mut compiled = compile(query, view, 1);
    // A single test is counted in its index; several are asked of rows, which lie in the order of ids.
    let ways = match query.expression() {
        Expression::All(parts) if parts.len() > 1 => ordered_ways(query, view, (&mut compiled, "s.asset_id")),
        _ => ways(view, &compiled),
    };
    let limit = (counting == Counting::Capped).then(|| {
        compiled.binds.push(Bind::Number(COUNT_LIMIT + 1));
        format!("${}", compiled.binds.len())
    });
    let counted = ways.iter().enumerate().map(|(index, way)| {
        format!("SELECT * FROM (SELECT 1 AS one FROM {}{}) AS way{index}", way.from, way.limit(limit.as_deref()))
    });
    let counted: Vec<String> = counted.collect();
    let sql = format!("SELECT COUNT(*) FROM ({}) AS counted", counted.join(" UNION ALL "));
    Statement { sql, binds: compiled.binds }
}

/// How often each value of a keyword occurs among what a query selects: rows of `value`, folded, and `assets`; the most
/// frequent first, [`FACET_VALUES`] at most, missing values left out.
pub fn facet(query: &Query, view: &View, target: Target) -> Result<Statement, SearchError> {
    use muster_core::asset::schema::TextKind;
    let owned = target.class().is_none_or(|class| class == view.class);
    if target.text() != Some(TextKind::Keyword) || !owned || matches!(target, Target::Element { .. }) {
        return Err(SearchError::Facet(target.token()));
    }
    let mut compiled = compile(query, view, 1);
    asked(&mut compiled, Some(target));
    let by = column(target);
    let ways = ways(view, &compiled);
    let ways = ways.iter().enumerate().map(|(index, way)| {
        let limit = way.limit(None);
        format!("SELECT * FROM (SELECT {by} AS value FROM {} AND {by} IS NOT NULL{limit}) AS way{index}", way.from)
    });
    let sql = format!(
        "SELECT value, COUNT(*) AS assets FROM ({}) AS valued GROUP BY value ORDER BY assets DESC, value \
         LIMIT {FACET_VALUES}",
        ways.collect::<Vec<_>>().join(" UNION ALL ")
    );
    Ok(Statement { sql, binds: compiled.binds })
}

/// A way to ask a condition.
struct Way {
    /// What follows FROM.
    from: String,
    /// When it is taken: a condition, and what it must be. The other way is then empty.
    when: Option<(String, bool)>,
    /// Whether the list is put into its order afterwards: the index of the order is not to be walked.
    sorted: bool,
}

impl Way {
    /// A column of the order, kept from its index where it is not to be walked.
    fn free(&self, column: &str) -> String {
        let sign = if self.sorted && column.starts_with("s.") { "+" } else { "" };
        format!("{sign}{column}")
    }

    /// The LIMIT clause. That is where a way not taken ends before it begins: SQLite asks a limit once, and would ask a
    /// condition with a subquery row by row.
    fn limit(&self, limit: Option<&str>) -> String {
        match (&self.when, limit) {
            (None, None) => String::new(),
            (None, Some(limit)) => format!(" LIMIT {limit}"),
            (Some((few, true)), limit) => format!(" LIMIT CASE WHEN {few} THEN {} ELSE 0 END", limit.unwrap_or("-1")),
            (Some((few, false)), limit) => format!(" LIMIT CASE WHEN {few} THEN 0 ELSE {} END", limit.unwrap_or("-1")),
        }
    }
}

/// What a list's own column asks besides the condition.
fn asked(compiled: &mut Compiled, target: Option<Target>) {
    compiled.asset |= target.is_some_and(|target| !matches!(target, Target::Field { .. }));
    compiled.connector |= matches!(target, Some(Target::Source | Target::Connector));
}

/// One way, or two of which one is taken.
fn ways(view: &View, compiled: &Compiled) -> Vec<Way> {
    let condition = &compiled.sql_where;
    let from = |indexed: &str, more: &str| format!("{} WHERE {condition}{more}", tables(view, compiled, indexed));
    let way = |from: String, when| Way { from, when, sorted: false };
    match &compiled.substring {
        None => vec![way(from("", ""), None)],
        Some(Substring { among, few }) => vec![
            way(from(" NOT INDEXED", &format!(" AND {among}")), Some((few.clone(), true))),
            way(from("", ""), Some((few.clone(), false))),
        ],
    }
}

/// The same for a list in an order: where an indexed test selects few, these are found and sorted; where it selects
/// many, the order is walked until the page is full.
fn ordered_ways(query: &Query, view: &View, (compiled, by): (&mut Compiled, &str)) -> Vec<Way> {
    let narrowed = if compiled.substring.is_some() { None } else { narrow(query, view, by, &mut compiled.binds) };
    let Some(Narrow { walked, few }) = narrowed else { return ways(view, compiled) };
    let found = format!("{} WHERE {}", tables(view, compiled, ""), compiled.sql_where);
    let walked = format!("{} WHERE {walked}", tables(view, compiled, ""));
    vec![
        Way { from: found, when: Some((few.clone(), true)), sorted: true },
        Way { from: walked, when: Some((few, false)), sorted: false },
    ]
}

/// The tables of a condition; the asset's only where it is asked. SQLite is told to begin with the search table, which
/// has the indexes; it keeps no figures by which to find that out.
fn tables(view: &View, compiled: &Compiled, indexed: &str) -> String {
    let join = match view.dialect {
        Dialect::Sqlite => "CROSS JOIN",
        Dialect::Postgres => "JOIN",
    };
    let mut from = format!("{} AS s{indexed}", table(view.class));
    if compiled.asset {
        // Its tenant is the search row's; it is asked again all the same (P11).
        from.push_str(&format!(" {join} asset AS a ON a.id = s.asset_id AND a.tenant = s.tenant"));
    }
    if compiled.connector {
        from.push_str(&format!(" {join} connector AS c ON c.id = a.connector"));
    }
    from
}

fn sort_column(view: &View, sort: Sort) -> Result<String, SearchError> {
    match sort.by {
        None => Ok("s.asset_id".to_owned()),
        Some(target @ Target::Element { .. }) => Err(SearchError::Sort(target.token())),
        Some(target) if target.class().is_none_or(|class| class == view.class) => Ok(column(target)),
        Some(target) => Err(SearchError::Sort(target.token())),
    }
}

/// Whether there is an index in this order.
fn walkable(sort: Sort) -> bool {
    match sort.by {
        None => true,
        Some(Target::Field { field, .. }) => field.search != Search::Scanned,
        Some(_) => false,
    }
}

/// Only fields can be missing.
fn can_miss(sort: Sort) -> bool {
    matches!(sort.by, Some(Target::Field { .. }))
}

/// The value of the key, which must be of the sort's type: keys come from outside.
fn after_value(page: &Page) -> Result<Option<Bind>, SearchError> {
    let (Some(target), Some(key)) = (page.sort.by, &page.after) else { return Ok(None) };
    match (&key.value, target.value()) {
        (Some(SearchValue::Text(text)), FieldType::Text) if !text.contains('\0') => Ok(Some(Bind::Text(text.clone()))),
        (Some(SearchValue::Number(number)), FieldType::Integer | FieldType::Time | FieldType::Boolean) => {
            Ok(Some(Bind::Number(*number)))
        }
        (None, _) if can_miss(page.sort) => Ok(None),
        _ => Err(SearchError::PageKey(target.token())),
    }
}
