//! What fails for all, and is asked for no more.

use super::*;

/// Thirty instances, each of an asset of its own.
fn many(path: &str) -> Option<Answered> {
    let items: Vec<Json> = if path.contains("offset=0") { (1..=30).map(entry).collect() } else { Vec::new() };
    path.contains("/apis?").then(|| ok(&json!({ "total": 30, "assets": items })))
}

fn keys() -> Vec<String> {
    (1..=30).map(|id| format!("{PLACE}/{id}")).collect()
}

#[tokio::test]
async fn an_outage_ends_the_scope_after_some_and_so_it_ends_asking_again() {
    // 502 speaks for one answer, 503 for all of them.
    for (code, calls) in [(502, 8 + 3), (503, 4)] {
        let platform = Platform::start();
        platform.answers(move |path| many(path).or_else(|| path.starts_with("/exchange/").then(|| status(code))));
        let source = platform.source(ORGANIZATION, &json!({}));
        let run = platform.run(&source).await;
        assert!(run.open().contains(&format!("status {code}")), "{}", run.open());
        // Five attempts each, and those that were under way.
        let asked = platform.asked("/exchange/");
        assert!((5..=calls * 5).contains(&asked), "{code}: {asked}");
        let keys = keys();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let (verdicts, records) = platform.confirm(&source, &keys).await;
        assert_eq!((verdicts, records), (vec![Verdict::Unknown; 30], 0));
        let asked = platform.asked("/exchange/");
        assert!((5..=8 * 5).contains(&asked), "{code}: {asked}");
    }
}

#[tokio::test]
async fn failures_of_single_apis_end_nothing() {
    let platform = Platform::start();
    platform.answers(|path| many(path).or_else(|| path.contains("3/1.0.0").then(|| status(502))));
    let run = platform.run(&platform.source(ORGANIZATION, &json!({}))).await;
    assert_eq!((run.records, run.keys), (27, 3), "{:?}", run.end);
}

#[tokio::test]
async fn a_sign_in_that_fails_in_the_middle_is_tried_once() {
    for (code, told) in [(503, "status 503"), (401, "are not accepted")] {
        let platform = Platform::start();
        let source = platform.source(ORGANIZATION, &json!({}));
        source.plan().await.unwrap();
        // The token ended, and there is no other.
        platform.answers(move |path| {
            let is_sign_in = path.contains("oauth2");
            many(path)
                .or_else(|| if is_sign_in { Some(status(code)) } else { path.contains("/apis/").then(|| status(401)) })
        });
        platform.asked.lock().unwrap().clear();
        let scope = ScopePlan { stream: "apis".to_owned(), name: Arc::from(PLACE) };
        let request = ReadRequest { scope: &scope, mode: Mode::Delta, cursor: None };
        let end = source.read(request, &Keeping(Mutex::default())).await;
        let why = end.map_or_else(|error| error.to_string(), |end| end.open.unwrap());
        assert!(why.contains(told), "{why}");
        for _ in 0..3 {
            source.client.sign_in(&|| true).await.unwrap_err();
        }
        assert_eq!(platform.asked("oauth2"), if code == 503 { 5 } else { 1 }, "five attempts, once");
    }
}

#[tokio::test]
async fn a_secret_that_a_server_echoes_is_not_shown() {
    let platform = Platform::start();
    platform.answers(|path| {
        let echo = format!("invalid client_secret '{SECRET}' (client_secret=Canary%2FSecret%2BValue)");
        path.contains("oauth2").then(|| (401, "", json!({ "message": echo }).to_string().into_bytes()))
    });
    let error = platform.source(ORGANIZATION, &json!({})).plan().await.unwrap_err();
    assert!(error.message.contains("invalid client_secret '[secret]'"), "{error}");
    assert!(!error.to_string().contains("Canary"), "{error}");
    platform
        .answers(|path| path.contains("/environments").then(|| (403, "", br#"{"message":"no tok-canary"}"#.to_vec())));
    let source = platform.source(ORGANIZATION, &json!({}));
    source.plan().await.unwrap();
    let told = format!("{:?}", source.found(ORGANIZATION));
    assert!(told.contains("no [secret]") && !told.contains("tok-canary"), "{told}");
}

#[tokio::test]
async fn a_connection_test_passes_where_something_can_be_read() {
    #[derive(Default)]
    struct Told(Mutex<Vec<String>>);
    impl StepSink for Told {
        fn step(&self, step: muster_core::connector::Step) {
            self.0.lock().unwrap().push(format!("{step:?}"));
        }
    }
    let platform = Platform::start();
    let below = "0b0b0b0b-0000-4000-8000-00000000000b";
    platform.answers(move |path| match path {
        path if path.contains(&format!("{below}/environments")) => Some(status(403)),
        path if path.contains("hierarchy") => {
            Some(ok(&json!({ "id": ORGANIZATION, "subOrganizations": [{ "id": below, "subOrganizations": [] }] })))
        }
        _ => None,
    });
    let source = platform.source(ORGANIZATION, &json!({ "allEnvironments": true, "businessGroups": "below" }));
    let told = Told::default();
    assert!(source.check(&told).await, "{:?}", told.0.lock().unwrap());
    let told = told.0.lock().unwrap().join("\n");
    assert!(told.contains(&format!("not all of `{below}`")) && told.contains("`View Environment`"), "{told}");
}
