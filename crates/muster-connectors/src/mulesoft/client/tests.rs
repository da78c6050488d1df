//! Lists over real HTTP: what pages say and what comes of it.

use std::io::{Read as _, Write as _};
use std::sync::Mutex;

use super::*;
use crate::Settings;
use crate::testkit::serve;

/// A platform whose lists of environments are as `page` says of offset and of how many pages were asked for before.
fn platform(page: impl Fn(usize, usize) -> Json + Send + 'static) -> (Client, Arc<Mutex<Vec<usize>>>) {
    let asked: Arc<Mutex<Vec<usize>>> = Arc::default();
    let account = Arc::clone(&asked);
    let port = serve(move |mut stream| {
        let mut request = [0; 4096];
        let length = stream.read(&mut request).unwrap_or(0);
        let request = String::from_utf8_lossy(&request[..length]).into_owned();
        let body = match request.split("offset=").nth(1) {
            None => json!({ "access_token": "t", "expires_in": 3600 }),
            Some(rest) => {
                let offset = rest.split([' ', '&']).next().unwrap().parse().unwrap();
                let mut account = account.lock().unwrap();
                account.push(offset);
                page(offset, account.len() - 1)
            }
        };
        let body = body.to_string();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes()).unwrap_or_default();
    });
    let base = format!("http://127.0.0.1:{port}");
    let sections = json!({
        "authentication": { "organizationId": "o", "environmentId": "e", "clientId": "c", "clientSecret": "s" },
        "endpoints": { "base": base }, "profile": { "callsPerSecond": 1000 },
    });
    let sections = sections.as_object().unwrap().clone();
    let config = Config::read(&Settings { sections, base_directory: None }).unwrap();
    (Client::new(Arc::new(config)).unwrap(), asked)
}

/// Of so many, two a page.
fn some(offset: usize, all: usize) -> Vec<Json> {
    (offset..all.min(offset + 2)).map(|n| json!({ "id": n })).collect()
}

async fn listed(client: &Client) -> Result<List, ConnectorError> {
    client.environments("o", &|| true).await
}

#[tokio::test]
async fn a_list_is_read_to_its_own_end_whatever_it_says_of_its_total() {
    for (totals, came, total, told) in [
        // What each page says, how many come, what is believed, and what is told.
        ([5, 5, 5, 5], 5, Some(5), ""),
        ([2, 2, 2, 2], 5, None, "5 came, though 2 are counted"),
        ([6, 6, 6, 6], 5, None, "5 came of 6 that are counted"),
    ] {
        let (client, asked) = platform(move |offset, n| json!({ "data": some(offset, 5), "total": totals[n] }));
        let list = listed(&client).await.unwrap();
        let told_of = format!("{}{}", list.open.clone().unwrap_or_default(), list.note.unwrap_or_default());
        assert_eq!((list.items.len(), list.total), (came, total), "{totals:?}");
        assert!(told_of.ends_with(told) && told.is_empty() == told_of.is_empty(), "{totals:?}: {told_of}");
        assert_eq!(list.open.is_some(), told.contains(" of "), "{totals:?}");
        assert_eq!(*asked.lock().unwrap(), [0, 2, 4, 5], "to an empty page");
    }
    // One that changed while it was read is read again; one that always changes is open, with what came.
    let (client, asked) = platform(|offset, n| json!({ "data": some(offset, 3), "total": if n == 0 { 4 } else { 3 } }));
    let list = listed(&client).await.unwrap();
    assert_eq!((list.items.len(), list.total, list.open), (3, Some(3), None));
    assert_eq!(*asked.lock().unwrap(), [0, 2, 3, 0, 2, 3]);
    let (client, asked) = platform(|offset, n| json!({ "data": some(offset, 3), "total": 3 + n % 2 }));
    let list = listed(&client).await.unwrap();
    assert_eq!((list.items.len(), list.total, asked.lock().unwrap().len()), (3, None, 9));
    assert!(list.open.unwrap().ends_with("the total changes while the list is read, 3 to 4"));
}

#[tokio::test]
async fn a_list_that_repeats_itself_ends() {
    for (total, open) in [(json!(2), false), (json!(3), true), (Json::Null, true)] {
        let (client, asked) = platform(move |_, _| json!({ "data": some(0, 2), "total": total }));
        let list = listed(&client).await.unwrap();
        assert_eq!((list.items.len(), list.open.is_some(), asked.lock().unwrap().len()), (2, open, 2), "{list:?}");
    }
}

#[tokio::test]
async fn a_list_without_end_is_bounded_in_bytes() {
    let (client, asked) = platform(|offset, _| json!({ "data": some(offset, usize::MAX), "total": 2 }));
    let list = listed(&Client { list_bytes: 1_000, ..client }).await.unwrap();
    assert!(list.open.unwrap().ends_with("more than 10000 pages, or 1000 bytes"));
    assert!(asked.lock().unwrap().len() < 40, "{:?}", asked.lock().unwrap());
}

#[tokio::test]
async fn what_is_no_list_is_an_error() {
    for body in [json!([]), json!(7), json!({}), json!({ "data": {} }), json!({ "data": null, "total": 0 })] {
        let (client, _) = platform(move |_, _| body.clone());
        assert_eq!(listed(&client).await.unwrap_err().message, "the answer holds no list");
    }
}
