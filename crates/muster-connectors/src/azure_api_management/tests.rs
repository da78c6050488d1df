//! Over real HTTP, against scripted answers in the shapes of Microsoft's specifications and recorded bodies.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::sync::{Arc, Mutex};

use muster_core::clock::SystemClock;
use muster_core::connector::{ConnectorError, ErrorKind};
use serde_json::json;

use super::client::Client;
use super::config::Config;
use crate::Settings;
use crate::testkit::serve;

mod confirming;
mod freshness;

const SECRET: &str = "Canary~Secret.Value";

/// Azure on loopback: answers in their order, and what was asked.
struct Azure {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Azure {
    fn start(answers: impl FnOnce(u16) -> Vec<(u16, serde_json::Value)>) -> Self {
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let script: Arc<Mutex<VecDeque<(u16, serde_json::Value)>>> = Arc::default();
        let (account, turns) = (Arc::clone(&heard), Arc::clone(&script));
        let port = serve(move |mut stream| {
            let mut request = Vec::new();
            let mut chunk = [0; 4096];
            while !is_whole(&request) {
                match stream.read(&mut chunk) {
                    Ok(0) | Err(_) => break,
                    Ok(length) => request.extend_from_slice(&chunk[..length]),
                }
            }
            account.lock().unwrap().push(String::from_utf8_lossy(&request).into_owned());
            let Some((status, body)) = turns.lock().unwrap().pop_front() else { return };
            let body = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            stream.write_all((head + &body).as_bytes()).unwrap_or_default();
        });
        script.lock().unwrap().extend(answers(port));
        Self { port, heard }
    }

    fn config(&self, version: &str) -> Config {
        let base = format!("http://127.0.0.1:{}", self.port);
        let sections = json!({
            "authentication": { "tenantId": "Contoso.example", "clientId": "5a0f", "clientSecret": SECRET },
            "endpoints": { "login": base, "management": base, "storage": base, "tokenVersion": version },
        });
        let sections = sections.as_object().unwrap().clone();
        Config::read(&Settings { sections, base_directory: None }).unwrap()
    }

    fn client(&self) -> Client {
        Client::new(Arc::new(self.config("v1")), Arc::new(SystemClock)).unwrap()
    }

    /// First lines of what was asked.
    fn asked(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        heard.iter().map(|request| request.split(" HTTP/1.1").next().unwrap().to_owned()).collect()
    }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

fn token() -> (u16, serde_json::Value) {
    // Version 1 writes its numbers as text.
    (200, json!({ "token_type": "Bearer", "expires_in": "3599", "access_token": "tok-1" }))
}

fn refusal(error: Result<super::client::List, ConnectorError>) -> ConnectorError {
    let error = error.unwrap_err();
    let all = format!("{error} {:?}", error.remedy);
    assert!(!all.contains(SECRET) && !all.contains("tok-"), "{all}");
    error
}

#[tokio::test]
async fn a_list_is_read_to_its_last_page() {
    let azure = Azure::start(|port| {
        let next = format!("http://127.0.0.1:{port}/subscriptions?api-version=2022-12-01&%24skiptoken=a%20b");
        vec![
            token(),
            (200, json!({ "value": [{ "subscriptionId": "s-1" }], "nextLink": next })),
            (200, json!({ "value": [], "nextLink": format!("{next}2") })),
            (200, json!({ "value": [{ "subscriptionId": "s-2" }], "nextLink": "" })),
        ]
    });
    let client = azure.client();
    let list = client.subscriptions(&|| true).await.unwrap();
    assert_eq!(
        list.items.iter().map(|item| item["subscriptionId"].as_str().unwrap()).collect::<Vec<_>>(),
        ["s-1", "s-2"]
    );
    assert_eq!((list.open, list.counted), (None, None));
    assert_eq!(
        azure.asked(),
        [
            "POST /contoso.example/oauth2/token",
            "GET /subscriptions?api-version=2022-12-01",
            "GET /subscriptions?api-version=2022-12-01&%24skiptoken=a%20b",
            "GET /subscriptions?api-version=2022-12-01&%24skiptoken=a%20b2",
        ]
    );
    let heard = azure.heard.lock().unwrap();
    assert!(heard[0].contains("resource=https%3A%2F%2Fmanagement.azure.com%2F"), "{}", heard[0]);
    assert!(heard[1].contains("authorization: Bearer tok-1"), "{}", heard[1]);
    assert_eq!(client.traffic().calls, 4);
}

#[tokio::test]
async fn what_the_source_counts_is_told_from_first_and_last_page() {
    let azure = Azure::start(|port| {
        let next = format!("http://127.0.0.1:{port}/x?%24skip=1");
        vec![
            token(),
            (200, json!({ "value": [{ "name": "a" }], "count": 3, "nextLink": next })),
            (200, json!({ "value": [{ "name": "b" }], "count": 2, "nextLink": null })),
        ]
    });
    let service = "/subscriptions/S-1/resourceGroups/g/providers/Microsoft.ApiManagement/service/n";
    let list = azure.client().apis((service, "S-1"), &|| true).await.unwrap();
    assert_eq!((list.items.len(), list.counted), (2, Some((3, 2))));
    assert!(azure.asked()[1].starts_with(&format!("GET {service}/apis?api-version=2024-05-01")), "{:?}", azure.asked());
}

#[tokio::test]
async fn a_list_that_leads_astray_stays_open() {
    let circle = Azure::start(|port| {
        let first = format!("http://127.0.0.1:{port}/subscriptions?api-version=2022-12-01");
        vec![token(), (200, json!({ "value": [{}], "nextLink": first }))]
    });
    let list = circle.client().subscriptions(&|| true).await.unwrap();
    assert_eq!(list.open.unwrap(), "listing subscriptions: a page leads back to an earlier one");

    let away = Azure::start(|_| {
        let next = "https://management.azure.com.evil.example/subscriptions?page=2";
        vec![token(), (200, json!({ "value": [{}], "nextLink": next }))]
    });
    let list = away.client().subscriptions(&|| true).await.unwrap();
    let told = list.open.unwrap();
    assert!(told.contains("https://management.azure.com.evil.example:443") && !told.contains("page=2"), "{told}");
    assert_eq!(away.asked().len(), 2);
}

#[tokio::test]
async fn a_token_is_kept_and_renewed_once_when_it_is_refused() {
    let expired =
        json!({ "error": { "code": "ExpiredAuthenticationToken", "message": "The access token expiry UTC time ..." } });
    let azure = Azure::start(|_| {
        let fresh = (200, json!({ "expires_in": 3599, "access_token": "tok-2" }));
        vec![
            token(),
            (401, expired.clone()),
            fresh.clone(),
            (200, json!({ "value": [] })),
            (200, json!({ "value": [] })),
            (401, expired.clone()),
            fresh,
            (401, expired),
        ]
    });
    let client = azure.client();
    client.subscriptions(&|| true).await.unwrap();
    assert!(azure.heard.lock().unwrap()[3].contains("authorization: Bearer tok-2"));
    client.subscriptions(&|| true).await.unwrap();
    assert_eq!(azure.asked().len(), 5, "the token is kept");
    let error = refusal(client.subscriptions(&|| true).await);
    assert_eq!((error.kind, azure.asked().len()), (ErrorKind::Auth, 8));
}

#[tokio::test]
async fn a_refused_sign_in_says_why_and_what_to_do() {
    let described = |code: i64, text: &str| {
        json!({ "error": "invalid_client", "error_codes": [code],
            "error_description": format!("AADSTS{code}: {text}\r\nTrace ID: 6bad8289\r\nTimestamp: 2023-02-20 07:21:29Z") })
    };
    for (code, text, meaning, remedy) in [
        (7_000_215, "Invalid client secret provided.", "the client secret is wrong", "not its id"),
        (7_000_222, "The provided client secret keys are expired.", "the client secret has expired", "make a new one"),
        (90_002, "Tenant 'x' not found.", "the tenant is not known", "check the tenant id"),
        (999_999, "Something new.", "invalid_client: AADSTS999999: Something new.", "check tenant id"),
    ] {
        let azure = Azure::start(|_| vec![(401, described(code, text))]);
        let error = refusal(azure.client().subscriptions(&|| true).await);
        assert_eq!(error.kind, ErrorKind::Auth);
        assert!(error.message.contains(meaning) && !error.message.contains("Trace"), "{}", error.message);
        assert!(error.remedy.as_ref().unwrap().contains(remedy), "{:?}", error.remedy);
    }
    let azure = Azure::start(|_| vec![(403, json!("<html>proxy</html>"))]);
    let error = refusal(azure.client().subscriptions(&|| true).await);
    assert!(error.message.contains("status 403 with a page of HTML"), "{}", error.message);
}

#[tokio::test]
async fn a_missing_right_is_named_with_the_command_that_gives_it() {
    let message = "The client 'c' with object id 'o' does not have authorization to perform action \
                   'Microsoft.ApiManagement/service/read' over scope '/subscriptions/s-1' or the scope is invalid.";
    let body = json!({ "error": { "code": "AuthorizationFailed", "message": message } });
    let azure = Azure::start(|_| vec![token(), (403, body)]);
    let error = refusal(azure.client().services("s-1", &|| true).await);
    assert_eq!(error.kind, ErrorKind::Forbidden { permission: "Microsoft.ApiManagement/service/read".to_owned() });
    let remedy = error.remedy.unwrap();
    assert!(remedy.contains("az role assignment create") && remedy.contains("--scope /subscriptions/s-1"), "{remedy}");
}

#[test]
fn settings_that_cannot_work_are_told_by_field() {
    let good = json!({
        "authentication": { "tenantId": "t", "clientId": "c", "clientSecret": SECRET },
        "endpoints": {}, "profile": {},
    });
    let with = |section: &str, key: &str, value: serde_json::Value| {
        let mut sections = good.as_object().unwrap().clone();
        sections[section][key] = value;
        Config::read(&Settings { sections, base_directory: None })
    };
    for (section, key, value) in [
        ("authentication", "tenantId", json!("")),
        ("authentication", "tenantId", json!("../common")),
        ("authentication", "clientId", json!("a b")),
        ("authentication", "clientSecret", json!("")),
        ("endpoints", "management", json!("http://management.azure.com/")),
        ("endpoints", "management", json!("https://me:word@management.azure.com/")),
        ("endpoints", "login", json!("not a url")),
        ("endpoints", "cloud", json!("moon")),
        ("profile", "subscriptions", json!(["/subscriptions/x"])),
        ("profile", "revisions", json!("latest")),
    ] {
        let error = with(section, key, value.clone()).unwrap_err();
        assert_eq!(error.field, format!("{section}.{key}"), "{value}");
        assert!(!error.remedy.is_empty() && !error.to_string().contains("word"), "{error:?}");
    }
    let china = with("endpoints", "cloud", json!("china")).unwrap();
    assert_eq!(china.management.as_str(), "https://management.chinacloudapi.cn/");
    assert_eq!(china.audience, "https://management.chinacloudapi.cn/");
}
