use crate::package::tests::{endpoints, package, partial};
use crate::{Body, Definition, DefinitionError, Limits, difference, read};

const NAMESPACES: &str = "xmlns='http://schemas.xmlsoap.org/wsdl/' xmlns:s='http://schemas.xmlsoap.org/wsdl/soap/' \
    xmlns:s12='http://schemas.xmlsoap.org/wsdl/soap12/' xmlns:h='http://schemas.xmlsoap.org/wsdl/http/' xmlns:t='urn:t' xmlns:o='urn:o'";

fn wsdl(content: &str) -> String {
    format!("<?xml version='1.0'?>\n<definitions name='D' targetNamespace='urn:t' {NAMESPACES}>{content}</definitions>")
}

fn read_text(text: &str) -> Result<Definition, DefinitionError> {
    read(text.as_bytes(), &Limits::default())
}

const BINDING: &str = "<types><schema><element name='deep'/></schema></types>\
    <binding name='B' type='t:P'><s:binding transport='http://schemas.xmlsoap.org/soap/http'/>\
    <operation name='Add'><s:operation soapAction='urn:t#Add'/></operation><operation name='List'><s:operation soapAction=''/></operation></binding>\
    <binding name='B12' type='t:P'><s12:binding transport='http://schemas.xmlsoap.org/soap/http'/><operation name='Add'><s12:operation soapAction='x'/></operation></binding>";

#[test]
fn operations_are_endpoints_of_the_ports_addresses() {
    let read = read_text(&wsdl(&format!(
        "{BINDING}<service name='Sums'><port name='a' binding='t:B'><s:address location='https://h.example/a/sums?wsdl'/></port>\
         <port name='b' binding='t:B12'><s12:address location='https://h.example/a/sums'/></port>\
         <port name='c' binding='t:B12'><s12:address location='http://other.example:81'/></port></service>"
    )))
    .unwrap();
    assert_eq!(endpoints(&read), ["POST /a/sums#Add", "POST /a/sums#List", "POST /#Add"]);
    assert_eq!((read.title.as_deref(), read.format_version.as_str()), (Some("Sums"), "1.1"));
    let urls: Vec<&str> = read.servers.iter().map(|server| server.url.as_str()).collect();
    assert_eq!(urls, ["https://h.example", "http://other.example:81"]);
    let [add, list, other] = &read.endpoints[..] else { panic!() };
    assert_eq!(
        (add.soap_action.as_deref(), add.operation_id.as_deref(), add.body),
        (Some("urn:t#Add"), Some("Add"), Body::Required)
    );
    assert_eq!(
        add.request_media_types,
        ["text/xml", "application/soap+xml"],
        "two ports at one address are one endpoint"
    );
    assert_eq!((add.parameters[0].name.as_str(), list.soap_action.as_deref()), ("SOAPAction", None));
    assert_eq!((other.parameters.len(), other.servers[0].url.as_str()), (0, "http://other.example:81"));
    assert_eq!(partial(&read), [""; 0]);
}

#[test]
fn bindings_come_from_imports_inside_the_package() {
    let main = wsdl(
        "<import namespace='urn:o' location='sub/o.wsdl'/><import location='http://h.example/x.wsdl'/><import location='none.wsdl'/><import location='s.xsd'/>\
         <service name='S'><port name='p' binding='o:B'><s:address location='/p'/></port><port name='q' binding='o:None'/></service>",
    );
    let other = wsdl(&format!("<import location='../main.wsdl'/>{BINDING}"))
        .replace("targetNamespace='urn:t'", "targetNamespace='urn:o'");
    let files = [
        ("main.wsdl", main.as_str()),
        ("sub/o.wsdl", &other),
        ("s.xsd", "<schema xmlns='http://www.w3.org/2001/XMLSchema'/>"),
    ];
    let read = read(&package(&files), &Limits::default()).unwrap();
    assert_eq!(endpoints(&read), ["POST /p#Add", "POST /p#List"]);
    assert!(read.servers.is_empty(), "an address without a host says nothing of where");
    let said = [
        "the document: the import `http://h.example/x.wsdl` leads to another place, and nothing is fetched",
        "the document: the import `none.wsdl` leads to no file of the package",
        "/port/q: the binding `None` is declared nowhere",
    ];
    assert_eq!(partial(&read), said);
}

#[test]
fn what_is_not_understood_is_said() {
    let port = |binding: &str| {
        format!(
            "{binding}<service name='S'><port name='p' binding='t:X'><s:address location='http://h/p'/></port></service>"
        )
    };
    let reasons = |content: &str| partial(&read_text(&wsdl(content)).unwrap());
    let jms = port("<binding name='X'><s:binding transport='urn:jms'/><operation name='A'/></binding>");
    assert_eq!(reasons(&jms), ["/port/p: the binding `X` is over `urn:jms`, which is not HTTP"]);
    let unknown = port("<binding name='X'><operation name='A'/></binding>");
    assert_eq!(reasons(&unknown), ["/port/p: the binding `X` is of a kind that is not known"]);
    let policy = port(
        "<binding name='X'><s:binding/><w:PolicyReference xmlns:w='urn:w' URI='#p'/><operation name='A'/></binding>",
    );
    assert_eq!(reasons(&policy), ["the document: `Policy` is not read: what it asks of callers is not known"]);
    let http = port(
        "<binding name='X'><h:binding verb='GET'/><operation name='A'><h:operation location='/a'/></operation></binding>",
    );
    assert_eq!(endpoints(&read_text(&wsdl(&http)).unwrap()), ["GET /p/a"]);
    let none = read_text(&wsdl(BINDING)).unwrap();
    assert_eq!(none.notes[0].to_string(), "the document: no service has a port: it says nowhere where it is served");
    let error = |text: &str| read_text(text).unwrap_err().to_string();
    let two = "<description xmlns='http://www.w3.org/ns/wsdl'/>";
    assert_eq!(error(two), "`WSDL: 2.0` is a version that is not read; 1.1 is");
    let laughs = wsdl("").replace("<definitions", "<!DOCTYPE d [<!ENTITY a 'lol'>]>\n<definitions");
    assert!(error(&laughs).contains("readable as XML, line 2"), "{}", error(&laughs));
    assert!(error(&laughs).ends_with("a document type definition, which is not read"), "{}", error(&laughs));
    assert!(error(&wsdl("<a>")).starts_with("this is not readable as XML, line 2"), "{}", error(&wsdl("<a>")));
    let deep = wsdl(&format!("{}{}", "<a>".repeat(200), "</a>".repeat(200)));
    assert_eq!(error(&deep), "the document has more than 100 levels of nesting, the limit");
}

#[test]
fn a_new_soap_action_breaks_callers() {
    let text = wsdl(&format!(
        "{BINDING}<service><port name='p' binding='t:B'><s:address location='http://h/p'/></port></service>"
    ));
    let (before, after) = (read_text(&text).unwrap(), read_text(&text.replace("urn:t#Add", "urn:t#Plus")).unwrap());
    let changes: Vec<String> = difference(&before, &after).iter().map(ToString::to_string).collect();
    let said = "POST /p#Add: SOAP action changed: urn:t#Add → urn:t#Plus (breaking: callers that send the old one may be refused)";
    assert_eq!(changes, [said]);
    assert_ne!(before.semantic_hash(), after.semantic_hash());
}
