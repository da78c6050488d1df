//! Names and descriptions that people give.

use crate::error::Problem;

const LONGEST_NAME: usize = 200;
const LONGEST_TEXT: usize = 4000;

/// A name as it is kept: without blanks around it, neither empty nor endless, on one line.
pub(crate) fn name(field: &str, given: &str) -> Result<String, Problem> {
    let name = given.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(Problem::value(field, format!("a name has 1 to {LONGEST_NAME} characters, none of control")));
    }
    Ok(name.to_owned())
}

/// A description.
pub(crate) fn description(field: &str, given: Option<&str>) -> Result<String, Problem> {
    let text = given.unwrap_or_default().trim();
    if text.chars().count() > LONGEST_TEXT {
        return Err(Problem::value(field, format!("it has at most {LONGEST_TEXT} characters")));
    }
    Ok(text.to_owned())
}

/// One of a few words.
pub(crate) fn one_of(field: &str, given: &str, words: &[&str]) -> Result<String, Problem> {
    match words.contains(&given) {
        true => Ok(given.to_owned()),
        false => Err(Problem::value(field, format!("it is one of {}", words.join(", ")))),
    }
}
