//! Schedules in forms and in words.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::form::{Given, Wrong};
use super::frame::{Frame, Visitor, html};
use super::part::When;
use crate::api::plan;
use crate::error::Problem;
use crate::extract::Query;
use crate::hub::Hub;

const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// The fields of a schedule as a form has them.
#[derive(Debug, Clone, Default)]
pub(super) struct ScheduleForm {
    /// `none`, `single`, `recurring` or `cron`.
    pub(super) kind: String,
    pub(super) every: String,
    pub(super) unit: String,
    pub(super) weekdays: Vec<String>,
    pub(super) day: String,
    pub(super) at: String,
    pub(super) expression: String,
    pub(super) zone: String,
    pub(super) start: String,
    pub(super) end: String,
}

impl ScheduleForm {
    /// What is kept.
    pub(super) fn of(schedule: Option<&Value>) -> Self {
        let Some(kept) = schedule else {
            let (kind, every, unit) = ("none".to_owned(), "1".to_owned(), "days".to_owned());
            return Self { kind, every, unit, zone: "UTC".to_owned(), at: "02:00".to_owned(), ..Self::default() };
        };
        let text = |name: &str| kept[name].as_str().unwrap_or_default().to_owned();
        let number = |name: &str| kept[name].as_u64().map(|number| number.to_string()).unwrap_or_default();
        let weekdays = kept["weekdays"].as_array().into_iter().flatten().filter_map(Value::as_str);
        Self {
            kind: text("type"),
            every: number("every"),
            unit: text("unit"),
            weekdays: weekdays.map(str::to_owned).collect(),
            day: number("day"),
            at: text("at"),
            expression: text("expression"),
            zone: text("zone"),
            start: text("start"),
            end: text("end"),
        }
    }

    /// What was sent.
    pub(super) fn sent(given: &Given) -> Self {
        let text = |name: &str| given.text(&format!("schedule.{name}")).trim().to_owned();
        Self {
            kind: text("type"),
            every: text("every"),
            unit: text("unit"),
            weekdays: given.all("schedule.weekdays").map(str::to_owned).collect(),
            day: text("day"),
            at: text("at"),
            expression: text("expression"),
            zone: text("zone"),
            start: text("start"),
            end: text("end"),
        }
    }

    /// The wire form: of what was sent, what the kind of schedule takes.
    pub(super) fn to_json(&self) -> Option<Value> {
        if !["single", "recurring", "cron"].contains(&self.kind.as_str()) {
            return None;
        }
        let mut schedule = Map::new();
        let mut put = |name: &str, text: &str| {
            if !text.is_empty() {
                schedule.insert(name.to_owned(), text.into());
            }
        };
        put("type", &self.kind);
        put("zone", &self.zone);
        put("start", &self.start);
        put("end", &self.end);
        let counts_days = ["days", "weeks", "months"].contains(&self.unit.as_str());
        match self.kind.as_str() {
            "cron" => put("expression", &self.expression),
            "recurring" => {
                put("unit", &self.unit);
                if counts_days {
                    put("at", &self.at);
                }
                schedule.insert("every".to_owned(), number(&self.every));
                if self.unit == "weeks" && !self.weekdays.is_empty() {
                    schedule.insert("weekdays".to_owned(), json!(self.weekdays));
                }
                if self.unit == "months" && !self.day.is_empty() {
                    schedule.insert("day".to_owned(), number(&self.day));
                }
            }
            _ => {}
        }
        Some(Value::Object(schedule))
    }

    pub(super) fn has_weekday(&self, day: &str) -> bool {
        self.weekdays.iter().any(|chosen| chosen == day)
    }

    pub(super) fn weekday_names(&self) -> [&'static str; 7] {
        WEEKDAYS
    }
}

/// A number, or the text as it was written: the schedule's own check then says what is wrong.
fn number(text: &str) -> Value {
    text.parse::<u64>().map_or_else(|_| text.into(), Value::from)
}

/// The next five times.
pub(super) fn upcoming(visitor: &Visitor, schedule: Option<&Value>) -> Result<Vec<When>, Problem> {
    let Some(schedule) = schedule else { return Ok(Vec::new()) };
    let schedule = plan::schedule(schedule)?;
    Ok(schedule.upcoming(visitor.now, 5).into_iter().map(|at| visitor.when(at)).collect())
}

/// A schedule as a sentence without its end.
pub(super) fn in_words(schedule: Option<&Value>) -> String {
    let Some(kept) = schedule else { return "only when asked".to_owned() };
    let text = |name: &str| kept[name].as_str().unwrap_or_default();
    let zone = if text("zone").is_empty() { "UTC" } else { text("zone") };
    let short = |time: &str| time.strip_suffix(":00").filter(|short| short.contains(':')).unwrap_or(time).to_owned();
    match text("type") {
        "single" => format!("once, {} {zone}", text("start").replace('T', " ")),
        "cron" => format!("cron {} {zone}", text("expression")),
        _ => {
            let every = kept["every"].as_u64().unwrap_or(1);
            let unit = text("unit");
            let often = if every == 1 {
                format!("every {}", unit.trim_end_matches('s'))
            } else {
                format!("every {every} {unit}")
            };
            let days: Vec<&str> = kept["weekdays"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let mut words = often;
            if !days.is_empty() {
                words.push_str(&format!(" on {}", days.join(", ")));
            }
            if let Some(day) = kept["day"].as_u64() {
                words.push_str(&format!(" on day {day}"));
            }
            if !text("at").is_empty() {
                words.push_str(&format!(" at {} {zone}", short(text("at"))));
            }
            words
        }
    }
}

/// The next times of what a form holds.
#[derive(Debug, Clone, Default)]
pub(super) struct Preview {
    pub(super) times: Vec<When>,
    pub(super) wrong: Option<Wrong>,
    /// Whether there is a schedule at all.
    pub(super) is_none: bool,
}

impl Preview {
    pub(super) fn of(visitor: &Visitor, form: &ScheduleForm) -> Result<Self, Problem> {
        let schedule = form.to_json();
        match upcoming(visitor, schedule.as_ref()) {
            Ok(times) => Ok(Self { times, wrong: None, is_none: schedule.is_none() }),
            Err(problem) => Ok(Self { wrong: Some(Wrong::of(problem)?), ..Self::default() }),
        }
    }
}

#[derive(Template)]
#[template(path = "console/profiles/preview.html", blocks = ["preview"])]
struct PreviewPage {
    frame: Frame,
    preview: Preview,
}

/// The next five runs of the schedule that a form holds, before it is saved.
pub(super) async fn preview(
    State(_): State<Arc<Hub>>,
    visitor: Visitor,
    Query(given): Query<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let preview = Preview::of(&visitor, &ScheduleForm::sent(&Given(given)))?;
    let page = PreviewPage { frame: visitor.frame, preview };
    if visitor.wants_part { html(StatusCode::OK, &page.as_preview()) } else { html(StatusCode::OK, &page) }
}
