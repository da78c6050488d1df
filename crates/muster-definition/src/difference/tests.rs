use serde_json::{Value, json};

use super::difference;
use crate::definition::Definition;
use crate::limits::Limits;

fn read(text: &str) -> Definition {
    crate::read(text.as_bytes(), &Limits::default()).unwrap()
}

fn base() -> Value {
    json!({"openapi": "3.0.0", "info": {"title": "Pets", "version": "1"}, "servers": [{"url": "https://h/a"}],
        "security": [{"key": []}],
        "paths": {"/pets/{id}": {"get": {"operationId": "one",
            "parameters": [{"name": "id", "in": "path", "required": true}, {"name": "limit", "in": "query"},
                {"name": "X-Trace", "in": "header"}],
            "requestBody": {"content": {"application/json": {}}},
            "responses": {"200": {"content": {"application/json": {}}}, "404": {}}}}},
        "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "K"},
            "o": {"type": "oauth2", "flows": {"implicit": {}}}}}})
}

/// The changes when one place of the document, by its pointer, becomes something else.
fn changed(pointer: &str, value: Value) -> Vec<String> {
    let before = base();
    let mut after = before.clone();
    *after.pointer_mut(pointer).unwrap() = value;
    let (before, after) = (read(&before.to_string()), read(&after.to_string()));
    assert_eq!(difference(&before, &before), []);
    let changes = difference(&before, &after);
    assert_eq!(changes.is_empty(), before.semantic_hash() == after.semantic_hash());
    changes.iter().map(ToString::to_string).collect()
}

const GET: &str = "/paths/~1pets~1{id}/get";

#[test]
fn each_change_is_told_with_whether_it_breaks_callers() {
    let at = |rest: &str| format!("{GET}{rest}");
    let query = |name: &str, required: bool| {
        json!([{"name": "id", "in": "path", "required": true}, {"name": name, "in": "query", "required": required},
            {"name": "X-Trace", "in": "header"}])
    };
    let cases: &[(String, Value, &[&str])] = &[
        ("/info/title".into(), json!("Cats"), &["title changed: Pets → Cats (not breaking: a name for people)"]),
        ("/info/version".into(), json!(null), &["version removed: 1 (not breaking: a name for people)"]),
        (
            "/servers/0/url".into(),
            json!("https://h/b"),
            &[
                "server removed: https://h/a (breaking: callers of this address may find nothing there)",
                "server added: https://h/b (not breaking: the other addresses stay)",
            ],
        ),
        (
            "/components/securitySchemes/key/in".into(),
            json!("query"),
            &[
                "security scheme changed: `key`: apiKey header K → `key`: apiKey query K (breaking: callers have to prove themselves in another way)",
            ],
        ),
        (
            "/paths".into(),
            json!({}),
            &["GET /pets/{id}: operation removed: GET /pets/{id} (breaking: callers of it fail)"],
        ),
        (
            at("/operationId"),
            json!("two"),
            &["GET /pets/{id}: operation id changed: one → two (not breaking: a name for programs that write clients)"],
        ),
        (
            at("/parameters"),
            query("limit", true),
            &[
                "GET /pets/{id}: parameter changed: query `limit`, optional → query `limit`, required (breaking: callers that do not give it are refused)",
            ],
        ),
        (
            at("/parameters"),
            query("new", false),
            &[
                "GET /pets/{id}: parameter removed: query `limit`, optional (breaking: callers that give it may be refused, or answered otherwise)",
                "GET /pets/{id}: parameter added: query `new`, optional (not breaking: callers need not give it)",
            ],
        ),
        (at("/parameters/2/name"), json!("x-trace"), &[]),
        (
            at("/requestBody/required"),
            json!(true),
            &["GET /pets/{id}: body changed: optional → required (breaking: callers that send none are refused)"],
        ),
        (
            at("/requestBody"),
            json!(null),
            &[
                "GET /pets/{id}: body changed: optional → none (breaking: callers that send one may be refused)",
                "GET /pets/{id}: media type of the body removed: application/json (breaking: callers that send it may be refused)",
            ],
        ),
        (
            at("/requestBody/content"),
            json!({"application/json": {}, "text/xml": {}}),
            &[
                "GET /pets/{id}: media type of the body added: text/xml (not breaking: what was taken before is taken still)",
            ],
        ),
        (
            at("/responses"),
            json!({"200": {"content": {"application/json": {}}}}),
            &["GET /pets/{id}: response removed: 404 (not breaking: not what callers wish for)"],
        ),
        (
            at("/responses"),
            json!({"201": {}, "404": {}}),
            &[
                "GET /pets/{id}: response removed: 200 (breaking: callers may wait for it)",
                "GET /pets/{id}: response added: 201 (not breaking: the others stay)",
                "GET /pets/{id}: media type of the responses removed: application/json (breaking: callers that ask for it may be refused)",
            ],
        ),
    ];
    for (pointer, value, expected) in cases {
        let pointer = pointer.as_str();
        let mut document = base();
        let found = match document.pointer_mut(pointer) {
            Some(_) => changed(pointer, value.clone()),
            None => {
                // A key that is not there yet: its object is replaced by one that has it.
                let (parent, key) = pointer.rsplit_once('/').unwrap();
                let mut object = base().pointer(parent).unwrap().clone();
                object[key] = value.clone();
                changed(parent, object)
            }
        };
        assert_eq!(found, *expected, "{pointer} {value}");
    }
}

#[test]
fn security_breaks_callers_only_when_what_was_enough_is_not_any_more() {
    let cases = [
        (json!([{"key": []}]), json!([{"key": []}, {"o": []}]), "not breaking: what was enough before is enough still"),
        (json!([{"key": []}, {"o": []}]), json!([{"key": []}]), "breaking: what was enough before is not any more"),
        (json!([{"key": []}]), json!([{"key": [], "o": []}]), "breaking: what was enough before is not any more"),
        (json!([{"key": [], "o": []}]), json!([{"key": []}]), "not breaking: what was enough before is enough still"),
        (json!([{"o": ["r", "w"]}]), json!([{"o": ["r"]}]), "not breaking: what was enough before is enough still"),
        (json!([{"o": ["r"]}]), json!([{"o": ["r", "w"]}]), "breaking: what was enough before is not any more"),
        (json!([{"key": []}]), json!([]), "not breaking: it is open now, to everybody"),
        (json!([{"key": []}]), json!([{"key": []}, {}]), "not breaking: it is open now, to everybody"),
        (json!([]), json!([{"key": []}]), "breaking: what was enough before is not any more"),
        (json!([]), json!([{}]), "not breaking: open before and after"),
        (json!([{"key": []}, {"o": []}]), json!([{"o": []}, {"key": []}]), ""),
    ];
    for (before, after, expected) in cases {
        let with = |security: &Value| {
            let mut document = base();
            document["security"] = security.clone();
            read(&document.to_string())
        };
        let changes = difference(&with(&before), &with(&after));
        let said: Vec<String> = changes.iter().map(ToString::to_string).collect();
        assert!(said.len() <= 1 && said.concat().contains(expected), "{before} → {after}: {said:?}");
        assert_eq!(said.is_empty(), expected.is_empty(), "{before} → {after}: {said:?}");
    }
}

#[test]
fn how_it_is_written_is_no_difference() {
    let yaml = "
components:
  securitySchemes:
    o: {flows: {implicit: {}}, type: oauth2}
    key: {type: apiKey, in: header, name: K, description: words}
paths:
  /pets/{id}:
    parameters:
    - {name: id, in: path, required: true}
    get:
      summary: words
      responses:
        404: {description: gone}
        200: {content: {Application/JSON: {}}}
      requestBody: {content: {application/json: {}}}
      parameters:
      - $ref: '#/x-trace'
      - {in: query, name: limit}
      operationId: one
x-trace: {name: x-trace, in: header}
security: [{key: []}]
servers: [{url: 'https://{h}/a', variables: {h: {default: h}}}]
info: {version: 1, title: Pets}
openapi: 3.1.0
";
    let (before, after) = (read(&base().to_string()), read(yaml));
    assert_eq!(difference(&before, &after), []);
    assert_eq!(before.semantic_hash(), after.semantic_hash());
}

#[test]
fn another_name_for_a_parameter_of_the_path_is_the_same_operation() {
    let text = base().to_string();
    let after = read(&text.replace("{id}", "{key}").replace("\"id\"", "\"key\""));
    let changes: Vec<String> = difference(&read(&text), &after).iter().map(ToString::to_string).collect();
    let expected =
        "GET /pets/{key}: path changed: /pets/{id} → /pets/{key} (not breaking: the same requests lead there)";
    assert_eq!(changes, [expected]);
}

#[test]
fn operations_of_one_shape_are_paired_by_their_names_first() {
    let of = |paths: &[&str]| {
        let paths: serde_json::Map<String, Value> =
            paths.iter().map(|path| ((*path).to_owned(), json!({"get": {}}))).collect();
        read(&json!({"openapi": "3.0.0", "paths": paths}).to_string())
    };
    let said = |before: &[&str], after: &[&str]| {
        let changes = difference(&of(before), &of(after));
        changes.iter().map(|change| change.to_string().split(" (").next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(said(&["/{a}", "/{b}"], &["/{b}", "/{c}"]), ["GET /{c}: path changed: /{a} → /{c}"]);
    assert_eq!(said(&["/{a}", "/{b}"], &["/{b}"]), ["GET /{a}: operation removed: GET /{a}"]);
    assert_eq!(
        said(&["/b", "/a"], &["/d", "/c"]),
        [
            "GET /a: operation removed: GET /a",
            "GET /b: operation removed: GET /b",
            "GET /c: operation added: GET /c",
            "GET /d: operation added: GET /d"
        ]
    );
}

#[test]
fn changes_are_written_for_programs_too() {
    let changes = difference(&read(&base().to_string()), &read("openapi: 3.0.0\npaths: {/a: {put: {}}}\n"));
    let last = serde_json::to_value(changes.last().unwrap()).unwrap();
    assert_eq!(
        last,
        json!({"subject": {"method": "GET", "path": "/pets/{id}"}, "aspect": "operation", "before": "GET /pets/{id}",
            "breaking": true, "reason": "callers of it fail"})
    );
    assert_eq!(serde_json::to_value(&changes[0]).unwrap()["subject"], Value::Null);
}
