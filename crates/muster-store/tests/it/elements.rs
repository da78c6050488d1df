//! The elements of lists, as queries find them.

use muster_core::asset::Class;
use muster_core::clock::Instant;
use muster_core::query::Query;
use muster_core::record::RecordHash;
use muster_store::search::{Page, Sort, View};
use muster_store::{AssetWrite, BatchWrite, Store};
use serde_json::json;

use crate::blobs::writing;
use crate::both::both;

fn api(id: i64, created: bool, endpoints: &serde_json::Value) -> AssetWrite {
    let detail = json!({ "apiAssetClass": { "displayName": "Orders", "endpoints": endpoints } });
    AssetWrite {
        id,
        created,
        source_key: format!("api-{id}"),
        record_hash: RecordHash([0; 16]),
        volatile_hash: RecordHash([0; 16]),
        attributes: 0,
        first_seen: Instant(5),
        changed_at: Instant(5),
        recheck_at: None,
        external_id: None,
        vendor_id: None,
        container: None,
        relative_name: None,
        detail: detail.as_object().cloned().unwrap(),
        volatile: Vec::new(),
        raw: Vec::new(),
        scope: 1,
        map: 1,
    }
}

async fn found(store: &Store, tenant: i64, query: &str) -> Vec<i64> {
    let view = View { dialect: store.dialect(), tenant, class: Class::Api, now: Instant(5) };
    let page = Page { sort: Sort::default(), after: None, limit: 10 };
    store.list(&Query::parse(query, Some(Class::Api)).unwrap(), &view, &page).await.unwrap().0
}

#[tokio::test]
async fn what_an_api_no_longer_has_is_no_longer_found() {
    both(|store| async move {
        let (connector, fence, mut line) = writing(&store).await;
        let tenant = connector.tenant;
        let endpoint = |method: &str, path: &str| json!({ "method": method, "path": path });
        let first = json!([endpoint("GET", "/users"), endpoint("DELETE", "/orders"), endpoint("PUT", "/orders")]);
        let batches = [
            vec![api(1, true, &first), api(2, true, &first)],
            vec![api(2, false, &json!([endpoint("DELETE", "/users")]))],
            vec![api(1, false, &json!([]))],
        ];
        let asked = ["endpoints.method:DELETE", "endpoints:(method:DELETE and path:'/users')", "endpoints is null"];
        let mut answers = Vec::new();
        for (number, assets) in (0_i64..).zip(batches) {
            let mut batch = BatchWrite::new(&connector, "apis", Class::Api, Instant(5));
            batch.number = number;
            batch.assets = assets;
            store.write(fence, batch, &mut line).await.unwrap();
            for query in asked {
                answers.push(found(&store, tenant, query).await);
            }
        }
        let none = Vec::new;
        assert_eq!(
            answers,
            [vec![1, 2], none(), none(), vec![1, 2], vec![2], none(), vec![2], vec![2], vec![1]],
            "of three batches: {asked:?}"
        );
        assert_eq!(found(&store, tenant + 1, "endpoints.method:DELETE or endpoints is null").await, none());
    })
    .await;
}
