//! Users, groups and APIs: lists by query, and one asset with all that is known of it.

mod api;
mod definition;
mod detail;
mod history;
mod list;
mod members;
mod raw;
mod roles;

use muster_core::asset::Class;
use muster_core::asset::schema::{self, Field, FieldType};
use muster_core::clock::Instant;
use serde_json::Value;

pub(super) use definition::definition;
pub(super) use detail::detail;
pub(super) use list::{count, facets, list};
pub(super) use roles::roles;

use super::frame::Visitor;
use super::part::{Badge, Number, When};

/// A class as pages name it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    pub(super) class: Class,
    /// Its place in addresses.
    pub(super) place: &'static str,
    pub(super) title: &'static str,
    pub(super) one: &'static str,
    /// What lists show, in order; the first is the name.
    columns: &'static [(&'static str, &'static str)],
    /// What stands below the name, by its token.
    below: Option<&'static str>,
    /// What lists call the last column: whether it is there, and what its source says of its state.
    presence: &'static str,
    /// Whether lists say when it was last seen.
    is_seen: bool,
    facets: &'static [(&'static str, &'static str)],
    /// What words without a token find.
    words: &'static str,
    /// A query to begin with.
    example: &'static str,
}

pub(super) static USERS: Kind = Kind {
    class: Class::User,
    place: "/console/users",
    title: "Users",
    one: "user",
    columns: &[
        ("Name", "user.name"),
        ("Account", "user.accountName"),
        ("Email", "user.email"),
        ("Status", "user.status"),
        ("Department", "user.department"),
        ("Last sign-in", "user.lastSuccessfulLoginAt"),
    ],
    below: None,
    presence: "Presence",
    is_seen: false,
    facets: &[("Status", "user.status"), ("Source", "inventory.source"), ("Department", "user.department")],
    words: "names and accounts",
    example: "status:DISABLED and lastSuccessfulLoginAt < now-90d",
};

pub(super) static GROUPS: Kind = Kind {
    class: Class::Group,
    place: "/console/groups",
    title: "Groups",
    one: "group",
    columns: &[
        ("Name", "group.name"),
        ("Account", "group.accountName"),
        ("Type", "group.type"),
        ("Visibility", "group.visibility"),
        ("Description", "group.description"),
    ],
    below: None,
    presence: "Presence",
    is_seen: false,
    facets: &[("Type", "group.type"), ("Visibility", "group.visibility"), ("Source", "inventory.source")],
    words: "names and accounts",
    example: "type:Security and visibility:UNIVERSAL",
};

pub(super) static APIS: Kind = Kind {
    class: Class::Api,
    place: "/console/apis",
    title: "Discovered APIs",
    one: "Discovered API",
    columns: &[
        ("Name and URL", "api.displayName"),
        ("Endpoints", "api.endpointCount"),
        ("Version", "api.apiVersion"),
        ("Type", "api.apiType"),
        ("Definition", "api.definitionState"),
        ("Scan", "api.scanReady"),
    ],
    below: Some("api.url"),
    presence: "Status",
    is_seen: true,
    facets: &[
        ("Definition", "api.definitionState"),
        ("Type", "api.apiType"),
        ("Source", "inventory.source"),
        ("Service", "api.service"),
    ],
    words: "names and URLs",
    example: "scanReady:true and endpoints:(method:DELETE and security is null)",
};

/// Privileged groups, as roles. They have a list of their own.
pub(super) static ROLES: Kind = Kind {
    class: Class::Group,
    place: "/console/roles",
    title: "Roles",
    one: "role",
    columns: &[],
    below: None,
    presence: "Presence",
    is_seen: false,
    facets: &[],
    words: "",
    example: "",
};

impl Kind {
    /// Whether it is drawn from another class.
    pub(super) fn is_derived(&self) -> bool {
        self.place == ROLES.place
    }

    /// The kind of a class that has pages.
    pub(super) fn of(class: &str) -> Option<&'static Self> {
        [&USERS, &GROUPS, &APIS].into_iter().find(|kind| kind.class.word() == class)
    }
}

/// The place of an asset's page; none for what has no page.
pub(super) fn place(class: &str, id: i64) -> Option<String> {
    Kind::of(class).map(|kind| format!("{}/{id}", kind.place))
}

/// A value as a page shows it.
#[derive(Debug, Clone)]
pub(super) enum Shown {
    Nothing,
    Text(String),
    Count(Number),
    Time(When),
    Status(Badge),
}

impl Shown {
    /// A value of a field.
    fn of(field: &Field, value: &Value, visitor: &Visitor) -> Self {
        let time = |text: &str| Instant::from_rfc3339(text).map(|at| Self::Time(visitor.when(at)));
        match (field.value, value) {
            (_, Value::Null) => Self::Nothing,
            (FieldType::Time, Value::String(text)) => time(text).unwrap_or_else(|| Self::Text(text.clone())),
            (_, Value::String(text)) if field.token == "user.status" => Self::Status(Badge::status(text)),
            (_, Value::String(text)) if field.token == "api.definitionState" => Self::Status(Badge::definition(text)),
            (_, Value::Bool(ready)) if field.token == "api.scanReady" => Self::Status(Badge::readiness(*ready)),
            (_, value) => Self::plain(value),
        }
    }

    fn plain(value: &Value) -> Self {
        match value {
            Value::Null => Self::Nothing,
            Value::String(text) => Self::Text(text.clone()),
            Value::Number(number) => match number.as_u64() {
                Some(number) => Self::Count(Number(number)),
                None => Self::Text(number.to_string()),
            },
            Value::Bool(yes) => Self::Text(if *yes { "yes" } else { "no" }.to_owned()),
            other => Self::Text(other.to_string()),
        }
    }
}

/// A field's name in words: `lastSuccessfulLoginAt` is "Last successful login at".
pub(super) fn label(key: &str) -> String {
    let mut words = String::with_capacity(key.len() + 4);
    for (index, letter) in key.chars().enumerate() {
        match letter {
            '.' => words.push_str(" · "),
            letter if index == 0 => words.extend(letter.to_uppercase()),
            letter if letter.is_uppercase() => {
                words.push(' ');
                words.extend(letter.to_lowercase());
            }
            letter => words.push(letter),
        }
    }
    words
}

/// The field of a token.
fn field(class: Class, token: &str) -> Option<&'static Field> {
    schema::fields(class).find(|field| field.token == token)
}

/// An asset's name: the one that all classes have, else its source key.
pub(super) fn name(document: &Value, source_key: &str) -> String {
    let name = document.pointer("/assetDetail/name").and_then(Value::as_str).filter(|name| !name.trim().is_empty());
    name.unwrap_or(source_key).to_owned()
}
