//! What a good definition, and a list, outlast.

use super::*;

/// A path of an asset in Exchange.
fn is_asset(path: &str) -> bool {
    path.starts_with("/exchange/") && !path.contains("search")
}

#[tokio::test]
async fn a_definition_that_cannot_be_had_is_never_written_over_one_that_is_known() {
    // What comes in place of the asset, of its file, of the instance; and what is told of it.
    let asset = |body: Json| move |path: &str| is_asset(path).then(|| ok(&body));
    let linkless = json!([{ "classifier": "oas", "packaging": "yaml" }]);
    let odd = json!([{ "classifier": 7, "externalLink": "x" }]);
    let page = |packaging: &'static str, classifier: &'static str, port: u16| {
        let mut file = file(port);
        (file["packaging"], file["classifier"], file["mainFile"]) = (packaging.into(), classifier.into(), "b".into());
        move |path: &str| match path {
            path if is_asset(path) => Some(ok(&asset_of("a1", &json!([file])))),
            "/file/1" => Some((200, "", b"<html>proxy</html>".to_vec())),
            _ => None,
        }
    };
    let detail = |body: Json| move |path: &str| path.ends_with("/apis/1").then(|| ok(&body));
    let platform = Platform::start();
    let port = platform.port;
    let cases: Vec<(Box<Answering>, &str)> = vec![
        (Box::new(|path: &str| is_asset(path).then(|| status(404))), "deleted, or may not be seen"),
        (Box::new(asset(json!({}))), "it has no `assetId`"),
        (Box::new(asset(Json::Null)), "it has no `assetId`"),
        (Box::new(asset(json!({ "assetId": "a1", "status": "maintenance" }))), "no list of files"),
        (Box::new(asset(asset_of("a1", &linkless))), "gives no link to it"),
        (Box::new(asset(asset_of("a1", &odd))), "1 that cannot be told"),
        (Box::new(page("yaml", "oas", port)), "no checksum of it"),
        (Box::new(page("zip", "custom", port)), "is no package"),
        (Box::new(detail(json!({}))), "no API instance"),
        (Box::new(detail(json!({ "status": "maintenance" }))), "no API instance"),
    ];
    let source = platform.source(ORGANIZATION, &json!({}));
    let run = platform.run(&source).await;
    assert_eq!((run.open(), run.records, run.keys), ("", 1, 0));
    for (answering, told) in cases {
        *platform.answering.lock().unwrap() = answering;
        let run = platform.run(&source).await;
        assert!(run.open().contains(told), "{told}: {:?}", run.end);
        assert_eq!((run.records, run.keys), (0, 1), "{told}");
        // Nor is it where it is asked for as one that was not listed.
        source.shared.bare.clear();
        assert_eq!(platform.confirm(&source, &[&format!("{PLACE}/1")]).await.1, 0, "{told}");
    }
    platform.answers(|_| None);
    let run = platform.run(&source).await;
    assert_eq!((run.open(), run.records, run.keys), ("", 0, 1), "its mark is as it was");
}

#[tokio::test]
async fn what_is_new_is_told_as_failed_where_its_asset_does_not_show() {
    let platform = Platform::start();
    platform.answers(|path| is_asset(path).then(|| status(404)));
    let source = platform.source(ORGANIZATION, &json!({}));
    let run = platform.run(&source).await;
    assert_eq!((run.records, run.keys), (0, 1));
    assert!(run.end.notes.iter().any(|note| note.contains("`Exchange Viewer`")), "{:?}", run.end.notes);
    let came = platform.confirm(&source, &[&format!("{PLACE}/1")]).await;
    assert_eq!(came, (vec![Verdict::Present], 1));
    // The run after asks for it again.
    platform.answers(|_| None);
    assert_eq!(platform.run(&source).await.records, 1);
}

#[tokio::test]
async fn a_link_that_comes_later_makes_it_another_state() {
    let platform = Platform::start();
    let source = platform.source(ORGANIZATION, &json!({}));
    let port = platform.port;
    // The file as it was written has no link yet; the one that is generated has.
    let files = move |is_linked: bool| {
        let (mut own, mut made) = (file(port), file(port));
        made["isGenerated"] = true.into();
        if !is_linked {
            own["externalLink"] = Json::Null;
        }
        asset_of("a1", &json!([own, made]))
    };
    platform.answers(move |path| is_asset(path).then(|| ok(&files(false))));
    let run = platform.run(&source).await;
    assert_eq!((run.open(), run.records), ("", 1));
    assert!(run.end.notes[0].contains("`oas`: Exchange gives no link to it"), "{:?}", run.end.notes);
    platform.answers(move |path| is_asset(path).then(|| ok(&files(true))));
    assert_eq!(platform.run(&source).await.records, 1);
    assert_eq!(platform.run(&source).await.records, 0);
}

#[tokio::test]
async fn an_odd_value_of_a_file_is_none_and_the_file_stays() {
    let platform = Platform::start();
    let port = platform.port;
    let odd = move || {
        let mut file = file(port);
        (file["md5"], file["isGenerated"], file["mainFile"]) = (json!({}), json!("true"), json!([]));
        asset_of("a1", &json!([file]))
    };
    platform.answers(move |path| is_asset(path).then(|| ok(&odd())));
    let run = platform.run(&platform.source(ORGANIZATION, &json!({}))).await;
    assert_eq!((run.open(), run.records), ("", 1));
    assert_eq!(platform.asked("/file/1"), 1);
}

#[tokio::test]
async fn a_list_that_is_short_is_open_whatever_it_counts() {
    let listed = |total: Json, items: Json| {
        move |path: &str| {
            let is_list = path.contains("/apis?");
            let items = if path.contains("offset=0") { items.clone() } else { json!([]) };
            is_list.then(|| ok(&json!({ "total": total, "assets": items })))
        }
    };
    let short =
        || json!([{ "id": 1, "totalApis": 3, "groupId": "g", "assetId": "a1", "apis": [instance(1), instance(2)] }]);
    for (total, items, told, came) in [
        (Json::Null, short(), "asset 1 is listed with 2 of its 3 API instances", 2),
        (json!(0), short(), "asset 1 is listed with 2 of its 3 API instances", 2),
        (json!(1), short(), "asset 1 is listed with 2 of its 3 API instances", 2),
        (json!(1), json!([{ "id": 1, "apis": null }]), "asset 1 is listed without its API instances", 0),
        // Two that do not say what they are called are two.
        (Json::Null, json!([{ "apis": [instance(1)] }, { "apis": [instance(2)] }]), "", 2),
    ] {
        let platform = Platform::start();
        platform.answers(listed(total.clone(), items.clone()));
        let run = platform.run(&platform.source(ORGANIZATION, &json!({}))).await;
        assert_eq!((run.open(), run.records), (told, came), "{total} {items}");
    }
}

#[tokio::test]
async fn what_answers_and_is_not_planned_is_there_or_left_out_by_the_profile() {
    let other = "0b0b0b0b-0000-4000-8000-00000000000b";
    let keys = [format!("{ORGANIZATION}/e/1"), format!("{ORGANIZATION}/f/1"), format!("{other}/e/1")];
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let (there, out) = (Verdict::Present, Verdict::OutOfScope);
    for (profile, wanted) in [
        (json!({}), [there, out, out]),
        (json!({ "allEnvironments": true }), [there, there, out]),
        (json!({ "allEnvironments": true, "businessGroups": "below" }), [there, there, there]),
    ] {
        let platform = Platform::start();
        // No plan was made: none of them is listed.
        let source = platform.source(ORGANIZATION, &profile);
        assert_eq!(platform.confirm(&source, &keys).await, (wanted.to_vec(), 0), "{profile}");
    }
}

#[tokio::test]
async fn an_organization_that_is_typed_in_capitals_is_the_same() {
    let platform = Platform::start();
    platform.answers(|path| {
        let own = json!({ "groupId": ORGANIZATION, "assetId": "p", "version": "1.0.0", "type": "rest-api" });
        let named = json!({ "groupId": "com.example", "assetId": "q", "version": "1.0.0", "type": "rest-api",
                            "organization": { "id": "another" } });
        let nobodys = json!({ "assetId": "r", "type": "rest-api" });
        path.contains("search")
            .then(|| ok(&if path.contains("offset=0") { json!([own, named, nobodys]) } else { json!([]) }))
    });
    let source = platform.source(&ORGANIZATION.to_uppercase(), &json!({ "unmanagedAssets": true }));
    let names: Vec<String> = source.plan().await.unwrap().scopes.iter().map(|scope| scope.name.to_string()).collect();
    assert_eq!(names, [PLACE.to_owned(), format!("{ORGANIZATION}/exchange")]);
    let list = source.client.published(ORGANIZATION, &|| true).await.unwrap();
    let ids: Vec<&str> = list.items.iter().map(|item| item["assetId"].as_str().unwrap()).collect();
    assert_eq!(ids, ["p", "r"], "another's is left out; what says nothing of its owner is not");
}

#[test]
fn a_backend_is_no_address_of_the_definitions_however_it_is_written() {
    let found = |servers: &[&str]| crate::kit::definition::Found {
        servers: servers.iter().map(|url| (*url).to_owned()).collect(),
        ..crate::kit::definition::Found::nothing(crate::kit::definition::State::Stored)
    };
    let one = instance::Instance::of(&json!({}), &instance(1)).unwrap();
    let told = one.urls(&found(&[
        "https://backend.internal/x/",
        "HTTPS://Backend.Internal:443/x",
        "https://api.example.com/x",
    ]));
    let kinds: Vec<(&str, &str)> =
        told.iter().map(|url| (url["kind"].as_str().unwrap(), url["url"].as_str().unwrap())).collect();
    assert_eq!(kinds, [("definition", "https://api.example.com/x"), ("implementation", "https://backend.internal/x")]);
}

#[test]
fn definitions_are_kept_by_all_that_they_take() {
    let shared = Shared::default();
    let large = Arc::new(crate::kit::definition::Found {
        endpoints: Some(vec![json!({}); 40_000]),
        ..crate::kit::definition::Found::nothing(crate::kit::definition::State::Stored)
    });
    shared.keep("a".to_owned(), &large);
    assert!(shared.definition("a").is_some());
    shared.keep("b".to_owned(), &large);
    assert!(shared.definition("a").is_none() && shared.definition("b").is_some());
}

/// Twelve versions of one asset, a definition of 512 KiB each: handed over as they come, never all at once.
#[tokio::test]
async fn versions_of_one_asset_are_handed_over_as_they_come() {
    let platform = Platform::start();
    let port = platform.port;
    let version = |n: u64| {
        let mut one = instance(n);
        (one["assetId"], one["assetVersion"]) = ("a".into(), format!("{n}.0.0").into());
        one
    };
    platform.answers(move |path| match path {
        path if path.contains("/apis?") => {
            let all: Vec<Json> = (1..=12).map(version).collect();
            let items = json!([{ "id": 1, "totalApis": 12, "apis": all }]);
            Some(ok(&json!({ "assets": if path.contains("offset=0") { items } else { json!([]) }, "total": 1 })))
        }
        path if path.contains("/apis/") => Some(ok(&version(path.rsplit('/').next()?.parse().ok()?))),
        path if is_asset(path) => {
            let mut file = file(port);
            file["externalLink"] = format!("http://127.0.0.1:{port}/file/{}", path.rsplit('/').next()?).into();
            Some(ok(&asset_of("a", &json!([file]))))
        }
        path if path.starts_with("/file/") => {
            Some((200, "", format!("{FILE}# {path}{}\n", "x".repeat(512 << 10)).into_bytes()))
        }
        _ => None,
    });
    let source = platform.source(ORGANIZATION, &json!({}));
    source.plan().await.unwrap();
    let scope = ScopePlan { stream: "apis".to_owned(), name: Arc::from(PLACE) };
    let sink = Watching(&platform, Mutex::default());
    let request = ReadRequest { scope: &scope, mode: Mode::Delta, cursor: None };
    assert_eq!(source.read(request, &sink).await.unwrap().open, None);
    // How many files were fetched when each batch came.
    let fetched = sink.1.into_inner().unwrap();
    assert!(fetched.len() >= 3 && fetched[0] < 7 && platform.asked("/file/") == 12, "{fetched:?}");
}

struct Watching<'a>(&'a Platform, Mutex<Vec<usize>>);

#[async_trait]
impl BatchSink for Watching<'_> {
    async fn send(&self, _: Batch) -> Result<(), SinkClosed> {
        self.1.lock().unwrap().push(self.0.asked("/file/"));
        Ok(())
    }

    fn is_closed(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn marks_of_what_was_not_listed_are_kept_where_the_count_says_so() {
    let platform = Platform::start();
    let source = platform.source(ORGANIZATION, &json!({}));
    platform.run(&source).await;
    let before = platform.cursor.lock().unwrap().clone();
    // One is listed without its id, and counted.
    platform.answers(|path| {
        let items =
            json!([{ "id": 1, "totalApis": 1, "groupId": "g", "assetId": "a1", "apis": [{ "assetId": "a1" }] }]);
        let items = if path.contains("offset=0") { items } else { json!([]) };
        path.contains("/apis?").then(|| ok(&json!({ "assets": items, "total": 1 })))
    });
    let run = platform.run(&source).await;
    assert_eq!((run.open(), run.records, run.keys), ("", 0, 0));
    assert_eq!(run.end.cursor.map(|cursor| cursor.0), before.map(|cursor| cursor.0));
}
