//! Lists: filter, order, page, count, facets.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use muster_core::asset::Class;
use muster_core::asset::schema::{SearchValue, TextKind};
use muster_core::query::Query as Filter;
use muster_core::query::tokens::{self, Target};
use muster_store::search::{Counting, Page, PageKey, Sort, View};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asset::Asset;
use super::definition;
use crate::api::names::Names;
use crate::api::page::{PageParameters, Paging, cursor, open_cursor};
use crate::auth::{Principal, Viewer};
use crate::error::{Code, Problem};
use crate::extract::Query;
use crate::hub::Hub;

/// How many facets are counted at once.
const FACETS: usize = 8;

pub(super) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new().routes(routes!(users)).routes(routes!(groups)).routes(routes!(apis))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// A query, such as `user.status:ACTIVE and name:smith`.
    filter: Option<String>,
    /// A token to sort by, `-` before it for the greatest first. Missing values come last.
    sort: Option<String>,
    /// `capped` (where absent: exact to 10,000), `exact` or `none`.
    count: Option<String>,
    /// Keyword tokens, separated by commas, whose values are counted.
    facets: Option<String>,
}

/// A page of assets.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Assets {
    items: Vec<Asset>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    /// How many the filter selects.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<Count>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    facets: Vec<Facet>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Count {
    /// How many, at least.
    value: i64,
    /// Whether these are all.
    exact: bool,
}

#[derive(Debug, Serialize, ToSchema)]
struct Facet {
    token: &'static str,
    /// The values, folded, the most frequent first; 50 at most.
    values: Vec<FacetValue>,
}

#[derive(Debug, Serialize, ToSchema)]
struct FacetValue {
    value: Option<String>,
    count: i64,
}

/// Users.
#[utoipa::path(
    get, path = "/api/v1/inventory/users", tag = "inventory", operation_id = "listInventoryUsers",
    params(PageParameters, Asked), responses((status = 200, description = "A page of them.", body = Assets))
)]
async fn users(
    State(hub): State<Arc<Hub>>,
    Viewer(who): Viewer,
    paging: Paging,
    Query(asked): Query<Asked>,
) -> Result<Json<Assets>, Problem> {
    list((&hub, &who), Class::User, &paging, &asked).await
}

/// Groups.
#[utoipa::path(
    get, path = "/api/v1/inventory/groups", tag = "inventory", operation_id = "listInventoryGroups",
    params(PageParameters, Asked), responses((status = 200, description = "A page of them.", body = Assets))
)]
async fn groups(
    State(hub): State<Arc<Hub>>,
    Viewer(who): Viewer,
    paging: Paging,
    Query(asked): Query<Asked>,
) -> Result<Json<Assets>, Problem> {
    list((&hub, &who), Class::Group, &paging, &asked).await
}

/// APIs, with their endpoints.
#[utoipa::path(
    get, path = "/api/v1/inventory/apis", tag = "inventory", operation_id = "listInventoryApis",
    params(PageParameters, Asked), responses((status = 200, description = "A page of them.", body = Assets))
)]
async fn apis(
    State(hub): State<Arc<Hub>>,
    Viewer(who): Viewer,
    paging: Paging,
    Query(asked): Query<Asked>,
) -> Result<Json<Assets>, Problem> {
    list((&hub, &who), Class::Api, &paging, &asked).await
}

async fn list(
    (hub, who): (&Hub, &Principal),
    class: Class,
    paging: &Paging,
    asked: &Asked,
) -> Result<Json<Assets>, Problem> {
    let filter = parse(asked.filter.as_deref().unwrap_or_default(), class)?;
    let sort = sort(class, asked.sort.as_deref())?;
    let counting = counting(asked.count.as_deref())?;
    let facets = facets(class, asked.facets.as_deref())?;
    let name = format!("{} {}", class.word(), asked.sort.as_deref().unwrap_or_default());
    let after = paging.cursor.as_deref().map(|given| read_key(given, &name)).transpose()?;
    if !filter.selects(class) {
        let count = counting.map(|_| Count { value: 0, exact: true });
        return Ok(Json(Assets { items: Vec::new(), next_cursor: None, count, facets: Vec::new() }));
    }
    let view = View { dialect: hub.store.dialect(), tenant: who.tenant, class, now: hub.now() };
    let page = Page { sort, after, limit: u32::try_from(paging.limit).unwrap_or(1) };
    let (ids, next) = hub.store.list(&filter, &view, &page).await?;
    let names = Names::of(hub, who.tenant).await?;
    let mut rows = hub.store.assets(who.tenant, &ids).await?;
    definition::place((hub, who.tenant), &mut rows).await?;
    let mut rows: HashMap<i64, _> = rows.into_iter().map(|row| (row.id, row)).collect();
    let items = ids.iter().filter_map(|id| rows.remove(id)).map(|row| Asset::of(&names, row)).collect();
    let count = match counting {
        Some(counting) => Some(hub.store.count(&filter, &view, counting).await?),
        None => None,
    };
    let mut counted = Vec::with_capacity(facets.len());
    for target in facets {
        let values = hub.store.facet(&filter, &view, target).await?;
        let values = values.into_iter().map(|(value, count)| FacetValue { value, count }).collect();
        counted.push(Facet { token: target.token(), values });
    }
    Ok(Json(Assets {
        items,
        next_cursor: next.map(|key| cursor(&name, &write_key(&key))),
        count: count.map(|count| Count { value: count.value, exact: count.exact }),
        facets: counted,
    }))
}

fn parse(text: &str, class: Class) -> Result<Filter, Problem> {
    Filter::parse(text, Some(class)).map_err(|error| {
        let detail = format!("column {}: {}", error.column, error.problem);
        Problem::new(Code::InvalidFilter).field("filter").detail(detail)
    })
}

/// A token of the class, in full or without its class.
fn target(class: Class, field: &str, token: &str) -> Result<Target, Problem> {
    let full = format!("{}.{token}", class.word());
    let wanted =
        |target: &Target| target.token().eq_ignore_ascii_case(token) || target.token().eq_ignore_ascii_case(&full);
    let mut known = tokens::all().filter(|target| target.class().is_none_or(|owner| owner == class));
    known.find(wanted).ok_or_else(|| {
        Problem::new(Code::InvalidParameter).field(field).detail(format!("class `{}` has no such token", class.word()))
    })
}

fn sort(class: Class, given: Option<&str>) -> Result<Sort, Problem> {
    let Some(given) = given else { return Ok(Sort::default()) };
    let (descending, token) = given.strip_prefix('-').map_or((false, given), |token| (true, token));
    Ok(Sort { by: Some(target(class, "sort", token)?), descending })
}

fn counting(given: Option<&str>) -> Result<Option<Counting>, Problem> {
    match given {
        None | Some("capped") => Ok(Some(Counting::Capped)),
        Some("exact") => Ok(Some(Counting::Exact)),
        Some("none") => Ok(None),
        Some(_) => {
            let detail = "`count` is `capped`, `exact` or `none`";
            Err(Problem::new(Code::InvalidParameter).field("count").detail(detail))
        }
    }
}

fn facets(class: Class, given: Option<&str>) -> Result<Vec<Target>, Problem> {
    let wrong = |detail: String| Problem::new(Code::InvalidParameter).field("facets").detail(detail);
    let tokens: Vec<&str> = given.unwrap_or_default().split(',').filter(|token| !token.is_empty()).collect();
    if tokens.len() > FACETS {
        return Err(wrong(format!("at most {FACETS} are counted at once")));
    }
    let mut found = Vec::with_capacity(tokens.len());
    for token in tokens {
        let target = target(class, "facets", token)?;
        if target.text() != Some(TextKind::Keyword) {
            return Err(wrong(format!("`{}` is no keyword: its values cannot be counted", target.token())));
        }
        found.push(target);
    }
    Ok(found)
}

/// The end of a page: the last row's id and, as JSON, its sort value.
fn write_key(key: &PageKey) -> String {
    let value = match &key.value {
        None => Value::Null,
        Some(SearchValue::Text(text)) => text.clone().into(),
        Some(SearchValue::Number(number)) => (*number).into(),
    };
    format!("{}:{value}", key.id)
}

fn read_key(given: &str, list: &str) -> Result<PageKey, Problem> {
    let wrong = || Problem::new(Code::InvalidCursor).field("cursor");
    let text = open_cursor(given, list)?;
    let (id, value) = text.split_once(':').ok_or_else(wrong)?;
    let value = match serde_json::from_str(value).map_err(|_| wrong())? {
        Value::Null => None,
        Value::String(text) if !text.contains('\0') => Some(SearchValue::Text(text)),
        Value::Number(number) => Some(SearchValue::Number(number.as_i64().ok_or_else(wrong)?)),
        _ => return Err(wrong()),
    };
    Ok(PageKey { value, id: id.parse().map_err(|_| wrong())? })
}
