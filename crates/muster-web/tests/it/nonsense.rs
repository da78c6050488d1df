//! Nonsense for every operation of `/openapi.json`, made from what the document says of it: always a problem that says
//! what is wrong, where, and what to do; never a fault.

use axum::body::Body;
use axum::http::{Method, Request, header};
use serde_json::{Value, json};

use crate::app::{Answer, TestApp, both};
use crate::full::Full;
use crate::walk::{Operation, filled, operations};

const JSON: &str = "application/json";
const MEBIBYTE: usize = 1 << 20;

/// Ids of nothing.
const IDS: [&str; 11] = [
    "x",
    "-1",
    "0",
    "9223372036854775807",
    "99999999999999999999",
    "%00",
    "%ff",
    "..%2f..",
    "'",
    "default:a:b",
    "%F0%9F%98%80",
];

/// A request by the administrator.
async fn raw(app: &TestApp, operation: &Operation, path: &str, (kind, body): (&str, Vec<u8>)) -> Answer {
    let mut request = Request::builder().method(operation.method.clone()).uri(path).header(header::ACCEPT, JSON);
    if !operation.open {
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", app.token));
    }
    if !kind.is_empty() {
        request = request.header(header::CONTENT_TYPE, kind);
    }
    app.send(request.body(Body::from(body)).unwrap()).await
}

/// A refusal says what happened, what to do, and quotes nothing.
fn is_problem(answer: &Answer, what: &str) -> Value {
    let (status, code) = answer.said();
    assert!((400..500).contains(&status) && !code.is_empty(), "{what}: {status} {:.500}", answer.text);
    assert!(!answer.text.contains("canary"), "{what}: {}", answer.text);
    let told = answer.json();
    for member in ["title", "detail", "remedy", "requestId"] {
        assert!(told[member].as_str().is_some_and(|text| text.len() > 3), "{what}: no {member}: {told}");
    }
    assert_eq!(told["status"], status, "{what}");
    told
}

/// The fault of one field: a problem that names it.
fn names(answer: &Answer, field: &str, what: &str) {
    let told = is_problem(answer, what);
    if [400, 422].contains(&answer.status.as_u16()) {
        let named = told["field"].as_str().unwrap_or_default();
        assert!(
            named.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '['])),
            "{what}: not `{field}`: {told}"
        );
    }
}

/// What a schema says that a value is.
fn types(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(one) => vec![one],
        several => several.as_array().into_iter().flatten().filter_map(Value::as_str).collect(),
    }
}

/// Values that are none of what a schema says.
fn misfits(schema: &Value) -> Vec<Value> {
    let given = types(schema);
    assert!(!given.is_empty(), "a property without type: {schema}");
    let all = [
        ("string", json!("canary")),
        ("integer", json!(7)),
        ("number", json!(7.5)),
        ("boolean", json!(true)),
        ("array", json!([[]])),
        ("object", json!({ "canary": {} })),
        ("null", Value::Null),
    ];
    let mut wrong: Vec<Value> =
        all.into_iter().filter(|(name, _)| !given.contains(name)).map(|(_, value)| value).collect();
    if given.contains(&"integer") {
        wrong.push(serde_json::from_str("123456789012345678901234567890").unwrap());
        wrong.push(json!(1e300));
    }
    if given.contains(&"array") {
        wrong.push(json!(["canary", {}]));
    }
    wrong
}

#[tokio::test]
async fn ids_of_nothing_are_not_found() {
    both(async |app| {
        let full = Full::new(&app, app.first_tenant().await, "full", 80).await;
        for operation in operations(&app).await.iter().filter(|operation| operation.path.contains('{')) {
            for id in IDS {
                let path = filled(&operation.path, id);
                let answer = app.call(operation.method.clone(), &path, full.request(operation, None).1).await;
                is_problem(&answer, &format!("{} {path}", operation.method));
            }
        }
    })
    .await;
}

#[tokio::test]
async fn bodies_that_are_none_are_refused_whatever_they_are() {
    both(async |app| {
        let full = Full::new(&app, app.first_tenant().await, "full", 80).await;
        let inside = |open: &str, close: &str| format!("{{\"name\":{}{}}}", open.repeat(40), close.repeat(40));
        let bodies: Vec<Vec<u8>> = [
            "",
            "{",
            "[]",
            "null",
            "0",
            "\"canary\"",
            "{\"unknown\":\"canary\"}",
            "{\"name\":{}}",
            "{\"name\":\"\\u0000\"}",
            "{\"name\":1}{}",
            &"[".repeat(50_000),
            &inside("[", "]"),
            &inside("{\"a\":", "}"),
        ]
        .iter()
        .map(|text| text.as_bytes().to_vec())
        .chain([b"{\"name\":\"\xff\"}".to_vec(), vec![0, 159, 146, 150]])
        .collect();
        for operation in
            operations(&app).await.iter().filter(|operation| operation.takes_body && !operation.in_session())
        {
            let (path, good) = full.request(operation, None);
            let (kind, _) = operation.body.as_ref().unwrap();
            let what = format!("{} {path}", operation.method);
            for body in &bodies {
                if body.is_empty() && operation.path.ends_with("/run") {
                    continue;
                }
                let answer = raw(&app, operation, &path, (kind, body.clone())).await;
                is_problem(&answer, &format!("{what} {:.60}", String::from_utf8_lossy(body)));
            }
            let good = good.unwrap().to_string().into_bytes();
            for kind in ["", "text/plain", "application/xml", "multipart/form-data; boundary=x", "canary"] {
                let answer = raw(&app, operation, &path, (kind, good.clone())).await;
                assert_eq!(answer.status, 415, "{what} as {kind}");
                is_problem(&answer, &what);
            }
            for size in [MEBIBYTE + 1, 8 * MEBIBYTE] {
                let answer = raw(&app, operation, &path, (kind, vec![b' '; size])).await;
                assert_eq!(answer.said(), (413, "too_large".to_owned()), "{what} {size} bytes");
                is_problem(&answer, &what);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_field_that_does_not_fit_is_named() {
    both(async |app| {
        let full = Full::new(&app, app.first_tenant().await, "full", 80).await;
        for operation in
            operations(&app).await.iter().filter(|operation| operation.takes_body && !operation.in_session())
        {
            let (kind, schema) = operation.body.as_ref().unwrap();
            if kind != JSON {
                continue;
            }
            let (path, good) = full.request(operation, None);
            let good = good.unwrap();
            let send = async |change: &dyn Fn(&mut serde_json::Map<String, Value>)| {
                let mut body = good.clone();
                change(body.as_object_mut().unwrap());
                raw(&app, operation, &path, (JSON, body.to_string().into_bytes())).await
            };
            let what = |said: String| format!("{} {path}: {said}", operation.method);
            let unknown = send(&|body| drop(body.insert("unknown".to_owned(), json!("canary")))).await;
            names(&unknown, "unknown", &what("an unknown field".to_owned()));
            for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                names(&send(&|body| drop(body.remove(name))).await, name, &what(format!("without {name}")));
            }
            for (name, property) in schema["properties"].as_object().unwrap() {
                let mut wrong = misfits(property);
                if types(property).contains(&"string") {
                    wrong.push(json!("x".repeat(900_000)));
                    wrong.push(json!("\u{0}"));
                }
                for value in wrong {
                    let answer = send(&|body| {
                        // Letters, or a connector's: either or.
                        if ["connectorId", "stream"].contains(&name.as_str()) && body.remove("letters").is_some() {
                            body.insert("connectorId".to_owned(), full.things["connectors"].clone().into());
                        }
                        if name == "text" {
                            body.remove("mapId");
                        }
                        body.insert(name.clone(), value.clone());
                    })
                    .await;
                    let shown = value.to_string();
                    names(&answer, name, &what(format!("{name} = {:.60}", shown)));
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn absurd_parameters_are_named_or_do_no_harm() {
    both(async |app| {
        let full = Full::new(&app, app.first_tenant().await, "full", 80).await;
        let long = "x".repeat(20_000);
        let absurd = ["", "x", "-1", "0", "1.5", "99999999999999999999", "%00", "%ff", "%", "'", "%F0%9F%98%80", &long];
        for operation in operations(&app).await {
            let (path, body) = full.request(&operation, None);
            for (name, _, schema) in operation.parameters.iter().filter(|(_, place, _)| place == "query") {
                let numeric = types(schema).iter().any(|kind| ["integer", "boolean"].contains(kind));
                for value in absurd {
                    let path = format!("{path}?{name}={value}");
                    let what = format!("{} {path:.120}", operation.method);
                    let answer = full.ask(&app, &app.token, (operation.method.clone(), &path, body.clone())).await;
                    if answer.status.is_client_error() {
                        names(&answer, name, &what);
                    } else {
                        assert!(answer.status.is_success(), "{what}: {}", answer.text);
                        assert!(!numeric || !["x", "1.5", "%ff", "%00"].contains(&value), "{what} passed");
                    }
                }
                let twice = format!("{path}?{name}=1&{name}=2");
                let answer = full.ask(&app, &app.token, (operation.method.clone(), &twice, body.clone())).await;
                names(&answer, name, &twice);
            }
            if operation.method == Method::PUT && !operation.in_session() {
                for tag in ["x", "\"x\"", "\"1", "\"99999999999999999999\"", "é"] {
                    let request = Request::builder()
                        .method(Method::PUT)
                        .uri(&path)
                        .header(header::AUTHORIZATION, format!("Bearer {}", app.token))
                        .header(header::CONTENT_TYPE, JSON)
                        .header(header::IF_MATCH, tag.as_bytes());
                    let body = Body::from(body.clone().unwrap().to_string());
                    let answer = app.send(request.body(body).unwrap()).await;
                    if tag == "\"1" && answer.status != 400 {
                        continue;
                    }
                    names(&answer, "If-Match", &format!("{path} If-Match: {tag}"));
                }
            }
        }
        let answer = app.call_as("", (Method::POST, "/auth/oidc"), None).await;
        names(&answer, "clientId", "/auth/oidc");
    })
    .await;
}
