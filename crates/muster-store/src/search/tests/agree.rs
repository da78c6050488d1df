//! Random queries over random rows: memory and the databases agree.

use muster_core::asset::Class;
use muster_core::clock::Instant;
use muster_core::query::{Presence, Query};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};

use super::store::{Sample, at, stores};

const NOW: &str = "2024-03-31T12:00:00Z";

/// Short texts over few letters, so that random needles are found; with letters that fold to others or to several, with
/// what SQL takes for wildcards, and with quotation marks.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[abAB%_\\\\ .*]{0,8}",
        2 => "[aßſSsİiıﬁ\u{307}Ａa%'\"`]{0,6}",
        1 => "[\u{d7ff}\u{e000}\u{10ffff}a]{0,3}",
        1 => Just("ΣΊΣΥΦΟΣ".to_owned()),
    ]
}

fn time() -> impl Strategy<Value = Instant> {
    (-70_i64..70, 0_i64..3).prop_map(|(hours, rest)| at(NOW).plus(hours * 3_600_000_000 * 12 + rest))
}

fn maybe(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Option<Value>> {
    proptest::option::weighted(0.7, value)
}

fn detail() -> impl Strategy<Value = Map<String, Value>> {
    let texts = proptest::collection::vec(maybe(text().prop_map(Value::from)), 6);
    let number = maybe(prop_oneof![-3_i64..4, Just(i64::MAX), Just(i64::MIN)].prop_map(Value::from));
    let time = maybe(time().prop_map(|time| time.to_rfc3339().into()));
    (texts, number, time).prop_map(|(texts, number, time)| {
        let keys = ["name", "email", "accountName", "status", "department", "description"];
        let mut fields: Map<String, Value> =
            keys.into_iter().zip(texts).filter_map(|(key, text)| Some((key.to_owned(), text?))).collect();
        fields.extend(number.map(|number| ("failedPasswordAttemptCount".to_owned(), number)));
        fields.extend(time.map(|time| ("lastSuccessfulLoginAt".to_owned(), time)));
        fields
    })
}

/// An API's endpoints and reasons, with elements that lack what others have.
fn lists() -> impl Strategy<Value = Map<String, Value>> {
    let flag = maybe(proptest::bool::ANY.prop_map(Value::from));
    let endpoint = (maybe(text().prop_map(Value::from)), maybe(text().prop_map(Value::from)), flag)
        .prop_map(|(method, path, deprecated)| json!({ "method": method, "path": path, "deprecated": deprecated }));
    let endpoints = proptest::collection::vec(endpoint, 0..4).prop_map(Value::from);
    let reasons = proptest::collection::vec(text().prop_map(Value::from), 0..3).prop_map(Value::from);
    (maybe(endpoints), maybe(reasons), maybe(text().prop_map(Value::from))).prop_map(|(endpoints, reasons, name)| {
        let fields = [("endpoints", endpoints), ("scanReadyReasons", reasons), ("displayName", name)];
        fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
    })
}

fn sample() -> impl Strategy<Value = Sample> {
    let class = prop_oneof![3 => Just(Class::User), 1 => Just(Class::Group), 2 => Just(Class::Api)];
    let presence = proptest::sample::select(Presence::ALL.to_vec());
    let detail = (detail(), lists());
    (class, detail, text(), text(), presence, time(), time(), 1_i64..3).prop_map(
        |(class, (fields, lists), source, connector, presence, created, changed, tenant)| {
            let fields = if class == Class::Api { lists } else { fields };
            let detail = json!({ (class.detail_key()): fields });
            let Value::Object(detail) = detail else { unreachable!() };
            Sample { id: 0, tenant, class, detail, source, connector, presence, created, changed }
        },
    )
}

fn quoted(text: &str, mark: char) -> String {
    format!("{mark}{}{mark}", text.replace(mark, &format!("{mark}{mark}")))
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        (text(), proptest::sample::select(vec!['"', '\'', '`'])).prop_map(|(text, mark)| quoted(&text, mark)),
        "[abAB%_ßſiı*\u{307}\\\\]{1,6}",
        Just("*".to_owned()),
    ]
}

fn moment() -> impl Strategy<Value = String> {
    prop_oneof![
        time().prop_map(Instant::to_rfc3339),
        time().prop_map(|time| time.to_rfc3339()[..10].to_owned()),
        (0..50, proptest::sample::select(vec!['s', 'h', 'd', 'w', 'M', 'y']))
            .prop_map(|(amount, unit)| format!("now-{amount}{unit}")),
        Just("now+1d".to_owned()),
    ]
}

fn integer() -> impl Strategy<Value = String> {
    prop_oneof![-3_i64..4, Just(i64::MAX), Just(i64::MIN)].prop_map(|number| number.to_string())
}

fn leaf() -> impl Strategy<Value = String> {
    let texts = proptest::sample::select(vec![
        "user.name",
        "user.email",
        "user.accountName",
        "user.status",
        "user.department",
        "group.description",
        "group.name",
        "inventory.source",
        "inventory.connector",
    ]);
    let any = proptest::sample::select(vec!["user.status", "user.lastSuccessfulLoginAt", "user.email", "group.email"]);
    let ordered = |tokens: Vec<&'static str>, value: BoxedStrategy<String>| {
        let operator = proptest::sample::select(vec![":", "=", ">", ">=", "<", "<="]);
        let brackets = proptest::sample::select(vec![('[', ']'), ('(', ')')]);
        let one = (proptest::sample::select(tokens.clone()), operator, value.clone())
            .prop_map(|(token, operator, value)| format!("{token} {operator} {value}"));
        let range = (proptest::sample::select(tokens), brackets, value.clone(), value)
            .prop_map(|(token, (open, close), from, to)| format!("{token}:{open}{from} .. {to}{close}"));
        prop_oneof![one, range]
    };
    prop_oneof![
        4 => (texts.clone(), prop_oneof![3 => Just(":"), 1 => Just("=")], value())
            .prop_map(|(token, operator, value)| format!("{token}{operator}{value}")),
        1 => (texts, proptest::collection::vec(value(), 1..4))
            .prop_map(|(token, values)| format!("{token}:[{}]", values.join(", "))),
        2 => ordered(vec!["user.failedPasswordAttemptCount"], integer().boxed()),
        2 => ordered(vec!["user.lastSuccessfulLoginAt", "inventory.created", "inventory.lastUpdated"], moment().boxed()),
        1 => (any, prop_oneof![Just("is null"), Just("is not null")]).prop_map(|(token, test)| format!("{token} {test}")),
        1 => proptest::sample::select(vec!["present", "held", "gone", "*e*", "\"e\""])
            .prop_map(|status| format!("inventory.status:{status}")),
        2 => value(),
        3 => element(),
    ]
}

/// A test of any element, or several of the same one.
fn element() -> impl Strategy<Value = String> {
    let word = || proptest::sample::select(vec!["method", "path"]);
    let test = prop_oneof![
        3 => (word(), value()).prop_map(|(word, value)| format!("{word}:{value}")),
        1 => proptest::bool::ANY.prop_map(|flag| format!("deprecated:{flag}")),
        1 => word().prop_map(|word| format!("{word} is null")),
    ];
    let same = proptest::collection::vec((test.clone(), proptest::bool::ANY), 1..4).prop_map(|tests| {
        let tests: Vec<String> =
            tests.into_iter().map(|(test, not)| if not { format!("not {test}") } else { test }).collect();
        format!("api.endpoints:({})", tests.join(" and "))
    });
    prop_oneof![
        2 => test.prop_map(|test| format!("api.endpoints.{test}")),
        3 => same,
        1 => value().prop_map(|value| format!("api.scanReadyReasons:{value}")),
        1 => Just("api.endpoints is null".to_owned()),
    ]
}

fn query() -> impl Strategy<Value = String> {
    leaf().prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" and "))),
            proptest::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" or "))),
            inner.prop_map(|inner| format!("not {inner}")),
        ]
    })
}

#[test]
fn memory_and_databases_agree() {
    let mut stores = stores();
    let strategy = (proptest::collection::vec(sample(), 1..16), proptest::collection::vec(query(), 16));
    let mut runner = TestRunner::new(Config { cases: 96, failure_persistence: None, ..Config::default() });
    let now = at(NOW);
    let agreed = |(mut samples, queries): (Vec<Sample>, Vec<String>)| {
        for (id, sample) in (1..).zip(&mut samples) {
            sample.id = id;
        }
        for store in &mut stores {
            store.clear();
            store.insert(&samples);
        }
        for text in &queries {
            let query = Query::parse(text, None).map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
            for class in [Class::User, Class::Group, Class::Api] {
                let selected = samples.iter().filter(|sample| sample.class == class && sample.tenant == 1);
                let selected = selected.filter(|sample| sample.selected_by(&query, now));
                let expected: Vec<i64> = selected.map(|sample| sample.id).collect();
                for store in &mut stores {
                    let found = store.selected(&query, &store.view(class, now));
                    prop_assert_eq!(&found, &expected, "{:?}: {}", store.dialect(), text);
                }
            }
        }
        Ok(())
    };
    let agreed = std::cell::RefCell::new(agreed);
    runner.run(&strategy, |input| (agreed.borrow_mut())(input)).unwrap();
}
