//! A list: what a query finds, a page at a time.

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use data_encoding::BASE64URL_NOPAD;
use muster_core::asset::schema::{FieldType, SearchValue};
use muster_core::connector::Offer;
use muster_core::query::tokens::Target;
use muster_core::query::{Query as Wanted, QueryError, tokens};
use muster_store::AssetRow;
use muster_store::search::{Count, Counting, Page, PageKey, Sort, View};
use serde::{Deserialize, Serialize};

use super::{Kind, Shown, field, name, place};
use crate::api::names::Names;
use crate::console::frame::{Frame, Visitor, html};
use crate::console::part::{Badge, Number, When, address};
use crate::error::{Code, Problem};
use crate::extract::Query;
use crate::hub::Hub;

const ROWS: u32 = 50;

/// What a list is asked.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(in crate::console) struct Asked {
    q: String,
    /// `here` (present or held), `held`, `gone` or `all`.
    show: String,
    sort: String,
    after: String,
}

impl Asked {
    fn show(&self) -> &str {
        match self.show.as_str() {
            "held" | "gone" | "all" => &self.show,
            // Whoever asks for a status themselves sees what they ask for.
            _ if self.q.to_lowercase().contains("inventory.status") => "all",
            _ => "here",
        }
    }

    /// The whole query: what was written, and the choice beside it.
    fn text(&self) -> String {
        let choice = match self.show() {
            "held" => "inventory.status:held",
            "gone" => "inventory.status:gone",
            "all" => "",
            _ => "not inventory.status:gone",
        };
        match (self.q.trim(), choice) {
            ("", choice) => choice.to_owned(),
            (written, "") => written.to_owned(),
            (written, choice) => format!("({written}) and {choice}"),
        }
    }

    fn sort(&self, kind: &Kind) -> Sort {
        let (word, descending) = self.sort.strip_prefix('-').map_or((self.sort.as_str(), false), |word| (word, true));
        let shown = kind.columns.iter().any(|(_, token)| *token == word);
        let by = tokens::of_class(kind.class).find(|target| shown && target.token() == word);
        Sort { by, descending: descending && by.is_some() }
    }

    /// The address of this list with another part.
    fn at(&self, kind: &Kind, (part, value): (&str, &str)) -> String {
        let or = |name: &str, own: &str| if part == name { value.to_owned() } else { own.to_owned() };
        let after = if part == "after" { value } else { "" };
        let (q, show, sort) = (or("q", &self.q), or("show", &self.show), or("sort", &self.sort));
        address(kind.place, &[("q", &q), ("show", &show), ("sort", &sort), ("after", after)])
    }
}

/// Where a query goes wrong: the text before, the character, the text behind.
#[derive(Debug)]
struct Trouble {
    column: usize,
    message: String,
    before: String,
    at: String,
    behind: String,
}

impl Trouble {
    fn of(text: &str, error: &QueryError) -> Self {
        let at = error.column.saturating_sub(1);
        let part = |skip: usize, take: usize| text.chars().skip(skip).take(take).collect::<String>();
        let message = crate::console::session::capitalized(error.problem.to_string());
        Self { column: error.column, message, before: part(0, at), at: part(at, 1), behind: part(at + 1, usize::MAX) }
    }
}

struct Column {
    label: &'static str,
    href: String,
    /// `ascending`, `descending` or `none`.
    sorted: &'static str,
}

struct Row {
    href: String,
    name: String,
    below: Option<String>,
    /// When it was last seen, or since when it is missing.
    seen: Option<When>,
    is_missing: bool,
    values: Vec<Shown>,
    source: String,
    presence: Badge,
    /// What its source says of its state.
    service: Option<String>,
}

struct Choice {
    label: &'static str,
    href: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "console/inventory/list.html", blocks = ["results"])]
struct ListPage {
    frame: Frame,
    kind: &'static Kind,
    asked: Asked,
    tokens: String,
    choices: Vec<Choice>,
    trouble: Option<Trouble>,
    columns: Vec<Column>,
    rows: Vec<Row>,
    /// How many there are, as text.
    count: String,
    next: Option<String>,
    first: Option<String>,
    facets: String,
    has_connector: bool,
    /// The connector types that bring such assets, with where one is made.
    types: Vec<(&'static str, String)>,
}

/// The list of a class.
pub(in crate::console) async fn list(
    kind: &'static Kind,
    State(hub): State<Arc<Hub>>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let mut page = empty(kind, &visitor, asked);
    let mut status = StatusCode::OK;
    match Wanted::parse(&page.asked.q, Some(kind.class)) {
        Err(error) => {
            page.trouble = Some(Trouble::of(&page.asked.q, &error));
            status = StatusCode::BAD_REQUEST;
        }
        Ok(_) => fill(&hub, &visitor, &mut page).await?,
    }
    if visitor.wants_part { html(status, &page.as_results()) } else { html(status, &page) }
}

fn empty(kind: &'static Kind, visitor: &Visitor, asked: Asked) -> ListPage {
    let shown = asked.show().to_owned();
    let choice = |(word, label): (&'static str, &'static str)| Choice {
        label,
        href: asked.at(kind, ("show", word)),
        chosen: shown == word,
    };
    let choices = [("here", "Here now"), ("held", "Held"), ("gone", "Gone"), ("all", "All")].map(choice).into();
    let columns = kind.columns.iter().map(|&(label, token)| {
        let (sorted, other) = match asked.sort.as_str() {
            sort if sort == token => ("ascending", format!("-{token}")),
            sort if sort.strip_prefix('-') == Some(token) => ("descending", String::new()),
            _ => ("none", token.to_owned()),
        };
        Column { label, href: asked.at(kind, ("sort", &other)), sorted }
    });
    let columns = columns.collect();
    let first = (!asked.after.is_empty()).then(|| asked.at(kind, ("after", "")));
    let facets = asked.at(kind, ("", "")).replacen(kind.place, &format!("{}/facets", kind.place), 1);
    ListPage {
        frame: visitor.frame.clone(),
        kind,
        tokens: completion(kind),
        choices,
        trouble: None,
        columns,
        rows: Vec::new(),
        count: String::new(),
        next: None,
        first,
        facets,
        has_connector: true,
        types: Vec::new(),
        asked,
    }
}

/// What the query field offers: token and what it holds, a pair a line.
fn completion(kind: &Kind) -> String {
    let holds = |target: Target| match (target.values(), target.value()) {
        (Some(values), _) => values.join(", "),
        (None, FieldType::Text) => "text".to_owned(),
        (None, FieldType::Integer) => "number".to_owned(),
        (None, FieldType::Time) => "time".to_owned(),
        (None, FieldType::Boolean) => "true or false".to_owned(),
    };
    let all = tokens::of_class(kind.class).chain(tokens::elements_of_class(kind.class)).chain(tokens::INVENTORY);
    all.map(|target| format!("{} {}", target.token(), holds(target))).collect::<Vec<_>>().join("\n")
}

fn view(hub: &Hub, visitor: &Visitor, kind: &Kind) -> View {
    View { dialect: hub.store.dialect(), tenant: visitor.tenant(), class: kind.class, now: visitor.now }
}

/// A query that was written by a person and a choice: too long together, perhaps.
fn parse(asked: &Asked, kind: &Kind) -> Result<Wanted, Problem> {
    query(&asked.text(), kind)
}

fn query(text: &str, kind: &Kind) -> Result<Wanted, Problem> {
    Wanted::parse(text, Some(kind.class)).map_err(|error| Problem::new(Code::InvalidFilter).detail(error.to_string()))
}

async fn fill(hub: &Hub, visitor: &Visitor, page: &mut ListPage) -> Result<(), Problem> {
    let (kind, asked) = (page.kind, page.asked.clone());
    let query = parse(&asked, kind)?;
    let view = view(hub, visitor, kind);
    let after = if asked.after.is_empty() { None } else { Some(read_key(&asked.after)?) };
    let wanted = Page { sort: asked.sort(kind), after, limit: ROWS };
    let (ids, next) = hub.store.list(&query, &view, &wanted).await?;
    page.count = said(hub.store.count(&query, &view, Counting::Capped).await?);
    page.next = next.map(|key| asked.at(kind, ("after", &write_key(&key))));
    page.rows = rows(hub, visitor, kind, &ids).await?;
    if page.rows.is_empty() {
        let brings = |offer: &&Offer| offer.model.streams.iter().any(|stream| stream.class == kind.class);
        let offers: Vec<&Offer> = hub.offers.iter().filter(brings).collect();
        let all = hub.store.connections(visitor.tenant(), muster_store::hub::Page { after: 0, limit: 1000 }).await?;
        let is_one = |type_name: &str| offers.iter().any(|offer| offer.spec.type_name == type_name);
        page.has_connector = all.iter().any(|connection| is_one(&connection.type_name));
        let place = |offer: &&Offer| format!("/console/connectors/new/{}", offer.spec.type_name);
        page.types = offers.iter().map(|offer| (offer.spec.source_name, place(offer))).collect();
    }
    Ok(())
}

fn said(count: Count) -> String {
    let number = Number(u64::try_from(count.value).unwrap_or(0));
    if count.exact { number.to_string() } else { format!("{number}+") }
}

/// How many assets of a class a query finds.
pub(in crate::console) async fn count(
    hub: &Hub,
    visitor: &Visitor,
    kind: &Kind,
    asked: &str,
) -> Result<String, Problem> {
    Ok(said(hub.store.count(&query(asked, kind)?, &view(hub, visitor, kind), Counting::Capped).await?))
}

async fn rows(hub: &Hub, visitor: &Visitor, kind: &'static Kind, ids: &[i64]) -> Result<Vec<Row>, Problem> {
    let mut assets: HashMap<i64, AssetRow> =
        hub.store.assets(visitor.tenant(), ids).await?.into_iter().map(|asset| (asset.id, asset)).collect();
    let connectors = Names::of(hub, visitor.tenant()).await?;
    let row = |asset: AssetRow| {
        let detail = asset.document["assetDetail"].as_object();
        let value = |token: &str| {
            let field = field(kind.class, token)?;
            Some(Shown::of(field, field.value_in(detail?)?, visitor))
        };
        let text = |token| field(kind.class, token)?.value_in(detail?)?.as_str().map(str::to_owned);
        let service = asset.document["assetDetail"][kind.class.detail_key()]["serviceStatus"].as_str();
        Row {
            href: place(&asset.class, asset.id).unwrap_or_default(),
            below: kind.below.and_then(text),
            seen: asset.missing_since.or(asset.last_seen).or(Some(asset.first_seen)).map(|at| visitor.when(at)),
            is_missing: asset.missing_since.is_some(),
            service: service.map(str::to_owned),
            name: name(&asset.document, &asset.source_key),
            values: kind.columns[1..].iter().map(|(_, token)| value(token).unwrap_or(Shown::Nothing)).collect(),
            source: connectors.connector(asset.connector).map(|label| label.name.clone()).unwrap_or_default(),
            presence: Badge::presence(asset.status),
        }
    };
    Ok(ids.iter().filter_map(|id| assets.remove(id)).map(row).collect())
}

/// The key of a page, as it stands in addresses.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    id: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    number: Option<i64>,
}

fn write_key(key: &PageKey) -> String {
    let (text, number) = match &key.value {
        Some(SearchValue::Text(text)) => (Some(text.clone()), None),
        Some(SearchValue::Number(number)) => (None, Some(*number)),
        None => (None, None),
    };
    let key = serde_json::to_vec(&Key { id: key.id, text, number }).unwrap_or_default();
    BASE64URL_NOPAD.encode(&key)
}

fn read_key(text: &str) -> Result<PageKey, Problem> {
    let read = || {
        let bytes = BASE64URL_NOPAD.decode(text.get(..text.len().min(8192))?.as_bytes()).ok()?;
        serde_json::from_slice::<Key>(&bytes).ok()
    };
    let key = read().ok_or_else(|| Problem::new(Code::InvalidCursor).remedy("begin with the first page"))?;
    let value = key.text.map(SearchValue::Text).or(key.number.map(SearchValue::Number));
    Ok(PageKey { value, id: key.id })
}

struct Facet {
    label: &'static str,
    /// Value, how many, the address of the list narrowed to it.
    values: Vec<(String, Number, String)>,
}

#[derive(Template)]
#[template(path = "console/inventory/facets.html", blocks = ["facets"])]
struct FacetsPage {
    frame: Frame,
    kind: &'static Kind,
    back: String,
    facets: Vec<Facet>,
}

/// The values among what the list shows, with their counts.
pub(in crate::console) async fn facets(
    kind: &'static Kind,
    State(hub): State<Arc<Hub>>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let query = parse(&asked, kind)?;
    let view = view(&hub, &visitor, kind);
    let mut facets = Vec::new();
    for &(label, token) in kind.facets {
        let found = tokens::all().find(|target| target.token() == token);
        let Some(target) = found else { continue };
        let narrowed = |value: &str| {
            let test = format!("{token}:'{}'", value.replace('\'', "''"));
            let q = if asked.q.trim().is_empty() { test } else { format!("({}) and {test}", asked.q.trim()) };
            asked.at(kind, ("q", &q))
        };
        let counted = hub.store.facet(&query, &view, target).await?;
        let values = counted.into_iter().take(12).filter_map(|(value, count)| {
            let value = value?;
            let href = narrowed(&value);
            Some((value, Number(u64::try_from(count).unwrap_or(0)), href))
        });
        facets.push(Facet { label, values: values.collect() });
    }
    let back = asked.at(kind, ("", ""));
    let page = FacetsPage { frame: visitor.frame.clone(), kind, back, facets };
    if visitor.wants_part { html(StatusCode::OK, &page.as_facets()) } else { html(StatusCode::OK, &page) }
}
