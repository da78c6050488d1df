//! Documents made to take long or much: each ends within two seconds of one processor's time and 200 MiB, with a reason.
//! Builds for development get twice the time.

use std::fmt::Write as _;
use std::process::Command;

use crate::package::tests::package;
use crate::{Limits, read};

/// Names the document that this process shall read, in the process that a test starts for it.
const FILE: &str = "MUSTER_DEFINITION_HOSTILE";
const SECONDS: f64 = if cfg!(debug_assertions) { 4.0 } else { 2.0 };
const MIB: u64 = 200;
const RAML: &str = "#%RAML 1.0\ntitle: x\n";

fn repeated(times: usize, piece: impl Fn(usize) -> String) -> String {
    (0..times).map(piece).collect()
}

fn joined(times: usize, piece: impl Fn(usize) -> String) -> String {
    (0..times).map(piece).collect::<Vec<_>>().join(", ")
}

/// Reads a document in a process of its own, and holds that to the bounds. What it ended with: an error, or how many
/// endpoints and the first reason why it is partial.
fn ends(bytes: &[u8]) -> String {
    let directory = std::env::temp_dir().join(format!("muster-hostile-{}-{}", std::process::id(), blake3::hash(bytes)));
    std::fs::write(&directory, bytes).unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["hostile::reads_in_a_process_of_its_own", "--exact", "--nocapture", "--test-threads=1"])
        .env(FILE, &directory)
        .output()
        .unwrap();
    std::fs::remove_file(&directory).unwrap();
    let output = String::from_utf8_lossy(&child.stdout).into_owned();
    let line = |key: &str| output.lines().find_map(|line| line.split_once(key)).map(|(_, value)| value.to_owned());
    let said = line("hostile-end: ").unwrap_or_else(|| panic!("{output}\n{}", String::from_utf8_lossy(&child.stderr)));
    let seconds: f64 = line("hostile-seconds: ").unwrap().parse().unwrap();
    let peak: u64 = line("hostile-peak-kib: ").unwrap().parse().unwrap();
    assert!(seconds <= SECONDS, "{said}: {seconds} s");
    assert!(peak <= MIB * 1024, "{said}: {peak} KiB");
    said
}

/// The other side of [`ends`]; alone it has nothing to do.
#[test]
fn reads_in_a_process_of_its_own() {
    let Some(file) = std::env::var_os(FILE) else { return };
    let bytes = std::fs::read(file).unwrap();
    let end = match read(&bytes, &Limits::default()) {
        Err(error) => error.to_string(),
        Ok(read) => {
            let reason = read.partial.first().map(ToString::to_string).unwrap_or_default();
            format!("{} endpoints; {reason}", read.endpoints.len())
        }
    };
    // This process's times in hundredths of a second, after the name in parentheses: user and system are the 12th and 13th.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: f64 = fields[11..13].iter().map(|field| field.parse::<f64>().unwrap()).sum();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim().trim_end_matches(" kB");
    let mut lines = String::new();
    writeln!(lines, "\nhostile-end: {end}\nhostile-seconds: {}\nhostile-peak-kib: {peak}", ticks / 100.0).unwrap();
    std::io::Write::write_all(&mut std::io::stdout(), lines.as_bytes()).unwrap();
}

fn limit(number: usize, what: &str) -> String {
    format!("the document has more than {number} {what}, the limit")
}

#[test]
fn large_documents_are_read() {
    let large = RAML.to_owned()
        + &repeated(14_000, |n| {
            format!(
                "/resource{n}/{{id}}:\n  get:\n    displayName: get{n}\n    queryParameters:\n      a{n}: {{type: string, required: false}}\n      \
                 b: integer\n    responses:\n      200: {{body: {{application/json: {{type: object, properties: {{x: string}}, description: \
                 \"some words that fill the line a bit more than usual, so that it is large\"}}}}}}\n  post:\n    body: {{application/json: string}}\n"
            )
        });
    assert!(large.len() > 4_900_000, "{}", large.len());
    assert_eq!(ends(large.as_bytes()), "28000 endpoints; ");
}

#[test]
fn large_types_and_traits_of_many_uses_end() {
    let chain = RAML.to_owned()
        + "resourceTypes:\n"
        + &repeated(30, |n| {
            format!(
                "  r{n}: {{type: r{}, get: {{queryParameters: {{{}}}}}}}\n",
                n + 1,
                joined(60, |p| format!("p{n}_{p}: "))
            )
        })
        + "  r30: {get: }\n"
        + &repeated(60_000, |n| format!("/a{n}: {{type: r0}}\n"));
    assert_eq!(ends(chain.as_bytes()), limit(4_000_000, "steps of reading"));
    let long = RAML.to_owned()
        + "resourceTypes:\n"
        + &repeated(100_000, |n| format!("  r{n}: {{type: r{}}}\n", n + 1))
        + "/a: {type: r0, get: }\n";
    let reason = "/~1a/type: resource types that lead to one another in a circle, or too many of them";
    assert_eq!(ends(long.as_bytes()), format!("1 endpoints; {reason}"));
    let traits = RAML.to_owned()
        + "traits:\n"
        + &repeated(8, |n| {
            format!("  t{n}: {{is: [{}], headers: {{X{n}: }}}}\n", joined(20, |_| format!("t{}", n + 1)))
        })
        + "  t8: {headers: {Y: }}\n/a: {get: {is: [t0]}}\n";
    assert_eq!(ends(traits.as_bytes()), limit(4_000_000, "steps of reading"));
    let wide = RAML.to_owned()
        + &format!("traits: {{t: {{queryParameters: {{{}}}}}}}\n", joined(5000, |n| format!("p{n}: ")))
        + &repeated(30_000, |n| format!("/a{n}: {{get: {{is: [t]}}}}\n"));
    assert_eq!(ends(wide.as_bytes()), limit(4_000_000, "steps of reading"));
}

#[test]
fn parameters_and_paths_that_grow_end() {
    let doubling = RAML.to_owned()
        + "resourceTypes:\n"
        + &repeated(31, |n| format!("  r{n}: {{type: {{r{}: {{p: \"<<p>><<p>>\"}}}}}}\n", n + 1))
        + "  r31: {get: {displayName: <<p>>}}\n"
        + &repeated(20_000, |n| format!("/a{n}: {{type: {{r0: {{p: {}}}}}}}\n", "x".repeat(100)));
    assert_eq!(ends(doubling.as_bytes()), limit(4_000_000, "steps of reading"));
    let paths = RAML.to_owned()
        + "resourceTypes: {r: {get: , put: , post: , delete: , head: , patch: , options: }}\n"
        + &repeated(1200, |n| format!("/{}{n}: {{type: r}}\n", "a".repeat(4000)));
    assert_eq!(ends(paths.as_bytes()), "8400 endpoints; ");
    let deep = RAML.to_owned()
        + &repeated(900, |n| format!("{}/a{n}:\n", " ".repeat(n)))
        + &format!("{}get:\n", " ".repeat(900));
    assert_eq!(ends(deep.as_bytes()), "0 endpoints; ");
}

#[test]
fn alias_bombs_end() {
    let laughs = RAML.to_owned()
        + "x0: &x0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n"
        + &repeated(12, |n| format!("x{}: &x{} [{}]\n", n + 1, n + 1, joined(9, |_| format!("*x{n}"))));
    assert_eq!(ends(laughs.as_bytes()), limit(2_000_000, "objects, lists and values"));
    let one = RAML.to_owned()
        + &format!("x: &x {{get: {{queryParameters: {{{}}}}}}}\n", joined(1000, |n| format!("p{n}: ")))
        + &repeated(60_000, |n| format!("/a{n}: *x\n"));
    assert_eq!(ends(one.as_bytes()), limit(2_000_000, "objects, lists and values"));
}

/// A package whose root file is `api.raml`.
fn raml_package(files: Vec<(String, String)>) -> Vec<u8> {
    let mut all = vec![("exchange.json".to_owned(), "{\"main\": \"api.raml\"}".to_owned())];
    all.extend(files);
    let borrowed: Vec<(&str, &str)> = all.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    package(&borrowed)
}

#[test]
fn includes_that_multiply_end() {
    let mut files = vec![("api.raml".to_owned(), format!("{RAML}/a: !include i0.raml\n"))];
    files.extend(
        (0..25).map(|n| (format!("i{n}.raml"), repeated(10, |way| format!("/x{way}: !include i{}.raml\n", n + 1)))),
    );
    files.push(("i25.raml".to_owned(), "get: ".to_owned()));
    assert_eq!(ends(&raml_package(files)), limit(50_000, "endpoints"));
    let circle = [
        ("api.raml", format!("{RAML}/a: !include b.raml\n")),
        ("b.raml", "/c: !include c.raml\n/d: !include c.raml\nget: ".to_owned()),
        ("c.raml", "/c: !include b.raml\n/d: !include b.raml\nput: ".to_owned()),
    ];
    let reason = "/~1a/~1c/~1c: the include `b.raml` leads back to where it stands, or too deep";
    assert_eq!(
        ends(&raml_package(circle.map(|(name, text)| (name.to_owned(), text)).to_vec())),
        format!("3 endpoints; {reason}")
    );
    let mut many =
        vec![("api.raml".to_owned(), RAML.to_owned() + &repeated(2000, |n| format!("/a{n}: !include f{n}.raml\n")))];
    let parameters = joined(100, |n| format!("p{n}: string"));
    many.extend((0..2000).map(|n| (format!("f{n}.raml"), format!("get:\n  queryParameters: {{{parameters}}}\n"))));
    assert_eq!(ends(&raml_package(many)), "2000 endpoints; ");
}

#[test]
fn zip_bombs_end() {
    let zeros = RAML.to_owned() + "#" + &"0".repeat(60_000_000);
    assert_eq!(ends(&package(&[("a.raml", &zeros)])), limit(200, "bytes for each packed byte"));
    let some = RAML.to_owned() + "#" + &"0".repeat(6_000_000);
    let names: Vec<String> = (0..12).map(|n| format!("a{n}.raml")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), some.as_str())).collect();
    assert_eq!(ends(&package(&files)), limit(64 << 20, "bytes when inflated"));
    let names: Vec<String> = (0..60_000).map(|n| format!("a{n}")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
    assert_eq!(ends(&package(&files)), limit(5000, "files"));
}

#[test]
fn large_wsdl_ends() {
    let spaces = "xmlns='http://schemas.xmlsoap.org/wsdl/' xmlns:s='http://schemas.xmlsoap.org/wsdl/soap/' xmlns:t='urn:t' targetNamespace='urn:t'";
    let operations = repeated(40_000, |n| format!("<operation name='o{n}'><s:operation soapAction='a'/></operation>"));
    let ports =
        repeated(5000, |n| format!("<port name='p{n}' binding='t:B'><s:address location='http://h{n}/p'/></port>"));
    let large = format!(
        "<definitions {spaces}><binding name='B'><s:binding/>{operations}</binding><service>{ports}</service></definitions>"
    );
    assert_eq!(ends(large.as_bytes()), limit(4_000_000, "steps of reading"));
    let attributes = format!("<definitions {spaces} {}/>", repeated(300_000, |n| format!("a{n}='{n}' ")));
    assert_eq!(ends(attributes.as_bytes()), "0 endpoints; ");
    let bound = repeated(90, |n| format!("<a xmlns:n{n}='u'>"));
    let bindings =
        format!("<definitions {spaces}>{bound}{}{}</definitions>", "<b/>".repeat(200_000), "</a>".repeat(90));
    assert_eq!(ends(bindings.as_bytes()), "0 endpoints; ");
}
