use proptest::prelude::*;

use super::*;
use crate::asset::Class;
use crate::clock::Instant;

fn problem(text: &str) -> String {
    match Query::parse(text, Some(Class::User)) {
        Ok(query) => format!("understood: {query:?}"),
        Err(error) => error.to_string(),
    }
}

fn problems(texts: &[&str]) -> String {
    texts.iter().map(|text| format!("{text}\n  {}\n", problem(text))).collect()
}

#[test]
fn grammar_errors_name_the_place_and_what_was_expected() {
    insta::assert_snapshot!(problems(&[
        "status:",
        "status:ACTIVE and",
        "and status:ACTIVE",
        "not",
        "(status:ACTIVE",
        "status:ACTIVE)",
        "()",
        "status:ACTIVE name:x",
        "name:John Smith",
        "status:ACTIVE DISABLED or name:x",
        "status: and name:x",
        "name:\"John",
        "name:'John\"",
        "name:`John",
        "name:“John",
        "status:[ACTIVE, LOCKED",
        "status:[ACTIVE LOCKED",
        "status:[ACTIVE, ]",
        "status:(ACTIVE or LOCKED)",
        "status:[]",
        "activationDate:[2018-01-01 .. ]",
        "activationDate:[.. 2018-01-01]",
        "activationDate:[2018-01-01 .. now)",
        "[a]",
    ]), @r#"
    status:
      column 8: expected a value, found the end
    status:ACTIVE and
      column 18: expected a condition, found the end
    and status:ACTIVE
      column 1: expected a condition, found `and`
    not
      column 4: expected a condition, found the end
    (status:ACTIVE
      column 15: expected `and`, `or` or `)`, found the end
    status:ACTIVE)
      column 14: expected `and`, `or` or the end (a value with blanks stands in quotes), found `)`
    ()
      column 2: expected a condition, found `)`
    status:ACTIVE name:x
      column 15: expected `and`, `or` or the end (a value with blanks stands in quotes), found `name:x`
    name:John Smith
      column 11: expected `and`, `or` or the end (a value with blanks stands in quotes), found `Smith`
    status:ACTIVE DISABLED or name:x
      column 15: expected `and`, `or` or the end (a value with blanks stands in quotes), found `DISABLED`
    status: and name:x
      column 9: expected a value (in quotes if it is meant to be this word), found `and`
    name:"John
      column 6: the value that begins here has no closing `"`
    name:'John"
      column 6: the value that begins here has no closing `'`
    name:`John
      column 6: the value that begins here has no closing backtick
    name:“John
      column 6: the value that begins here has no closing `”`
    status:[ACTIVE, LOCKED
      column 23: expected `,` or `]`, found the end
    status:[ACTIVE LOCKED
      column 22: expected `,` or `]`, found the end
    status:[ACTIVE, ]
      column 17: expected a value, found `]`
    status:(ACTIVE or LOCKED)
      column 16: expected `,` or `)`, found `or`
    status:[]
      column 9: expected a value, found `]`
    activationDate:[2018-01-01 .. ]
      column 31: expected a value, found `]`
    activationDate:[.. 2018-01-01]
      column 17: expected a value, found `..`
    activationDate:[2018-01-01 .. now)
      column 34: expected `]`, found `)`
    [a]
      column 1: expected a condition, found `[a]`
    "#);
}

#[test]
fn meaning_errors_name_the_token_and_the_remedy() {
    insta::assert_snapshot!(problems(&[
        "user.statsu:ACTIVE",
        "statu:ACTIVE",
        "größe:1",
        "http://example.org",
        "lorem:ipsum",
        "user:(nam:x)",
        "user:(name:x and smith)",
        "name > x",
        "name:[a .. b]",
        "failedPasswordAttemptCount > [1, 2]",
        "failedPasswordAttemptCount > [1 .. 2]",
        "failedPasswordAttemptCount:many",
        "failedPasswordAttemptCount:99999999999999999999",
        "activationDate > yesterday",
        "activationDate:2018-02-30",
        "activationDate:now-3x",
        "activationDate:2018-01-22T10:00:00",
        "inventory.status:missing",
        "inventory.status:[present, lost]",
    ]), @r"
    user.statsu:ACTIVE
      column 1: there is no token `user.statsu`, the nearest is `user.status`; quote the text if it is no token
    statu:ACTIVE
      column 1: there is no token `statu`, the nearest is `status`; quote the text if it is no token
    größe:1
      column 1: there is no token `größe`; quote the text if it is no token
    http://example.org
      column 1: there is no token `http`; quote the text if it is no token
    lorem:ipsum
      column 1: there is no token `lorem`; quote the text if it is no token
    user:(nam:x)
      column 7: there is no token `user.nam`, the nearest is `user.name`; quote the text if it is no token
    user:(name:x and smith)
      column 18: words without a token cannot stand inside `user:( … )`
    name > x
      column 6: `user.name` holds text, which has no order: `>` compares numbers and times, text takes `:` or `=`
    name:[a .. b]
      column 7: `user.name` holds text, which has no order: a range takes a number or a time
    failedPasswordAttemptCount > [1, 2]
      column 28: `>` takes one value: write `:` before a list
    failedPasswordAttemptCount > [1 .. 2]
      column 28: `>` takes one value: write `:` before a range
    failedPasswordAttemptCount:many
      column 28: `user.failedPasswordAttemptCount` holds a whole number: `many` is none
    failedPasswordAttemptCount:99999999999999999999
      column 28: `user.failedPasswordAttemptCount` holds a whole number: `99999999999999999999` is none
    activationDate > yesterday
      column 18: `user.activationDate` holds a time (`2018-01-22`, `2018-01-22T09:30:00Z`, `now`, `now-3d` with one of s m h d w M y): `yesterday` is none
    activationDate:2018-02-30
      column 16: `user.activationDate` holds a time (`2018-01-22`, `2018-01-22T09:30:00Z`, `now`, `now-3d` with one of s m h d w M y): `2018-02-30` is none
    activationDate:now-3x
      column 16: `user.activationDate` holds a time (`2018-01-22`, `2018-01-22T09:30:00Z`, `now`, `now-3d` with one of s m h d w M y): `now-3x` is none
    activationDate:2018-01-22T10:00:00
      column 16: `user.activationDate` holds a time (`2018-01-22`, `2018-01-22T09:30:00Z`, `now`, `now-3d` with one of s m h d w M y): `2018-01-22T10:00:00` is none
    inventory.status:missing
      column 18: `inventory.status` is `present` or `held` or `gone`, never `missing`
    inventory.status:[present, lost]
      column 28: `inventory.status` is `present` or `held` or `gone`, never `lost`
    ");
    let of_apis = |text: &str| Query::parse(text, Some(Class::Api)).map(|_| ()).unwrap_err().to_string();
    insta::assert_snapshot!(of_apis("endpoints:DELETE"), @"column 1: `api.endpoints` is a list: ask its elements, as `api.endpoints.method`, several of the same one as `api.endpoints:( … )`");
    insta::assert_snapshot!(of_apis("endpoints:(api.displayName:x)"), @"column 12: there is no token `api.endpoints.api.displayName`; quote the text if it is no token");
    insta::assert_snapshot!(of_apis("endpoints:(methd:x)"), @"column 12: there is no token `api.endpoints.methd`, the nearest is `api.endpoints.method`; quote the text if it is no token");
    insta::assert_snapshot!(of_apis("endpoints:(method:x and users)"), @"column 25: words without a token cannot stand inside `api.endpoints:( … )`");
    insta::assert_snapshot!(of_apis("endpoints:(users)"), @"column 1: `api.endpoints` is a list: ask its elements, as `api.endpoints.method`, several of the same one as `api.endpoints:( … )`");
    insta::assert_snapshot!(Query::parse("name:x", None).unwrap_err(), @r"column 1: `name` is short for `user.name` and `group.name` and `api.name` and `container.name`: write one in full");
}

#[test]
fn bounds_hold() {
    assert_eq!(problem("name:x\u{0}"), "column 7: the query holds a NUL character");
    assert!(Query::parse(&"x".repeat(MAXIMUM_LENGTH + 1), None).is_err());
    let deep = |depth: usize| format!("{}status:x{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Query::parse(&deep(MAXIMUM_DEPTH), None).is_ok());
    assert!(Query::parse(&deep(MAXIMUM_DEPTH + 1), None).is_err());
    assert!(Query::parse(&format!("{}x", "not ".repeat(MAXIMUM_DEPTH + 1)), None).is_err());
    let inner = |depth: usize| format!("{}x{}", "user:(".repeat(depth), ")".repeat(depth));
    assert!(Query::parse(&inner(600), None).is_err());
    let wide = |leaves: usize| vec!["id:x"; leaves].join(" or ");
    assert!(Query::parse(&wide(MAXIMUM_LEAVES), Some(Class::User)).is_ok());
    assert!(Query::parse(&wide(MAXIMUM_LEAVES + 1), Some(Class::User)).is_err());
    let list = |values: usize| format!("id:[{}]", vec!["x"; values].join(","));
    assert!(Query::parse(&list(MAXIMUM_VALUES), Some(Class::User)).is_ok());
    assert!(Query::parse(&list(MAXIMUM_VALUES + 1), Some(Class::User)).is_err());
    assert!(Query::parse(&format!("id:{}", "x".repeat(MAXIMUM_VALUE)), Some(Class::User)).is_ok());
    assert!(Query::parse(&format!("id:{}", "x".repeat(MAXIMUM_VALUE + 1)), Some(Class::User)).is_err());
}

#[test]
fn classes_follow_from_what_is_asked() {
    use Class::{Api, Container, Group, User};
    for (text, classes) in [
        ("", vec![User, Group, Api]),
        ("smith", vec![User, Group, Api]),
        ("inventory.source:x", vec![User, Group, Api]),
        ("inventory.source:x and user.status:DISABLED", vec![User]),
        ("status:DISABLED", vec![User]),
        ("visibility:GLOBAL", vec![Group]),
        ("user.status:DISABLED or group.type:Security", vec![User, Group]),
        ("user.status:DISABLED and group.type:Security", vec![]),
        ("not user.status:DISABLED", vec![User]),
        ("container.name:x", vec![Container]),
    ] {
        assert_eq!(Query::parse(text, None).unwrap().classes(), classes, "{text}");
    }
    assert_eq!(Query::parse("group.type:x", Some(User)).unwrap().classes(), []);
    assert_eq!(Query::parse("not group.type:x", Some(User)).unwrap().classes(), [User]);
}

#[test]
fn short_tokens_are_found_where_unique() {
    let found = |name: &str, class| match tokens::lookup(name, class) {
        tokens::Lookup::Found(target) => target.token().to_owned(),
        tokens::Lookup::Ambiguous(candidates) => candidates.join("|"),
        tokens::Lookup::Unknown(near) => format!("?{}", near.unwrap_or_default()),
    };
    let user = Some(Class::User);
    assert_eq!(found("status", user), "user.status");
    assert_eq!(found("status", Some(Class::Group)), "inventory.status");
    assert_eq!(found("STATUS", None), "user.status");
    assert_eq!(found("name", None), "user.name|group.name|api.name|container.name");
    assert_eq!(found("name", Some(Class::Group)), "group.name");
    assert_eq!(found("city", user), "user.currentAddress.city");
    assert_eq!(found("currentAddress.city", None), "user.currentAddress.city");
    assert_eq!(found("source", user), "inventory.source");
    assert_eq!(found("visibility", user), "?");
    assert_eq!(found("visiblity", Some(Class::Group)), "?visibility");
    for target in tokens::all() {
        assert_eq!(found(target.token(), None), target.token());
    }
}

#[test]
fn now_moves_by_the_calendar() {
    let at = |text: &str| Instant::from_rfc3339(text).unwrap();
    let now = at("2024-03-31T12:00:00Z");
    for (amount, unit, expected) in [
        (-1, Unit::Month, "2024-02-29T12:00:00Z"),
        (-1, Unit::Year, "2023-03-31T12:00:00Z"),
        (-1, Unit::Week, "2024-03-24T12:00:00Z"),
        (2, Unit::Day, "2024-04-02T12:00:00Z"),
        (-90, Unit::Minute, "2024-03-31T10:30:00Z"),
    ] {
        assert_eq!(Instant(Bound::Now(amount, unit).at(now)), at(expected));
    }
    assert_eq!(Bound::Now(-i32::MAX, Unit::Month).at(now), i64::MIN);
    assert_eq!(Bound::Now(i32::MAX, Unit::Year).at(now), i64::MAX);
    assert_eq!(Bound::Now(-1, Unit::Year).at(Instant(i64::MIN)), i64::MIN);
}

#[test]
fn the_reference_is_drawn_from_the_registry() {
    let table = tokens::reference_markdown();
    assert_eq!(table.lines().count(), 2 + tokens::askable().count());
    let lines: Vec<&str> = table.lines().filter(|line| line.contains("tatus")).collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    | `inventory.status` |  | present, held, gone | is the whole text | scan |
    | `user.status` | `status` | text | is the whole text | index |
    | `api.serviceStatus` | `serviceStatus` | text | is the whole text | scan |
    | `api.runtimeStatus` | `runtimeStatus` | text | is the whole text | scan |
    ");
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,64}") {
        let _ = Query::parse(&text, None);
    }

    #[test]
    fn no_pieces_of_the_language_panic(pieces in proptest::collection::vec(prop_oneof![
        Just("user.status"), Just("name"), Just("user"), Just("activationDate"), Just(":"), Just("="), Just(">="),
        Just("<"), Just("("), Just(")"), Just("["), Just("]"), Just(".."), Just("..."), Just(","), Just("\""),
        Just("'"), Just("`"), Just("“"), Just("’"), Just("*"), Just("and"), Just("or"), Just("not"), Just("is"),
        Just("null"), Just("now"), Just("now-3M"), Just("-"), Just("2018-01-22"), Just("ß"), Just("."), Just("9"),
        Just("\u{10ffff}"),
    ], 0..24), blank in "[ \n]{0,1}") {
        for class in [None, Some(Class::User)] {
            if let Err(error) = Query::parse(&pieces.join(&blank), class) {
                prop_assert!(error.column >= 1 && error.column <= pieces.join(&blank).chars().count() + 1);
            }
        }
    }
}
