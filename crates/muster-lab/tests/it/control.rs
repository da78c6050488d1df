//! The control port, spoken to over a bare socket.

use std::net::SocketAddr;

use muster_lab::directory::{ChangeReport, Faults, TruthRecord};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::directory;

/// Status and body of an answer.
async fn http(address: SocketAddr, request: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head =
        format!("{request} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_changes_and_fails_by_http() {
    let directory = directory(120).await;
    let port = directory.control_address();
    let (status, banner) = http(port, "GET /_lab/banner", "").await;
    assert_eq!(status, 200);
    let banner: serde_json::Value = serde_json::from_str(&banner).unwrap();
    assert_eq!(banner, directory.banner());
    assert_eq!(banner["truth"]["users"], 124);
    assert_eq!(banner["port"], directory.ldap_address().port());

    let (status, report) = http(port, "POST /_lab/change", r#"{"seed":4,"users":{"modify":3},"renameOu":1}"#).await;
    assert_eq!(status, 200, "{report}");
    let report: ChangeReport = serde_json::from_str(&report).unwrap();
    assert_eq!((report.users.modified.len(), report.users.deleted.len(), report.renamed_ous.len()), (3, 0, 1));
    assert_eq!(report.memberships_added.len(), 10, "what is not said has its default");

    let (_, truth) = http(port, "GET /_lab/truth", "").await;
    let truth: Vec<TruthRecord> = truth.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(truth, directory.truth());

    let (status, _) = http(port, "POST /_lab/faults", r#"{"bind":"533"}"#).await;
    assert_eq!(status, 200);
    let (_, faults) = http(port, "GET /_lab/faults", "").await;
    let faults: Faults = serde_json::from_str(&faults).unwrap();
    assert_eq!(faults.bind.as_deref(), Some("533"));
    assert_eq!(http(port, "POST /_lab/faults", r#"{"bnd":"533"}"#).await.0, 422);
    let (_, faults) = http(port, "DELETE /_lab/faults", "").await;
    assert_eq!(serde_json::from_str::<Faults>(&faults).unwrap(), Faults::default());
    directory.stop().await;
    assert!(TcpStream::connect(port).await.is_err());
}
