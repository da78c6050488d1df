//! CONNECTOR.toml: one connector's settings, and the maps they choose.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use muster_connectors::{ConnectorType, REGISTRY, Settings};
use muster_core::connector::Connector;
use muster_core::map::{self, TransformMap};
use serde::Deserialize;

use crate::failure::Failure;

/// The most bytes a settings file may have.
const MAXIMUM_BYTES: u64 = 1 << 20;

/// A connector, read from its file and ready to be opened.
pub(crate) struct ConnectorFile {
    pub(crate) name: String,
    pub(crate) kind: &'static ConnectorType,
    pub(crate) maps: BTreeMap<String, Arc<TransformMap>>,
    pub(crate) connector: Arc<dyn Connector>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "type")]
    type_name: String,
    name: String,
    #[serde(default)]
    authentication: toml::Table,
    #[serde(default)]
    endpoints: toml::Table,
    #[serde(default)]
    profile: toml::Table,
}

/// Reads and opens the connector of a file. Nothing is sent yet.
pub(crate) fn read(path: &Path) -> Result<ConnectorFile, Failure> {
    let shown = path.display();
    let text = read_bounded(path).map_err(Failure::usage)?;
    // The message of the toml reader quotes the line, and the line may hold a password: only its place is told.
    let file: File = toml::from_str(&text).map_err(|error| {
        let place = error.span().map(|span| position(&text, span.start)).unwrap_or_default();
        Failure::usage(anyhow!("reading `{shown}`{place}: {}", error.message()))
    })?;
    if file.name.trim().is_empty() || file.name.chars().count() > 255 {
        return Err(Failure::usage(anyhow!("setting `name` of `{shown}`: it is empty or longer than 255 characters"))
            .with_hint("give the connector a name: it keeps its inventory apart from others in one store"));
    }
    let kind = muster_connectors::find(&file.type_name).ok_or_else(|| {
        let known: Vec<_> = REGISTRY.iter().map(|kind| format!("`{}`", kind.spec.type_name)).collect();
        Failure::usage(anyhow!("setting `type` of `{shown}`: there is no connector type `{}`", file.type_name))
            .with_hint(format!("one of {}", known.join(", ")))
    })?;
    let base_directory = path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
    let maps = maps(kind, file.profile.get("transformMaps"), &base_directory)?;
    let sections = [("authentication", file.authentication), ("endpoints", file.endpoints), ("profile", file.profile)];
    let sections = sections
        .into_iter()
        .map(|(name, table)| serde_json::to_value(table).map(|value| (name.to_owned(), value)))
        .collect::<Result<_, _>>()
        .map_err(|error| Failure::usage(anyhow::Error::new(error).context(format!("reading `{shown}`"))))?;
    let connector = (kind.open)(&Settings { sections, base_directory: Some(base_directory) })?;
    Ok(ConnectorFile { name: file.name, kind, maps, connector })
}

fn read_bounded(path: &Path) -> anyhow::Result<String> {
    let shown = path.display();
    let size = std::fs::metadata(path).with_context(|| format!("reading `{shown}`"))?.len();
    if size > MAXIMUM_BYTES {
        return Err(anyhow!("reading `{shown}`: it has {size} bytes, at most {MAXIMUM_BYTES} are read"));
    }
    std::fs::read_to_string(path).with_context(|| format!("reading `{shown}`"))
}

fn position(text: &str, offset: usize) -> String {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) + 1;
    format!(", line {line} column {column}")
}

/// The map of each stream: the locked default, or a file of one's own.
fn maps(
    kind: &ConnectorType,
    chosen: Option<&toml::Value>,
    base: &Path,
) -> Result<BTreeMap<String, Arc<TransformMap>>, Failure> {
    let field = "profile.transformMaps";
    let model = (kind.model)();
    let empty = toml::Table::new();
    let chosen = match chosen {
        None => &empty,
        Some(toml::Value::Table(table)) => table,
        Some(_) => {
            return Err(Failure::usage(anyhow!("setting `{field}`: it is not a table"))
                .with_hint("write `transformMaps = { users = \"default\", groups = \"maps/g.yaml\" }`"));
        }
    };
    if let Some(unknown) = chosen.keys().find(|stream| model.stream(stream).is_none()) {
        let known: Vec<_> = model.streams.iter().map(|stream| format!("`{}`", stream.name)).collect();
        return Err(Failure::usage(anyhow!("setting `{field}.{unknown}`: there is no such stream"))
            .with_hint(format!("one of {}", known.join(", "))));
    }
    let mut maps = BTreeMap::new();
    for stream in &model.streams {
        let field = format!("{field}.{}", stream.name);
        let (shown, text) = match chosen.get(&stream.name) {
            None => ("default".to_owned(), default_map(kind, &stream.name)),
            Some(toml::Value::String(word)) if word == "default" => (word.clone(), default_map(kind, &stream.name)),
            Some(toml::Value::String(file)) => {
                let path = base.join(file);
                let text =
                    read_bounded(&path).map_err(|error| Failure::usage(error.context(format!("setting `{field}`"))))?;
                (path.display().to_string(), text)
            }
            Some(_) => {
                return Err(Failure::usage(anyhow!("setting `{field}`: it is not text"))
                    .with_hint("write `default` or the path of a map"));
            }
        };
        let map = map::compile(&text, stream).map_err(|error| {
            Failure::usage(anyhow::Error::new(error).context(format!("setting `{field}`: map `{shown}`")))
                .with_hint(format!("`muster map lint {shown}` lists what is wrong with it"))
        })?;
        maps.insert(stream.name.clone(), Arc::new(map));
    }
    Ok(maps)
}

fn default_map(kind: &ConnectorType, stream: &str) -> String {
    kind.default_map(stream).unwrap_or_default().to_owned()
}
