//! What a job tells: pages, and a stream that ends with the job.

use axum::body::Body;
use axum::http::{Request, header};
use muster_store::hub::{JobEnd, NewEvent};
use serde_json::json;

use crate::app::both;
use crate::configure::{connector, profile};

#[tokio::test]
async fn a_stream_goes_on_where_it_was_and_ends_with_the_job() {
    both(async |app| {
        let made = connector(&app, "d").await;
        let kept = profile(&app, &made, json!({ "name": "all" })).await;
        let job =
            app.post(&format!("/api/v1/profiles/{}/run", kept["id"].as_str().unwrap()), json!({})).await.expect(202);
        let id = job["id"].as_str().unwrap();
        let (row, claim) = app.hub.store.claim_job("w", app.hub.now(), 0).await.unwrap().unwrap();
        let event = |message: &str| NewEvent {
            at: app.hub.now(),
            level: "info",
            kind: "log",
            message: message.to_owned(),
            data: None,
        };
        app.hub.store.tell(1, row.id, &[event("one"), event("two")]).await.unwrap();
        let read = async |query: &str| {
            let request = Request::get(format!("/api/v1/jobs/{id}/events?{query}"))
                .header(header::AUTHORIZATION, format!("Bearer {}", app.token))
                .header(header::ACCEPT, "application/json");
            app.send(request.body(Body::empty()).unwrap()).await.expect(200)
        };
        let page = read("limit=1").await;
        assert_eq!(page["items"][0]["message"], "one");
        let first = page["items"][0]["id"].as_i64().unwrap();
        let next = page["nextCursor"].as_str().unwrap();
        let rest = read(&format!("cursor={next}")).await;
        assert_eq!(rest["items"][0]["message"], "two");
        let end = JobEnd { result: "complete", message: None, now: app.hub.now() };
        app.hub.store.end_job(&claim, end).await.unwrap();
        let request = Request::get(format!("/api/v1/jobs/{id}/events"))
            .header(header::AUTHORIZATION, format!("Bearer {}", app.token))
            .header("last-event-id", first.to_string());
        let answer = app.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.headers[header::CONTENT_TYPE], "text/event-stream");
        assert!(!answer.text.contains("one") && answer.text.contains("two"), "{}", answer.text);
        assert!(answer.text.contains("event: end\ndata: {") && answer.text.contains("\"complete\""), "{}", answer.text);
    })
    .await;
}
