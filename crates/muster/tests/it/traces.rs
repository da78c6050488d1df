//! Traces, as a collector receives them.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use prost::Message as _;
use serde_json::json;

use crate::hub::{Hub, PASSWORD, Place};
use crate::serving::lab;
use crate::simulated::authentication;

/// A collector that answers with that status; gives its address and, for each request, its head and body.
fn collector(status: &'static str) -> (String, Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, received) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            let mut body = vec![0; length.unwrap_or(0)];
            reader.read_exact(&mut body).unwrap();
            let _ = sender.send((head, body));
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (address, received)
}

fn ended(mut hub: Hub) -> Duration {
    hub.signal("-TERM");
    let begun = Instant::now();
    assert!(hub.child.wait().unwrap().success());
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_traced_from_the_request_to_its_scopes() {
    let lab = lab(20).await;
    let scratch = tempfile::tempdir().unwrap();
    tokio::task::block_in_place(|| {
        let (address, received) = collector("200 OK");
        let variables =
            [("OTEL_EXPORTER_OTLP_ENDPOINT", address.as_str()), ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=canary-key")];
        let hub = Hub::start_knowing(&Place::Directory(scratch.path().join("hub")), &variables);
        let (_, profile) = hub.configure(authentication(&lab), None);
        let job = hub.ended(&hub.run(&profile, "full"));
        assert_eq!(job["result"], "complete", "{job}");
        hub.ended(&hub.post(&format!("/api/v1/profiles/{profile}/run"), &json!({ "mode": "delta" })));
        hub.text("/api/v1/inventory/users?filter=name:canary-name");
        ended(hub);
        let requests: Vec<(String, Vec<u8>)> = received.try_iter().collect();
        assert!(requests.iter().all(|(head, _)| head.starts_with("POST /v1/traces ") && head.contains("canary-key")));
        let bodies: Vec<u8> = requests.iter().flat_map(|(_, body)| body).copied().collect();
        let text = String::from_utf8_lossy(&bodies);
        let bind_password = authentication(&lab)["password"].as_str().unwrap().to_owned();
        for secret in [PASSWORD, "canary", &bind_password] {
            assert!(!text.contains(secret), "a trace holds {secret}");
        }
        let told: Vec<ResourceSpans> = requests
            .iter()
            .flat_map(|(_, body)| ExportTraceServiceRequest::decode(body.as_slice()).unwrap().resource_spans)
            .collect();
        assert!(told.iter().all(|one| format!("{:?}", one.resource).contains("muster")));
        let spans: Vec<Span> = told.into_iter().flat_map(|one| one.scope_spans).flat_map(|scope| scope.spans).collect();
        let by_id: HashMap<&[u8], &Span> = spans.iter().map(|span| (span.span_id.as_slice(), span)).collect();
        let one = |name: &str| {
            spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no `{name}`: {spans:?}"))
        };
        let request = format!("{:?}", one("POST /api/v1/profiles/{id}/run").attributes);
        assert!(request.contains("http.response.status_code") && request.contains("request.id"), "{request}");
        for stream in ["users", "groups", "containers"] {
            for name in [format!("read {stream}"), format!("retire {stream}")] {
                let mut span = one(&name);
                while let Some(parent) = by_id.get(span.parent_span_id.as_slice()) {
                    span = parent;
                }
                assert_eq!(span.name, "job run", "{name} belongs to its job");
            }
        }
        assert!(format!("{:?}", one("job run").attributes).contains("complete"));
    });
}

#[test]
fn a_collector_that_is_away_or_refuses_costs_nobody_anything() {
    let away = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (refusing, _received) = collector("503 Service Unavailable");
    for endpoint in [format!("http://{away}"), refusing] {
        let scratch = tempfile::tempdir().unwrap();
        let place = Place::Directory(scratch.path().join("hub"));
        let hub = Hub::start_knowing(&place, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]);
        assert_eq!(hub.text("/healthz").0, 200);
        let took = ended(hub);
        assert!(took < Duration::from_secs(15), "{endpoint}: {took:?} (3 s on a quiet machine)");
    }
}

#[test]
fn an_address_that_is_none_is_said() {
    let variable = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    let outcome = Command::new(env!("CARGO_BIN_EXE_muster"))
        .args(["doctor", "--state", "nowhere"])
        .env(variable, "collector.canary:4318")
        .output()
        .unwrap();
    let said = String::from_utf8(outcome.stderr).unwrap();
    assert_eq!(outcome.status.code(), Some(2), "{said}");
    assert!(said.contains(variable) && said.contains("hint: ") && !said.contains("canary"), "{said}");
}
