//! Definitions of APIs: the bytes that are kept, where they are had, and who has the same.
//!
//! A definition is outside data: it leaves as a file to be kept, never as something that a browser shows.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use muster_core::asset::{self, Class};
use muster_core::query::Query;
use muster_store::AssetRow;
use muster_store::search::{Counting, Page, Sort, View};
use serde_json::{Map, Value};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::find;
use crate::auth::Viewer;
use crate::error::{Code, Problem};
use crate::extract::Path;
use crate::hub::Hub;

/// How many APIs with the same definition are named.
const NAMED: u32 = 50;
/// How long the name of a file is, without its ending.
const LONGEST_NAME: usize = 80;

/// The ending of a document's name → its media type. What is not here is bytes.
const MEDIA_TYPES: [(&str, &str); 7] = [
    ("json", "application/json"),
    ("yaml", "application/yaml"),
    ("wsdl", "application/wsdl+xml"),
    ("graphql", "application/graphql"),
    ("proto", "text/plain; charset=utf-8"),
    ("raml", "application/raml+yaml"),
    ("zip", "application/zip"),
];

pub(super) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new().routes(routes!(definition))
}

/// A definition that is kept.
pub(crate) struct Kept {
    /// SHA-256 of its bytes, and what they are.
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

impl Kept {
    fn parts(&self) -> (&str, &str) {
        self.name.split_once('.').unwrap_or((&self.name, ""))
    }

    /// What its name ends with.
    pub(crate) fn ending(&self) -> &str {
        self.parts().1
    }
}

fn detail(row: &AssetRow) -> Option<&Map<String, Value>> {
    row.document["assetDetail"].as_object()
}

/// The name under which an API's definition is kept.
pub(crate) fn name(row: &AssetRow) -> Option<&str> {
    detail(row).and_then(asset::definition)
}

/// What became of an API's definition, in a word.
pub(crate) fn state(row: &AssetRow) -> &str {
    row.document["assetDetail"]["apiAssetClass"]["definitionState"].as_str().unwrap_or_default()
}

/// Where an API's definition is had.
pub(crate) fn address(id: i64) -> String {
    format!("/api/v1/inventory/apis/{id}/definition")
}

/// Says in `masifLocation` of APIs where their definitions are had, in place of the names under which they are kept;
/// nothing of those that are not kept any longer.
pub(crate) async fn place((hub, tenant): (&Hub, i64), rows: &mut [AssetRow]) -> Result<(), Problem> {
    let names: Vec<&str> = rows.iter().filter_map(name).collect();
    let kept = hub.store.kept_blobs(tenant, &names).await?;
    for row in rows {
        let place = name(row).filter(|name| kept.contains(*name)).map(|_| address(row.id));
        if let Some(detail) = row.document["assetDetail"].as_object_mut() {
            asset::show_definition(detail, place);
        }
    }
    Ok(())
}

/// The other APIs that have the same definition.
pub(crate) struct Shared {
    /// How many.
    pub(crate) total: i64,
    /// The first of them.
    pub(crate) rows: Vec<AssetRow>,
}

/// The query that finds all APIs with that API's definition: the very same bytes, or others that offer the same, wherever
/// it is served. None where it has none.
pub(crate) fn same(row: &AssetRow) -> Option<String> {
    let bytes = format!("api.masifLocation:'{}'", name(row)?);
    let hash = row.document["assetDetail"]["apiAssetClass"]["definitionHash"].as_str();
    let meaning = hash.filter(|hash| hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let either = meaning.map_or_else(|| bytes.clone(), |hash| format!("({bytes} or api.definitionHash:'{hash}')"));
    Some(format!("{either} and not inventory.status:gone"))
}

/// Who else has this API's definition; none where it has none.
pub(crate) async fn shared((hub, tenant): (&Hub, i64), row: &AssetRow) -> Result<Option<Shared>, Problem> {
    let Some(same) = same(row) else { return Ok(None) };
    let query = Query::parse(&same, Some(Class::Api))
        .map_err(|error| Problem::new(Code::InvalidFilter).detail(error.to_string()))?;
    let view = View { dialect: hub.store.dialect(), tenant, class: Class::Api, now: hub.now() };
    let page = Page { sort: Sort::default(), after: None, limit: NAMED + 1 };
    let (mut ids, _) = hub.store.list(&query, &view, &page).await?;
    let all = hub.store.count(&query, &view, Counting::Exact).await?.value;
    ids.retain(|id| *id != row.id);
    ids.truncate(usize::try_from(NAMED).unwrap_or(usize::MAX));
    let mut rows = hub.store.assets(tenant, &ids).await?;
    rows.sort_by_key(|row| row.id);
    // The API itself is among them unless it is gone.
    Ok(Some(Shared { total: all - i64::from(row.status != "gone"), rows }))
}

/// The definition of an API.
pub(crate) async fn kept((hub, tenant): (&Hub, i64), row: &AssetRow) -> Result<Kept, Problem> {
    let Some(name) = name(row) else { return Err(nothing(row)) };
    let bytes = hub.store.blob(tenant, name).await?.ok_or_else(|| nothing(row))?;
    Ok(Kept { name: name.to_owned(), bytes })
}

/// Why there is none.
fn nothing(row: &AssetRow) -> Problem {
    let (detail, remedy) = match state(row) {
        "none" => (
            "the source has no definition of this API",
            "ask its owner for one; the endpoints that the gateway lists are kept",
        ),
        "failed" => {
            ("it could not be had from the source", "the notes of the last run say why; a later run tries again")
        }
        _ if row.status == "gone" => {
            ("it was let go with the records of what is gone for long", "nothing brings it back but the API")
        }
        _ if name(row).is_some() => ("it was let go while nothing named it", "a later run brings it again"),
        _ => ("the source brought none", "the notes of the last run may say why"),
    };
    let detail = match state(row) {
        "" => detail.to_owned(),
        state => format!("{detail} (`definitionState` is `{state}`)"),
    };
    Problem::new(Code::NoDefinition).detail(detail).remedy(remedy)
}

/// A name for a file: of the API's, what is harmless everywhere.
fn file_name(row: &AssetRow, kept: &Kept) -> String {
    let plain = |text: &str| {
        let mut plain = String::new();
        for letter in text.chars().take(LONGEST_NAME) {
            match letter {
                'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' => plain.push(letter),
                _ if plain.ends_with('-') => {}
                _ => plain.push('-'),
            }
        }
        plain.trim_matches(['-', '.']).to_owned()
    };
    let part = |value: &Value| value.as_str().map(plain).filter(|text| !text.is_empty());
    let detail = &row.document["assetDetail"];
    let name = part(&detail["name"]).unwrap_or_else(|| "definition".to_owned());
    match part(&detail["apiAssetClass"]["apiVersion"]) {
        Some(version) => format!("{name}-{version}.{}", kept.ending()),
        None => format!("{name}.{}", kept.ending()),
    }
}

/// Whether a client knows these bytes already (RFC 9110, section 13.1.2).
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let given = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
    let mut tags = given.flat_map(|line| line.split(',')).map(|tag| tag.trim().trim_start_matches("W/"));
    tags.any(|known| known == "*" || known == tag)
}

/// The definition of an API, byte for byte as its source gave it. Its `ETag` is the SHA-256 of the bytes. Where none is
/// kept the problem says why.
#[utoipa::path(
    get, path = "/api/v1/inventory/apis/{id}/definition", tag = "inventory", operation_id = "getInventoryApiDefinition",
    params(
        ("id" = i64, Path, description = "The API's id."),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of what is known already.")
    ),
    responses(
        (status = 200, description = "The bytes.", content(
            (Value = "application/json"), (Value = "application/yaml"), (Value = "application/wsdl+xml"),
            (Value = "application/graphql"), (Value = "text/plain"), (Value = "application/raml+yaml"),
            (Value = "application/zip"), (Value = "application/octet-stream")
        )),
        (status = 304, description = "They are those that are known.")
    )
)]
async fn definition(
    State(hub): State<Arc<Hub>>,
    Viewer(who): Viewer,
    Path(id): Path<i64>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let row = find(&hub, who.tenant, Class::Api, id).await?;
    let kept = kept((&hub, who.tenant), &row).await?;
    let (hash, ending) = kept.parts();
    let tag = format!("\"{hash}\"");
    let kind =
        MEDIA_TYPES.iter().find(|(known, _)| *known == ending).map_or("application/octet-stream", |(_, kind)| kind);
    let named = format!("attachment; filename=\"{}\"", file_name(&row, &kept));
    let mut response = match is_known(&headers, &tag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => ([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, &named)], kept.bytes).into_response(),
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_tag_is_found_however_it_is_sent() {
        let sent = |line: &'static str| HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_static(line))]);
        for line in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "*"] {
            assert!(is_known(&sent(line), "\"a\""), "{line}");
        }
        for line in ["a", "\"b\"", ""] {
            assert!(!is_known(&sent(line), "\"a\""), "{line}");
        }
        assert!(!is_known(&HeaderMap::new(), "\"a\""));
    }
}
