//! `muster query`: asks the inventory.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::process::ExitCode;

use anyhow::anyhow;
use muster_core::asset::Class;
use muster_core::asset::schema::SearchValue;
use muster_core::clock::{Clock, Instant, SystemClock};
use muster_core::map::{self, TransformMap};
use muster_core::query::Query;
use muster_core::query::tokens::{self, Target};
use muster_store::search::{Counting, Page, PageKey, Sort, View};
use muster_store::{AssetRow, FIRST_TENANT, Store};
use serde_json::{Value as Json, json};

use crate::cli::{Format, QueryArguments};
use crate::console::{say, say_line};
use crate::failure::Failure;
use crate::state;
use crate::table;

/// How deep a container's path, or a nesting of groups, is followed.
const MAXIMUM_DEPTH: usize = 64;

pub(crate) async fn run(arguments: &QueryArguments, json: bool) -> Result<ExitCode, Failure> {
    let class = arguments.class.as_deref().map(class_of).transpose()?;
    let query = Query::parse(&arguments.query, class).map_err(|error| {
        let pointer = format!("{}\n{}^", arguments.query, " ".repeat(error.column.saturating_sub(1)));
        Failure::usage(anyhow::Error::new(error).context("reading the query"))
            .with_hint(format!("the query goes wrong here:\n{pointer}"))
    })?;
    let state = state::open_existing(&arguments.state).await?;
    let format = if json { Format::Json } else { arguments.format };
    let asking = Asking { store: &state.store, arguments, query: &query, format, now: SystemClock.now() };
    let classes = query.classes().to_vec();
    if arguments.after.is_some() && classes.len() != 1 {
        return Err(Failure::usage(anyhow!("`--after` goes on in one class, the query selects {}", classes.len()))
            .with_hint("add `--class`"));
    }
    for class in classes {
        match &arguments.facet {
            Some(token) => asking.facet(class, token).await?,
            None => asking.list(class).await?,
        }
    }
    state.store.close().await;
    Ok(ExitCode::SUCCESS)
}

/// An entry of a history; what changed in a definition stands in it where one changed.
fn entry(change: &muster_store::ChangeRecord) -> serde_json::Value {
    let mut entry = json!({ "at": change.at.to_rfc3339(), "cause": change.cause, "before": change.before });
    if let Some(definition) = &change.definition {
        entry["definition"] = definition.clone();
    }
    entry
}

fn class_of(word: &str) -> Result<Class, Failure> {
    let listed: Vec<_> = tokens::listed_classes().map(|class| format!("`{}`", class.word())).collect();
    Class::from_word(word).ok_or_else(|| {
        Failure::usage(anyhow!("`--class {word}`: there is no such class"))
            .with_hint(format!("one of {}", listed.join(", ")))
    })
}

/// The columns of tables and CSV, by class.
fn columns(class: Class) -> &'static [&'static str] {
    match class {
        Class::User => &["name", "accountName", "email", "status", "lastSuccessfulLoginAt", "department"],
        Class::Group => &["name", "accountName", "type", "visibility", "description"],
        Class::Api => &["name", "service", "apiVersion", "endpointCount", "definitionState", "scanReady", "url"],
        _ => &["name"],
    }
}

struct Asking<'a> {
    store: &'a Store,
    arguments: &'a QueryArguments,
    query: &'a Query,
    format: Format,
    now: Instant,
}

impl Asking<'_> {
    fn view(&self, class: Class) -> View {
        View { dialect: self.store.dialect(), tenant: FIRST_TENANT, class, now: self.now }
    }

    fn target(&self, class: Class, token: &str, option: &str) -> Result<Target, Failure> {
        let full = format!("{}.{token}", class.word());
        let known = tokens::all().filter(|target| target.class().is_none_or(|owner| owner == class));
        let mut known: Vec<Target> = known.collect();
        let wanted =
            |target: &Target| target.token().eq_ignore_ascii_case(token) || target.token().eq_ignore_ascii_case(&full);
        match known.iter().position(wanted) {
            Some(at) => Ok(known.swap_remove(at)),
            None => Err(Failure::usage(anyhow!("`{option} {token}`: class `{}` has no such token", class.word()))
                .with_hint(format!(
                    "one of {}",
                    known.iter().map(|target| target.token()).collect::<Vec<_>>().join(", ")
                ))),
        }
    }

    async fn facet(&self, class: Class, token: &str) -> Result<(), Failure> {
        let target = self.target(class, token, "--facet")?;
        let values = self.store.facet(self.query, &self.view(class), target).await?;
        if self.format == Format::Json {
            let values: Vec<_> =
                values.iter().map(|(value, count)| json!({ "value": value, "count": count })).collect();
            say_line(json!({ "token": target.token(), "values": values }));
            return Ok(());
        }
        let rows = values
            .iter()
            .map(|(value, count)| vec![value.clone().unwrap_or_else(|| "(none)".to_owned()), count.to_string()]);
        let rows: Vec<Vec<String>> = rows.collect();
        say(&table::render(&[target.token(), "count"], &rows, self.format == Format::Csv));
        Ok(())
    }

    async fn list(&self, class: Class) -> Result<(), Failure> {
        let by = self.arguments.sort.as_deref().map(|token| self.target(class, token, "--sort")).transpose()?;
        let after = self.arguments.after.as_deref().map(read_key).transpose()?;
        let page = Page {
            sort: Sort { by, descending: self.arguments.descending },
            after,
            limit: self.arguments.limit.clamp(1, 10_000),
        };
        let view = self.view(class);
        let (ids, next) = self.store.list(self.query, &view, &page).await?;
        let counting = if self.arguments.exact { Counting::Exact } else { Counting::Capped };
        let count = self.store.count(self.query, &view, counting).await?;
        let mut rows: HashMap<i64, AssetRow> =
            self.store.assets(FIRST_TENANT, &ids).await?.into_iter().map(|row| (row.id, row)).collect();
        let rows: Vec<AssetRow> = ids.iter().filter_map(|id| rows.remove(id)).collect();
        match self.format {
            Format::Json => self.print_documents(&rows).await?,
            format => print_rows(class, &rows, format),
        }
        let more = next.map(|key| format!("; the next page: --after '{}'", write_key(&key))).unwrap_or_default();
        let plus = if count.exact { "" } else { "+" };
        eprintln!("{} of {}{plus} {}s{more}", rows.len(), count.value, class.word());
        Ok(())
    }

    async fn print_documents(&self, rows: &[AssetRow]) -> Result<(), Failure> {
        let mut maps = HashMap::new();
        let mut paths = Paths::default();
        for row in rows {
            let mut document = json!({
                "class": row.class, "id": row.id, "status": row.status, "asset": row.document,
                "firstSeen": row.first_seen.to_rfc3339(), "changedAt": row.changed_at.to_rfc3339(), "readFrom": row.origin,
                "path": paths.path(self.store, row).await?,
            });
            if let Some(cause) = &row.gone_cause {
                document["goneCause"] = cause.as_str().into();
            }
            if self.arguments.history {
                let history = self.store.history(FIRST_TENANT, row.id).await?;
                document["history"] = history.iter().map(entry).collect();
            }
            if self.arguments.memberships {
                document["memberOf"] = self.nested(row.id, Direction::Up).await?;
                if row.class == "group" {
                    document["members"] = self.nested(row.id, Direction::Down).await?;
                }
            }
            if self.arguments.provenance
                && let Some(map) = self.map(row, &mut maps).await?
            {
                document["provenance"] = provenance(row, &map);
            }
            say_line(format_args!("{document}"));
        }
        Ok(())
    }

    /// The map that made an asset.
    async fn map(
        &self,
        row: &AssetRow,
        known: &mut HashMap<i64, Option<TransformMap>>,
    ) -> Result<Option<TransformMap>, Failure> {
        if let Some(map) = known.get(&row.map) {
            return Ok(map.clone());
        }
        let text = self.store.map_text(FIRST_TENANT, row.map).await?;
        let models = muster_connectors::REGISTRY.iter().map(|kind| (kind.model)());
        let map = text.and_then(|(stream, text)| {
            models
                .into_iter()
                .filter_map(|model| model.stream(&stream).cloned())
                .find_map(|model| map::compile(&text, &model).ok())
        });
        known.insert(row.map, map.clone());
        Ok(map)
    }

    /// Groups above, or members below, each with its distance; a cycle is walked once.
    async fn nested(&self, id: i64, direction: Direction) -> Result<Json, Failure> {
        let mut seen = BTreeSet::from([id]);
        let mut front = vec![id];
        let mut found: Vec<(i64, usize)> = Vec::new();
        for depth in 1..=MAXIMUM_DEPTH {
            let mut next = Vec::new();
            for chunk in front.chunks(1000) {
                let pairs = match direction {
                    Direction::Up => self.store.owners_of(FIRST_TENANT, chunk).await?,
                    Direction::Down => self.store.members_of(FIRST_TENANT, chunk).await?,
                };
                next.extend(pairs.into_iter().map(|(_, other)| other).filter(|other| seen.insert(*other)));
            }
            found.extend(next.iter().map(|&other| (other, depth)));
            if next.is_empty() {
                break;
            }
            front = next;
        }
        let mut list = Vec::with_capacity(found.len());
        for chunk in found.chunks(1000) {
            let ids: Vec<i64> = chunk.iter().map(|(id, _)| *id).collect();
            let rows: BTreeMap<i64, AssetRow> =
                self.store.assets(FIRST_TENANT, &ids).await?.into_iter().map(|row| (row.id, row)).collect();
            for (id, depth) in chunk {
                if let Some(row) = rows.get(id) {
                    let header = &row.document["assetHeader"];
                    list.push(json!({
                        "class": row.class, "name": row.document["assetDetail"]["name"], "externalAssetId": header["externalAssetId"],
                        "vendorAssetId": header["vendorAssetId"], "direct": *depth == 1, "depth": depth,
                    }));
                }
            }
        }
        Ok(Json::Array(list))
    }
}

#[derive(Clone, Copy)]
enum Direction {
    Up,
    Down,
}

/// For each value of a document: the map, its version and the source attributes.
fn provenance(row: &AssetRow, map: &TransformMap) -> Json {
    let document = json!({ "asset": row.document });
    let mut found = serde_json::Map::new();
    for target in map.targets() {
        let value = target.split('.').try_fold(&document, |value, key| value.get(key));
        if let (Some(_), Some(provenance)) = (value, map.provenance(target)) {
            found.insert(target.to_owned(), json!(provenance));
        }
    }
    Json::Object(found)
}

/// Distinguished names, composed of container paths and names in them.
#[derive(Default)]
struct Paths {
    known: HashMap<(i64, String), (Option<String>, String)>,
}

impl Paths {
    async fn path(&mut self, store: &Store, row: &AssetRow) -> Result<Option<String>, Failure> {
        let Some(name) = &row.relative_name else { return Ok(None) };
        let mut parts = vec![name.clone()];
        let mut container = row.container.clone();
        while let Some(key) = container.take() {
            let place = (row.connector, key.clone());
            if !self.known.contains_key(&place) {
                let found = store.containers(row.connector, std::slice::from_ref(&key)).await?;
                let Some((_, above, name)) = found.into_iter().next() else { break };
                self.known.insert(place.clone(), (above, name.unwrap_or_default()));
            }
            let (above, name) = &self.known[&place];
            parts.push(name.clone());
            if parts.len() > MAXIMUM_DEPTH {
                break;
            }
            container.clone_from(above);
        }
        Ok(Some(parts.join(",")))
    }
}

fn print_rows(class: Class, rows: &[AssetRow], format: Format) {
    let mut head = vec!["presence"];
    head.extend(columns(class));
    let cell = |row: &AssetRow, column: &str| match &row.document["assetDetail"][class.detail_key()][column] {
        Json::Null => String::new(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            std::iter::once(row.status.to_owned())
                .chain(columns(class).iter().map(|column| cell(row, column)))
                .collect()
        })
        .collect();
    if !rows.is_empty() || format == Format::Csv {
        say(&table::render(&head, &rows, format == Format::Csv));
    }
}

/// A page key as text: the last row's id and, as JSON, its sort value.
fn write_key(key: &PageKey) -> String {
    let value = match &key.value {
        None => Json::Null,
        Some(SearchValue::Text(text)) => text.clone().into(),
        Some(SearchValue::Number(number)) => (*number).into(),
    };
    format!("{}:{value}", key.id)
}

fn read_key(text: &str) -> Result<PageKey, Failure> {
    let wrong = || {
        Failure::usage(anyhow!("`--after {text}` is not the end of a page"))
            .with_hint("give the text that the page before ended with")
    };
    let (id, value) = text.split_once(':').ok_or_else(wrong)?;
    let value = match serde_json::from_str(value).map_err(|_| wrong())? {
        Json::Null => None,
        Json::String(text) => Some(SearchValue::Text(text)),
        Json::Number(number) => Some(SearchValue::Number(number.as_i64().ok_or_else(wrong)?)),
        _ => return Err(wrong()),
    };
    Ok(PageKey { value, id: id.parse().map_err(|_| wrong())? })
}
