//! What `/openapi.json` says beside the operations: its head, who may, and what failures look like.

use serde_json::{Value, json};
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;

use crate::error::{Code, ProblemDocument};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Muster",
        description = "Calls the roll of what an organization exposes, and who may touch it.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(ProblemDocument)),
    security(("bearer" = []))
)]
struct Head;

pub(super) fn head() -> OpenApi {
    Head::openapi()
}

/// The document as text: every operation answers failures as problem documents, and says what it needs.
pub(super) fn finish(api: OpenApi) -> String {
    let mut document = serde_json::to_value(&api).unwrap_or_default();
    document["components"]["securitySchemes"] = json!({
        "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" }
    });
    let codes: Vec<_> = Code::ALL.iter().map(|code| json!(code.word())).collect();
    document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"] = Value::Array(codes);
    let problem = json!({
        "description": "What went wrong.",
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } }
    });
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    for operation in paths.filter_map(|(_, item)| item.as_object_mut()).flatten().map(|(_, operation)| operation) {
        if let Some(responses) = operation["responses"].as_object_mut() {
            responses.insert("default".to_owned(), problem.clone());
        }
    }
    document.to_string()
}
