use std::io::{Cursor, Write};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::{Definition, DefinitionError, Format, Limits, read, read_main};

/// A package of these files.
pub(crate) fn package(files: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in files {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

pub(crate) fn endpoints(definition: &Definition) -> Vec<String> {
    definition.endpoints.iter().map(|found| format!("{} {}", found.method, found.path)).collect()
}

pub(crate) fn partial(definition: &Definition) -> Vec<String> {
    definition.partial.iter().map(ToString::to_string).collect()
}

fn error(files: &[(&str, &str)]) -> String {
    read(&package(files), &Limits::default()).unwrap_err().to_string()
}

/// A definition whose one endpoint is `/name`.
fn one(name: &str) -> String {
    format!("openapi: 3.0.0\npaths: {{/{name}: {{get: {{}}}}}}\n")
}

#[test]
fn the_root_file_is_asked_for_or_said_or_the_only_one() {
    let (public, internal) = (one("public"), one("internal"));
    let both = [("a-internal.yaml", internal.as_str()), ("a-public.yaml", public.as_str())];
    let found = |files: &[(&str, &str)]| endpoints(&read(&package(files), &Limits::default()).unwrap());
    for (main, expected) in [("a-public.yaml", "GET /public"), ("/a-internal.yaml", "GET /internal")] {
        let descriptor = format!("{{\"main\": \"{main}\", \"classifier\": \"oas\"}}");
        let files = [both[0], both[1], ("exchange.json", descriptor.as_str())];
        assert_eq!(found(&files), [expected], "only `main` decides");
        let asked = read_main(&package(&files), "a-internal.yaml", &Limits::default()).unwrap();
        assert_eq!(endpoints(&asked), ["GET /internal"], "what is asked for goes first");
    }
    assert_eq!(
        error(&both),
        "the package holds several files that look like an API definition, and does not say which is it: \
         `a-internal.yaml`, `a-public.yaml`"
    );
    let raml = "#%RAML 1.0\ntitle: x\n/raml: {get: }\n";
    let library = "#%RAML 1.0 Library\nusage: x\n";
    assert_eq!(found(&[("api.raml", raml), ("lib.raml", library), ("deep/a.yaml", &public)]), ["GET /raml"]);
    assert_eq!(
        found(&[("top/x.md", "x"), ("top/exchange_modules/b.raml", raml), ("top/a.yaml", &public)]),
        ["GET /public"]
    );
    assert_eq!(found(&[("a.json", "{\"swagger\": \"2.0\", \"paths\": {\"/j\": {\"get\": {}}}}")]), ["GET /j"]);
    assert_eq!(
        error(&[("a.txt", "x"), ("lib.raml", library)]),
        "the package holds no file that looks like an API definition"
    );
    assert_eq!(
        error(&[("exchange.json", "{\"main\": \"b.raml\"}"), ("a.yaml", &public)]),
        "the package has no file `b.raml`, which its `exchange.json` calls the main one"
    );
    // Whoever names a file may count the folder in that all of them lie in.
    let folder = [("top/api/a.yaml", public.as_str()), ("top/api/b.yaml", &internal)];
    for main in ["top/api/a.yaml", "/top/api/a.yaml", "api/a.yaml"] {
        assert_eq!(
            endpoints(&read_main(&package(&folder), main, &Limits::default()).unwrap()),
            ["GET /public"],
            "{main}"
        );
        let descriptor = format!("{{\"main\": \"{main}\"}}");
        assert_eq!(found(&[folder[0], folder[1], ("top/exchange.json", &descriptor)]), ["GET /public"], "{main}");
    }
    let missing = read_main(&package(&both), "none.yaml", &Limits::default()).unwrap_err().to_string();
    assert_eq!(missing, "the package has no file `none.yaml`, which was asked for");
    let no_package = read_main(public.as_bytes(), "a.yaml", &Limits::default()).unwrap_err().to_string();
    assert_eq!(no_package, "`a.yaml` was asked for, and this is a document, not a package of files");
}

#[test]
fn names_that_lead_elsewhere_are_left_out() {
    let long = "n".repeat(600);
    let bad = ["/etc/a.yaml", "../a.yaml", "x/../../a.yaml", "C:/a.yaml", "x\\a.yaml", "x//a.yaml", "./a.yaml", &long];
    let good = one("good");
    for name in bad {
        // The writer mends some names; here they stand as an attacker writes them.
        let placeholder = "z".repeat(name.len());
        let mut bytes = package(&[("good.yaml", &good), (&placeholder, &good)]);
        let places: Vec<usize> = bytes
            .windows(name.len())
            .enumerate()
            .filter(|(_, window)| *window == placeholder.as_bytes())
            .map(|(at, _)| at)
            .collect();
        for at in places {
            bytes[at..at + name.len()].copy_from_slice(name.as_bytes());
        }
        let read = read(&bytes, &Limits::default()).unwrap();
        assert_eq!(endpoints(&read), ["GET /good"], "{name}");
        assert_eq!(read.partial.len(), 1, "{name}: {:?}", read.partial);
        assert!(read.partial[0].message.ends_with(": left out"), "{name}: {}", read.partial[0]);
    }
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file("good.yaml", SimpleFileOptions::default()).unwrap();
    writer.write_all(good.as_bytes()).unwrap();
    writer.add_symlink("link.yaml", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    let bytes = writer.finish().unwrap().into_inner();
    assert_eq!(
        read_main(&bytes, "link.yaml", &Limits::default()).unwrap_err().to_string(),
        "the package has no file `link.yaml`, which was asked for: what has that name is a symbolic link"
    );
    let read = read(&bytes, &Limits::default()).unwrap();
    assert_eq!(
        (endpoints(&read), partial(&read)),
        (vec!["GET /good".into()], vec!["`link.yaml`: a symbolic link: left out".into()])
    );
}

#[test]
fn every_limit_of_a_package_holds_and_is_named() {
    let good = one("good");
    let files = [("a.yaml", good.as_str()), ("b.md", "x"), ("c.md", "y")];
    let limited = |change: fn(&mut Limits), files: &[(&str, &str)]| {
        let mut limits = Limits::default();
        change(&mut limits);
        read(&package(files), &limits).unwrap_err().to_string()
    };
    assert_eq!(limited(|limits| limits.files = 2, &files), "the document has more than 2 files, the limit");
    assert_eq!(limited(|limits| limits.bytes = 100, &files), "the document has more than 100 bytes, the limit");
    let inflated = limited(|limits| limits.inflated_bytes = 40, &files);
    assert_eq!(inflated, "the document has more than 40 bytes when inflated, the limit");
    let zeros = format!("openapi: 3.0.0\n#{}", "0".repeat(3_000_000));
    let packed = package(&[("a.yaml", &zeros)]);
    let bomb = read(&packed, &Limits::default()).unwrap_err().to_string();
    assert_eq!(bomb, "the document has more than 200 bytes for each packed byte, the limit");
    assert!(read(&packed, &Limits { inflation: 2000, ..Limits::default() }).is_ok());
    // One that says it is smaller than it is.
    let mut lies = packed.clone();
    let size = u32::try_from(zeros.len()).unwrap().to_le_bytes();
    let places: Vec<usize> =
        lies.windows(4).enumerate().filter(|(_, window)| *window == size).map(|(at, _)| at).collect();
    assert_eq!(places.len(), 2, "in the file's header and in the directory");
    for at in places {
        lies[at..at + 4].copy_from_slice(&1000_u32.to_le_bytes());
    }
    let error = read(&lies, &Limits::default()).unwrap_err().to_string();
    assert!(error.starts_with("the package is damaged: `a.yaml` "), "{error}");
}

#[test]
fn what_is_damaged_is_said() {
    let bytes = package(&[("a.yaml", &one("a")), ("b.yaml", &one("b").repeat(50))]);
    let cut = read(&bytes[..bytes.len() - 30], &Limits::default()).unwrap_err();
    assert!(matches!(cut, DefinitionError::Package { .. }), "{cut}");
    let mut turned = bytes.clone();
    turned[40] ^= 0xFF;
    let error = read_main(&turned, "a.yaml", &Limits::default()).unwrap_err().to_string();
    assert!(error.starts_with("the package is damaged: `a.yaml` "), "{error}");
}

#[test]
fn references_are_followed_among_the_files_of_the_package_only() {
    let main = "openapi: 3.0.0\n\
        paths:\n\
        \x20 /a: {$ref: 'paths/a.yaml'}\n\
        \x20 /b: {$ref: 'paths/more.json#/b'}\n\
        \x20 /c: {get: {parameters: [{$ref: 'shared.yaml#/p/limit'}], responses: {default: {$ref: '/shared.yaml#/r'}}}}\n\
        \x20 /d: {$ref: '../out.yaml'}\n\
        \x20 /e: {$ref: 'https://h.example/e.yaml'}\n\
        \x20 /f: {$ref: 'none.yaml'}\n\
        \x20 /g: {$ref: 'broken.yaml'}\n\
        \x20 /h: {$ref: 'circle.yaml#/h'}\n\
        components: {securitySchemes: {$ref: 'shared.yaml#/schemes'}}\n";
    let files = [
        ("api.yaml", main),
        (
            "paths/a.yaml",
            "parameters: [{$ref: '../shared.yaml#/p/limit'}]\nget: {security: [{key: []}]}\nput: {requestBody: {$ref: '#/body'}}\nbody: {content: {text/csv: {}}}\n",
        ),
        ("paths/more.json", "{\"b\": {\"$ref\": \"#/c\"}, \"c\": {\"delete\": {}}}"),
        (
            "shared.yaml",
            "p: {limit: {name: limit, in: query}}\nr: {content: {text/html: {}}}\nschemes: {key: {$ref: '#/key'}}\nkey: {type: apiKey, in: header, name: X}\n",
        ),
        ("broken.yaml", "a: [b"),
        ("circle.yaml", "h: {$ref: 'api.yaml#/paths/~1h'}"),
        ("exchange.json", "{\"main\": \"api.yaml\"}"),
    ];
    let read = read(&package(&files), &Limits::default()).unwrap();
    assert_eq!(endpoints(&read), ["GET /a", "PUT /a", "DELETE /b", "GET /c"]);
    assert_eq!(read.endpoints[0].parameters[0].name, "limit");
    assert_eq!((&*read.security_schemes[0].name, read.security_schemes[0].parameter.as_deref()), ("key", Some("X")));
    assert_eq!(read.endpoints[1].request_media_types, ["text/csv"], "a reference starts in its own file");
    assert_eq!(read.endpoints[3].response_media_types, ["text/html"]);
    let reasons = partial(&read);
    let said = [
        "/paths/~1d: the reference `../out.yaml` leads out of the package",
        "/paths/~1e: the reference `https://h.example/e.yaml` leads to another place, and nothing is fetched",
        "/paths/~1f: the reference `none.yaml` leads to no file of the package",
        "/paths/~1g: the reference `broken.yaml` leads to a file that cannot be read",
        "/paths/~1h: more than 32 references one after another, or a circle of them",
    ];
    for sentence in said {
        assert!(reasons.iter().any(|reason| reason == sentence), "{sentence}\n{reasons:#?}");
    }
    assert!(
        reasons.iter().any(|reason| reason.starts_with("`broken.yaml`: this is not readable as YAML")),
        "{reasons:#?}"
    );
    assert_eq!((read.format, reasons.len()), (Format::OpenApi, 6));
}
