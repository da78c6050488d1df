use crate::package::tests::{endpoints, package, partial};
use crate::{Body, Definition, Endpoint, Limits, Location, difference, read};

fn raml(version: &str, text: &str) -> Definition {
    read(format!("#%RAML {version}\n{text}").as_bytes(), &Limits::default()).unwrap()
}

fn in_package(files: &[(&str, &str)]) -> Definition {
    read(&package(files), &Limits::default()).unwrap()
}

/// `in name` of each parameter, with `!` where it is required.
fn parameters(endpoint: &Endpoint) -> String {
    let shown = endpoint.parameters.iter().map(|found| {
        let mark = if found.required { "!" } else { "" };
        format!("{} {}{mark}", found.location.word(), found.name)
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// `scheme(scopes) + scheme | nothing`.
fn security(endpoint: &Endpoint) -> String {
    let part = |part: &crate::Requirement| format!("{}({})", part.scheme, part.scopes.join(" "));
    let way = |way: &Vec<crate::Requirement>| match way.is_empty() {
        true => "nothing".to_owned(),
        false => way.iter().map(part).collect::<Vec<_>>().join(" + "),
    };
    endpoint.security.iter().map(way).collect::<Vec<_>>().join(" | ")
}

#[test]
fn the_document_says_what_it_is_and_where_it_is_served() {
    let read = raml(
        "1.0",
        "title: Pets\nversion: 1.10\nbaseUri: http://{tenant}.h.example/{version}/{open}\nprotocols: [HTTP, https]\n\
         baseUriParameters: {tenant: {default: acme}}\nmediaType: text/plain\n/a:\n  post: {body: string, protocols: HTTPS}\n  get: {protocols: [HTTP, HTTPS]}\n",
    );
    assert_eq!((read.title.as_deref(), read.api_version.as_deref()), (Some("Pets"), Some("1.10")));
    assert_eq!(read.format_version, "1.0");
    let urls: Vec<&str> = read.servers.iter().map(|server| server.url.as_str()).collect();
    assert_eq!(urls, ["http://acme.h.example/1.10/{open}", "https://acme.h.example/1.10/{open}"]);
    assert_eq!(read.servers[0].template.as_deref(), Some("http://{tenant}.h.example/{version}/{open}"));
    let [post, get] = &read.endpoints[..] else { panic!("{:?}", endpoints(&read)) };
    assert_eq!((post.body, post.request_media_types[0].as_str()), (Body::Optional, "text/plain"));
    assert_eq!((post.servers.len(), &*post.servers[0].url), (1, "https://acme.h.example/1.10/{open}"));
    assert!(get.servers.is_empty(), "the same as the document's");
    let notes: Vec<String> = read.notes.iter().map(ToString::to_string).collect();
    let said =
        ["`tenant` is filled with `acme`", "`version` is filled with `1.10`", "`open` has no default: left open"];
    assert_eq!(notes, said.map(|said| format!("/baseUri: {said}")));
    assert_eq!(partial(&read), [""; 0]);
    for (text, said) in [
        ("#%RAML 2.0\ntitle: x", "`#%RAML: 2.0` is a version that is not read; 0.8 and 1.0 are"),
        ("#%RAML 1.0 Library\nusage: x", "this is a RAML Library, not an OpenAPI or Swagger document"),
    ] {
        assert_eq!(crate::read(text.as_bytes(), &Limits::default()).unwrap_err().to_string(), said);
    }
}

#[test]
fn resources_nest_and_their_methods_are_endpoints() {
    let text = "title: x\n/users:\n  get:\n  /{id}{ext}:\n    put: {displayName: put user, description: Puts}\n    /x/{id}/{y}: {delete: }\n/:\n  head:\n/none:\n";
    for version in ["0.8", "1.0"] {
        let read = raml(version, text);
        let expected = ["GET /users", "PUT /users/{id}{ext}", "DELETE /users/{id}{ext}/x/{id}/{y}", "HEAD /"];
        assert_eq!(endpoints(&read), expected);
        assert_eq!(parameters(&read.endpoints[2]), "path id!, path ext!, path y!");
        let put = &read.endpoints[1];
        assert_eq!((put.operation_id.as_deref(), put.summary.as_deref()), (Some("put user"), Some("Puts")));
    }
    let read =
        raml("1.0", "/a: {trace: , GET: , get: , x: 1}\n/a: {get: }\n/b: {/c: {get: }}\n/b/c: {get: , put: }\n/d: 7\n");
    assert_eq!(endpoints(&read), ["GET /a", "GET /b/c", "PUT /b/c"]);
    let said = ["/~1d: a number where a resource belongs"];
    assert_eq!(partial(&read), said, "{:?}", read.notes);
    let read = raml("1.0", "/a: {trace: , GET: , get: , x: 1}\n");
    let said = ["trace", "GET", "x"].map(|key| format!("/~1a/{key}: `{key}` is no key of a resource"));
    assert_eq!((endpoints(&read), partial(&read)), (vec!["GET /a".into()], said.to_vec()));
    assert_eq!(endpoints(&raml("0.8", "/a: {trace: }\n")), ["TRACE /a"]);
}

#[test]
fn what_must_be_given_differs_between_the_versions() {
    let text = "/a:\n  get:\n    queryParameters: {a: , b: {required: true}, c: {required: false}, 'd?': string, 'e?': {required: true}}\n    headers: {X-A: }\n";
    let old = parameters(&raml("0.8", text).endpoints[0]);
    assert_eq!(old, "query a, query b!, query c, query d?, query e?!, header X-A");
    let new = parameters(&raml("1.0", text).endpoints[0]);
    assert_eq!(new, "query a!, query b!, query c, query d, query e?!, header X-A!");
    let form = "/a:\n  post:\n    body:\n      multipart/form-data: {formParameters: {f: {required: true}, g: }}\n      a/b:\n";
    let read = raml("0.8", form);
    assert_eq!(parameters(&read.endpoints[0]), "formData f!, formData g");
    assert_eq!(read.endpoints[0].request_media_types, ["multipart/form-data", "a/b"]);
    assert_eq!(read.endpoints[0].parameters[0].location, Location::FormData);
}

#[test]
fn a_query_by_a_type_is_not_guessed() {
    let inline = raml("1.0", "/a: {get: {queryString: {type: object, properties: {q: string, 'r?': string}}}}\n");
    assert_eq!((parameters(&inline.endpoints[0]), partial(&inline).len()), ("query q!, query r".into(), 0));
    for by_type in ["Paging", "{type: Paging}", "[A, B]"] {
        let read = raml("1.0", &format!("/a: {{get: {{queryString: {by_type}}}}}\n"));
        let said = "/~1a/get/queryString: a query string by a type: the parameters that the type brings are not known";
        assert_eq!(partial(&read), [said]);
    }
}

#[test]
fn types_and_traits_are_filled_in_nearest_first() {
    let read = raml(
        "1.0",
        "resourceTypes:\n  base: {get?: {headers: {<<h | !upperhyphencase>>: string}}, put: {responses: {200: }}, delete?: }\n  list: {type: {base: {h: <<kind>>Id}}, is: [tagged], get: {queryParameters: {limit: {required: false}}, responses: {200: , 404: }}}\n\
         traits:\n  tagged: {queryParameters: {'<<methodName>>In<<resourcePathName | !singularize | !uppercamelcase>>?': string}, displayName: trait}\n  paged: {queryParameters: {limit: , <<extra>>: }}\n\
         /orders/{id}/orderItems:\n  type: {list: {kind: order}}\n  get: {is: [paged: {extra: page}], displayName: own}\n  post: \n/p{ext}: {type: base}\n",
    );
    assert_eq!(
        endpoints(&read),
        ["GET /orders/{id}/orderItems", "POST /orders/{id}/orderItems", "PUT /orders/{id}/orderItems", "PUT /p{ext}"],
        "optional methods make none"
    );
    let [get, post, put, _] = &read.endpoints[..] else { panic!() };
    assert_eq!(
        parameters(get),
        "path id!, query limit, query page!, query getInOrderItem, header ORDER-ID!",
        "`required` of the type, since the nearer ones do not say"
    );
    assert_eq!((get.operation_id.as_deref(), put.operation_id.as_deref()), (Some("own"), Some("trait")));
    assert_eq!(parameters(post), "path id!, query postInOrderItem");
    assert_eq!(get.responses, ["200", "404"]);
    assert_eq!(partial(&read), [""; 0]);
}

#[test]
fn parameters_may_be_objects_and_what_stands_for_nothing_is_said() {
    let read = raml(
        "1.0",
        "resourceTypes:\n  r: {get: {queryParameters: <<all>>, responses: <<codes>>, body: {<<media>>: }}, '<<other>>': , put: {headers: {X-<<none>>: , Y<<media | !turn>>: }}}\n/a:\n  type: {r: {all: {q: , 'r?': }, codes: {200: , 4XX: }, media: a/b, other: patch}}\n",
    );
    assert_eq!(endpoints(&read), ["GET /a", "PATCH /a", "PUT /a"]);
    let get = &read.endpoints[0];
    assert_eq!(
        (parameters(get), get.responses.clone()),
        ("query q!, query r".into(), vec!["200".into(), "4XX".into()])
    );
    assert_eq!(get.request_media_types, ["a/b"]);
    let reasons = partial(&read);
    let said = ["the parameter `<<none>>` stands for nothing here", "the function `!turn` of a parameter"];
    assert!(said.iter().all(|said| reasons.iter().any(|reason| reason.ends_with(said))), "{reasons:?}");
}

#[test]
fn names_of_libraries_hold_where_they_are_written() {
    let files = [
        (
            "api.raml",
            "#%RAML 1.0\nuses: {l: libs/l.raml}\ntraits: {t: {headers: {X-Main: }}}\nsecuredBy: [l.key]\n/a: {type: l.r}\n/b: !include parts/b.raml\n/c: {get: {is: [l.t, m.t, l.m.t, none]}}\n",
        ),
        (
            "libs/l.raml",
            "#%RAML 1.0 Library\nuses: {m: ../m.raml}\ntraits: {t: {headers: {X-Library: }}}\nresourceTypes: {r: !include r.raml}\nsecuritySchemes: {key: {type: x-key, describedBy: {headers: {K: }}}}\n",
        ),
        ("libs/r.raml", "#%RAML 1.0 ResourceType\nget: {is: [t, m.t]}\n"),
        (
            "m.raml",
            "#%RAML 1.0 Library\ntraits: {t: {headers: {X-More: }}}\nsecuritySchemes: {key: {type: Basic Authentication}}\n",
        ),
        ("parts/b.raml", "get: {is: [t], securedBy: [l.key]}\nput: !include put.raml\n"),
        ("parts/put.raml", "responses: {200: {body: {text/a: }}}\n"),
    ];
    let read = in_package(&[&files[..], &[("exchange.json", "{\"main\": \"api.raml\"}")]].concat());
    assert_eq!(endpoints(&read), ["GET /a", "GET /b", "PUT /b", "GET /c"]);
    assert_eq!(parameters(&read.endpoints[0]), "header X-Library!, header X-More!", "the library's own names");
    assert_eq!(parameters(&read.endpoints[1]), "header X-Main!", "an untyped part has the names of what includes it");
    assert_eq!(read.endpoints[2].response_media_types, ["text/a"], "relative to the file that includes");
    assert_eq!(parameters(&read.endpoints[3]), "header X-Library!");
    let said = |index: usize, name: &str| format!("/~1c/get/is/{index}: the trait `{name}` is declared nowhere");
    assert_eq!(partial(&read), [said(1, "m.t"), said(2, "l.m.t"), said(3, "none")]);
    assert_eq!(security(&read.endpoints[1]), "l.key()");
    let scheme = &read.security_schemes[0];
    assert_eq!((&*scheme.kind, scheme.parameter.as_deref(), read.security_schemes.len()), ("x-key", Some("K"), 1));
}

#[test]
fn includes_stay_inside_the_package_and_circles_end() {
    let files = [
        (
            "api.raml",
            "#%RAML 1.0\ntitle: !include /title.txt\n/a: !include ../out.raml\n/b: !include https://h.example/b.raml\n/c: !include none.raml\n/d: !include circle.raml\n/e: !include self.raml\n/f: !include \"with%20blank.raml\"\ndescription: !include broken.raml\nsecuredBy: !include none.raml\n",
        ),
        ("title.txt", "From: a text, not YAML: [\n"),
        ("circle.raml", "get:\n/x: !include circle2.raml\n"),
        ("circle2.raml", "put:\n/y: !include circle.raml\n"),
        ("self.raml", "!include self.raml"),
        ("with blank.raml", "get: "),
        ("exchange.json", "{\"main\": \"api.raml\"}"),
    ];
    let read = in_package(&files);
    assert_eq!(read.title.as_deref(), Some("From: a text, not YAML: [\n"));
    assert_eq!(endpoints(&read), ["GET /d", "PUT /d/x", "GET /f"]);
    let include = |name: &str, why: &str| format!("the include `{name}` {why}");
    let circle = "leads back to where it stands, or too deep";
    let said = [
        format!("/securedBy: {}", include("none.raml", "leads to no file of the package")),
        format!("/~1a: {}", include("../out.raml", "leads out of the package")),
        format!("/~1b: {}", include("https://h.example/b.raml", "leads to another place, and nothing is fetched")),
        format!("/~1d/~1x/~1y: {}", include("circle.raml", circle)),
        format!("/~1e: {}", include("self.raml", circle)),
    ];
    assert_eq!(partial(&read), said, "what is wrong in many places is said once");
    let alone = raml("1.0", "/a: {get: }\n/b: !include b.raml\n");
    assert_eq!(partial(&alone), ["/~1b: the include `b.raml` leads out of the document"]);
}

#[test]
fn circles_of_types_and_traits_end_with_a_reason() {
    let read = raml(
        "1.0",
        "resourceTypes: {a: {type: b, get: }, b: {type: a, put: }}\ntraits: {t: {is: [u]}, u: {is: [t], headers: {X: }}}\n/x: {type: a, is: [t]}\n",
    );
    assert_eq!(endpoints(&read), ["GET /x", "PUT /x"]);
    assert_eq!(parameters(&read.endpoints[0]), "header X!");
    let reasons = partial(&read);
    assert!(
        reasons[0].ends_with("resource types that lead to one another in a circle, or too many of them"),
        "{reasons:?}"
    );
    assert!(reasons[1].ends_with("traits that lead to one another in a circle, or too many of them"), "{reasons:?}");
}

#[test]
fn security_is_never_made_open_by_a_gap() {
    let text = |secured_by: &str| {
        format!(
            "securitySchemes:\n  - basic: {{type: Basic Authentication}}\n  - oauth: {{type: OAuth 2.0, settings: {{authorizationGrants: [code, token, owner, credentials, own]}}}}\n  - digest: {{type: Digest Authentication}}\n\
             securedBy: [basic]\ntraits: [t: {{securedBy: [digest]}}]\nresourceTypes: [r: {{get?: {{}}, securedBy: [oauth]}}]\n/a:\n  get: {{{secured_by}}}\n"
        )
    };
    let found = |secured_by: &str| security(&raml("0.8", &text(secured_by)).endpoints[0]);
    for (secured_by, expected) in [
        ("", "basic()"),
        ("securedBy: [null]", "nothing"),
        ("securedBy: [null, digest, oauth: {scopes: [a, b]}]", "nothing | digest() | oauth(a b)"),
        ("securedBy: oauth", "oauth()"),
        ("securedBy: ", "basic()"),
        ("securedBy: []", "basic()"),
        ("securedBy: [7.5]", "basic()"),
        ("securedBy: [!include none.raml]", "basic()"),
        ("securedBy: [none]", "none()"),
        ("is: [t]", "digest()"),
    ] {
        assert_eq!(found(secured_by), expected, "{secured_by}");
    }
    let typed = raml("0.8", &text("").replace("/a:\n", "/a:\n  type: r\n"));
    assert_eq!(security(&typed.endpoints[0]), "oauth()");
    let own = raml("0.8", &text("").replace("/a:\n", "/a:\n  type: r\n  securedBy: [digest]\n"));
    assert_eq!(security(&own.endpoints[0]), "digest()");
    let schemes = &own.security_schemes;
    assert_eq!((&*schemes[0].kind, schemes[0].scheme.as_deref()), ("http", Some("basic")));
    assert_eq!(schemes[1].flows, ["authorizationCode", "implicit", "password", "clientCredentials", "own"]);
    assert_eq!(schemes[2].scheme.as_deref(), Some("digest"));
}

#[test]
fn deprecation_is_an_annotation() {
    let read = raml(
        "1.0",
        "/a: {get: {(deprecated): }, put: {(l.Deprecated): since v1}, post: {(deprecated): false}, head: }\n/b: {(deprecated): {by: c}, get: , put: {(deprecated): false}}\n",
    );
    let found: Vec<bool> = read.endpoints.iter().map(|found| found.deprecated).collect();
    assert_eq!(found, [true, true, false, false, true, false]);
}

#[test]
fn overlays_and_extensions_are_partial() {
    for (kind, article) in [("Overlay", "an overlay"), ("Extension", "an extension")] {
        let text = format!("#%RAML 1.0 {kind}\nextends: api.raml\n/more: {{get: }}\n");
        let read = in_package(&[("x.raml", &text), ("lib.raml", "#%RAML 1.0 Library\n")]);
        assert_eq!(endpoints(&read), ["GET /more"]);
        assert_eq!(
            partial(&read),
            [format!("the document: {article} of `api.raml`: only what it says itself is read")]
        );
    }
    let read = raml("1.0", "titel: x\n(a): 1\n/a: {get: {queryParams: }}\n");
    assert_eq!(
        partial(&read),
        ["/titel: no key of a RAML document", "/~1a/get/queryParams: `queryParams` is no key of a method"]
    );
}

#[test]
fn what_raml_and_openapi_say_alike_is_no_difference() {
    let raml = raml(
        "1.0",
        "title: t\nversion: v1\nbaseUri: https://h.example/{version}\nmediaType: application/json\nsecuritySchemes: {b: {type: Basic Authentication}}\nsecuredBy: [b]\n/a/{id}:\n  get: {displayName: one, queryParameters: {q?: string}, responses: {200: {body: any}}}\n",
    );
    let open_api = "openapi: 3.0.0\ninfo: {title: t, version: v1}\nservers: [{url: https://h.example/v1}]\nsecurity: [{b: []}]\ncomponents: {securitySchemes: {b: {type: http, scheme: basic}}}\npaths:\n  /a/{key}:\n    get: {operationId: one, parameters: [{name: key, in: path, required: true}, {name: q, in: query}], responses: {200: {content: {application/json: {}}}}}\n";
    let open_api = read(open_api.as_bytes(), &Limits::default()).unwrap();
    let changes: Vec<String> = difference(&open_api, &raml).iter().map(ToString::to_string).collect();
    assert_eq!(changes, ["GET /a/{id}: path changed: /a/{key} → /a/{id} (not breaking: the same requests lead there)"]);
    assert_eq!(raml.identity().server_paths, open_api.identity().server_paths);
}
