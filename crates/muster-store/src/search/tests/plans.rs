//! Which indexes serve, by the plans that SQLite makes.

use muster_core::asset::Class;
use muster_core::asset::schema::SearchValue;
use muster_core::query::{Query, tokens};

use super::super::*;
use super::store::{Store, at};

fn plan(statement: Statement) -> String {
    let mut store = Store::sqlite();
    let explained = Statement { sql: format!("EXPLAIN QUERY PLAN {}", statement.sql), binds: statement.binds };
    let line = |row: Vec<Option<SearchValue>>| match row.last() {
        Some(Some(SearchValue::Text(text))) => text.clone(),
        other => panic!("{other:?}"),
    };
    store.cells(&explained).into_iter().map(line).collect::<Vec<_>>().join("\n")
}

fn listed(text: &str, by: Option<&str>) -> String {
    let view = View { dialect: Dialect::Sqlite, tenant: 1, class: Class::User, now: at("2024-04-01T00:00:00Z") };
    let by = by.and_then(|token| tokens::all().find(|target| target.token() == token));
    let query = Query::parse(text, Some(Class::User)).unwrap();
    plan(page(&query, &view, &Page { sort: Sort { by, descending: true }, after: None, limit: 50 }).unwrap())
}

fn counted(text: &str) -> String {
    let view = View { dialect: Dialect::Sqlite, tenant: 1, class: Class::User, now: at("2024-04-01T00:00:00Z") };
    plan(count(&Query::parse(text, Some(Class::User)).unwrap(), &view, Counting::Exact))
}

#[test]
fn elements_are_found_beside_their_asset() {
    let view = View { dialect: Dialect::Sqlite, tenant: 1, class: Class::Api, now: at("2024-04-01T00:00:00Z") };
    let query = Query::parse("endpoints:(method:DELETE and path:users)", Some(Class::Api)).unwrap();
    let page = page(&query, &view, &Page { sort: Sort::default(), after: None, limit: 50 }).unwrap();
    insta::assert_snapshot!(plan(page), @r"
    SEARCH s USING COVERING INDEX search_api_tenant (tenant=?)
    SEARCH e EXISTS USING PRIMARY KEY (asset_id=?)
    ");
}

#[test]
fn indexed_tokens_are_found_by_their_index() {
    insta::assert_snapshot!(listed("status:DISABLED", None), @"SEARCH s USING COVERING INDEX search_user_status (tenant=? AND status=?)");
    insta::assert_snapshot!(listed("name:adm*", None), @r"
    CO-ROUTINE listed
    COMPOUND QUERY
    LEFT-MOST SUBQUERY
    CO-ROUTINE arm0
    SCALAR SUBQUERY 2
    CO-ROUTINE (subquery-1)
    SEARCH s USING COVERING INDEX search_user_name (tenant=? AND name>? AND name<?)
    SCAN (subquery-1)
    SEARCH s USING COVERING INDEX search_user_name (tenant=? AND name>? AND name<?)
    USE TEMP B-TREE FOR ORDER BY
    SCAN arm0
    UNION ALL
    CO-ROUTINE arm1
    SCALAR SUBQUERY 6
    CO-ROUTINE (subquery-5)
    SEARCH s USING COVERING INDEX search_user_name (tenant=? AND name>? AND name<?)
    SCAN (subquery-5)
    SEARCH s USING INDEX search_user_tenant (tenant=?)
    SCAN arm1
    SCAN listed
    USE TEMP B-TREE FOR ORDER BY
    ");
    insta::assert_snapshot!(listed("name:\"minis\" or status:ACTIVE", None), @"SEARCH s USING INDEX search_user_tenant (tenant=?)");
    insta::assert_snapshot!(listed("name:\"minis\" and accountName:'x'", None), @"SEARCH s USING INDEX search_user_account_name (tenant=? AND account_name=?)");
    insta::assert_snapshot!(listed("mi", None), @"SEARCH s USING INDEX search_user_tenant (tenant=?)");
    insta::assert_snapshot!(listed("", None), @"SEARCH s USING COVERING INDEX search_user_tenant (tenant=?)");
    insta::assert_snapshot!(listed("inventory.status:held", None), @r"
    SEARCH s USING COVERING INDEX search_user_tenant (tenant=?)
    SEARCH a USING INTEGER PRIMARY KEY (rowid=?)
    ");
    insta::assert_snapshot!(counted("mi"), @"SEARCH s USING INDEX search_user_tenant (tenant=?)");
    insta::assert_snapshot!(listed("", Some("user.name")), @r"
    CO-ROUTINE listed
    COMPOUND QUERY
    LEFT-MOST SUBQUERY
    CO-ROUTINE arm0
    SEARCH s USING COVERING INDEX search_user_name (tenant=? AND name>?)
    SCAN arm0
    UNION ALL
    CO-ROUTINE arm1
    SEARCH s USING COVERING INDEX search_user_name (tenant=? AND name=?)
    SCAN arm1
    SCAN listed
    USE TEMP B-TREE FOR ORDER BY
    ");
}

/// The substring index gives the ids, and the table is read by them; or the tenant is walked in the order of the sort.
#[test]
fn substrings_are_found_by_their_index() {
    for text in ["name:\"minis\"", "minis", "minis and status:ACTIVE", "name:\"minis\" or email:*minis", "*min*str*"] {
        let plan = listed(text, None);
        assert!(plan.contains("SCAN search_user_text VIRTUAL TABLE INDEX 0:M"), "{text}: {plan}");
        assert!(plan.contains("SEARCH s USING INTEGER PRIMARY KEY (rowid=?)"), "{text}: {plan}");
        assert!(!plan.contains("SCAN s\n"), "{text}: {plan}");
    }
}
