//! The table of cases, in memory and in each database.

use muster_core::asset::Class;
use muster_core::query::Query;

use super::store::{Sample, at, samples, stores};

struct Case {
    line: usize,
    class: Option<Class>,
    query: &'static str,
    /// `None`: the query is refused.
    ids: Option<Vec<i64>>,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut class = None;
    for (index, line) in include_str!("cases.txt").lines().enumerate() {
        if let Some(word) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            assert!(word == "all" || Class::from_word(word).is_some(), "{word}");
            class = Class::from_word(word);
        } else if !line.is_empty() && !line.starts_with('#') {
            let (query, answer) = line.rsplit_once("=>").unwrap();
            let ids = answer.split_whitespace().map(|id| id.parse().unwrap());
            let ids = (answer.trim() != "!").then(|| ids.collect());
            cases.push(Case { line: index + 1, class, query: query.trim(), ids });
        }
    }
    cases
}

/// The forms of section 1.8 of the platform's text, each with how many cases stand under its heading.
const FORMS: [(&str, usize); 16] = [
    ("token, operator, value", 8),
    ("operators in any case", 4),
    ("and, or, not", 5),
    ("bare words", 8),
    ("identifiers match only from the start", 5),
    ("quoted words, next to each other, in order", 10),
    ("backticks and single quotes are exact", 8),
    ("wildcards", 8),
    ("has a value, is null", 6),
    ("comparisons in place of the colon", 6),
    ("brackets include both ends", 3),
    ("lists of numbers", 2),
    ("dates with two or three dots", 8),
    ("times before now", 6),
    ("lists\n", 4),
    ("sub-queries", 5),
];

#[test]
fn every_form_has_its_cases() {
    let text = include_str!("cases.txt");
    for (form, least) in FORMS {
        let (_, rest) = text.split_once(&format!("# 1.8: {form}")).unwrap_or_else(|| panic!("no cases of: {form}"));
        let own = rest.split("\n# 1.8: ").next().unwrap_or_default();
        let count = own.lines().skip(1).filter(|line| line.contains("=>")).count();
        assert!(count >= least, "{form}: {count} cases");
    }
}

#[test]
fn the_table_holds_in_memory_and_in_the_databases() {
    let now = at("2024-04-01T00:00:00Z");
    let samples = samples();
    let mut stores = stores();
    stores.iter_mut().for_each(|store| store.insert(&samples));
    let cases = cases();
    assert!(cases.len() >= 60);
    let mut wrong = Vec::new();
    for case in cases {
        let (line, text) = (case.line, case.query);
        let query = match (Query::parse(text, case.class), &case.ids) {
            (Ok(query), Some(_)) => query,
            (Err(_), None) => continue,
            (answer, _) => {
                wrong.push(format!("line {line}: {text}: {answer:?}"));
                continue;
            }
        };
        let in_memory: Vec<i64> =
            samples.iter().filter(|sample: &&Sample| sample.selected_by(&query, now)).map(|sample| sample.id).collect();
        if Some(&in_memory) != case.ids.as_ref() {
            wrong.push(format!("line {line}: {text}: memory selects {in_memory:?}"));
        }
        for store in &mut stores {
            let mut ids = Vec::new();
            for &class in query.classes() {
                ids.extend(store.selected(&query, &store.view(class, now)));
            }
            if Some(&ids) != case.ids.as_ref() {
                wrong.push(format!("line {line}: {text}: {:?} selects {ids:?}", store.dialect()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
