//! APIs that are asked for again by their ids.

use muster_core::connector::{Connector as _, Mode, ReadRequest, ScopePlan, Verdict};

use super::freshness::{Keeping, SERVICE, list, plan_of, reading_of};
use super::*;
use crate::azure_api_management::ApiManagement;

type Answers = Vec<(u16, serde_json::Value)>;

fn refused() -> (u16, serde_json::Value) {
    (400, json!({ "error": { "code": "ValidationError", "message": "no export today" } }))
}

fn api() -> (u16, serde_json::Value) {
    (
        200,
        json!({ "id": format!("{SERVICE}/apis/a"), "name": "a", "properties": { "displayName": "A", "path": "a", "isCurrent": true } }),
    )
}

fn key() -> String {
    format!("{SERVICE}/apis/a").to_lowercase()
}

/// What reading the API by itself asks for: its lists, and the export that fails.
fn alone() -> Answers {
    vec![
        list(json!([{ "name": "o", "properties": { "method": "GET", "urlTemplate": "/x" } }])),
        list(json!([])),
        list(json!([])),
        refused(),
    ]
}

#[tokio::test]
async fn an_api_whose_export_fails_keeps_what_is_known_unless_it_is_new() {
    let azure = Azure::start(|_| {
        let read: Answers = reading_of("A").into_iter().chain([refused()]).collect();
        let again = || [vec![api()], alone()].concat();
        [vec![token()], plan_of("A"), products_of(again()), read, again()].concat()
    });
    let source = ApiManagement::new(azure.config("v1"), Arc::new(SystemClock)).unwrap();
    source.plan().await.unwrap();
    // Asked for as one that is known and was not listed.
    let sink = Keeping(Mutex::default());
    assert_eq!(source.confirm("apis", &[key()], &sink).await.unwrap(), [Verdict::Present]);
    assert!(sink.0.into_inner().unwrap().is_empty(), "nothing is written over it");
    // Listed, and its key handed over alone: it is asked for because it is not known.
    let scope = ScopePlan { stream: "apis".to_owned(), name: Arc::from(SERVICE.to_lowercase()) };
    let sink = Keeping(Mutex::default());
    let request = ReadRequest { scope: &scope, mode: Mode::Delta, cursor: None };
    let end = source.read(request, &sink).await.unwrap();
    assert!(end.open.unwrap().contains("no export today"));
    let sink = Keeping(Mutex::default());
    assert_eq!(source.confirm("apis", &[key()], &sink).await.unwrap(), [Verdict::Present]);
    let batches = sink.0.into_inner().unwrap();
    assert_eq!((batches.len(), batches[0].keys_only, batches[0].records.len()), (1, false, 1), "{:?}", azure.asked());
}

/// The products of the service are read once a run, after the API that is asked for first.
fn products_of(mut answers: Answers) -> Answers {
    answers.insert(1, list(json!([])));
    answers
}

#[tokio::test]
async fn apis_of_a_subscription_that_is_left_out_are_out_of_scope() {
    let id = |subscription: &str| {
        format!("/subscriptions/{subscription}/resourceGroups/g/providers/Microsoft.ApiManagement/service/n/apis/a")
    };
    let of =
        |subscription: &str| (200, json!({ "id": id(subscription), "name": "a", "properties": { "isCurrent": true } }));
    let azure = Azure::start(|_| {
        let listed = json!([
            { "subscriptionId": "s-1", "state": "Enabled" }, { "subscriptionId": "S-2", "state": "Disabled" },
            { "subscriptionId": "s-3", "state": "Deleted" },
        ]);
        let gone = (404, json!({ "error": { "code": "SubscriptionNotFound", "message": "gone" } }));
        let forbidden = (403, json!({ "error": { "code": "AuthorizationFailed", "message": "no" } }));
        vec![token(), list(listed), list(json!([])), of("s-2"), gone.clone(), forbidden, gone, of("s-4")]
    });
    let source = ApiManagement::new(azure.config("v1"), Arc::new(SystemClock)).unwrap();
    let plan = source.plan().await.unwrap();
    assert!(plan.notes.iter().any(|note| note == "subscription `S-2` is Disabled: it is not read"), "{:?}", plan.notes);
    assert_eq!(plan.scopes, []);
    let keys = ["s-2", "s-3", "s-2", "s-1", "s-4"].map(id);
    let sink = Keeping(Mutex::default());
    assert_eq!(
        source.confirm("apis", &keys, &sink).await.unwrap(),
        // Read and left out; deleted with all that was in it; no longer readable; hidden; listed short.
        [Verdict::OutOfScope, Verdict::Deleted, Verdict::Forbidden, Verdict::Unknown, Verdict::Present]
    );
}

#[tokio::test]
async fn a_subscription_that_the_profile_names_and_is_disabled_is_left_out() {
    let azure = Azure::start(|_| {
        let listed = json!([{ "subscriptionId": "s-1" }, { "subscriptionId": "S-2", "state": "Disabled" }]);
        vec![token(), list(listed), list(json!([]))]
    });
    let mut config = azure.config("v1");
    config.subscriptions = ["s-1", "s-2", "s-3"].map(str::to_owned).to_vec();
    let source = ApiManagement::new(config, Arc::new(SystemClock)).unwrap();
    let plan = source.plan().await.unwrap();
    let names: Vec<&str> = plan.scopes.iter().map(|scope| &*scope.name).collect();
    assert_eq!(names, ["/subscriptions/s-3"], "the one that is not visible is a gap; the disabled one is none");
    assert!(source.is_left_out("s-2"));
}
