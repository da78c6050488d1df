//! The one registry of an asset's fields: what a map may fill, and what a query may ask (design D13).
//!
//! A row gives a target its type, its search token and its column. The narrow search tables, their extractor, the
//! query compiler, the in-memory evaluator and the documentation are all drawn from here.

use super::Class;

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldType {
    /// Text, folded in search columns.
    Text,
    /// A signed integer.
    Integer,
    /// An instant.
    Time,
    /// Yes or no.
    Boolean,
}

/// What a text is to a reader, and so what a bare value in a query means of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextKind {
    /// One word out of few, as a status or a country: a bare value is the whole of it. Can be counted by value.
    Keyword,
    /// A name or a sentence: a bare value stands somewhere in it.
    Prose,
    /// An identifier, read from its beginning: a bare value begins it.
    Identifier,
}

/// How a field can be searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Search {
    /// By a scan of the narrow table.
    Scanned,
    /// By an index of its own.
    Indexed,
    /// By an index of its own, and by the class's substring index.
    IndexedAndSubstring,
}

/// One field of a class.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// The class it belongs to.
    pub class: Class,
    /// The keys that lead to it: below `assetDetail`, for an element's field below the element.
    pub path: &'static [&'static str],
    /// What it holds.
    pub value: FieldType,
    /// What its text is to a reader; none where it holds no text.
    pub text: Option<TextKind>,
    /// The token, `<class>.<target field>`.
    pub token: &'static str,
    /// The column in `search_<class>`, for an element's field in its list's table.
    pub column: &'static str,
    /// How it can be searched.
    pub search: Search,
}

impl Field {
    /// The target as maps write it.
    pub fn target(&self) -> String {
        format!("asset.assetDetail.{}", self.path.join("."))
    }

    /// The field's value in a detail document.
    pub fn value_in<'a>(
        &self,
        detail: &'a serde_json::Map<String, serde_json::Value>,
    ) -> Option<&'a serde_json::Value> {
        at(detail, self.path)
    }
}

/// What stands where keys lead to.
fn at<'a>(detail: &'a serde_json::Map<String, serde_json::Value>, path: &[&str]) -> Option<&'a serde_json::Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(detail.get(*first)?, |value, key| value.get(*key))
}

/// The target of the asset's external id.
pub const EXTERNAL_ID_TARGET: &str = "asset.assetHeader.externalAssetId";
/// The target of the asset's vendor id.
pub const VENDOR_ID_TARGET: &str = "asset.assetHeader.vendorAssetId";
/// The target of the asset's name, common to all classes.
pub const NAME_TARGET: &str = "asset.assetDetail.name";

type Holds = (FieldType, Option<TextKind>);
const KEYWORD: Holds = (FieldType::Text, Some(TextKind::Keyword));
const PROSE: Holds = (FieldType::Text, Some(TextKind::Prose));
const IDENTIFIER: Holds = (FieldType::Text, Some(TextKind::Identifier));
const INTEGER: Holds = (FieldType::Integer, None);
const TIME: Holds = (FieldType::Time, None);
const BOOLEAN: Holds = (FieldType::Boolean, None);

macro_rules! field {
    ($class:ident, [$($key:literal),+], $holds:ident, $token:literal, $column:literal, $search:ident) => {
        Field {
            class: Class::$class,
            path: &[$($key),+],
            value: $holds.0,
            text: $holds.1,
            token: $token,
            column: $column,
            search: Search::$search,
        }
    };
}

/// All fields, grouped by class, in the order in which documents show them.
pub static FIELDS: &[Field] = &[
    field!(User, ["userAssetClass", "id"], IDENTIFIER, "user.id", "id", Scanned),
    field!(User, ["userAssetClass", "name"], PROSE, "user.name", "name", IndexedAndSubstring),
    field!(User, ["userAssetClass", "email"], PROSE, "user.email", "email", IndexedAndSubstring),
    field!(User, ["userAssetClass", "firstName"], PROSE, "user.firstName", "first_name", Scanned),
    field!(User, ["userAssetClass", "lastName"], PROSE, "user.lastName", "last_name", Scanned),
    field!(User, ["userAssetClass", "displayName"], PROSE, "user.displayName", "display_name", Scanned),
    field!(User, ["userAssetClass", "phone"], PROSE, "user.phone", "phone", Scanned),
    field!(User, ["userAssetClass", "jobTitle"], KEYWORD, "user.jobTitle", "job_title", Scanned),
    field!(User, ["userAssetClass", "activationDate"], TIME, "user.activationDate", "activation_date", Scanned),
    field!(
        User,
        ["userAssetClass", "lastSuccessfulLoginAt"],
        TIME,
        "user.lastSuccessfulLoginAt",
        "last_login",
        Indexed
    ),
    field!(
        User,
        ["userAssetClass", "passwordLastChangedAt"],
        TIME,
        "user.passwordLastChangedAt",
        "password_changed",
        Scanned
    ),
    field!(
        User,
        ["userAssetClass", "accountExpirationAt"],
        TIME,
        "user.accountExpirationAt",
        "account_expiration",
        Scanned
    ),
    field!(
        User,
        ["userAssetClass", "failedPasswordAttemptCount"],
        INTEGER,
        "user.failedPasswordAttemptCount",
        "failed_passwords",
        Scanned
    ),
    field!(
        User,
        ["userAssetClass", "lastFailedPasswordAttemptAt"],
        TIME,
        "user.lastFailedPasswordAttemptAt",
        "last_failed_password",
        Scanned
    ),
    field!(User, ["userAssetClass", "currentAddress", "city"], KEYWORD, "user.currentAddress.city", "city", Scanned),
    field!(
        User,
        ["userAssetClass", "currentAddress", "country"],
        KEYWORD,
        "user.currentAddress.country",
        "country",
        Scanned
    ),
    field!(
        User,
        ["userAssetClass", "currentAddress", "streetAddress"],
        PROSE,
        "user.currentAddress.streetAddress",
        "street_address",
        Scanned
    ),
    field!(
        User,
        ["userAssetClass", "currentAddress", "state"],
        KEYWORD,
        "user.currentAddress.state",
        "address_state",
        Scanned
    ),
    field!(User, ["userAssetClass", "status"], KEYWORD, "user.status", "status", Indexed),
    field!(
        User,
        ["userAssetClass", "accountName"],
        IDENTIFIER,
        "user.accountName",
        "account_name",
        IndexedAndSubstring
    ),
    field!(
        User,
        ["userAssetClass", "userPrincipalName"],
        IDENTIFIER,
        "user.userPrincipalName",
        "principal_name",
        Scanned
    ),
    field!(User, ["userAssetClass", "department"], KEYWORD, "user.department", "department", Scanned),
    field!(User, ["userAssetClass", "primaryGroupId"], INTEGER, "user.primaryGroupId", "primary_group", Indexed),
    field!(Group, ["groupAssetClass", "id"], IDENTIFIER, "group.id", "id", Scanned),
    field!(Group, ["groupAssetClass", "name"], PROSE, "group.name", "name", IndexedAndSubstring),
    field!(Group, ["groupAssetClass", "displayName"], PROSE, "group.displayName", "display_name", Scanned),
    field!(Group, ["groupAssetClass", "description"], PROSE, "group.description", "description", Scanned),
    field!(Group, ["groupAssetClass", "type"], KEYWORD, "group.type", "type", Indexed),
    field!(Group, ["groupAssetClass", "visibility"], KEYWORD, "group.visibility", "visibility", Indexed),
    field!(
        Group,
        ["groupAssetClass", "accountName"],
        IDENTIFIER,
        "group.accountName",
        "account_name",
        IndexedAndSubstring
    ),
    field!(Group, ["groupAssetClass", "email"], PROSE, "group.email", "email", Scanned),
    field!(Api, ["apiAssetClass", "subscriptionId"], IDENTIFIER, "api.subscriptionId", "subscription_id", Indexed),
    field!(Api, ["apiAssetClass", "resourceGroups"], KEYWORD, "api.resourceGroups", "resource_groups", Indexed),
    field!(Api, ["apiAssetClass", "service"], KEYWORD, "api.service", "service", Indexed),
    field!(Api, ["apiAssetClass", "api"], IDENTIFIER, "api.api", "api", Scanned),
    field!(Api, ["apiAssetClass", "masifLocation"], IDENTIFIER, "api.masifLocation", "masif_location", Indexed),
    field!(Api, ["apiAssetClass", "groupId"], IDENTIFIER, "api.groupId", "group_id", Scanned),
    field!(Api, ["apiAssetClass", "assetId"], IDENTIFIER, "api.assetId", "exchange_asset", Scanned),
    field!(Api, ["apiAssetClass", "name"], PROSE, "api.name", "name", Scanned),
    field!(Api, ["apiAssetClass", "isPublic"], BOOLEAN, "api.isPublic", "is_public", Scanned),
    field!(Api, ["apiAssetClass", "organizationId"], IDENTIFIER, "api.organizationId", "organization_id", Indexed),
    field!(Api, ["apiAssetClass", "organizationName"], KEYWORD, "api.organizationName", "organization_name", Scanned),
    field!(Api, ["apiAssetClass", "environmentId"], IDENTIFIER, "api.environmentId", "environment_id", Indexed),
    field!(Api, ["apiAssetClass", "environmentName"], KEYWORD, "api.environmentName", "environment_name", Scanned),
    field!(Api, ["apiAssetClass", "instanceId"], IDENTIFIER, "api.instanceId", "instance_id", Scanned),
    field!(Api, ["apiAssetClass", "instanceLabel"], PROSE, "api.instanceLabel", "instance_label", Scanned),
    field!(Api, ["apiAssetClass", "version"], KEYWORD, "api.version", "version", Scanned),
    field!(Api, ["apiAssetClass", "serviceStatus"], KEYWORD, "api.serviceStatus", "service_status", Scanned),
    field!(Api, ["apiAssetClass", "runtimeStatus"], KEYWORD, "api.runtimeStatus", "runtime_status", Scanned),
    field!(Api, ["apiAssetClass", "instanceIsPublic"], BOOLEAN, "api.instanceIsPublic", "instance_is_public", Scanned),
    field!(Api, ["apiAssetClass", "technology"], KEYWORD, "api.technology", "technology", Scanned),
    field!(Api, ["apiAssetClass", "deprecated"], BOOLEAN, "api.deprecated", "deprecated", Scanned),
    field!(Api, ["apiAssetClass", "definitionHash"], IDENTIFIER, "api.definitionHash", "definition_hash", Indexed),
    field!(Api, ["apiAssetClass", "definitionFile"], IDENTIFIER, "api.definitionFile", "definition_file", Scanned),
    field!(Api, ["apiAssetClass", "displayName"], PROSE, "api.displayName", "display_name", IndexedAndSubstring),
    field!(Api, ["apiAssetClass", "description"], PROSE, "api.description", "description", Scanned),
    field!(Api, ["apiAssetClass", "url"], PROSE, "api.url", "url", IndexedAndSubstring),
    field!(Api, ["apiAssetClass", "backendUrl"], PROSE, "api.backendUrl", "backend_url", Scanned),
    field!(Api, ["apiAssetClass", "apiVersion"], KEYWORD, "api.apiVersion", "api_version", Scanned),
    field!(Api, ["apiAssetClass", "apiRevision"], KEYWORD, "api.apiRevision", "api_revision", Scanned),
    field!(Api, ["apiAssetClass", "apiType"], KEYWORD, "api.apiType", "api_type", Indexed),
    field!(
        Api,
        ["apiAssetClass", "subscriptionRequired"],
        BOOLEAN,
        "api.subscriptionRequired",
        "subscription_required",
        Scanned
    ),
    field!(Api, ["apiAssetClass", "endpointCount"], INTEGER, "api.endpointCount", "endpoint_count", Scanned),
    field!(Api, ["apiAssetClass", "specFormat"], KEYWORD, "api.specFormat", "spec_format", Scanned),
    field!(Api, ["apiAssetClass", "definitionState"], KEYWORD, "api.definitionState", "definition_state", Indexed),
    field!(Api, ["apiAssetClass", "scanReady"], BOOLEAN, "api.scanReady", "scan_ready", Indexed),
    field!(Api, ["apiAssetClass", "access"], KEYWORD, "api.access", "access", Indexed),
    field!(Api, ["apiAssetClass", "workspace"], KEYWORD, "api.workspace", "workspace", Indexed),
    field!(Container, ["containerAssetClass", "name"], PROSE, "container.name", "name", Scanned),
];

/// A part of a class's document that holds a list: of texts, or of objects. It is shown and kept as it is; queries ask
/// its elements.
#[derive(Debug, Clone, Copy)]
pub struct List {
    /// The class it belongs to.
    pub class: Class,
    /// The keys below `assetDetail` that lead to it.
    pub path: &'static [&'static str],
    /// The token, `<class>.<target field>`.
    pub token: &'static str,
    /// What ends the name of its search table: `search_<class>_<name>`.
    pub name: &'static str,
    /// What can be asked of an element. A list of texts has one field, whose token is the list's own.
    pub elements: &'static [Field],
}

impl List {
    /// The target as maps write it.
    pub fn target(&self) -> String {
        format!("asset.assetDetail.{}", self.path.join("."))
    }
}

macro_rules! element {
    ($class:ident, [$($key:literal),*], $holds:ident, $token:literal, $column:literal) => {
        Field {
            class: Class::$class,
            path: &[$($key),*],
            value: $holds.0,
            text: $holds.1,
            token: $token,
            column: $column,
            search: Search::Scanned,
        }
    };
}

/// All lists, in the order in which documents show them.
pub static LISTS: &[List] = &[
    List {
        class: Class::Api,
        path: &["apiAssetClass", "urls"],
        token: "api.urls",
        name: "urls",
        elements: &[
            element!(Api, ["url"], PROSE, "api.urls.url", "url"),
            element!(Api, ["kind"], KEYWORD, "api.urls.kind", "kind"),
        ],
    },
    List {
        class: Class::Api,
        path: &["apiAssetClass", "endpoints"],
        token: "api.endpoints",
        name: "endpoints",
        elements: &[
            element!(Api, ["method"], KEYWORD, "api.endpoints.method", "method"),
            element!(Api, ["path"], PROSE, "api.endpoints.path", "path"),
            element!(Api, ["operationId"], PROSE, "api.endpoints.operationId", "operation_id"),
            // The schemes a caller must prove; missing where a call without any will do.
            element!(Api, ["security"], PROSE, "api.endpoints.security", "security"),
            element!(Api, ["deprecated"], BOOLEAN, "api.endpoints.deprecated", "deprecated"),
        ],
    },
    List {
        class: Class::Api,
        path: &["apiAssetClass", "definitionReasons"],
        token: "api.definitionReasons",
        name: "definition_reasons",
        elements: &[element!(Api, [], PROSE, "api.definitionReasons", "reason")],
    },
    List {
        class: Class::Api,
        path: &["apiAssetClass", "scanReadyReasons"],
        token: "api.scanReadyReasons",
        name: "scan_ready_reasons",
        elements: &[element!(Api, [], KEYWORD, "api.scanReadyReasons", "reason")],
    },
    List {
        class: Class::Api,
        path: &["apiAssetClass", "products"],
        token: "api.products",
        name: "products",
        elements: &[element!(Api, [], PROSE, "api.products", "product")],
    },
];

/// The lists of one class.
pub fn lists(class: Class) -> impl Iterator<Item = &'static List> {
    LISTS.iter().filter(move |list| list.class == class)
}

/// The fields of one class.
pub fn fields(class: Class) -> impl Iterator<Item = &'static Field> {
    FIELDS.iter().filter(move |field| field.class == class)
}

/// Whether maps of that class may fill that target.
pub fn is_target(class: Class, target: &str) -> bool {
    matches!(target, EXTERNAL_ID_TARGET | VENDOR_ID_TARGET | NAME_TARGET)
        || fields(class).any(|field| field.target() == target)
        || lists(class).any(|list| list.target() == target)
}

/// All targets that maps of that class may fill.
pub fn targets(class: Class) -> Vec<String> {
    let common = [EXTERNAL_ID_TARGET, VENDOR_ID_TARGET, NAME_TARGET].map(str::to_owned);
    common.into_iter().chain(fields(class).map(Field::target)).chain(lists(class).map(List::target)).collect()
}

/// A value of a search column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchValue {
    /// Folded text.
    Text(String),
    /// An integer, microseconds since 1970, or 0 and 1.
    Number(i64),
}

/// The most characters of an indexed text: PostgreSQL refuses index entries over about 2,700 bytes.
const INDEXED_CHARACTERS: usize = 512;

/// Text as search columns hold it: folded, and no longer than an index takes.
fn searched(field: &Field, text: &str) -> String {
    let folded = crate::fold::fold(text);
    if field.search == Search::Scanned || folded.len() <= INDEXED_CHARACTERS {
        return folded;
    }
    folded.chars().take(INDEXED_CHARACTERS).collect()
}

/// A field's value as search columns hold it.
fn search_value(field: &Field, value: &serde_json::Value) -> Option<SearchValue> {
    match field.value {
        FieldType::Text => match value {
            serde_json::Value::String(text) => Some(SearchValue::Text(searched(field, text))),
            serde_json::Value::Array(alternatives) => {
                schemes(alternatives).map(|text| SearchValue::Text(searched(field, &text)))
            }
            _ => None,
        },
        FieldType::Integer => value.as_i64().map(SearchValue::Number),
        FieldType::Boolean => value.as_bool().map(|flag| SearchValue::Number(i64::from(flag))),
        FieldType::Time => {
            value.as_str().and_then(crate::clock::Instant::from_rfc3339).map(|time| SearchValue::Number(time.0))
        }
    }
}

/// The schemes that an endpoint's `security` names: a list of alternatives, each a list of requirements. None where one
/// of them asks nothing, as the whole then asks nothing.
fn schemes(alternatives: &[serde_json::Value]) -> Option<String> {
    let mut names = std::collections::BTreeSet::new();
    for alternative in alternatives {
        let requirements = alternative.as_array().filter(|requirements| !requirements.is_empty())?;
        names.extend(requirements.iter().filter_map(|requirement| requirement.get("scheme")?.as_str()));
    }
    (!names.is_empty()).then(|| names.into_iter().collect::<Vec<_>>().join(" "))
}

/// What the search table of a class holds for a detail document, in the order of [`fields`].
pub fn search_values(class: Class, detail: &serde_json::Map<String, serde_json::Value>) -> Vec<Option<SearchValue>> {
    fields(class).map(|field| search_value(field, field.value_in(detail)?)).collect()
}

/// What a list's search table holds for a detail document: the elements in their order, each with its values in the
/// order of [`List::elements`].
pub fn search_elements(
    list: &List,
    detail: &serde_json::Map<String, serde_json::Value>,
) -> Vec<Vec<Option<SearchValue>>> {
    let Some(serde_json::Value::Array(elements)) = at(detail, list.path) else { return Vec::new() };
    let values = |element: &serde_json::Value| {
        let one =
            |field: &Field| search_value(field, field.path.iter().try_fold(element, |value, key| value.get(*key))?);
        list.elements.iter().map(one).collect()
    };
    elements.iter().map(values).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn tokens_and_columns_stand_once() {
        let tokens: BTreeSet<_> = FIELDS.iter().map(|field| field.token).collect();
        assert_eq!(tokens.len(), FIELDS.len());
        let columns: BTreeSet<_> = FIELDS.iter().map(|field| (field.class, field.column)).collect();
        assert_eq!(columns.len(), FIELDS.len());
    }

    #[test]
    fn tokens_are_the_class_and_the_target_field() {
        for field in FIELDS {
            assert_eq!(field.path[0], field.class.detail_key(), "{}", field.token);
            assert_eq!(field.token, format!("{}.{}", field.class.word(), field.path[1..].join(".")));
        }
        for list in LISTS {
            assert_eq!(list.token, format!("{}.{}", list.class.word(), list.path[1..].join(".")));
            for field in list.elements {
                let token: Vec<&str> = std::iter::once(list.token).chain(field.path.iter().copied()).collect();
                assert_eq!((field.class, field.token), (list.class, token.join(".").as_str()));
            }
        }
    }

    #[test]
    fn an_endpoint_that_asks_nothing_has_no_scheme() {
        let found = |security: serde_json::Value| {
            let detail =
                serde_json::json!({ "apiAssetClass": { "endpoints": [{ "method": "GET", "security": security }] } });
            let list = lists(Class::Api).find(|list| list.name == "endpoints").unwrap();
            search_elements(list, detail.as_object().unwrap())[0][3].clone()
        };
        let requirement = |scheme: &str| serde_json::json!({ "scheme": scheme, "scopes": ["Read"] });
        let text = |text: &str| Some(SearchValue::Text(text.to_owned()));
        assert_eq!(found(serde_json::json!([[requirement("Key"), requirement("OAuth")]])), text("key oauth"));
        assert_eq!(found(serde_json::json!([[requirement("Key")], [requirement("OAuth")]])), text("key oauth"));
        for nothing in [serde_json::json!([]), serde_json::json!([[requirement("Key")], []]), serde_json::json!(null)] {
            assert_eq!(found(nothing.clone()), None, "{nothing}");
        }
    }
}
