//! `muster reference`: the pages of `docs/reference`, drawn from what the program is made of. `cargo xtask gen` writes
//! them.

use std::fmt::Write as _;

use anyhow::anyhow;
use clap::CommandFactory as _;
use muster_connectors::{ConnectorType, REGISTRY};
use muster_core::map::{self, Row};
use muster_core::model::{Attribute, AttributeKind, Merge, ValueType};
use muster_core::query::tokens;

use crate::cli::Cli;
use crate::failure::Failure;

const GENERATED: &str = "<!-- Written by `cargo xtask gen`. -->\n";

/// A page's name, and what draws it.
type Page = (&'static str, fn() -> String);

/// The pages that are not about one connector type.
const PAGES: [Page; 5] = [
    ("cli", command_line),
    ("connector-toml", connector_toml),
    ("data-model", data_model),
    ("query-tokens", query_tokens),
    ("transform-maps", transform_maps),
];

/// The page of that name.
pub(crate) fn page(name: &str) -> Result<String, Failure> {
    let known = PAGES.iter().find(|(page, _)| *page == name).map(|(_, draw)| draw());
    let of_type = || name.strip_prefix("connectors/").and_then(muster_connectors::find).map(connector);
    known.or_else(of_type).ok_or_else(|| {
        let types = REGISTRY.iter().map(|kind| format!("connectors/{}", kind.spec.type_name));
        let names: Vec<String> = PAGES.iter().map(|(page, _)| (*page).to_owned()).chain(types).collect();
        Failure::usage(anyhow!("there is no page `{name}`")).with_hint(format!("one of {}", names.join(", ")))
    })
}

fn head(title: &str, words: &str) -> String {
    format!("# {title}\n\n{GENERATED}\n{words}\n")
}

/// A table in Markdown; a bar in a cell would end it.
fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = line(head.iter().map(|&cell| cell.to_owned()).collect());
    text.push_str(&line(head.iter().map(|_| "---".to_owned()).collect()));
    for row in rows {
        text.push_str(&line(row.into_iter().map(|cell| cell.replace('|', "\\|").replace('\n', " ")).collect()));
    }
    text
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn mark(holds: bool) -> String {
    if holds { "yes".to_owned() } else { String::new() }
}

fn query_tokens() -> String {
    let words = "What a query can ask. A token may be written without its class where that leaves it unique, or where \
                 `--class` says the class. *A bare value* tells what `token:value` means; `\"…\"` looks for the words \
                 in order inside the text, backticks or single quotes for exactly the whole text.";
    format!("{}\n{}", head("Query tokens", words), tokens::reference_markdown())
}

fn command_line() -> String {
    let words = "Exit codes: 0 complete, 3 partial or held, 1 failed, 2 wrong usage. Data goes to stdout, all else to \
                 stderr.";
    let mut text = head("Command line", words);
    let mut root = Cli::command();
    root.build();
    help(&mut text, &root, &[]);
    text
}

fn help(text: &mut String, command: &clap::Command, above: &[&str]) {
    let path = [above, &[command.get_name()]].concat();
    let shown = command.clone().render_help().to_string();
    let _ = write!(text, "\n## {}\n\n```text\n", path.join(" "));
    for line in shown.trim_end().lines() {
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text.push_str("```\n");
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        help(text, inner, &path);
    }
}

fn connector_toml() -> String {
    let words = "The settings of one connector. Keys are those of the source documents; a key that is not known is \
                 refused. Relative paths are relative to the file.";
    let mut text = head("CONNECTOR.toml", words);
    text.push('\n');
    let key = |name: &str, required: bool, words: &str| vec![code(name), mark(required), words.to_owned()];
    let types: Vec<String> = REGISTRY.iter().map(|kind| code(kind.spec.type_name)).collect();
    text.push_str(&table(
        &["key", "required", "what it is"],
        [
            key("type", true, &format!("The connector type: {}.", types.join(", "))),
            key("name", true, "The connector's name. It keeps its inventory apart from others in one store."),
            key(
                "profile.transformMaps",
                false,
                "For each stream `\"default\"` or the path of a map: `{ users = \"default\", groups = \"maps/g.yaml\" }`.",
            ),
        ],
    ));
    for kind in REGISTRY {
        let _ = write!(text, "\n## {}\n\n{}", kind.spec.type_name, fields(kind));
    }
    text
}

fn fields(kind: &ConnectorType) -> String {
    let row = |field: &muster_core::connector::FieldSpec| {
        let name = format!("{}.{}", field.section, field.key);
        vec![code(&name), field.kind.to_owned(), mark(field.required), field.help.to_owned()]
    };
    table(&["key", "kind", "required", "what it is"], kind.spec.fields.iter().map(row))
}

fn connector(kind: &'static ConnectorType) -> String {
    let spec = kind.spec;
    let mut text = head(spec.source_name, &format!("The connector type `{}`.", spec.type_name));
    let facts = [
        ("vendor", spec.vendor),
        ("product", spec.product),
        ("category", spec.category),
        ("assets", spec.assets),
        ("findings", spec.findings),
        ("version", spec.version),
        ("runs", spec.integration_type),
        ("direction", spec.direction),
        ("deltas", spec.delta_support),
    ];
    let facts = facts.map(|(name, value)| vec![name.to_owned(), value.to_owned()]);
    let _ = write!(text, "\n{}", table(&["", ""], facts));
    let _ = write!(text, "\n## Settings\n\n{}", fields(kind));
    let rows = spec.permissions.iter().map(|found| vec![found.entity.to_owned(), found.permission.to_owned()]);
    let _ = write!(text, "\n## Permissions\n\n{}", table(&["entity", "right"], rows));
    let model = (kind.model)();
    let rows = model.streams.iter().map(|stream| {
        let name = |id| stream.by_id(id).map_or_else(String::new, |found| code(&found.name));
        let container = stream.container.map(name).unwrap_or_default();
        vec![code(&stream.name), stream.class.word().to_owned(), name(stream.source_key), container]
    });
    let head = ["stream", "class", "source key", "container"];
    let _ = write!(text, "\n## Streams\n\n{}", table(&head, rows));
    let rows = (kind.refusals)();
    let rows = rows.into_iter().map(|found| vec![found.code, found.meaning.to_owned(), found.remedy.to_owned()]);
    let _ = write!(
        text,
        "\n## When the account is refused\n\n{}",
        table(&["the source says", "it means", "what to do"], rows)
    );
    text
}

fn data_model() -> String {
    let words = "What each connector type reads, under the source's own names. Changes of *content* are history. \
                 *Volatile* values are written in place, without history: the newest, or the greatest where it says \
                 so. *Link* values are memberships. What is not listed is never asked for.";
    let mut text = head("Data models", words);
    for kind in REGISTRY {
        let model = (kind.model)();
        for stream in &model.streams {
            let _ = write!(text, "\n## {}: {}\n\n", model.name, stream.name);
            let rows = stream.attributes.iter().map(attribute);
            text.push_str(&table(&["attribute", "type", "kind", "required", "asked for"], rows));
        }
    }
    text
}

fn attribute(found: &Attribute) -> Vec<String> {
    let asked = match (&found.only_with, found.derived) {
        (_, true) => "derived by the connector".to_owned(),
        (Some(choice), _) => format!("only with `{choice}`"),
        (None, _) => String::new(),
    };
    let value = match found.value_type {
        ValueType::Text => "text",
        ValueType::Integer => "integer",
        ValueType::Boolean => "boolean",
        ValueType::Guid => "GUID",
        ValueType::Sid => "SID",
        ValueType::Filetime => "time (100 ns since 1601)",
        ValueType::GeneralizedTime => "time (GeneralizedTime)",
        ValueType::Interval => "interval",
        ValueType::GroupType => "kind and scope of a group",
        ValueType::JsonList => "list",
    };
    let kind = match (found.kind, found.merge) {
        (AttributeKind::Identity, _) => "identity",
        (AttributeKind::Content, _) => "content",
        (AttributeKind::Volatile, Merge::Newest) => "volatile",
        (AttributeKind::Volatile, Merge::Greatest) => "volatile, greatest",
        (AttributeKind::Link, _) => "link",
        (AttributeKind::Secret, _) => "secret",
    };
    vec![code(&found.name), value.to_owned(), kind.to_owned(), mark(found.required), asked]
}

fn transform_maps() -> String {
    let words = "The default maps: which attributes make which value. They are locked; `muster map show NAME` prints \
                 one to be cloned. Rows that are ours, beyond the source document's, are marked.";
    let mut text = head("Transform maps", words);
    for kind in REGISTRY {
        for (stream, map) in kind.default_maps {
            let name = format!("{}/{stream}", kind.spec.type_name);
            // The defaults are part of the program, and a test compiles them.
            let Ok(file) = map::parse(map) else { continue };
            let _ = write!(text, "\n## {name}, version {}\n\n", file.version);
            text.push_str(&table(&["source", "target", "functions", "required", "ours"], file.rows.iter().map(row)));
        }
    }
    text
}

fn row(row: &Row) -> Vec<String> {
    let mut sources = row.sources();
    for name in row.functions.iter().flat_map(map::Function::attributes) {
        if !sources.contains(&name) {
            sources.push(name);
        }
    }
    let sources: Vec<String> = sources.into_iter().map(code).collect();
    let functions: Vec<&str> = row.functions.iter().map(map::Function::name).collect();
    vec![sources.join(", "), code(&row.target.value), functions.join(", "), mark(row.required), mark(row.addition)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_drawn_and_says_who_wrote_it() {
        let types = REGISTRY.iter().map(|kind| format!("connectors/{}", kind.spec.type_name));
        for name in PAGES.iter().map(|(name, _)| (*name).to_owned()).chain(types) {
            let text = page(&name).unwrap();
            assert!(text.contains(GENERATED) && text.lines().count() > 15, "{name}: {text}");
            assert!(!text.contains("MUSTER_LOG=") && !text.contains('\u{1b}'), "{name} tells of this machine");
        }
        assert!(page("nonsense").is_err());
    }

    #[test]
    fn cells_cannot_end_their_table() {
        let text = table(&["a"], [vec!["x|y\nz".to_owned()]]);
        assert_eq!(text, "| a |\n| --- |\n| x\\|y z |\n");
    }
}
