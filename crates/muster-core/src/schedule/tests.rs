use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn schedule(value: Value) -> Schedule {
    Schedule::from_json(&value).unwrap_or_else(|error| panic!("{value}: {error}"))
}

fn at(text: &str) -> Instant {
    Instant::from_rfc3339(text).unwrap()
}

/// The next slots, as wall times with their offset.
fn slots(value: Value, after: &str, count: usize) -> Vec<String> {
    let schedule = schedule(value);
    let zone = jiff::tz::TimeZone::get(schedule.zone().name()).unwrap();
    let show = |slot: Instant| timestamp(slot).unwrap().to_zoned(zone.clone()).strftime("%a %F %T %:z").to_string();
    schedule.upcoming(at(after), count).into_iter().map(show).collect()
}

fn refusal(value: Value) -> String {
    Schedule::from_json(&value).unwrap_err().to_string()
}

#[test]
fn a_single_occurrence_is_due_once() {
    let value = json!({"type": "single", "start": "2026-06-01T08:00", "zone": "Europe/Berlin"});
    assert_eq!(slots(value.clone(), "2026-01-01T00:00:00Z", 5), ["Mon 2026-06-01 08:00:00 +02:00"]);
    assert_eq!(slots(value.clone(), "2026-06-01T06:00:00Z", 5), [""; 0]);
    assert_eq!(schedule(value).next_after(at("2026-06-01T05:59:59.999999Z")), Some(at("2026-06-01T06:00:00Z")));
    let skipped = json!({"type": "single", "start": "2026-03-29T02:30", "zone": "Europe/Berlin"});
    assert_eq!(slots(skipped, "2026-01-01T00:00:00Z", 5), ["Sun 2026-03-29 03:00:00 +02:00"]);
    let repeated = json!({"type": "single", "start": "2026-10-25T02:30", "zone": "Europe/Berlin"});
    assert_eq!(slots(repeated, "2026-01-01T00:00:00Z", 5), ["Sun 2026-10-25 02:30:00 +02:00"]);
}

#[test]
fn days_run_once_in_a_gap_and_once_in_an_overlap() {
    let daily = json!({"type": "recurring", "every": 1, "unit": "days", "at": "02:30", "zone": "Europe/Berlin"});
    assert_eq!(
        slots(daily.clone(), "2026-03-28T00:00:00Z", 3),
        ["Sat 2026-03-28 02:30:00 +01:00", "Sun 2026-03-29 03:00:00 +02:00", "Mon 2026-03-30 02:30:00 +02:00"]
    );
    assert_eq!(
        slots(daily.clone(), "2026-10-24T12:00:00Z", 2),
        ["Sun 2026-10-25 02:30:00 +02:00", "Mon 2026-10-26 02:30:00 +01:00"]
    );
    // Asked in the middle of the second pass, and at its first instant.
    assert_eq!(slots(daily.clone(), "2026-10-25T01:10:00Z", 1), ["Mon 2026-10-26 02:30:00 +01:00"]);
    assert_eq!(slots(daily, "2026-10-25T01:00:00Z", 1), ["Mon 2026-10-26 02:30:00 +01:00"]);
}

#[test]
fn a_day_that_a_zone_skips_runs_at_the_next_midnight() {
    // Samoa crossed the date line: there was no 30 December 2011.
    let friday = json!({"type": "recurring", "every": 1, "unit": "weeks", "weekdays": ["friday"], "at": "02:30", "zone": "Pacific/Apia"});
    assert_eq!(
        slots(friday, "2011-12-25T00:00:00Z", 2),
        ["Sat 2011-12-31 00:00:00 +14:00", "Fri 2012-01-06 02:30:00 +14:00"]
    );
    let midnight = json!({"type": "cron", "expression": "@daily", "zone": "Pacific/Apia"});
    assert_eq!(
        slots(midnight, "2011-12-29T00:00:00Z", 3),
        ["Thu 2011-12-29 00:00:00 -10:00", "Sat 2011-12-31 00:00:00 +14:00", "Sun 2012-01-01 00:00:00 +14:00"]
    );
}

#[test]
fn cron_keeps_wall_times_and_intervals_apart() {
    let berlin = |expression: &str| json!({"type": "cron", "expression": expression, "zone": "Europe/Berlin"});
    // Named hours, also several: once each.
    assert_eq!(
        slots(berlin("30 2,14 * * *"), "2026-03-28T20:00:00Z", 2),
        ["Sun 2026-03-29 03:00:00 +02:00", "Sun 2026-03-29 14:30:00 +02:00"]
    );
    assert_eq!(
        slots(berlin("30 2 * * *"), "2026-10-24T20:00:00Z", 2),
        ["Sun 2026-10-25 02:30:00 +02:00", "Mon 2026-10-26 02:30:00 +01:00"]
    );
    // Intervals: both passes, no run for what was skipped.
    assert_eq!(
        slots(berlin("*/30 * * * *"), "2026-10-25T00:00:00Z", 4),
        [
            "Sun 2026-10-25 02:30:00 +02:00",
            "Sun 2026-10-25 02:00:00 +01:00",
            "Sun 2026-10-25 02:30:00 +01:00",
            "Sun 2026-10-25 03:00:00 +01:00"
        ]
    );
    assert_eq!(
        slots(berlin("0 */2 * * *"), "2026-03-28T22:30:00Z", 2),
        ["Sun 2026-03-29 00:00:00 +01:00", "Sun 2026-03-29 04:00:00 +02:00"]
    );
}

#[test]
fn both_forms_of_every_ten_minutes_are_the_same() {
    let five = json!({"type": "cron", "expression": "*/10 * * * *"});
    let six = json!({"type": "cron", "expression": "0 0/10 * * * *"});
    let expected = ["Thu 2026-01-01 00:10:00 +00:00", "Thu 2026-01-01 00:20:00 +00:00"];
    assert_eq!(slots(five, "2026-01-01T00:00:00Z", 2), expected);
    assert_eq!(slots(six, "2026-01-01T00:00:00Z", 2), expected);
}

#[test]
fn cron_reads_names_marks_and_nicknames() {
    let next =
        |expression: &str| slots(json!({"type": "cron", "expression": expression}), "2026-01-01T12:00:00Z", 1).join("");
    assert_eq!(next("0 0 12 ? * MON-FRI"), "Fri 2026-01-02 12:00:00 +00:00");
    assert_eq!(next("0 9 * feb,Mar tue"), "Tue 2026-02-03 09:00:00 +00:00");
    assert_eq!(next("0 0 L * ?"), "Sat 2026-01-31 00:00:00 +00:00");
    assert_eq!(next("0 0 LW * *"), "Fri 2026-01-30 00:00:00 +00:00");
    assert_eq!(next("0 0 17W * *"), "Fri 2026-01-16 00:00:00 +00:00");
    assert_eq!(next("0 0 * * FRI#2"), "Fri 2026-01-09 00:00:00 +00:00");
    assert_eq!(next("0 0 * * 5L"), "Fri 2026-01-30 00:00:00 +00:00");
    assert_eq!(next("0 0 * * SAT-SUN"), "Sat 2026-01-03 00:00:00 +00:00");
    assert_eq!(next("0 0 * * 7"), "Sun 2026-01-04 00:00:00 +00:00");
    assert_eq!(next("0 0 13 * FRI"), "Fri 2026-01-02 00:00:00 +00:00");
    assert_eq!(next("0 0 13 * +FRI"), "Fri 2026-02-13 00:00:00 +00:00");
    assert_eq!(next("@hourly"), "Thu 2026-01-01 13:00:00 +00:00");
    assert_eq!(next("@Weekly"), "Sun 2026-01-04 00:00:00 +00:00");
    assert_eq!(next("\t*/15  *  * * *  "), "Thu 2026-01-01 12:15:00 +00:00");
}

#[test]
fn cron_that_never_fits_ends() {
    for expression in ["0 0 30 2 *", "0 0 31 2,4,6,9,11 ?", "*/5 */2 30 2 *", "0 0 1 * +MON#2"] {
        assert_eq!(slots(json!({"type": "cron", "expression": expression}), "2026-01-01T00:00:00Z", 1), [""; 0]);
    }
    // Rare is not never: a 29 February on a Sunday, across 2100.
    let rare = json!({"type": "cron", "expression": "0 0 29 2 +SUN"});
    assert_eq!(slots(rare, "2088-03-01T00:00:00Z", 1), ["Sun 2128-02-29 00:00:00 +00:00"]);
}

#[test]
fn cron_errors_name_field_and_character() {
    let error = |text: &str| Cron::parse(text).unwrap_err().to_string().split(": write").next().unwrap().to_owned();
    insta::assert_snapshot!(
        [
            "61 * * * *", "0 0 24 * * *", "0 0 32 * *", "0 1,2,x * * *", "*  5-3 * * *", "MON * * * *", "0 0 * 1JAN *", "*/0 * * * *",
            "/10 * * * *", "? * * * *", "1,,2 * * * *", "0 0 * * 8", "0 0 * * MON#6", "0 0 * * FEB", "0 0 0 1 1 ? 2026", "0 0 *", "",
            "@often", "@daily 5", "a\u{7}bcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz * * * *",
        ]
        .map(error)
        .join("\n"),
        @r#"
        minute field, character 1: `61` does not fit
        hour field, character 5: `24` does not fit
        day of month field, character 5: `32` does not fit
        hour field, character 7: `x` does not fit
        hour field, character 4: `5-3` does not fit
        minute field, character 1: `MON` does not fit
        month field, character 7: `1JAN` does not fit
        minute field, character 1: `*/0` does not fit
        minute field, character 1: `/10` does not fit
        minute field, character 1: `?` does not fit
        minute field, character 3: a value is missing
        weekday field, character 9: `8` does not fit
        weekday field, character 9: `MON#6` does not fit
        weekday field, character 9: `FEB` does not fit
        character 13: a seventh field, the year, is not read: leave it out
        character 1: expected 5 or 6 fields, found 3
        character 1: expected 5 or 6 fields, found 0
        character 1: there is no nickname `@often`
        character 1: there is no nickname `@daily 5`
        minute field, character 1: `a bcdefghijklmnopqrstuvwxyzabcdefghijklm…` does not fit
        "#
    );
    assert!(Cron::parse(&"*".repeat(300)).is_err());
    let read: Cron = serde_json::from_value(json!("*/5 * * * *")).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), json!("*/5 * * * *"));
}

#[test]
fn months_run_on_the_last_day_where_they_are_too_short() {
    let monthly = json!({"type": "recurring", "every": 1, "unit": "months", "day": 31, "at": "23:00"});
    assert_eq!(
        slots(monthly, "2028-01-31T23:00:00Z", 4),
        [
            "Tue 2028-02-29 23:00:00 +00:00",
            "Fri 2028-03-31 23:00:00 +00:00",
            "Sun 2028-04-30 23:00:00 +00:00",
            "Wed 2028-05-31 23:00:00 +00:00"
        ]
    );
    let quarterly = json!({"type": "recurring", "every": 3, "unit": "months", "start": "2026-11-30T06:00"});
    assert_eq!(
        slots(quarterly, "2020-01-01T00:00:00Z", 3),
        ["Mon 2026-11-30 06:00:00 +00:00", "Sun 2027-02-28 06:00:00 +00:00", "Sun 2027-05-30 06:00:00 +00:00"]
    );
}

#[test]
fn weeks_and_intervals_are_counted_from_the_start() {
    let fortnight = json!({"type": "recurring", "every": 2, "unit": "weeks", "weekdays": ["friday", "monday"], "at": "01:00",
        "start": "2026-01-07T00:00", "end": "2026-01-31T00:00"});
    assert_eq!(
        slots(fortnight, "2020-01-01T00:00:00Z", 9),
        ["Fri 2026-01-09 01:00:00 +00:00", "Mon 2026-01-19 01:00:00 +00:00", "Fri 2026-01-23 01:00:00 +00:00"]
    );
    let hours =
        json!({"type": "recurring", "every": 5, "unit": "hours", "start": "2026-10-24T23:10", "zone": "Europe/Berlin"});
    assert_eq!(
        slots(hours, "2020-01-01T00:00:00Z", 3),
        ["Sat 2026-10-24 23:10:00 +02:00", "Sun 2026-10-25 03:10:00 +01:00", "Sun 2026-10-25 08:10:00 +01:00"]
    );
    let free = json!({"type": "recurring", "every": 90, "unit": "minutes"});
    assert_eq!(slots(free, "1970-01-01T00:00:00Z", 1), ["Thu 1970-01-01 01:30:00 +00:00"]);
}

#[test]
fn nothing_is_due_at_the_end() {
    let value = json!({"type": "recurring", "every": 1, "unit": "days", "at": "02:00", "end": "2026-01-03T02:00"});
    assert_eq!(slots(value, "2026-01-01T12:00:00Z", 5), ["Fri 2026-01-02 02:00:00 +00:00"]);
}

#[test]
fn what_was_missed_is_one_slot() {
    let daily = schedule(json!({"type": "recurring", "every": 1, "unit": "days", "at": "02:00"}));
    let now = at("2026-01-09T12:00:00Z");
    assert_eq!(daily.missed(at("2026-01-01T02:00:00Z"), now), Some(at("2026-01-02T02:00:00Z")));
    assert_eq!(daily.missed(now, now), None);
    assert_eq!(daily.missed(at("2026-01-09T02:00:00Z"), now), None);
    assert_eq!(daily.missed(at("2026-01-09T01:00:00Z"), at("2026-01-09T02:00:00Z")), Some(at("2026-01-09T02:00:00Z")));
}

#[test]
fn what_would_never_run_says_why() {
    let now = at("2026-03-01T12:00:00Z");
    let why = |value: Value| schedule(value).never(now).map(|error| (error.field, error.problem));
    let found = |value: Value| why(value).map(|(field, _)| field).unwrap_or_default();
    assert_eq!(found(json!({"type": "cron", "expression": "0 0 30 2 *"})), "expression");
    assert_eq!(found(json!({"type": "cron", "expression": "0 0 29 2 *"})), "");
    assert_eq!(found(json!({"type": "single", "start": "2026-03-01T12:00"})), "start");
    assert_eq!(found(json!({"type": "single", "start": "2026-03-01T12:01"})), "");
    let daily = |end: &str| json!({"type": "recurring", "every": 1, "unit": "days", "at": "02:30", "end": end});
    assert_eq!(found(daily("2026-03-02T02:30")), "end");
    assert_eq!(found(daily("2026-03-02T02:31")), "");
    assert_eq!(found(json!({"type": "cron", "expression": "0 0 30 2 *", "end": "2026-03-02T02:31"})), "expression");
    let (_, problem) = why(daily("2026-01-01T00:00")).unwrap();
    assert_eq!(problem, "comes before the next time that fits: it would never run");
}

#[test]
fn upcoming_is_bounded() {
    let cron = Schedule::from_cron(Cron::parse("* * * * * *").unwrap(), Zone::utc());
    assert_eq!(cron.upcoming(Instant(0), usize::MAX).len(), MOST_UPCOMING);
    assert_eq!(cron.upcoming(Instant(0), 0).len(), 0);
}

#[test]
fn errors_name_field_problem_and_remedy() {
    let cases = [
        json!("daily"),
        json!({}),
        json!({"type": "weekly"}),
        json!({"type": "single"}),
        json!({"type": "single", "start": "2026-02-30T08:00"}),
        json!({"type": "single", "start": "2026-03-01T08:00Z"}),
        json!({"type": "single", "start": "2026-03-01"}),
        json!({"type": "single", "start": 5}),
        json!({"type": "single", "start": "1969-03-01T08:00"}),
        json!({"type": "single", "start": "2026-03-01T08:00", "end": "2026-03-01T08:00"}),
        json!({"type": "single", "start": "2026-03-01T08:00", "zone": "Mars/Olympus"}),
        json!({"type": "single", "start": "2026-03-01T08:00", "at": "08:00"}),
        json!({"type": "single", "start": "2026-03-01T08:00", "Zone": "UTC"}),
        json!({"type": "recurring", "unit": "days"}),
        json!({"type": "recurring", "every": 0, "unit": "days"}),
        json!({"type": "recurring", "every": "2", "unit": "days"}),
        json!({"type": "recurring", "every": 2}),
        json!({"type": "recurring", "every": 2, "unit": "years"}),
        json!({"type": "recurring", "every": 2, "unit": "days", "at": "24:00"}),
        json!({"type": "recurring", "every": 2, "unit": "hours", "at": "02:00"}),
        json!({"type": "recurring", "every": 2, "unit": "days", "weekdays": ["monday"]}),
        json!({"type": "recurring", "every": 2, "unit": "weeks"}),
        json!({"type": "recurring", "every": 2, "unit": "weeks", "weekdays": []}),
        json!({"type": "recurring", "every": 2, "unit": "weeks", "weekdays": ["mon"]}),
        json!({"type": "recurring", "every": 2, "unit": "months"}),
        json!({"type": "recurring", "every": 2, "unit": "months", "day": 32}),
        json!({"type": "cron"}),
        json!({"type": "cron", "expression": "0 25 * * *"}),
        json!({"type": "cron", "expression": "0 0 0 1 1 ? 2026"}),
    ];
    insta::assert_snapshot!(cases.map(refusal).join("\n"), @r#"
        `schedule` is not an object: write `{"type": …}`
        `type` is missing: write `single`, `recurring` or `cron`
        `type` is unknown: `weekly`: write `single`, `recurring` or `cron`
        `start` is missing: write when the single occurrence is
        `start` is no date and time: `2026-02-30T08:00`: write date and time without offset, such as `2026-03-01T02:30`; the zone stands in `zone`
        `start` is no date and time: `2026-03-01T08:00Z`: write date and time without offset, such as `2026-03-01T02:30`; the zone stands in `zone`
        `start` is no date and time: `2026-03-01`: write date and time without offset, such as `2026-03-01T02:30`; the zone stands in `zone`
        `start` is not text: write it in quotation marks
        `start` lies outside the years 1970 to 9000: write date and time without offset, such as `2026-03-01T02:30`; the zone stands in `zone`
        `end` is not after the start: write a later end, or leave it out
        `zone` names no time zone: `Mars/Olympus`: write an IANA name such as `Europe/Berlin` or `UTC`
        `at` is not a field of this type of schedule: leave it out
        `Zone` is not a field of this type of schedule: leave it out
        `every` is missing: write a whole number, 1 to 1000
        `every` is out of bounds: write a whole number, 1 to 1000
        `every` is out of bounds: write a whole number, 1 to 1000
        `unit` is missing: write `minutes`, `hours`, `days`, `weeks` or `months`
        `unit` is unknown: `years`: write `minutes`, `hours`, `days`, `weeks` or `months`
        `at` is no time of day: `24:00`: write a time of day such as `02:30`
        `at` has no meaning for hours: set `start`, from which they are counted
        `weekdays` has no meaning for days: leave it out
        `weekdays` is missing, and there is no start to take it from: write at least one, such as `["monday"]`
        `weekdays` is empty: write a list of monday, tuesday, wednesday, thursday, friday, saturday, sunday
        `weekdays` has an entry that is no weekday: write a list of monday, tuesday, wednesday, thursday, friday, saturday, sunday
        `day` is missing, and there is no start to take it from: write a day of the month, 1 to 31
        `day` is out of bounds: write a whole number, 1 to 31
        `expression` is missing: write five or six fields, such as `0 3 * * *`
        `expression` is wrong at hour field, character 3: `25` does not fit: write 0 to 23, `*`, lists `2,14`, ranges `9-17`, steps `*/2` or `0/2`
        `expression` is wrong at character 13: a seventh field, the year, is not read: leave it out
        "#);
}

#[test]
fn the_wire_form_comes_back() {
    let cases = [
        json!({"type": "single", "start": "2026-03-01T08:00:00", "zone": "Europe/Berlin"}),
        json!({"type": "recurring", "every": 15, "unit": "minutes", "zone": "UTC"}),
        json!({"type": "recurring", "every": 2, "unit": "weeks", "weekdays": ["monday", "sunday"], "at": "02:30:00", "zone": "Asia/Kathmandu",
            "start": "2026-03-01T00:00:00", "end": "2027-03-01T00:00:00"}),
        json!({"type": "recurring", "every": 1, "unit": "months", "day": 31, "zone": "UTC"}),
        json!({"type": "cron", "expression": "0 3 * * MON-FRI", "zone": "UTC", "end": "2027-03-01T00:00:00"}),
    ];
    for case in cases {
        let read: Schedule = serde_json::from_value(case.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), case);
    }
    let short = schedule(json!({"type": "single", "start": "2026-03-01T08:00", "zone": "europe/berlin", "end": null}));
    assert_eq!(short.to_json(), json!({"type": "single", "start": "2026-03-01T08:00:00", "zone": "Europe/Berlin"}));
    let error = serde_json::from_value::<Schedule>(json!({"type": "cron"})).unwrap_err().to_string();
    assert!(error.contains("`expression` is missing"), "{error}");
    assert_eq!(schedule(json!({"type": "cron", "expression": "@daily"})).zone(), &Zone::named("utc").unwrap());
    for name in ["Etc/Unknown", "", "../../etc/passwd", "CET-1CEST", &"x".repeat(99)] {
        assert!(Zone::named(name).is_err(), "{name}");
    }
}

const ZONES: [&str; 7] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "America/Sao_Paulo",
    "Pacific/Apia",
];

fn any_rule() -> impl Strategy<Value = Value> {
    let clock = || (0..24_u8, 0..60_u8).prop_map(|(hour, minute)| format!("{hour:02}:{minute:02}"));
    let days = proptest::sample::subsequence(recurrence::Weekdays::NAMES.to_vec(), 1..=7);
    let crons = [
        "*/10 * * * *",
        "30 2 * * *",
        "0 0/10 * * * *",
        "5 */3 * * MON-FRI",
        "0 0 L * ?",
        "15 0-5 * * *",
        "*/20 2,3 * * *",
        "@hourly",
        "30 59 23 * * *",
        "0 0 29 2 *",
        "0 12 15W * *",
    ];
    prop_oneof![
        (1..500_u16).prop_map(|every| json!({"type": "recurring", "unit": "minutes", "every": every})),
        (1..100_u16).prop_map(|every| json!({"type": "recurring", "unit": "hours", "every": every})),
        (1..40_u16, clock()).prop_map(|(every, at)| json!({"type": "recurring", "unit": "days", "every": every, "at": at})),
        (1..6_u16, clock(), days)
            .prop_map(|(every, at, days)| json!({"type": "recurring", "unit": "weeks", "every": every, "at": at, "weekdays": days})),
        (1..15_u16, clock(), 1..32_u8)
            .prop_map(|(every, at, day)| json!({"type": "recurring", "unit": "months", "every": every, "at": at, "day": day})),
        proptest::sample::select(crons.to_vec()).prop_map(|expression| json!({"type": "cron", "expression": expression})),
    ]
}

fn any_schedule() -> impl Strategy<Value = Schedule> {
    let start =
        proptest::option::of(("20[0-3][0-9]-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])", "([01][0-9]|2[0-3]):[0-5][0-9]"));
    (any_rule(), proptest::sample::select(ZONES.to_vec()), start).prop_map(|(mut rule, zone, start)| {
        rule["zone"] = zone.into();
        if let Some((date, time)) = start {
            rule["start"] = format!("{date}T{time}").into();
        }
        schedule(rule)
    })
}

const YEAR: i64 = 366 * 86_400_000_000;

fn any_instant() -> impl Strategy<Value = Instant> {
    (30 * YEAR..75 * YEAR).prop_map(Instant)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn the_next_slot_is_later_and_none_is_lost(schedule in any_schedule(), after in any_instant(), part in 0..1_000_i64) {
        let Some(first) = schedule.next_after(after) else { return Ok(()) };
        prop_assert!(first > after);
        let Some(second) = schedule.next_after(first) else { return Ok(()) };
        prop_assert!(second > first);
        // From anywhere before a slot, the slot is found: nothing lies between two neighbours.
        let between = Instant(first.0 + (second.0 - first.0) / 1_000 * part);
        prop_assert_eq!(schedule.next_after(between), Some(second));
        prop_assert_eq!(schedule.next_after(second.plus(-1)), Some(second));
        prop_assert_eq!(schedule.next_after(first.plus(-1)), Some(first));
        let before = Instant(after.0 + (first.0 - after.0) / 1_000 * part);
        prop_assert_eq!(schedule.next_after(before), Some(first));
        prop_assert!(schedule.start().is_none_or(|start| start <= first));
    }

    #[test]
    fn intervals_are_exact(every in 1..1_000_i64, zone in proptest::sample::select(ZONES.to_vec()), after in any_instant()) {
        for (unit, microseconds) in [("minutes", 60_000_000), ("hours", 3_600_000_000)] {
            let value = json!({"type": "recurring", "every": every, "unit": unit, "zone": zone, "start": "2011-12-30T01:15"});
            let schedule = schedule(value);
            let slots = schedule.upcoming(after, 20);
            prop_assert_eq!(slots.len(), 20);
            prop_assert!(slots.windows(2).all(|pair| pair[1].0 - pair[0].0 == every * microseconds));
            prop_assert_eq!((slots[0].0 - schedule.start().unwrap().0) % (every * microseconds), 0);
        }
    }

    #[test]
    fn jitter_keeps_the_order(schedule in any_schedule(), seed in "[a-z]{8}", maximum in 0..2 * Jitter::MAXIMUM, after in any_instant()) {
        let jitter = Jitter::new(&seed, maximum);
        let slots = schedule.upcoming(after, 12);
        let starts: Vec<_> = slots.iter().map(|&slot| schedule.spread(slot, jitter)).collect();
        prop_assert!(slots.iter().zip(&starts).all(|(slot, start)| start >= slot && start.0 - slot.0 < maximum.max(1)));
        prop_assert!(slots.iter().skip(1).zip(&starts).all(|(next, start)| start < next));
        for pair in starts.windows(2) {
            prop_assert!(pair[0] < pair[1]);
            prop_assert_eq!(schedule.next_start(pair[0], jitter), Some(pair[1]));
            prop_assert_eq!(schedule.next_start(pair[1].plus(-1), jitter), Some(pair[1]));
        }
        if matches!(schedule.rule, Rule::Cron(_)) {
            prop_assert_eq!(slots, starts);
        }
    }

    #[test]
    fn no_text_makes_cron_panic(text in "[-0-9*/,?#LWA-Za-z@+ ]{0,40}") {
        if let Ok(cron) = Cron::parse(&text) {
            let schedule = Schedule::from_cron(cron, Zone::named("Europe/Berlin").unwrap());
            let _ = schedule.next_after(Instant(56 * YEAR));
        }
    }

    #[test]
    fn no_instant_makes_it_panic(schedule in any_schedule(), after in any::<i64>()) {
        let after = Instant(after);
        prop_assert!(schedule.next_after(after).is_none_or(|slot| slot > after));
        let _ = schedule.next_start(after, Jitter::new("p", Jitter::MAXIMUM));
        let _ = schedule.missed(after, after);
    }
}

#[test]
fn jitter_spreads_profiles_over_its_range() {
    let hour = 3_600_000_000;
    let delays: Vec<i64> = (0..1_000)
        .map(|profile| {
            let daily = schedule(json!({"type": "recurring", "every": 1, "unit": "days"}));
            daily.spread(Instant(0), Jitter::new(&format!("profile-{profile}"), hour)).0
        })
        .collect();
    for quarter in 0..4 {
        let share = delays.iter().filter(|&&delay| delay / (hour / 4) == quarter).count();
        assert!((200..300).contains(&share), "quarter {quarter} has {share} of 1,000");
    }
    assert_eq!(Jitter::new("p", -5), Jitter::NONE);
    // The end is not passed: the last run is delayed within what is left.
    let ending =
        schedule(json!({"type": "recurring", "every": 1, "unit": "days", "at": "00:00", "end": "1970-01-02T00:01"}));
    for profile in 0..100 {
        let start = ending.spread(Instant(86_400_000_000), Jitter::new(&profile.to_string(), hour));
        assert!(start < ending.end().unwrap());
    }
}
