//! Pages, counts, facets; tenants; queries that are no queries but attacks.

use muster_core::asset::Class;
use muster_core::asset::schema::SearchValue;
use muster_core::query::{Query, Target, tokens};
use serde_json::{Map, Value, json};

use super::super::*;
use super::store::{Sample, Store, at, samples, stores};

const NOW: &str = "2024-04-01T00:00:00Z";

fn target(token: &str) -> Option<Target> {
    tokens::all().find(|target| target.token() == token)
}

fn user(id: i64, tenant: i64, fields: &Value) -> Sample {
    let mut detail = Map::new();
    detail.insert("userAssetClass".to_owned(), fields.clone());
    let mut sample = samples().remove(0);
    (sample.id, sample.tenant, sample.detail) = (id, tenant, detail);
    sample
}

fn parse(text: &str) -> Query {
    Query::parse(text, Some(Class::User)).unwrap()
}

/// All ids, page by page.
fn paged(store: &mut Store, sort: Sort, limit: u32) -> Vec<i64> {
    let view = store.view(Class::User, at(NOW));
    let mut ids = Vec::new();
    let mut after = None;
    loop {
        let rows = store.cells(&page(&parse(""), &view, &Page { sort, after, limit }).unwrap());
        let Some(last) = rows.last() else { return ids };
        let id = |row: &Vec<Option<SearchValue>>| match row[0] {
            Some(SearchValue::Number(id)) => id,
            _ => panic!("no id"),
        };
        ids.extend(rows.iter().map(id));
        after = Some(PageKey { value: last[1].clone(), id: id(last) });
    }
}

#[test]
fn pages_follow_each_other_and_missing_comes_last() {
    for mut store in stores() {
        store.insert(&samples());
        for limit in [1, 2, 3, 100] {
            let mut sorted = |token: &str, descending| paged(&mut store, Sort { by: target(token), descending }, limit);
            assert_eq!(sorted("", false), [1, 2, 3, 4, 5, 6, 7, 8]);
            assert_eq!(sorted("", true), [8, 7, 6, 5, 4, 3, 2, 1]);
            assert_eq!(sorted("user.status", false), [1, 3, 2, 6, 7, 4, 5, 8]);
            assert_eq!(sorted("user.status", true), [5, 4, 7, 6, 2, 3, 1, 8]);
            assert_eq!(sorted("user.name", false), [6, 1, 7, 5, 4, 3, 2, 8]);
            assert_eq!(sorted("user.failedPasswordAttemptCount", false), [6, 1, 2, 4, 3, 5, 7, 8]);
            assert_eq!(sorted("user.failedPasswordAttemptCount", true), [3, 4, 2, 1, 6, 8, 7, 5]);
            assert_eq!(sorted("inventory.created", true), [8, 7, 6, 5, 4, 3, 2, 1]);
            assert_eq!(sorted("inventory.connector", false), [5, 6, 1, 2, 3, 4, 7, 8]);
        }
    }
}

#[test]
fn page_keys_of_another_sort_are_refused() {
    let view = View { dialect: Dialect::Sqlite, tenant: 1, class: Class::User, now: at(NOW) };
    let refused = |token: &str, value| {
        let sort = Sort { by: target(token), descending: false };
        page(&parse(""), &view, &Page { sort, after: Some(PageKey { value, id: 1 }), limit: 1 })
            .unwrap_err()
            .to_string()
    };
    let text = Some(SearchValue::Text("x".to_owned()));
    insta::assert_snapshot!(refused("inventory.created", text), @r"the page key belongs to a list sorted otherwise than by `inventory.created`");
    insta::assert_snapshot!(refused("user.name", Some(SearchValue::Number(1))), @r"the page key belongs to a list sorted otherwise than by `user.name`");
    insta::assert_snapshot!(refused("inventory.created", None), @r"the page key belongs to a list sorted otherwise than by `inventory.created`");
    insta::assert_snapshot!(refused("group.name", None), @r"the list cannot be sorted by `group.name`, which is another class's or stands for several values");
}

#[test]
fn counts_say_whether_they_are_exact() {
    for mut store in stores() {
        store.insert(&samples());
        let view = store.view(Class::User, at(NOW));
        for counting in [Counting::Capped, Counting::Exact] {
            let answer = store.numbers(&count(&parse("status:DISABLED"), &view, counting))[0];
            assert_eq!(counting.count(answer), Count { value: 3, exact: true });
        }
        let numbers = match store.dialect() {
            Dialect::Sqlite => "WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < 10001)",
            Dialect::Postgres => "WITH g(i) AS (SELECT generate_series(1, 10001))",
        };
        store.run(&format!("INSERT INTO asset {numbers} SELECT i + 100, 1, 1, 'present', NULL, 1, 1 FROM g"));
        store.run(&format!(
            "INSERT INTO search_user (asset_id, tenant, status, name) {numbers} SELECT i + 100, 1, 'x', 'common ' || i FROM g"
        ));
        let answer = store.numbers(&count(&parse("status:X"), &view, Counting::Capped))[0];
        assert_eq!(Counting::Capped.count(answer), Count { value: 10_000, exact: false });
        let answer = store.numbers(&count(&parse("status:X"), &view, Counting::Exact))[0];
        assert_eq!(Counting::Exact.count(answer), Count { value: 10_001, exact: true });
        common_words_are_found(&mut store, &view);
    }
}

/// What more than a few hold is not looked for in the substring index.
fn common_words_are_found(store: &mut Store, view: &View) {
    if store.dialect() == Dialect::Sqlite {
        store.run("INSERT INTO search_user_text(search_user_text) VALUES ('rebuild')");
    }
    let common = parse("common");
    assert_eq!(store.numbers(&count(&common, view, Counting::Capped)), [10_001]);
    assert_eq!(store.numbers(&count(&common, view, Counting::Exact)), [10_001]);
    let sort = Sort { by: target("user.name"), descending: true };
    let last = page(&common, view, &Page { sort, after: None, limit: 3 }).unwrap();
    assert_eq!(store.numbers(&last), [10_099, 10_098, 10_097]);
    let statuses = facet(&common, view, target("user.status").unwrap()).unwrap();
    assert_eq!(store.cells(&statuses).len(), 1);
    assert_eq!(store.numbers(&count(&parse("\"ommon 777\""), view, Counting::Exact)), [11]);
}

#[test]
fn facets_count_by_value_most_frequent_first() {
    for mut store in stores() {
        store.insert(&samples());
        let view = store.view(Class::User, at(NOW));
        let mut counted = |text: &str, token: &str| -> Vec<(String, i64)> {
            let statement = facet(&parse(text), &view, target(token).unwrap()).unwrap();
            let row = |row: Vec<Option<SearchValue>>| match row.as_slice() {
                [Some(SearchValue::Text(value)), Some(SearchValue::Number(assets))] => (value.clone(), *assets),
                other => panic!("{other:?}"),
            };
            store.cells(&statement).into_iter().map(row).collect()
        };
        let pairs = |pairs: &[(&str, i64)]| -> Vec<(String, i64)> {
            pairs.iter().map(|(value, assets)| ((*value).to_owned(), *assets)).collect()
        };
        let expected = pairs(&[("disabled", 3), ("active", 2), ("locked", 1), ("password_expired", 1)]);
        assert_eq!(counted("", "user.status"), expected);
        assert_eq!(counted("status:DISABLED", "user.department"), pairs(&[("sales", 2)]));
        assert_eq!(counted("", "inventory.status"), pairs(&[("present", 6), ("gone", 1), ("held", 1)]));
        let sources = pairs(&[("microsoft active directory", 6), ("ldap directory", 2)]);
        assert_eq!(counted("", "inventory.source"), sources);
        assert_eq!(facet(&parse(""), &view, target("user.name").unwrap()), Err(SearchError::Facet("user.name")));
        assert_eq!(facet(&parse(""), &view, target("group.type").unwrap()), Err(SearchError::Facet("group.type")));
    }
}

#[test]
fn one_tenant_never_sees_anothers() {
    for mut store in stores() {
        store.insert(&samples());
        store.insert(&[user(101, 2, &json!({ "name": "Administrator", "status": "ACTIVE", "department": "secret" }))]);
        let own = store.view(Class::User, at(NOW));
        let other = View { tenant: 2, ..own };
        for text in
            ["", "administrator", "name:ADMIN", "not status:DISABLED", "status:ACTIVE or name:*", "name:\"min\""]
        {
            let query = parse(text);
            assert!(!store.selected(&query, &own).contains(&101), "{text}");
            assert_eq!(store.selected(&query, &other), [101], "{text}");
            assert_eq!(store.numbers(&count(&query, &other, Counting::Exact)), [1], "{text}");
        }
        let departments = facet(&parse(""), &own, target("user.department").unwrap()).unwrap();
        assert!(!format!("{:?}", store.cells(&departments)).contains("secret"));
        for statement in [compile(&parse("name:x or status:y"), &own, 1), compile(&parse("not x"), &own, 1)] {
            assert!(statement.sql_where.starts_with("s.tenant = $1 AND ("), "{statement:?}");
        }
    }
}

#[test]
fn nothing_of_a_query_becomes_sql() {
    let attacks = [
        "'; DROP TABLE asset; --",
        "x' OR '1'='1",
        "\\' OR 1=1 --",
        "%' ESCAPE '%",
        "$1",
        "$2) OR (1=1",
        "?1",
        ":a @b",
        "x\") OR (\"1\"=\"1",
        "NEAR(a b)",
        "\u{2028}--",
    ];
    for mut store in stores() {
        store.insert(&samples());
        let view = store.view(Class::User, at(NOW));
        for attack in attacks {
            for (open, close) in
                [("name:", ""), ("status:", ""), ("name:[", "]"), ("", ""), ("name=", ""), ("id:[a*, ", "]")]
            {
                let text = format!("{open}\"{}\"{close}", attack.replace('"', "\"\""));
                let query = parse(&text);
                let statement = page(&query, &view, &Page { sort: Sort::default(), after: None, limit: 9 }).unwrap();
                let plain =
                    |character: char| character.is_ascii_alphanumeric() || "_ .,()=<>$%*+\\'".contains(character);
                assert!(statement.sql.chars().all(plain), "{}", statement.sql);
                assert!(!statement.sql.contains("DROP") && !statement.sql.contains("1=1"), "{}", statement.sql);
                assert_eq!(store.numbers(&statement), Vec::<i64>::new(), "{text}");
            }
        }
        assert_eq!(store.selected(&parse(""), &view).len(), 8);
    }
}

#[test]
fn the_largest_queries_are_answered() {
    let values: Vec<String> = (0..900).map(|number| format!("{}*{}", number % 10, number % 7)).collect();
    let list = format!("name:[{}]", values.join(","));
    let words = vec!["*a*b"; 256].join(" or ");
    let deep = format!("{}x{}", "not (a and ".repeat(15), ")".repeat(15));
    let long = format!("name:*{}*", "\u{fdfa}".repeat(1_000));
    for mut store in stores() {
        store.insert(&samples());
        let view = store.view(Class::User, at(NOW));
        for text in [&list, &words, &deep, &long] {
            store.selected(&Query::parse(text, Some(Class::User)).unwrap(), &view);
        }
    }
}

#[test]
fn the_substring_index_follows_updates() {
    for mut store in stores() {
        store.insert(&samples());
        let view = store.view(Class::User, at(NOW));
        store.update(&user(2, 1, &json!({ "name": "Georg Maier" })));
        assert_eq!(store.selected(&parse("name:\"müller\""), &view), Vec::<i64>::new());
        assert_eq!(store.selected(&parse("name:\"georg\""), &view), [2]);
        if store.dialect() == Dialect::Sqlite {
            store.run("INSERT INTO search_user_text(search_user_text, rank) VALUES ('integrity-check', 1)");
        }
    }
}

/// Where an indexed test selects many the order is walked instead: told that any number is many, lists are the same.
#[test]
fn both_ways_of_a_list_give_the_same() {
    let mut store = Store::sqlite();
    store.insert(&samples());
    let view = store.view(Class::User, at(NOW));
    let mut walked = 0;
    for text in [
        "status:ACTIVE",
        "name:m*",
        "not status:ACTIVE and lastSuccessfulLoginAt<now",
        "status:[ACTIVE,DISABLED] and a",
    ] {
        let query = parse(text);
        for by in [None, target("user.name"), target("user.lastSuccessfulLoginAt"), target("user.department")] {
            for (descending, id) in [(false, None), (true, None), (false, Some(3))] {
                let after = id.filter(|_| by.is_none()).map(|id| PageKey { value: None, id });
                let asked = page(&query, &view, &Page { sort: Sort { by, descending }, after, limit: 5 }).unwrap();
                let forced = Statement { sql: asked.sql.replace("<= 10000", "<= -1"), binds: asked.binds.clone() };
                walked += usize::from(forced != asked && !text.ends_with(" a"));
                assert_eq!(store.cells(&forced), store.cells(&asked), "{text}");
            }
        }
        let asked = count(&query, &view, Counting::Exact);
        let forced = Statement { sql: asked.sql.replace("<= 10000", "<= -1"), binds: asked.binds.clone() };
        assert_eq!(store.numbers(&forced), store.numbers(&asked), "{text}");
    }
    assert!(walked > 10, "{walked}");
}
