//! Answers in the shapes of Microsoft's specifications and of recorded traffic.

use serde_json::{Value, json};

use super::world::{Api, PRODUCTS, Product, Service, World};

pub(super) fn subscription(id: &str) -> Value {
    json!({
        "id": format!("/subscriptions/{id}"), "subscriptionId": id, "tenantId": super::world::TENANT,
        "displayName": format!("Subscription {}", &id[..8]), "state": "Enabled", "authorizationSource": "RoleBased",
    })
}

pub(super) fn service(service: &Service) -> Value {
    json!({
        "id": service.id(), "name": service.name, "type": "Microsoft.ApiManagement/service", "location": "West Europe",
        "sku": { "name": "Developer", "capacity": 1 }, "etag": "AAAAAAAWN/4=",
        "properties": {
            "publisherEmail": "apis@contoso.example", "publisherName": "Contoso", "provisioningState": "Succeeded",
            "gatewayUrl": format!("https://{}", service.host()), "virtualNetworkType": "None",
            "publicNetworkAccess": "Enabled", "hostnameConfigurations": [{
                "type": "Proxy", "hostName": service.host(), "negotiateClientCertificate": false,
                "defaultSslBinding": true, "certificateSource": "BuiltIn",
            }],
        },
    })
}

/// Entries of a service's list of APIs: each API, and each of its earlier revisions.
pub(super) fn apis(service: &Service) -> Vec<Value> {
    let all = service.apis.values().flat_map(|api| std::iter::once(api.clone()).chain(api.earlier_revisions()));
    all.map(|one| api(service, &one)).collect()
}

pub(super) fn workspace(place: &Service) -> Value {
    let name = place.workspace.as_deref().unwrap_or_default();
    json!({
        "id": place.id(), "type": "Microsoft.ApiManagement/service/workspaces", "name": name,
        "properties": { "displayName": format!("Workspace {name}"), "description": "One team's APIs." },
    })
}

pub(super) fn products(service: &Service) -> Vec<Value> {
    let one = |product: &Product| {
        json!({
            "id": format!("{}/products/{}", service.id(), product.name), "name": product.name,
            "type": "Microsoft.ApiManagement/service/products",
            "properties": {
                "displayName": product.title(), "description": "", "subscriptionRequired": product.subscription_required,
                "state": if product.published { "published" } else { "notPublished" },
            },
        })
    };
    PRODUCTS.iter().map(one).collect()
}

/// The APIs of a product: other ids than the APIs' own, and the same names.
pub(super) fn product_apis(service: &Service, product: &str) -> Option<Vec<Value>> {
    let product = PRODUCTS.iter().find(|one| one.name == product)?;
    let one = |found: &Api| {
        let mut entry = api(service, found);
        entry["id"] = format!("{}/products/{}/apis/{}", service.id(), product.name, found.name).into();
        entry["type"] = "Microsoft.ApiManagement/service/products/apis".into();
        entry
    };
    Some(service.apis.values().filter(|api| product.holds(api)).map(one).collect())
}

pub(super) fn api(service: &Service, api: &Api) -> Value {
    let protocol = if api.kind == "websocket" { "wss" } else { "https" };
    let mut properties = json!({
        "displayName": api.title, "apiRevision": api.revision.to_string(), "subscriptionRequired": true,
        "serviceUrl": format!("{protocol}://backend.contoso.example/{}", api.name), "path": api.path,
        "protocols": [protocol], "isCurrent": api.current,
    });
    // The list does not say what most APIs are.
    if api.kind != "http" {
        properties["type"] = api.kind.into();
    }
    if let (Some(version), Some(set)) = (&api.version, &api.set) {
        properties["apiVersion"] = version.as_str().into();
        properties["apiVersionSetId"] = format!("{}/apiVersionSets/{set}", service.id()).into();
    }
    json!({
        "id": format!("{}/apis/{}", service.id(), api.name), "type": "Microsoft.ApiManagement/service/apis",
        "name": api.name, "properties": properties,
    })
}

pub(super) fn version_sets(service: &Service) -> Vec<Value> {
    let mut sets: Vec<&String> = service.apis.values().filter_map(|api| api.set.as_ref()).collect();
    sets.sort();
    sets.dedup();
    let one = |set: &&String| {
        json!({
            "id": format!("{}/apiVersionSets/{set}", service.id()), "name": set,
            "type": "Microsoft.ApiManagement/service/apiVersionSets",
            "properties": { "displayName": set, "versioningScheme": "Segment" },
        })
    };
    sets.iter().map(one).collect()
}

pub(super) fn operations(service: &Service, api: &Api) -> Vec<Value> {
    let one = |operation: &super::world::Operation| {
        json!({
            "id": format!("{}/apis/{}/operations/{}", service.id(), api.name, operation.name),
            "type": "Microsoft.ApiManagement/service/apis/operations", "name": operation.name,
            "properties": {
                "displayName": operation.name, "method": operation.method, "urlTemplate": operation.template,
            },
        })
    };
    api.operations.iter().map(one).collect()
}

pub(super) fn revisions(service: &Service, api: &Api) -> Vec<Value> {
    let one = |revision: u64| {
        json!({
            "apiId": format!("{}/apis/{};rev={revision}", service.id(), api.name.split(';').next().unwrap_or_default()), "apiRevision": revision.to_string(),
            "createdDateTime": "2024-02-01T22:21:20.467Z", "updatedDateTime": "2024-02-01T22:21:20.467Z",
            "isOnline": true, "isCurrent": revision == api.revision,
        })
    };
    (1..=api.revision).map(one).collect()
}

pub(super) fn schemas(service: &Service, api: &Api) -> Vec<Value> {
    if api.kind == "graphql" { vec![schema(service, api, false)] } else { Vec::new() }
}

/// The schema of a GraphQL API; lists leave its document empty.
pub(super) fn schema(service: &Service, api: &Api, whole: bool) -> Value {
    let field = api.path.replace('/', "_");
    let document = if whole { json!({ "value": format!("type Query {{ {field}: String }}") }) } else { json!({}) };
    json!({
        "id": format!("{}/apis/{}/schemas/graphql", service.id(), api.name),
        "type": "Microsoft.ApiManagement/service/apis/schemas", "name": "graphql",
        "properties": { "contentType": "application/vnd.ms-azure-apim.graphql.schema", "document": document },
    })
}

/// The document that an export holds, with so many bytes of description.
pub(super) fn document(service: &Service, api: &Api, size: usize) -> Vec<u8> {
    if api.kind == "soap" {
        return format!(
            "<?xml version=\"1.0\"?><wsdl:definitions xmlns:wsdl=\"http://schemas.xmlsoap.org/wsdl/\" name=\"{}\"/>",
            api.title
        )
        .into_bytes();
    }
    let mut paths = serde_json::Map::new();
    for operation in &api.operations {
        let path = paths.entry(operation.template.clone()).or_insert_with(|| json!({}));
        // Azure writes null where a response has no description.
        path[operation.method.to_lowercase()] =
            json!({ "operationId": operation.name, "responses": { "200": { "description": null } } });
    }
    let document = json!({
        "openapi": "3.0.1",
        "info": { "title": api.title, "description": "x".repeat(size), "version": api.version.as_deref().unwrap_or("1.0") },
        "servers": [{ "url": format!("https://{}{}", service.host(), api.public_path()) }],
        "paths": paths,
        "components": { "securitySchemes": {
            "apiKeyHeader": { "type": "apiKey", "name": "Ocp-Apim-Subscription-Key", "in": "header" },
            "apiKeyQuery": { "type": "apiKey", "name": "subscription-key", "in": "query" },
        } },
        "security": [{ "apiKeyHeader": [] }, { "apiKeyQuery": [] }],
    });
    document.to_string().into_bytes()
}

pub(super) fn error(code: &str, message: &str) -> Value {
    json!({ "error": { "code": code, "message": message } })
}

/// Another API than this one, for exports that are mixed up.
pub(super) fn another<'w>(world: &'w World, api: &Api) -> Option<(&'w Service, &'w Api)> {
    let all = world.services.iter().flat_map(|service| service.apis.values().map(move |api| (service, api)));
    all.into_iter().find(|(_, other)| other.kind == "http" && other.name != api.name)
}
