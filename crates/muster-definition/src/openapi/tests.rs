use serde_json::{Value, json};

use crate::definition::Definition;
use crate::limits::Limits;

fn read(document: &Value) -> Definition {
    read_text(&document.to_string())
}

/// A document whose order matters: `json!` sorts.
fn read_text(text: &str) -> Definition {
    crate::read(text.as_bytes(), &Limits::default()).unwrap()
}

/// An OpenAPI document of a version with these parts.
fn openapi(version: &str, parts: Value) -> Value {
    let mut document = json!({ "openapi": version });
    document.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
    document
}

/// What is missing, and what is odd.
fn notes(definition: &Definition) -> Vec<String> {
    definition.partial.iter().chain(&definition.notes).map(ToString::to_string).collect()
}

fn endpoints(definition: &Definition) -> Vec<String> {
    definition.endpoints.iter().map(|found| format!("{} {}", found.method, found.path)).collect()
}

/// `in name` of each parameter of the first endpoint, with `!` where it is required.
fn parameters(definition: &Definition) -> Vec<String> {
    let mark = |required| if required { "!" } else { "" };
    let shown = |found: &crate::Parameter| format!("{} {}{}", found.location.word(), found.name, mark(found.required));
    definition.endpoints[0].parameters.iter().map(shown).collect()
}

#[test]
fn a_swagger_document_is_read_whole() {
    let read = read_text(
        r##"{
        "swagger": "2.0", "info": {"title": "Pets", "version": "1.2"},
        "host": "h.example", "basePath": "/v1", "schemes": ["https", "http", "https"],
        "consumes": ["application/json"], "produces": ["application/json", "text/csv"],
        "securityDefinitions": {
            "basic": {"type": "basic"}, "key": {"type": "apiKey", "in": "query", "name": "k"},
            "oauth": {"type": "oauth2", "flow": "accessCode", "scopes": {"read": "x"}}},
        "security": [{"key": []}, {"basic": [], "oauth": ["read"]}],
        "parameters": {"limit": {"name": "limit", "in": "query", "type": "integer"}},
        "paths": {
            "/pets/{id}": {
                "parameters": [{"name": "id", "in": "path", "required": true}, {"name": "x", "in": "header"}],
                "put": {"operationId": "change", "summary": "Changes", "deprecated": true, "security": [],
                    "consumes": ["text/plain"], "produces": [],
                    "parameters": [{"$ref": "#/parameters/limit"}, {"name": "x", "in": "header", "required": true},
                        {"name": "pet", "in": "body", "required": true}],
                    "responses": {"200": {}, "default": {}, "x-note": 1}},
                "get": {"parameters": [{"name": "f", "in": "formData"}], "security": [{}]}},
            "x-paths": {"get": {}}}
    }"##,
    );
    let urls: Vec<&str> = read.servers.iter().map(|server| server.url.as_str()).collect();
    assert_eq!(urls, ["https://h.example/v1", "http://h.example/v1"]);
    assert_eq!(endpoints(&read), ["PUT /pets/{id}", "GET /pets/{id}"]);
    assert_eq!(parameters(&read), ["query limit", "header x!", "path id!"], "the operation's go first");
    let written = serde_json::to_value(&read).unwrap();
    assert_eq!(
        written["securitySchemes"],
        json!([{"name": "basic", "kind": "http", "scheme": "basic"},
            {"name": "key", "kind": "apiKey", "in": "query", "parameter": "k"},
            {"name": "oauth", "kind": "oauth2", "flows": ["authorizationCode"]}])
    );
    let (put, get) = (&written["endpoints"][0], &written["endpoints"][1]);
    let expected = json!({"method": "PUT", "path": "/pets/{id}", "operationId": "change", "summary": "Changes",
        "deprecated": true, "parameters": put["parameters"], "body": "required", "requestMediaTypes": ["text/plain"],
        "responseMediaTypes": [], "responses": ["200", "default"], "security": []});
    assert_eq!(*put, expected);
    assert_eq!(get["security"], json!([[]]), "one way, and it asks for nothing");
    assert_eq!((&get["body"], &get["requestMediaTypes"]), (&json!("none"), &json!(["application/json"])));
    assert_eq!(get["responseMediaTypes"], json!(["application/json", "text/csv"]));
    assert_eq!(notes(&read), [""; 0]);
}

#[test]
fn an_openapi_document_is_read_whole() {
    let read = read_text(
        r##"{"openapi": "3.0.3",
            "info": {"title": "Pets", "version": "1"}, "security": [{"key": []}],
            "servers": [{"url": "https://h.example"}],
            "paths": {"/a": {
                "servers": [{"url": "/b"}],
                "post": {
                    "requestBody": {"$ref": "#/components/requestBodies/pet"},
                    "parameters": [{"$ref": "#/components/parameters/c"}],
                    "responses": {"201": {"$ref": "#/components/responses/one"},
                        "4XX": {"content": {"application/problem+json": {}, "application/json": {}}}},
                    "callbacks": {"done": {"{$request.body#/url}": {"post": {}, "put": {}}}}},
                "get": {"servers": [{"url": "/c"}], "security": [{"key": ["r", "w"], "o": []}]},
                "trace": {}}},
            "components": {
                "parameters": {"c": {"name": "c", "in": "cookie"}},
                "requestBodies": {"pet": {"required": true, "content": {"application/json": {}, "text/xml": {}}}},
                "responses": {"one": {"content": {"application/json": {}}}},
                "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "K"},
                    "o": {"type": "oauth2", "flows": {"implicit": {}, "clientCredentials": {}, "x-a": {}}},
                    "b": {"type": "http", "scheme": "Bearer"}, "i": {"type": "openIdConnect"}}}
        }"##,
    );
    assert_eq!(endpoints(&read), ["POST /a", "GET /a", "TRACE /a"]);
    assert_eq!(parameters(&read), ["cookie c"]);
    let written = serde_json::to_value(&read).unwrap();
    let post = &written["endpoints"][0];
    assert_eq!(post["body"], "required");
    assert_eq!(post["requestMediaTypes"], json!(["application/json", "text/xml"]));
    assert_eq!(post["responseMediaTypes"], json!(["application/json", "application/problem+json"]));
    assert_eq!(post["responses"], json!(["201", "4XX"]));
    assert_eq!(post["security"], json!([[{"scheme": "key", "scopes": []}]]));
    assert_eq!(post["servers"], json!([{"url": "/b"}]));
    let get = &written["endpoints"][1];
    assert_eq!(get["servers"], json!([{"url": "/c"}]));
    assert_eq!(get["security"], json!([[{"scheme": "key", "scopes": ["r", "w"]}, {"scheme": "o", "scopes": []}]]));
    assert_eq!(written["securitySchemes"][1]["flows"], json!(["implicit", "clientCredentials"]));
    assert_eq!(written["securitySchemes"][2]["scheme"], "bearer");
    let from = "POST /a → {$request.body#/url}";
    let call = |method| json!({"name": "done", "method": method, "callback": from});
    assert_eq!(written["outgoing"], json!([call("POST"), call("PUT")]));
    assert_eq!(notes(&read), [""; 0]);
}

#[test]
fn each_version_has_its_methods() {
    let of = |version: &str| {
        let read = read_text(&format!(
            r#"{{{version}, "paths": {{"/a": {{"get": {{}}, "put": {{}}, "post": {{}}, "delete": {{}}, "options": {{}},
            "head": {{}}, "patch": {{}}, "trace": {{}}, "query": {{}}, "x-y": {{}},
            "additionalOperations": {{"COPY": {{}}, "link": {{}}, "GET": {{}}}}}}}}}}"#
        ));
        let methods: Vec<String> = read.endpoints.iter().map(|found| found.method.clone()).collect();
        (methods.join(" "), notes(&read).join("; "))
    };
    let common = "GET PUT POST DELETE OPTIONS HEAD PATCH";
    let (methods, said) = of(r#""swagger": "2.0""#);
    assert_eq!(methods, common);
    assert_eq!(
        said,
        "/paths/~1a/trace: `trace` is no method of Swagger 2.0; /paths/~1a/query: `query` is no method of Swagger 2.0"
    );
    for version in [r#""openapi": "3.0.0""#, r#""openapi": "3.1.0""#] {
        assert_eq!(of(version).0, format!("{common} TRACE"));
    }
    let (methods, said) = of(r#""openapi": "3.2.0""#);
    assert_eq!(methods, format!("{common} TRACE QUERY COPY link"));
    assert_eq!(said, "/paths/~1a/additionalOperations: `GET` is there already");
}

#[test]
fn webhooks_are_no_endpoints() {
    let parts = json!({"webhooks": {"new": {"post": {}}, "old": {"$ref": "#/components/pathItems/old"}},
        "components": {"pathItems": {"old": {"delete": {}}}}});
    let found = read(&openapi("3.1.0", parts.clone()));
    assert_eq!(found.endpoints, []);
    let calls: Vec<String> = found.outgoing.iter().map(|call| format!("{} {}", call.method, call.name)).collect();
    assert_eq!(calls, ["POST new", "DELETE old"]);
    assert_eq!(read(&openapi("3.0.0", parts)).outgoing, []);
}

#[test]
fn servers_are_filled_and_composed() {
    let filled = |server: Value| {
        let read = read(&openapi("3.0.0", json!({ "servers": [server] })));
        (read.servers.iter().map(|server| server.url.clone()).collect::<Vec<_>>().join(" "), notes(&read).join("; "))
    };
    let cases = [
        (json!({"url": "https://h/a"}), "https://h/a", ""),
        (
            json!({"url": "{s}://h:{port}/{v}", "variables": {"s": {"default": "https"}, "port": {"default": 8443}, "v": {"enum": ["v2", "v1"]}}}),
            "https://h:8443/v2",
            "/servers/0/variables/s: filled into the server's address: `https`; /servers/0/variables/port: filled into the \
             server's address: `8443`; /servers/0/variables/v: filled into the server's address: `v2`",
        ),
        (
            json!({"url": "https://{h}/a"}),
            "https://{h}/a",
            "/servers/0/variables/h: a variable of the server's address without a default: left open",
        ),
        (json!({"url": "/{"}), "/{", ""),
        (json!({"description": "x"}), "", "/servers/0: a server without `url`"),
        (json!("https://h"), "", "/servers/0: a text where an object belongs"),
        (json!(null), "", ""),
    ];
    for (server, url, said) in cases {
        assert_eq!(filled(server.clone()), (url.to_owned(), said.to_owned()), "{server}");
    }
    let composed = |parts: Value| {
        let mut document = json!({"swagger": "2.0"});
        document.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
        read(&document).servers.iter().map(|server| server.url.clone()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(composed(json!({"host": "h:8080", "basePath": "a", "schemes": "wss"})), "wss://h:8080/a");
    assert_eq!(composed(json!({"host": "h"})), "//h");
    assert_eq!(composed(json!({"basePath": "/a"})), "/a");
    assert_eq!(composed(json!({"schemes": ["https"]})), "");
}

#[test]
fn references_lead_on_inside_the_document_only() {
    let parameter = |reference: &str| {
        let parts = json!({
            "paths": {"/a{b}": {"get": {"parameters": [{"$ref": reference}]}}},
            "x": {"a/b": {"name": "1", "in": "query"}, "a~b": {"name": "2", "in": "query"}, "ü {": {"name": "3", "in": "query"},
                "list": [{"name": "4", "in": "query"}], "on": {"$ref": "#/x/list/0"},
                "one": {"$ref": "#/x/two"}, "two": {"$ref": "#/x/one"}, "text": "a"}});
        let read = read(&openapi("3.0.0", parts));
        (parameters(&read).join(" "), notes(&read).join("; "))
    };
    for (reference, name) in [
        ("#/x/a~1b", "1"),
        ("#/x/a~0b", "2"),
        ("#/x/%C3%BC%20%7B", "3"),
        ("#/x/ü {", "3"),
        ("#/x/list/0", "4"),
        ("#/x/on", "4"),
    ] {
        assert_eq!(parameter(reference), (format!("query {name}"), String::new()), "{reference}");
    }
    for (reference, said) in [
        ("other.yaml#/p", "the reference `other.yaml#/p` leads out of the document"),
        ("https://h.example/p", "the reference `https://h.example/p` leads to another place, and nothing is fetched"),
        ("#/x/none", "the reference `#/x/none` leads nowhere"),
        ("#/x/list/7", "the reference `#/x/list/7` leads nowhere"),
        ("#/x/text/a", "the reference `#/x/text/a` leads nowhere"),
        ("#name", "the reference `#name` is no JSON pointer"),
        ("#/x/one", "more than 32 references one after another, or a circle of them"),
        ("#/x/text", "a text where a parameter belongs"),
    ] {
        let expected = (String::new(), format!("/paths/~1a{{b}}/get/parameters/0: {said}"));
        assert_eq!(parameter(reference), expected);
    }
}

#[test]
fn a_path_may_refer_to_another_and_have_its_own() {
    let read = read(&openapi(
        "3.1.0",
        json!({
            "paths": {
                "/a": {"get": {"summary": "a"}, "put": {}},
                "/b": {"$ref": "#/paths/~1a", "get": {"summary": "b"}},
                "/c": {"$ref": "c.yaml"},
                "/d": {"$ref": "#/paths/~1d"}}
        }),
    ));
    assert_eq!(endpoints(&read), ["GET /a", "PUT /a", "GET /b", "PUT /b"]);
    assert_eq!(read.endpoints[2].summary.as_deref(), Some("b"));
    assert_eq!(
        notes(&read),
        [
            "/paths/~1c: the reference `c.yaml` leads out of the document",
            "/paths/~1d: more than 32 references one after another, or a circle of them"
        ]
    );
}

#[test]
fn what_is_wrong_is_skipped_and_listed_and_the_rest_is_read() {
    let cases: &[(Value, &str, &str)] = &[
        (json!(null), "", ""),
        (json!([]), "", "/paths: a list where an object belongs"),
        (json!({"/a": null}), "", ""),
        (json!({"/a": 1}), "", "/paths/~1a: a number where an object belongs"),
        (json!({"/a": {"get": 1, "put": {}}}), "PUT /a", "/paths/~1a/get: a number where an object belongs"),
        (
            json!({"/a": {"get": null}}),
            "GET /a",
            "/paths/~1a/get: null where an object belongs: read as an operation that says nothing",
        ),
        (
            json!({"/a": {"GET": {}}}),
            "GET /a",
            "/paths/~1a/GET: methods are written in small letters: read all the same",
        ),
        (json!({"/a": {"gett": {}}}), "", "/paths/~1a/gett: `gett` is no method of OpenAPI 3.0"),
        (json!({"a": {"get": {}}}), "GET a", "/paths/a: a path that does not begin with `/`"),
        (json!({"/a": {"get": {"responses": {"200": null, "x-a": 1}}}}), "GET /a", ""),
        (
            json!({"/a": {"get": {"responses": [], "operationId": {}, "summary": 7, "deprecated": "true"}}}),
            "GET /a",
            "/paths/~1a/get/operationId: an object where a text belongs; /paths/~1a/get/responses: a list where an object belongs",
        ),
        (
            json!({"/a": {"get": {"deprecated": 1}}}),
            "GET /a",
            "/paths/~1a/get/deprecated: a number where a truth value belongs",
        ),
        (
            json!({"/a": {"get": {"parameters": {}}}}),
            "GET /a",
            "/paths/~1a/get/parameters: an object where a list belongs",
        ),
        (
            json!({"/a": {"get": {"parameters": [null, {"in": "query"}, {"name": "a"}, {"name": "a", "in": "body"},
                {"name": "a", "in": "query"}, {"name": "a", "in": "query"}, {"name": "b", "in": "path"}]}}}),
            "GET /a",
            "/paths/~1a/get/parameters/0: null where a parameter belongs; /paths/~1a/get/parameters/1: a parameter without `name`; \
             /paths/~1a/get/parameters/2: a parameter in ``, which OpenAPI 3.0 does not have; \
             /paths/~1a/get/parameters/3: a parameter in `body`, which OpenAPI 3.0 does not have; \
             /paths/~1a/get/parameters/5: query `a` is there already; \
             /paths/~1a/get/parameters/6: a parameter of the path that is not marked as required: it is",
        ),
        (json!({"/a": {"get": {"requestBody": null}}}), "GET /a", ""),
    ];
    for (paths, expected, said) in cases {
        let read = read(&openapi("3.0.0", json!({ "paths": paths })));
        assert_eq!(
            (endpoints(&read).join(" "), notes(&read).join("; ")),
            ((*expected).to_owned(), (*said).to_owned()),
            "{paths}"
        );
    }
}

#[test]
fn security_that_cannot_be_read_does_not_open_an_endpoint() {
    let of = |security: Value| {
        let parts = json!({"security": [{"key": []}], "components": {"securitySchemes": {"key": {"type": "apiKey"}}},
            "paths": {"/a": {"get": {"security": security}}}});
        let read = read(&openapi("3.0.0", parts));
        let names =
            |all: &Vec<crate::Requirement>| all.iter().map(|part| part.scheme.clone()).collect::<Vec<_>>().join("+");
        (read.endpoints[0].security.iter().map(names).collect::<Vec<_>>().join("|"), notes(&read).join("; "))
    };
    let at = "/paths/~1a/get/security";
    let cases = [
        (json!(null), "key", String::new()),
        (json!([]), "", String::new()),
        (json!([{}, {"key": null}]), "|key", String::new()),
        (json!({"key": []}), "key", format!("{at}: an object where a list belongs: read as a list of it")),
        (json!("key"), "key", format!("{at}: a text where a list belongs")),
        (json!([7]), "key", format!("{at}/0: a number where an object belongs")),
        (
            json!(["key", 7]),
            "key",
            format!(
                "{at}/0: a text where an object belongs: read as the name of a security scheme; {at}/1: a number where an object belongs"
            ),
        ),
        (
            json!([{"other": []}]),
            "other",
            format!("{at}/0/other: a security scheme that the document does not declare"),
        ),
    ];
    for (security, expected, said) in cases {
        assert_eq!(of(security.clone()), (expected.to_owned(), said), "{security}");
    }
}
