use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

const PETS: &str = r##"{"openapi": "3.0.1", "info": {"title": "Pets", "version": "1"},
  "servers": [{"url": "https://h.example/{base}", "variables": {"base": {"default": "v1"}}}],
  "paths": {"/pets/{id}": {"parameters": [{"$ref": "#/components/parameters/id"}],
    "get": {"operationId": "one", "security": [{"key": []}], "responses": {"200": {"description": null}},
      "callbacks": {"done": {"{$request.query.url}": {"post": {}}}}},
    "post": {"requestBody": {"content": {"application/json": {}}}, "responses": {"default": {"content": {"a/b": {}}}}}}},
  "components": {"parameters": {"id": {"name": "id", "in": "path", "required": true}},
    "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}}}"##;

fn read_text(text: &str) -> Result<Definition, DefinitionError> {
    read(text.as_bytes(), &Limits::default())
}

/// `METHOD path` of each endpoint.
fn endpoints(definition: &Definition) -> Vec<String> {
    definition.endpoints.iter().map(|found| format!("{} {}", found.method, found.path)).collect()
}

#[test]
fn what_is_no_definition_is_said() {
    let cases: &[(&[u8], &str)] = &[
        (b"", "empty"),
        (b" \n\t ", "empty"),
        (b"\xEF\xBB\xBF\n", "empty"),
        (b"PK\x05\x06rest", "a zip archive"),
        (b"\x1F\x8B\x08rest", "gzip-compressed data"),
        (b"%PDF-1.7", "a PDF"),
        (b"\x00\x01\x02", "binary data"),
        (b"<!DOCTYPE html><html>", "an HTML page"),
        (b"<?xml version='1.0'?>\n<!-- x --><html xmlns='x'>", "an HTML page"),
        (b"<?xml version='1.0'?><application xmlns=\"http://wadl.dev.java.net/2009/02\">", "a WADL document"),
        (b"<Error><Code>BlobNotFound</Code></Error>", "an XML document `Error`"),
        (b"<", "an XML document ``"),
        (b"#%RAML 1.0 DataType\ntype: object\n", "a RAML DataType"),
        (b"#%RAML 1.0\n- x\n", "a RAML document without content"),
        (b"# words\ntype Query {\n  a: Int\n}\n", "a GraphQL schema"),
        (b"\"\"\"\nWords\ntype: x\n\"\"\"\nschema { query: Q }", "a GraphQL schema"),
        (b"directive @a(b: Int) on FIELD\n", "a GraphQL schema"),
        (b"{\"data\": {\"__schema\": {}}}", "a GraphQL schema"),
        (b"asyncapi: 2.0.0\n", "an AsyncAPI document"),
        (b"{\"swaggerVersion\": \"1.2\"}", "a Swagger 1 document"),
        (b"{\"info\": {\"_postman_id\": 1}, \"item\": []}", "a Postman collection"),
        (b"{\"error\": {\"code\": 1}, \"b/c\": 2}", "an object with `error`, `b/c`"),
        (b"{}", "an empty object"),
        (b"[]", "a list"),
        (b"7", "a number"),
        (b"just words", "a text"),
        (b"type: object\nenum: []\n", "an object with `type`, `enum`"),
        (b"{\"openapi\": null}", "an object with `openapi`"),
    ];
    for (bytes, expected) in cases {
        let error = read(bytes, &Limits::default()).unwrap_err().to_string();
        let sentence = format!("this is {expected}, not an OpenAPI or Swagger document");
        assert_eq!(error, sentence, "{}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn versions_are_told_and_unknown_ones_refused() {
    let good = [
        ("swagger: '2.0'", Format::Swagger, "2.0"),
        ("swagger: 2.0", Format::Swagger, "2.0"),
        ("{\"swagger\": 2.0}", Format::Swagger, "2.0"),
        ("{\"swagger\": \"2\"}", Format::Swagger, "2"),
        ("openapi: 3.0.0-rc2", Format::OpenApi, "3.0.0-rc2"),
        ("openapi: 3.1.1", Format::OpenApi, "3.1.1"),
        ("openapi: 3.2.0", Format::OpenApi, "3.2.0"),
        ("openapi: 3.7.0", Format::OpenApi, "3.7.0"),
        ("swagger: 3.0.0", Format::OpenApi, "3.0.0"),
        ("openapi: '2.0'", Format::Swagger, "2.0"),
    ];
    for (text, format, version) in good {
        let read = read_text(text).unwrap();
        assert_eq!((read.format, read.format_version.as_str()), (format, version), "{text}");
        assert_eq!(read.endpoints, [], "no paths are no endpoints");
    }
    let odd = |text| read_text(text).unwrap().notes.into_iter().map(|note| note.to_string()).collect::<Vec<_>>();
    assert_eq!(odd("openapi: 3.7.0"), ["/openapi: a version that is not known: read as OpenAPI 3.2"]);
    assert_eq!(odd("openapi: '2.0'"), ["/openapi: this version stands in `swagger`: read all the same"]);
    for (text, version) in
        [("openapi: 4.0.0", "4.0.0"), ("swagger: '1.2'", "1.2"), ("openapi: new", "new"), ("openapi: 3.x", "3.x")]
    {
        let error = read_text(text).unwrap_err().to_string();
        assert!(error.contains(&format!(": {version}` is a version that is not read")), "{error}");
    }
}

#[test]
fn marks_and_encodings_are_read() {
    let plain = read_text(PETS).unwrap();
    assert_eq!(endpoints(&plain), ["GET /pets/{id}", "POST /pets/{id}"]);
    let with_mark = format!("\u{FEFF}{PETS}");
    let little: Vec<u8> = with_mark.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = with_mark.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for bytes in [with_mark.into_bytes(), little, big] {
        assert_eq!(read(&bytes, &Limits::default()).unwrap(), plain);
    }
    let wrong =
        PETS.replace("Pets", "P\u{1}ts").into_bytes().into_iter().map(|byte| if byte == 1 { 0xFF } else { byte });
    let wrong: Vec<u8> = wrong.collect();
    let read = read(&wrong, &Limits::default()).unwrap();
    assert_eq!(read.title.as_deref(), Some("P\u{FFFD}ts"));
    assert!(read.notes[0].message.contains("is not UTF-8"), "{:?}", read.notes);
}

#[test]
fn what_breaks_off_says_where() {
    let error = read_text("{\"openapi\": \"3.0.0\",\n \"paths\": {").unwrap_err().to_string();
    assert!(error.starts_with("this is not readable as JSON, line 2, column 11: EOF"), "{error}");
    let error = read_text("openapi: 3.0.0\npaths: [a\n").unwrap_err().to_string();
    assert!(error.starts_with("this is not readable as YAML, line "), "{error}");
}

#[test]
fn json_with_comments_and_last_commas_is_read_as_yaml() {
    let read = read_text("{\"openapi\": \"3.0.0\", # mine\n \"paths\": {\"/a\": {\"get\": {},},},}").unwrap();
    assert_eq!((endpoints(&read), read.syntax), (vec!["GET /a".to_owned()], Syntax::Yaml));
    assert!(read.notes[0].message.starts_with("not JSON (line 1, column 22: "), "{}", read.notes[0]);
    assert_eq!(read.notes.len(), 1);
}

#[test]
fn texts_stay_as_written() {
    let version = |text: &str| read_text(text).unwrap().api_version;
    let cases = ["1.0", "1.10", "2", "v1", "2026-01-31", "1_0", "007", "1e3", "no", ".inf", "0.10"];
    for case in cases {
        assert_eq!(version(&format!("openapi: 3.0.0\ninfo:\n  version: {case}\n")).as_deref(), Some(case));
    }
    for case in ["1.0", "1.10", "2", "1e3"] {
        let text = format!("{{\"openapi\": \"3.0.0\", \"info\": {{\"x\": [], \"version\": {case}}}}}");
        assert_eq!(version(&text).as_deref(), Some(case));
    }
    assert_eq!(version("openapi: 3.0.0\ninfo:\n  version: true\n").as_deref(), Some("true"));
    assert_eq!(version("openapi: 3.0.0\ninfo:\n  version:\n"), None);
}

#[test]
fn of_repeated_keys_the_last_is_read_and_noted() {
    let json = r#"{"openapi": "3.0.0", "paths": {"/a": {"get": {}}, "/b": {"get": {}}, "/a": {"put": {}, "put": {"summary": "x"}}}}"#;
    let yaml = "openapi: 3.0.0\npaths:\n  /a: {get: {}}\n  /b: {get: {}}\n  /a:\n    put: {}\n    put: {summary: x}\n";
    for text in [json, yaml] {
        let read = read_text(text).unwrap();
        assert_eq!(endpoints(&read), ["PUT /a", "GET /b"]);
        assert_eq!(read.endpoints[0].summary.as_deref(), Some("x"));
        let notes: Vec<String> = read.notes.iter().map(ToString::to_string).collect();
        let said = "given more than once: the last one is read";
        assert_eq!(notes, [format!("/paths/~1a/put: {said}"), format!("/paths/~1a: {said}")]);
    }
    let many: Vec<String> =
        (0..40).map(|n| format!("\"/{}\": {{\"get\": {{\"summary\": \"{n}\"}}}}", n % 20)).collect();
    let read = read_text(&format!("{{\"openapi\": \"3.0.0\", \"paths\": {{{}}}}}", many.join(","))).unwrap();
    assert_eq!(read.endpoints.len(), 20);
    for (at, endpoint) in read.endpoints.iter().enumerate() {
        assert_eq!((endpoint.path.clone(), endpoint.summary.clone()), (format!("/{at}"), Some((at + 20).to_string())));
    }
    assert_eq!(read.notes.len(), 20);
}

#[test]
fn yaml_is_read_as_1_2_with_anchors_and_merges() {
    let text = "openapi: 3.0.0\nx-get: &get\n  operationId: on\n  responses:\n    200: {}\n    null: {}\npaths:\n  /a: {get: *get}\n  /b:\n    get:\n      <<: *get\n      deprecated: true\n";
    let read = read_text(text).unwrap();
    assert_eq!(endpoints(&read), ["GET /a", "GET /b"]);
    for endpoint in &read.endpoints {
        assert_eq!(endpoint.operation_id.as_deref(), Some("on"), "`on` is a text");
        assert_eq!(endpoint.responses, ["200", "null"]);
    }
    assert!(read.endpoints[1].deprecated);
}

#[test]
fn every_limit_holds_and_is_named() {
    let limited = |change: fn(&mut Limits), text: &str| {
        let mut limits = Limits::default();
        change(&mut limits);
        read(text.as_bytes(), &limits)
    };
    let error = |change, text: &str| limited(change, text).unwrap_err().to_string();
    let said = |number: usize, what: &str| format!("the document has more than {number} {what}, the limit");
    let yaml = "openapi: 3.0.0\nx: [1, 2, 3, 4, 5, 6, 7, 8, 9]\n";
    assert_eq!(error(|limits| limits.bytes = 10, PETS), said(10, "bytes"));
    assert_eq!(error(|limits| limits.nodes = 10, PETS), said(10, "objects, lists and values"));
    assert_eq!(error(|limits| limits.nodes = 10, yaml), said(10, "objects, lists and values"));
    assert_eq!(error(|limits| limits.expanded_bytes = 50, PETS), said(50, "bytes of text with its aliases expanded"));
    assert_eq!(error(|limits| limits.steps = 5, PETS), said(5, "steps of reading"));
    assert_eq!(error(|limits| limits.endpoints = 1, PETS), said(1, "endpoints"));
    assert_eq!(limited(|limits| limits.endpoints = 2, PETS).unwrap().endpoints.len(), 2);
    let cut = limited(|limits| limits.text_bytes = 10, &PETS.replace("Pets", "Pets für üalle")).unwrap();
    assert_eq!(cut.title.as_deref(), Some("Pets für "), "not in the middle of a letter");
    let cut: Vec<_> = cut.notes.iter().filter(|note| note.kind == NoteKind::Cut).map(ToString::to_string).collect();
    assert_eq!(cut[0], "/servers/0/url: longer than 10 bytes: cut");
    let notes = limited(|limits| limits.notes = 2, "openapi: 3.0.0\npaths: {/a: {a: 1, b: 1, c: 1, d: 1}}\n").unwrap();
    assert_eq!((notes.notes.len(), notes.notes_left_out), (2, 2));
    let long = format!("openapi: 3.0.0\npaths: {{/{}: {{get: {{}}}}, /b: {{get: {{}}}}}}\n", "a".repeat(50));
    let long = limited(|limits| limits.text_bytes = 40, &long).unwrap();
    assert_eq!(endpoints(&long), ["GET /b"]);
    assert!(long.notes[0].message.starts_with("a path longer than 40 bytes"), "{:?}", long.notes);
}

#[test]
fn what_is_nested_too_deep_is_left_out() {
    let deep = format!(
        "{{\"openapi\": \"3.0.0\", \"x-a\": {}1{}, \"paths\": {{\"/a\": {{\"get\": {{}}}}}}}}",
        "[".repeat(5000),
        "]".repeat(5000)
    );
    let read = read_text(&deep).unwrap();
    assert_eq!(endpoints(&read), ["GET /a"]);
    assert!(read.notes[0].to_string().ends_with("nested deeper than 100 levels: left out"), "{}", read.notes[0]);
    let objects = "{\"a\":".repeat(3000);
    let deep = format!("{{\"openapi\": \"3.0.0\", \"x-a\": {objects}1{}}}", "}".repeat(3000));
    assert_eq!(read_text(&deep).unwrap().notes.len(), 1);
    let in_yaml = |levels: usize| format!("openapi: 3.0.0\nx-a: {}1{}\n", "[".repeat(levels), "]".repeat(levels));
    assert!(read_text(&in_yaml(150)).unwrap().notes[0].message.starts_with("nested deeper than 100 levels"));
    for text in
        [in_yaml(100_000), "- ".repeat(100_000), "a: ".repeat(100_000), "{".repeat(100_000), "[".repeat(100_000)]
    {
        read_text(&text).unwrap_err();
    }
    let blocks: String = (0..300).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    assert_eq!(read_text(&format!("openapi: 3.0.0\nx:\n {}", blocks.replace('\n', "\n "))).unwrap().notes.len(), 1);
}

#[test]
fn aliases_do_not_blow_up() {
    let mut laughs = String::from("openapi: 3.0.0\nx0: &x0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for level in 1..12 {
        let aliases = vec![format!("*x{}", level - 1); 9].join(", ");
        laughs.push_str(&format!("x{level}: &x{level} [{aliases}]\n"));
    }
    let error = read_text(&laughs).unwrap_err();
    assert!(matches!(error, DefinitionError::Limit { .. }), "{error}");
    // One long text, many times.
    let long = format!("openapi: 3.0.0\nx: &x {}\ny:\n{}", "a".repeat(100_000), "- *x\n".repeat(10_000));
    let error = read_text(&long).unwrap_err();
    assert!(matches!(error, DefinitionError::Limit { limit: Limit::ExpandedBytes, .. }), "{error}");
    let circle = read_text("openapi: 3.0.0\nx: &x [*x, *none]\n").unwrap();
    let partial: Vec<String> = circle.partial.iter().map(ToString::to_string).collect();
    assert_eq!(
        partial,
        ["/x/0: an alias of what it stands in, or of what was left out", "/x/1: `*none` stands for nothing"]
    );
    // Each level of the tree is there, and the aliases make it deeper than it is written.
    let mut deep = String::from("openapi: 3.0.0\nx0: &x0 {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {}}}}}}}}}}}\n");
    for level in 1..100 {
        deep.push_str(&format!("x{level}: &x{level} {{a: {{a: *x{}}}}}\n", level - 1));
    }
    let deep = read_text(&deep).unwrap();
    assert!(deep.notes[0].to_string().ends_with("/a/a: nested deeper than 100 levels: left out"), "{}", deep.notes[0]);
}

/// One piece that many places refer to.
#[test]
fn references_do_not_blow_up() {
    let parameters: Vec<String> = (0..2000).map(|n| format!("{{\"name\": \"p{n}\", \"in\": \"query\"}}")).collect();
    let paths: Vec<String> = (0..5000).map(|n| format!("\"/{n}\": {{\"$ref\": \"#/x\"}}")).collect();
    let text = format!(
        "{{\"openapi\": \"3.0.0\", \"paths\": {{{}}}, \"x\": {{\"parameters\": [{}], \"get\": {{}}, \"put\": {{}}}}}}",
        paths.join(","),
        parameters.join(",")
    );
    let error = read_text(&text).unwrap_err();
    assert!(matches!(error, DefinitionError::Limit { limit: Limit::Steps, .. }), "{error}");
    let scopes = vec!["\"a\""; 20_000].join(",");
    let paths: Vec<String> = (0..5000).map(|n| format!("\"/{n}\": {{\"get\": {{}}}}")).collect();
    let text = format!(
        "{{\"openapi\": \"3.0.0\", \"security\": [{{\"a\": [{scopes}]}}], \"paths\": {{{}}}}}",
        paths.join(",")
    );
    assert!(matches!(read_text(&text).unwrap_err(), DefinitionError::Limit { limit: Limit::Steps, .. }));
}

/// Documents that differ in one place from a good one, and bytes that are none.
fn documents() -> impl Strategy<Value = Vec<u8>> {
    let yaml = "swagger: '2.0'\ninfo: {title: &t x, version: 1.0}\nhost: h\nsecurity: [{a: [b]}]\nparameters:\n  p: {$ref: '#/parameters/p'}\npaths:\n  /a/{b}:\n    get: &g\n      parameters:\n      - {name: c, in: body}\n      - {$ref: '#/parameters/p'}\n      responses: {200: *t, <<: {x: y}}\n    put: *g\n";
    let piece = prop_oneof![
        Just("null".to_owned()),
        Just("[]".to_owned()),
        Just("{}".to_owned()),
        Just("*g".to_owned()),
        Just("{\"$ref\": \"#/paths\"}".to_owned()),
        Just("{\"$ref\": \"#\"}".to_owned()),
        Just("'%zz{'".to_owned()),
        Just("1e999".to_owned()),
        Just("\n".to_owned()),
        "[{}\\[\\]:,\"a/$~%&*<|-]{0,6}",
        any::<String>(),
    ];
    let edit = (any::<Index>(), 0..20_usize, piece);
    let mutated = (prop::bool::ANY, prop::collection::vec(edit, 1..4)).prop_map(move |(json, edits)| {
        let mut text: Vec<char> = if json { PETS } else { yaml }.chars().collect();
        for (at, length, piece) in edits {
            let at = at.index(text.len());
            let end = (at + length).min(text.len());
            text.splice(at..end, piece.chars());
        }
        text.into_iter().collect::<String>().into_bytes()
    });
    prop_oneof![6 => mutated, 1 => prop::collection::vec(any::<u8>(), 0..200)]
}

const RAML: &str = "#%RAML 1.0\ntitle: t\nversion: v1\nbaseUri: http://{a}.h/{version}\nuses: {l: l.raml}\nsecuritySchemes: {s: {type: x-a}}\nsecuredBy: [null, s: {scopes: [a]}]\nresourceTypes:\n  r: {type: {q: {p: <<p | !singularize>>}}, get?: , '<<p>>': }\n  q: {get: {is: [t: {n: <<p>>}, l.t]}}\ntraits:\n  t: {queryParameters: {<<n>>: , 'x?': }, responses: {200: {body: }}}\n/a/{b}:\n  type: {r: {p: putting}}\n  is: [t: {n: <<methodName>>}]\n  /c: !include c.raml\n  post: &p {body: {a/b: }}\n  head: *p\n";
const WSDL: &str = "<definitions xmlns='http://schemas.xmlsoap.org/wsdl/' xmlns:s='http://schemas.xmlsoap.org/wsdl/soap/' xmlns:t='urn:t' targetNamespace='urn:t'><import location='l.raml'/><binding name='B'><s:binding/><operation name='o'><s:operation soapAction='a&amp;b'/></operation></binding><service><port name='p' binding='t:B'><s:address location='http://h/p'/></port></service></definitions>";

/// RAML, WSDL and packages that differ in a few places from good ones.
fn others() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("<<p>>".to_owned()),
        Just("<<".to_owned()),
        Just("!include c.raml".to_owned()),
        Just("!include ../x".to_owned()),
        Just("type: r\n".to_owned()),
        Just("is: [t]\n".to_owned()),
        Just("*p".to_owned()),
        Just("<a b='".to_owned()),
        Just("&b;".to_owned()),
        "[ {}\\[\\]:,\"a/?%&*<>|!-]{0,6}",
        any::<String>(),
    ];
    let text = |good: &'static str| {
        let edit = (any::<Index>(), 0..20_usize, piece.clone());
        prop::collection::vec(edit, 0..4).prop_map(move |edits| {
            let mut text: Vec<char> = good.chars().collect();
            for (at, length, piece) in edits {
                let at = at.index(text.len());
                let end = (at + length).min(text.len());
                text.splice(at..end, piece.chars());
            }
            text.into_iter().collect::<String>()
        })
    };
    let parts =
        (text(RAML), text("#%RAML 1.0 Library\ntraits: {t: {headers: {H: }}}\n"), text("get: !include c.raml\n"));
    let packed = (parts, prop::collection::vec((any::<Index>(), any::<u8>()), 0..3)).prop_map(
        |((main, library, part), bytes)| {
            let mut packed =
                crate::package::tests::package(&[("api.raml", &main), ("l.raml", &library), ("c.raml", &part)]);
            for (at, byte) in bytes {
                let at = at.index(packed.len());
                packed[at] = byte;
            }
            packed
        },
    );
    prop_oneof![2 => text(RAML).prop_map(String::into_bytes), 1 => text(WSDL).prop_map(String::into_bytes), 2 => packed]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_and_everything_is_bounded(bytes in prop_oneof![documents(), others()]) {
        let limits = Limits { steps: 5000, notes: 20, text_bytes: 100, ..Limits::default() };
        match read(&bytes, &limits) {
            Err(error) => prop_assert!(error.to_string().len() < 2000, "{error}"),
            Ok(definition) => {
                prop_assert!(definition.notes.len() <= 20 && definition.partial.len() <= 20);
                for endpoint in &definition.endpoints {
                    prop_assert!(endpoint.path.len() <= 100 && endpoint.method.len() <= 100);
                }
                prop_assert!(definition.identity().operations.len() <= definition.endpoints.len());
                serde_json::to_string(&definition).unwrap();
            }
        }
    }

    /// No difference and equal hashes are one and the same.
    #[test]
    fn difference_and_hash_agree(left in prop_oneof![documents(), others()], right in prop_oneof![documents(), others()]) {
        let (Ok(left), Ok(right)) = (read(&left, &Limits::default()), read(&right, &Limits::default())) else {
            return Ok(());
        };
        prop_assert_eq!(difference(&left, &left), vec![]);
        let changes = difference(&left, &right);
        prop_assert_eq!(changes.is_empty(), left.semantic_hash() == right.semantic_hash(), "{:?}", changes);
        prop_assert_eq!(changes.is_empty(), difference(&right, &left).is_empty());
    }

    /// What YAML makes of a JSON text is what JSON makes of it.
    #[test]
    fn json_is_yaml(bytes in documents()) {
        let Ok(text) = String::from_utf8(bytes) else { return Ok(()) };
        let Ok(value) = serde_json::from_str::<serde_json::Value>(&text) else { return Ok(()) };
        let Ok(as_json) = read_text(&value.to_string()) else { return Ok(()) };
        let as_yaml = read_text(&format!("--- {value}")).unwrap();
        prop_assert_eq!(as_json.semantic_hash(), as_yaml.semantic_hash());
        prop_assert_eq!(as_json.notes, as_yaml.notes);
    }
}

/// The folder of shared facts beside the checkout, or nothing, loudly.
fn shared(folder: &str) -> Option<std::path::PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let shared = std::env::var_os("MUSTER_SHARED").map_or_else(|| beside.into(), std::path::PathBuf::from);
    let folder = shared.join(folder);
    if !folder.is_dir() {
        eprintln!("SKIPPED: no `{}`; set MUSTER_SHARED", folder.display());
        return None;
    }
    Some(folder)
}

/// What Azure API Management really exports, where the folder of shared facts is beside the checkout.
#[test]
fn azures_exports_are_read() {
    let Some(folder) = shared("labs/azure/exports") else { return };
    let read = |name: &str| read(&std::fs::read(folder.join(name)).unwrap(), &Limits::default());
    let graph = read("Azure Resource Graph.json").unwrap();
    assert_eq!((graph.format, graph.servers[0].url.as_str()), (Format::Swagger, "https://management.azure.com"));
    assert_eq!(endpoints(&graph)[0], "POST /providers/Microsoft.ResourceGraph/resources");
    assert_eq!(graph.endpoints[0].security[0][0].scheme, "azure_auth");
    let basic = read("basic-api.yaml").unwrap();
    assert_eq!(
        (endpoints(&basic), basic.api_version.as_deref()),
        (vec!["GET /items".into(), "POST /items".into()], Some("1.0"))
    );
    let versioned = read("versioned api v2.json").unwrap().identity();
    assert_eq!(versioned.server_paths.into_iter().collect::<Vec<_>>(), ["/versioned-api/v2"]);
    let wadl = read("wadl-api.xml").unwrap_err();
    assert!(matches!(wadl, DefinitionError::NotADefinition { seen: Seen::Wadl }), "{wadl}");
}

/// The packages of one API in several formats: its name, and the files.
const ALIKE: &[(&str, &[&str])] = &[
    (
        "shopper-customers",
        &[
            "shopper-customers-0.0.50-fat-raml.zip",
            "shopper-customers-0.0.50-oas-generated.zip",
            "shopper-customers-oas-1.0.52-fat-oas.zip",
        ],
    ),
    ("shopper-login", &["slas-shopper-login-uap-1.39.36-fat-raml.zip", "shopper-login-oas-1.39.39-fat-oas.zip"]),
    ("shopper-orders", &["shopper-orders-0.4.8-fat-raml.zip", "shopper-orders-oas-1.4.12-fat-oas.zip"]),
    ("shopper-products", &["shopper-products-0.0.37-fat-raml.zip", "shopper-products-oas-1.0.36-fat-oas.zip"]),
    ("shopper-promotions", &["shopper-promotions-1.0.27-fat-raml.zip", "shopper-promotions-oas-1.0.35-fat-oas.zip"]),
    (
        "shopper-stores",
        &[
            "shopper-stores-1.0.15-fat-raml.zip",
            "shopper-stores-1.0.15-oas-generated.zip",
            "shopper-stores-oas-1.0.16-fat-oas.zip",
        ],
    ),
];
/// Endpoints that one of an API's packages has and its RAML has not, or the other way round: the file, the endpoint, why.
const DIFFERENCES: &[(&str, &str, &str)] = &[];

#[test]
fn real_packages_of_one_api_have_the_same_endpoints() {
    let Some(folder) = shared("labs/mulesoft/packages") else { return };
    let mut seen = 0;
    let mut unlike = Vec::new();
    for (api, files) in ALIKE {
        let mut first: Option<std::collections::BTreeSet<(String, String)>> = None;
        for file in *files {
            let read = read(&std::fs::read(folder.join(file)).unwrap(), &Limits::default()).unwrap();
            assert_eq!(read.partial, [], "{file}");
            assert!(read.title.is_some() && read.api_version.as_deref() == Some("v1"), "{file}");
            assert!(read.endpoints.iter().all(|found| !found.security.is_empty() || *api == "shopper-login"), "{file}");
            let found = read.identity().operations;
            let first = first.get_or_insert_with(|| found.clone());
            for (method, path) in found.symmetric_difference(first) {
                unlike.push((*file, format!("{method} {path}")));
            }
            seen += 1;
        }
    }
    let explained: Vec<(&str, String)> =
        DIFFERENCES.iter().map(|(file, found, _)| (*file, (*found).to_owned())).collect();
    assert_eq!(unlike, explained);
    let there = std::fs::read_dir(&folder)
        .unwrap()
        .filter(|entry| entry.as_ref().is_ok_and(|entry| entry.path().extension().is_some_and(|end| end == "zip")));
    assert_eq!(there.count(), seen, "every package is compared");
}
