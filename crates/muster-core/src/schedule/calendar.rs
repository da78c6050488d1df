//! Slots compared with an independent calendar: Python's `datetime` and `zoneinfo`, by brute force (`calendar.py`).

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::*;

const SECOND: i64 = 1_000_000;

#[derive(serde::Deserialize)]
struct Answer {
    zone: String,
    rule: Value,
    from: i64,
    to: i64,
    slots: Vec<i64>,
}

fn question() -> Value {
    json!({
        "zones": ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo", "Pacific/Apia"],
        "spans": [[2011, 2012], [2018, 2018], [2026, 2026]],
        "long": [
            {"type": "recurring", "unit": "days", "every": 1, "at": "02:30"},
            {"type": "recurring", "unit": "days", "every": 1, "at": "00:00"},
            {"type": "recurring", "unit": "days", "every": 3, "at": "02:15", "start": "2010-02-03T04:00"},
            {"type": "recurring", "unit": "weeks", "every": 1, "at": "00:30", "weekdays": ["friday", "sunday"]},
            {"type": "recurring", "unit": "weeks", "every": 3, "start": "2009-12-27T02:00"},
            {"type": "recurring", "unit": "months", "every": 1, "at": "02:00", "day": 31},
            {"type": "recurring", "unit": "months", "every": 5, "start": "2010-01-30T03:00"},
            {"type": "recurring", "unit": "hours", "every": 7, "start": "2010-01-01T00:00"},
            {"type": "cron", "expression": "30 2 * * 0"},
            {"type": "cron", "expression": "0,30 0-3,14 * * *"},
            {"type": "cron", "expression": "15 1 13,30 * 5"},
            {"type": "cron", "expression": "0 */2 * * 1-5"},
            {"type": "cron", "expression": "45 3 29 2 *"},
        ],
        "near": [
            {"type": "recurring", "unit": "minutes", "every": 10},
            {"type": "recurring", "unit": "minutes", "every": 7, "start": "2009-05-05T05:05"},
            {"type": "recurring", "unit": "days", "every": 1, "at": "02:01"},
            {"type": "recurring", "unit": "days", "every": 1, "at": "00:59"},
            {"type": "cron", "expression": "*/10 * * * *"},
            {"type": "cron", "expression": "*/7 0-4 * * *"},
            {"type": "cron", "expression": "17 1,2,3 * * *"},
            {"type": "cron", "expression": "59 */3 * * *"},
        ],
    })
}

/// The calendar's answers; none where there is no Python with a time zone database.
fn answers() -> Option<Vec<Answer>> {
    let mut python = Command::new("python3")
        .args(["-c", include_str!("calendar.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    python.stdin.take().unwrap().write_all(question().to_string().as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "calendar.py failed");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn slots_are_those_of_an_independent_calendar() {
    let Some(answers) = answers() else {
        eprintln!("SKIPPED: there is no python3, so no slot was compared with an independent calendar");
        return;
    };
    let mut compared = 0;
    for answer in &answers {
        let mut value = answer.rule.clone();
        value["zone"] = answer.zone.as_str().into();
        let schedule = Schedule::from_json(&value).unwrap();
        let (mut after, end) = (Instant(answer.from * SECOND), Instant(answer.to * SECOND));
        for (index, &slot) in answer.slots.iter().enumerate() {
            let expected = Instant(slot * SECOND);
            assert_eq!(schedule.next_after(after), Some(expected), "after {after}: {value}");
            // Some also when asked from somewhere between.
            let part = i64::try_from(index % 5).unwrap();
            let between = Instant(after.0 + (expected.0 - after.0 - 1) / 4 * part);
            assert!(part == 0 || schedule.next_after(between) == Some(expected), "after {between}: {value}");
            after = expected;
            compared += 1;
        }
        let beyond = schedule.next_after(after);
        assert!(beyond.is_none_or(|slot| slot > end), "after {after}: {value}: {beyond:?} is one too many");
    }
    assert!(compared > 50_000, "only {compared} slots were compared");
    eprintln!("{compared} slots in {} windows agree with Python's calendar", answers.len());
}
