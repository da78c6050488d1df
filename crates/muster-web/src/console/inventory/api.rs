//! What an API's page has beside every asset's: its endpoints, addresses, definition, readiness for a scan.

use askama::Template;
use askama::filters::HtmlSafe;
use muster_core::fold::fold;
use muster_store::AssetRow;
use serde::Deserialize;
use serde_json::Value;

use super::{APIS, name};
use crate::api::inventory::definition as kept;
use crate::api::names::Names;
use crate::console::part::{Badge, Number, Tone, address};
use crate::error::Problem;
use crate::hub::Hub;

/// How many endpoints a page shows.
const ROWS: usize = 100;

/// What an API's page is asked beside its id.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::console) struct Asked {
    /// What method, path or operation id of the endpoints holds.
    find: String,
    /// How many endpoints stand before the page.
    from: usize,
}

struct Endpoint {
    method: String,
    path: String,
    operation: Option<String>,
    security: Option<String>,
    deprecated: bool,
}

struct Endpoints {
    rows: Vec<Endpoint>,
    /// How many there are, and how many of them hold what is looked for.
    total: Number,
    found: Number,
    first: usize,
    before: Option<String>,
    next: Option<String>,
}

/// An address, and who reaches the API there.
struct Url {
    kind: Badge,
    meaning: &'static str,
    url: String,
}

/// What an instance serves, and what both sides say of its state.
struct Served {
    /// The asset that its instances share, and where all of them are listed.
    asset: Option<(String, String)>,
    /// Label and value.
    facts: Vec<(&'static str, String)>,
}

/// Others with the same definition.
struct Same {
    total: Number,
    /// Name, address, connector.
    rows: Vec<(String, String, String)>,
    all: String,
}

/// The part of the page.
#[derive(Template)]
#[template(path = "console/inventory/api.html", blocks = ["endpoints"])]
pub(super) struct ApiPart {
    place: String,
    served: Option<Served>,
    find: String,
    endpoints: Endpoints,
    urls: Vec<Url>,
    readiness: Option<Badge>,
    is_ready: bool,
    reasons: Vec<String>,
    state: Option<Badge>,
    meaning: Meaning,
    /// What is lacking, does not agree or went wrong, in the connector's words.
    told: Vec<String>,
    format: Option<String>,
    /// Where the bytes are had, and where they are shown as text.
    file: Option<(String, String)>,
    same: Option<Same>,
}

impl HtmlSafe for ApiPart {}

/// What a definition's state means, and what to do about it.
struct Meaning {
    says: &'static str,
    remedy: Option<&'static str>,
}

impl ApiPart {
    pub(super) async fn of((hub, tenant): (&Hub, i64), asset: &AssetRow, asked: &Asked) -> Result<Self, Problem> {
        let detail = &asset.document["assetDetail"]["apiAssetClass"];
        let place = format!("{}/{}", APIS.place, asset.id);
        let state = Some(kept::state(asset)).filter(|state| !state.is_empty());
        let is_kept = match kept::name(asset) {
            Some(name) => !hub.store.kept_blobs(tenant, &[name]).await?.is_empty(),
            None => false,
        };
        Ok(Self {
            endpoints: Endpoints::of(&place, list(&detail["endpoints"]), asked),
            served: Served::of(detail),
            find: asked.find.clone(),
            urls: list(&detail["urls"]).iter().filter_map(Url::of).collect(),
            readiness: detail["scanReady"].as_bool().map(Badge::readiness),
            is_ready: detail["scanReady"] == true,
            reasons: list(&detail["scanReadyReasons"]).iter().filter_map(Value::as_str).map(obstacle).collect(),
            meaning: meaning(state.unwrap_or_default(), is_kept),
            told: list(&detail["definitionReasons"]).iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            state: state.map(Badge::definition),
            format: detail["specFormat"].as_str().map(str::to_owned),
            file: is_kept.then(|| (kept::address(asset.id), format!("{place}/definition"))),
            same: same((hub, tenant), asset).await?,
            place,
        })
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

async fn same((hub, tenant): (&Hub, i64), asset: &AssetRow) -> Result<Option<Same>, Problem> {
    let shared = kept::shared((hub, tenant), asset).await?.filter(|shared| shared.total > 0);
    let (Some(shared), Some(query)) = (shared, kept::same(asset)) else { return Ok(None) };
    let names = Names::of(hub, tenant).await?;
    let row = |row: &AssetRow| {
        let connector = names.connector(row.connector).map(|label| label.name.clone()).unwrap_or_default();
        (name(&row.document, &row.source_key), format!("{}/{}", APIS.place, row.id), connector)
    };
    Ok(Some(Same {
        total: Number(u64::try_from(shared.total).unwrap_or(0)),
        rows: shared.rows.iter().map(row).collect(),
        all: address(APIS.place, &[("q", &query)]),
    }))
}

impl Served {
    /// None where the gateway's APIs are no instances of anything.
    fn of(detail: &Value) -> Option<Self> {
        let text = |key: &str| detail[key].as_str().map(str::to_owned);
        let asset = text("groupId").zip(text("assetId")).map(|(group, asset)| {
            let quoted = |text: &str| text.replace('\'', "''");
            let query = format!("api.groupId:'{}' and api.assetId:'{}'", quoted(&group), quoted(&asset));
            (format!("{group}/{asset}"), address(APIS.place, &[("q", &query)]))
        });
        let runtime = text("runtimeStatus");
        if asset.is_none() && runtime.is_none() {
            return None;
        }
        let told = [
            ("Asset’s version", text("version")),
            ("Service status", text("serviceStatus")),
            ("Runtime status", runtime),
            ("Business group", text("organizationName")),
            ("Environment", text("environmentName")),
        ];
        let facts = told.into_iter().filter_map(|(label, value)| Some((label, value?))).collect();
        Some(Self { asset, facts })
    }
}

impl Url {
    fn of(value: &Value) -> Option<Self> {
        let kind = value["kind"].as_str().unwrap_or("of unknown kind");
        let (tone, meaning) = match kind {
            "public" => (Tone::Good, "callers reach it from the internet"),
            "private" => (Tone::Plain, "callers reach it from inside its network only"),
            "consumer" => (Tone::Good, "what the API's owner gives its callers"),
            "definition" => (Tone::Plain, "where its definition says that it is served"),
            "backend" | "implementation" => (Tone::Warn, "where the gateway itself turns to; callers are not meant to"),
            _ => (Tone::Plain, ""),
        };
        Some(Self { kind: Badge::new(tone, kind), meaning, url: value["url"].as_str()?.to_owned() })
    }
}

impl Endpoints {
    fn of(place: &str, all: &[Value], asked: &Asked) -> Self {
        let wanted = fold(asked.find.trim());
        let is_wanted = |endpoint: &&Value| {
            let words = ["method", "path", "operationId"].map(|key| endpoint[key].as_str().unwrap_or_default());
            wanted.is_empty() || fold(&words.join(" ")).contains(&wanted)
        };
        let found: Vec<&Value> = all.iter().filter(is_wanted).collect();
        let first = asked.from.min(found.len());
        let end = first.saturating_add(ROWS).min(found.len());
        let at = |from: usize| address(place, &[("find", &asked.find), ("from", &from.to_string())]);
        Self {
            rows: found[first..end].iter().map(|endpoint| Endpoint::of(endpoint)).collect(),
            total: Number(all.len() as u64),
            found: Number(found.len() as u64),
            first,
            before: (first > 0).then(|| at(first.saturating_sub(ROWS))),
            next: (end < found.len()).then(|| at(end)),
        }
    }

    fn range(&self) -> String {
        format!("{}–{}", self.first + 1, self.first + self.rows.len())
    }
}

impl Endpoint {
    fn of(value: &Value) -> Self {
        let text = |key: &str| value[key].as_str().map(str::to_owned);
        Self {
            method: text("method").unwrap_or_default(),
            path: text("path").unwrap_or_default(),
            operation: text("operationId"),
            security: value["security"].as_array().map(|ways| security(ways)),
            deprecated: value["deprecated"].as_bool().unwrap_or(false),
        }
    }
}

/// What a caller has to prove: one of several ways, all parts of it.
fn security(ways: &[Value]) -> String {
    let part = |part: &Value| {
        let scopes: Vec<&str> = list(&part["scopes"]).iter().filter_map(Value::as_str).collect();
        let scheme = part["scheme"].as_str().unwrap_or("?");
        if scopes.is_empty() { scheme.to_owned() } else { format!("{scheme} ({})", scopes.join(", ")) }
    };
    let way = |way: &Value| match list(way) {
        [] => "nothing".to_owned(),
        parts => parts.iter().map(part).collect::<Vec<_>>().join(" and "),
    };
    match ways {
        [] => "nothing".to_owned(),
        ways => ways.iter().map(way).collect::<Vec<_>>().join(", or "),
    }
}

/// What stands in the way of a scan, in words; a code that this version does not know as it is.
fn obstacle(code: &str) -> String {
    let words = match code {
        "no_definition" => "The source has no definition of it.",
        "definition_suspect" => "Its definition does not agree with what the gateway lists.",
        "definition_failed" => "Its definition could not be had from the source.",
        "definition_partial" | "partial_definition" => "A part of its definition could not be understood.",
        "not_openapi" => "Its definition is no OpenAPI document: what can be called cannot be read from it.",
        "no_endpoints" => "Its definition names nothing that can be called.",
        "no_public_url" => "No address of it, by HTTP and without placeholders, is reached from the internet.",
        other => other,
    };
    words.to_owned()
}

fn meaning(state: &str, is_kept: bool) -> Meaning {
    let (says, remedy) = match state {
        "stored" => ("It is kept as it came, and nothing speaks against it.", None),
        "none" => (
            "Its source has no definition of it. What can be called is known only as far as its source lists it.",
            Some("Ask the API's owner to give the gateway a definition; a later run finds it."),
        ),
        "partial" => (
            "It is kept, and a part of it could not be understood. What was understood is shown; nothing is guessed.",
            Some("Its owner may write that part otherwise."),
        ),
        "suspect" => (
            "It is kept and not believed: its title, version, path or operations are not those that the gateway lists. \
             Either the gateway mixed two APIs' documents up when it wrote them, or the API's settings and its document \
             have drifted apart.",
            Some(
                "Each run asks for it anew. Where it \
                 stays suspect, let the API's owner compare it with the API at the gateway, and correct the one that is \
                 wrong. Until then the API is not ready for a scan.",
            ),
        ),
        "failed" if is_kept => (
            "What its source has is kept as it came, and is no definition that can be read.",
            Some("Let the API's owner publish a definition in its place; a later run finds it."),
        ),
        "failed" => (
            "It could not be had from the source.",
            Some("The notes of the last run say why; a later run tries again by itself."),
        ),
        _ => ("Nothing is known of a definition.", None),
    };
    Meaning { says, remedy }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_caller_proves_is_said_in_words() {
        let scheme = |name: &str, scopes: &[&str]| json!({ "scheme": name, "scopes": scopes });
        for (ways, words) in [
            (json!([]), "nothing"),
            (json!([[scheme("key", &[])]]), "key"),
            (json!([[scheme("key", &[]), scheme("oauth", &["a", "b"])], []]), "key and oauth (a, b), or nothing"),
        ] {
            assert_eq!(security(ways.as_array().unwrap()), words);
        }
    }
}
