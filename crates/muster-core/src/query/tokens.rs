//! The tokens that a query can ask, drawn from the registry of fields.

use std::fmt::Write as _;
use std::sync::LazyLock;

use super::eval::Presence;
use crate::asset::Class;
use crate::asset::schema::{self, Field, FieldType, List, Search, TextKind};

/// What a token stands for.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// A field of a class.
    Field {
        /// The field.
        field: &'static Field,
        /// Its place in [`schema::fields`] and in [`schema::search_values`].
        index: usize,
    },
    /// A field of a list's elements.
    Element {
        /// The list.
        list: &'static List,
        /// The field.
        field: &'static Field,
        /// Its place in [`List::elements`] and in the elements of [`schema::search_elements`].
        index: usize,
    },
    /// The name of the connector type: `inventory.source`.
    Source,
    /// The name of the connector: `inventory.connector`.
    Connector,
    /// What is known of the asset's presence: `inventory.status`.
    Status,
    /// When it was first seen: `inventory.created`.
    Created,
    /// When its content last changed: `inventory.lastUpdated`.
    LastUpdated,
}

/// The targets that every class has.
pub const INVENTORY: [Target; 5] =
    [Target::Source, Target::Connector, Target::Status, Target::Created, Target::LastUpdated];

impl Target {
    /// The token in full.
    pub fn token(self) -> &'static str {
        match self {
            Self::Field { field, .. } | Self::Element { field, .. } => field.token,
            Self::Source => "inventory.source",
            Self::Connector => "inventory.connector",
            Self::Status => "inventory.status",
            Self::Created => "inventory.created",
            Self::LastUpdated => "inventory.lastUpdated",
        }
    }

    /// The class that alone has it; none where all have it.
    pub fn class(self) -> Option<Class> {
        match self {
            Self::Field { field, .. } | Self::Element { field, .. } => Some(field.class),
            _ => None,
        }
    }

    /// What it holds.
    pub fn value(self) -> FieldType {
        match self {
            Self::Field { field, .. } | Self::Element { field, .. } => field.value,
            Self::Source | Self::Connector | Self::Status => FieldType::Text,
            Self::Created | Self::LastUpdated => FieldType::Time,
        }
    }

    /// What its text is to a reader; none where it holds no text.
    pub fn text(self) -> Option<TextKind> {
        match self {
            Self::Field { field, .. } | Self::Element { field, .. } => field.text,
            Self::Source | Self::Status => Some(TextKind::Keyword),
            Self::Connector => Some(TextKind::Prose),
            Self::Created | Self::LastUpdated => None,
        }
    }

    /// The only values it can have; none where it is not bound to a few.
    pub fn values(self) -> Option<&'static [&'static str]> {
        matches!(self, Self::Status).then_some(&Presence::WORDS)
    }

    /// Whether words without a token are looked for in it.
    pub fn is_free_text(self) -> bool {
        matches!(self, Self::Field { field, .. } if field.search == Search::IndexedAndSubstring)
    }
}

/// The targets of one class's fields, in the order of [`schema::fields`].
pub fn of_class(class: Class) -> impl Iterator<Item = Target> {
    schema::fields(class).enumerate().map(|(index, field)| Target::Field { field, index })
}

/// The targets of one list's elements, in the order of [`List::elements`].
pub fn of_elements(list: &'static List) -> impl Iterator<Item = Target> {
    list.elements.iter().enumerate().map(move |(index, field)| Target::Element { list, field, index })
}

/// What can be asked of the elements of one class's lists.
pub fn elements_of_class(class: Class) -> impl Iterator<Item = Target> {
    schema::lists(class).flat_map(of_elements)
}

/// All targets with one value: the common ones, then class by class. Lists can be in their order, and their values be
/// counted.
pub fn all() -> impl Iterator<Item = Target> {
    INVENTORY.into_iter().chain(Class::ALL.into_iter().flat_map(of_class))
}

/// The classes that lists show: those with fields. Containers give others their paths and are shown when asked by name.
pub fn listed_classes() -> impl Iterator<Item = Class> {
    Class::ALL.into_iter().filter(|&class| class != Class::Container && schema::fields(class).next().is_some())
}

/// What a token turned out to be.
pub(super) enum Lookup {
    Found(Target),
    Ambiguous(Vec<String>),
    Unknown(Option<String>),
}

/// All that a query can ask: [`all`], and the elements of lists.
pub fn askable() -> impl Iterator<Item = Target> {
    all().chain(Class::ALL.into_iter().flat_map(elements_of_class))
}

/// Finds a token: in full, else by its last segments where these are unique: fields first, then those of elements, then
/// what all classes have. Upper and lower case do not matter. With a class, short forms are that class's own.
pub(super) fn lookup(name: &str, class: Option<Class>) -> Lookup {
    if let Some(target) = askable().find(|target| target.token().eq_ignore_ascii_case(name)) {
        return Lookup::Found(target);
    }
    let short = |target: &Target| {
        let asked = target.class().is_none_or(|owner| class.is_none_or(|asked| asked == owner));
        asked && ends_with_segments(target.token(), name)
    };
    let fields = Class::ALL.into_iter().flat_map(of_class).filter(short);
    let mut candidates: Vec<Target> = fields.collect();
    if candidates.is_empty() {
        candidates = Class::ALL.into_iter().flat_map(elements_of_class).filter(short).collect();
    }
    if candidates.is_empty() {
        candidates = INVENTORY.into_iter().filter(short).collect();
    }
    match candidates.as_slice() {
        [target] => Lookup::Found(*target),
        [] => Lookup::Unknown(nearest(name, class)),
        several => Lookup::Ambiguous(several.iter().map(|target| target.token().to_owned()).collect()),
    }
}

/// Finds a list by its token: in full, else by its last segments where these are unique.
pub(super) fn lookup_list(name: &str, class: Option<Class>) -> Option<&'static List> {
    if let Some(list) = schema::LISTS.iter().find(|list| list.token.eq_ignore_ascii_case(name)) {
        return Some(list);
    }
    let short = |list: &&List| class.is_none_or(|asked| asked == list.class) && ends_with_segments(list.token, name);
    let mut found = schema::LISTS.iter().filter(short);
    found.next().filter(|_| found.next().is_none())
}

fn ends_with_segments(token: &str, name: &str) -> bool {
    let Some(start) = token.len().checked_sub(name.len()) else { return false };
    start > 0
        && token.as_bytes()[start - 1] == b'.'
        && token.get(start..).is_some_and(|end| end.eq_ignore_ascii_case(name))
}

static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| askable().map(|target| target.token().to_owned()).collect());

/// The nearest token: by its full name, else by the part behind its class.
fn nearest(name: &str, class: Option<Class>) -> Option<String> {
    if let Some(near) = crate::map::nearest(name, &NAMES) {
        return Some(near.to_owned());
    }
    let asked = |target: &Target| class.is_none() || target.class().is_none_or(|owner| Some(owner) == class);
    let short = |target: Target| target.token().split_once('.').map(|(_, short)| short.to_owned());
    let shorts: Vec<String> = askable().filter(asked).filter_map(short).collect();
    crate::map::nearest(name, &shorts).map(str::to_owned)
}

/// The table of tokens for the reference, in Markdown.
pub fn reference_markdown() -> String {
    let mut text = String::from("| token | short | holds | a bare value | search |\n| --- | --- | --- | --- | --- |\n");
    for target in askable() {
        let short = shortest(target);
        let short = if short == target.token() { String::new() } else { format!("`{short}`") };
        let _ = writeln!(
            text,
            "| `{}` | {short} | {} | {} | {} |",
            target.token(),
            holds(target),
            bare_value(target),
            search(target)
        );
    }
    text
}

/// The shortest form that finds a target when its own class is asked.
fn shortest(target: Target) -> &'static str {
    let token = target.token();
    let class = target.class();
    let starts = token.match_indices('.').map(|(dot, _)| dot + 1).rev();
    let finds =
        |&start: &usize| matches!(lookup(&token[start..], class), Lookup::Found(found) if found.token() == token);
    starts.into_iter().find(finds).map_or(token, |start| &token[start..])
}

fn holds(target: Target) -> String {
    match (target.values(), target.value()) {
        (Some(values), _) => values.join(", "),
        (None, FieldType::Text) => "text".to_owned(),
        (None, FieldType::Integer) => "integer".to_owned(),
        (None, FieldType::Time) => "time".to_owned(),
        (None, FieldType::Boolean) => "true or false".to_owned(),
    }
}

fn bare_value(target: Target) -> &'static str {
    match (target.text(), target.value()) {
        (Some(TextKind::Keyword), _) => "is the whole text",
        (Some(TextKind::Prose), _) => "stands in the text",
        (Some(TextKind::Identifier), _) => "begins the text",
        (None, FieldType::Time) => "is the instant or the day",
        (None, _) => "is the value",
    }
}

fn search(target: Target) -> &'static str {
    match target {
        Target::Field { field, .. } => match field.search {
            Search::Scanned => "scan",
            Search::Indexed => "index",
            Search::IndexedAndSubstring => "index, substring index, words without a token",
        },
        Target::Element { .. } => "any element; `token:( … )` the same element",
        _ => "scan",
    }
}
