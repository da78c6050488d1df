//! Reading the bytes that a source said into typed values.

use std::fmt::Write as _;

use jiff::civil;
use thiserror::Error;

use crate::clock::Instant;
use crate::model::ValueType;

/// A typed value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// Text; identifiers too.
    Text(String),
    /// A signed integer.
    Integer(i64),
    /// Yes or no.
    Boolean(bool),
    /// An instant, UTC.
    Time(Instant),
    /// Several values that belong together.
    List(Vec<Value>),
    /// A list of objects or texts, as JSON without blanks.
    JsonList(String),
}

impl Value {
    /// The value as JSON: times as RFC 3339 text.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => serde_json::Value::String(text.clone()),
            Self::Integer(number) => (*number).into(),
            Self::Boolean(flag) => (*flag).into(),
            Self::Time(instant) => serde_json::Value::String(instant.to_rfc3339()),
            Self::List(values) => serde_json::Value::Array(values.iter().map(Self::to_json).collect()),
            Self::JsonList(text) => serde_json::from_str(text).unwrap_or_default(),
        }
    }

    /// The value as plain text, lists joined by a comma and a blank.
    pub fn to_text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Integer(number) => number.to_string(),
            Self::Boolean(flag) => flag.to_string(),
            Self::Time(instant) => instant.to_rfc3339(),
            Self::List(values) => values.iter().map(Self::to_text).collect::<Vec<_>>().join(", "),
            Self::JsonList(text) => text.clone(),
        }
    }
}

/// Why bytes are not a value of their type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// Not UTF-8.
    #[error("not UTF-8 text")]
    Utf8,
    /// Not a decimal 64-bit integer.
    #[error("not a 64-bit integer")]
    Integer,
    /// Neither TRUE nor FALSE.
    #[error("neither TRUE nor FALSE")]
    Boolean,
    /// Not 16 bytes.
    #[error("not 16 bytes")]
    Guid,
    /// Not a security identifier.
    #[error("not a security identifier")]
    Sid,
    /// Not JSON, or no list.
    #[error("not a list in JSON")]
    JsonList,
    /// A date that the calendar does not have, or not in the form that the type asks for.
    #[error("not a date of the calendar")]
    Time,
}

/// FILETIME of 1970-01-01T00:00:00Z (MS-DTYP 2.3.3: 100 ns since 1601-01-01).
const FILETIME_OF_UNIX_EPOCH: i64 = 116_444_736_000_000_000;
/// How many microseconds "for ever" is: far beyond the calendar, and still addable.
pub const FOREVER_MICROSECONDS: i64 = i64::MAX;

/// Reads one value. `None` is a value that means "none": a FILETIME that says never, an empty text.
pub fn decode(value_type: ValueType, bytes: &[u8]) -> Result<Option<Value>, DecodeError> {
    match value_type {
        ValueType::Text => {
            let text = std::str::from_utf8(bytes).map_err(|_| DecodeError::Utf8)?;
            // U+0000 has no place in PostgreSQL's text: both stores keep the replacement character instead.
            Ok((!text.is_empty()).then(|| Value::Text(text.replace('\0', "\u{fffd}"))))
        }
        ValueType::Integer => integer(bytes).map(|number| Some(Value::Integer(number))),
        ValueType::Boolean => match bytes {
            b"TRUE" | b"true" => Ok(Some(Value::Boolean(true))),
            b"FALSE" | b"false" => Ok(Some(Value::Boolean(false))),
            _ => Err(DecodeError::Boolean),
        },
        ValueType::Guid => guid_text(bytes).map(|text| Some(Value::Text(text))),
        ValueType::Sid => sid_text(bytes).map(|text| Some(Value::Text(text))),
        ValueType::Filetime => filetime(integer(bytes)?).map(|time| time.map(Value::Time)),
        ValueType::GeneralizedTime => generalized_time(bytes).map(|time| Some(Value::Time(time))),
        ValueType::Interval => Ok(interval(integer(bytes)?).map(Value::Integer)),
        ValueType::GroupType => integer(bytes).map(|number| Some(group_type(number))),
        ValueType::JsonList => match serde_json::from_slice::<serde_json::Value>(bytes) {
            Ok(list @ serde_json::Value::Array(_)) => Ok(Some(Value::JsonList(list.to_string()))),
            _ => Err(DecodeError::JsonList),
        },
    }
}

fn integer(bytes: &[u8]) -> Result<i64, DecodeError> {
    std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok()).ok_or(DecodeError::Integer)
}

/// A GUID as Microsoft writes it: the first three fields are little-endian in the bytes (MS-DTYP 2.3.4.2).
pub fn guid_text(bytes: &[u8]) -> Result<String, DecodeError> {
    const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    const HEX: &[u8; 16] = b"0123456789abcdef";
    if bytes.len() != 16 {
        return Err(DecodeError::Guid);
    }
    let mut text = String::with_capacity(36);
    for (position, index) in ORDER.into_iter().enumerate() {
        if matches!(position, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let byte = bytes[index];
        text.push(char::from(HEX[usize::from(byte >> 4)]));
        text.push(char::from(HEX[usize::from(byte & 15)]));
    }
    Ok(text)
}

/// The bytes of a GUID from its text; the inverse of [`guid_text`].
pub fn guid_bytes(text: &str) -> Option<[u8; 16]> {
    const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let mut bytes = [0_u8; 16];
    let mut digits = text.bytes().filter(|&byte| byte != b'-');
    for index in ORDER {
        let high = char::from(digits.next()?).to_digit(16)?;
        let low = char::from(digits.next()?).to_digit(16)?;
        bytes[index] = u8::try_from(high * 16 + low).ok()?;
    }
    digits.next().is_none().then_some(bytes)
}

/// A security identifier as `S-1-…` (MS-DTYP 2.4.2.1): revision 1, at most 15 sub-authorities.
pub fn sid_text(bytes: &[u8]) -> Result<String, DecodeError> {
    let [revision, count, authority @ ..] = bytes else { return Err(DecodeError::Sid) };
    let count = usize::from(*count);
    if *revision != 1 || count > 15 || authority.len() != 6 + 4 * count {
        return Err(DecodeError::Sid);
    }
    let (authority, rest) = authority.split_at(6);
    let authority = authority.iter().fold(0_u64, |sum, &byte| sum << 8 | u64::from(byte));
    let mut text = String::with_capacity(48);
    // MS-DTYP 2.4.2.1: an authority of 2^32 or more is written in hexadecimal.
    let written =
        if authority < 1 << 32 { write!(text, "S-1-{authority}") } else { write!(text, "S-1-0x{authority:012X}") };
    written.map_err(|_| DecodeError::Sid)?;
    for part in rest.chunks_exact(4) {
        let number = u32::from_le_bytes([part[0], part[1], part[2], part[3]]);
        write!(text, "-{number}").map_err(|_| DecodeError::Sid)?;
    }
    Ok(text)
}

/// The bytes of a security identifier from `S-1-…`; the inverse of [`sid_text`].
pub fn sid_bytes(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.strip_prefix("S-1-")?.split('-');
    let authority = parts.next()?;
    let authority = match authority.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok()?,
        None => authority.parse().ok()?,
    };
    let numbers = parts.map(|part| part.parse::<u32>().ok()).collect::<Option<Vec<_>>>()?;
    if numbers.len() > 15 || authority >= 1 << 48 {
        return None;
    }
    let mut bytes = vec![1, u8::try_from(numbers.len()).ok()?];
    bytes.extend_from_slice(&authority.to_be_bytes()[2..]);
    for number in numbers {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    Some(bytes)
}

fn filetime(ticks: i64) -> Result<Option<Instant>, DecodeError> {
    if ticks == 0 || ticks == i64::MAX {
        return Ok(None);
    }
    if ticks < 0 {
        return Err(DecodeError::Time);
    }
    let instant = Instant((ticks - FILETIME_OF_UNIX_EPOCH).div_euclid(10));
    // Beyond the year 9999 there is no RFC 3339 text: directories use such values to say "never", as 2^63-1 does.
    Ok(jiff::Timestamp::from_microsecond(instant.0).is_ok().then_some(instant))
}

fn interval(ticks: i64) -> Option<i64> {
    match ticks {
        0 => None,
        i64::MIN => Some(FOREVER_MICROSECONDS),
        ticks => Some((ticks / 10).saturating_abs()),
    }
}

/// GeneralizedTime (RFC 4517 section 3.3.13): `YYYYMMDDHH[MM[SS]][(.|,)fraction](Z|±HH[MM])`.
fn generalized_time(bytes: &[u8]) -> Result<Instant, DecodeError> {
    let bad = DecodeError::Time;
    let text = std::str::from_utf8(bytes).map_err(|_| bad)?;
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if !matches!(digits, 10 | 12 | 14) {
        return Err(bad);
    }
    let field = |from: usize, to: usize| text.get(from..to).and_then(|part| part.parse::<i16>().ok()).ok_or(bad);
    let small = |from: usize, to: usize| field(from, to).and_then(|number| i8::try_from(number).map_err(|_| bad));
    let minute = if digits >= 12 { small(10, 12)? } else { 0 };
    let second = if digits >= 14 { small(12, 14)? } else { 0 };
    // A leap second has no place in POSIX time: 60 is read as 59.
    let local =
        civil::DateTime::new(field(0, 4)?, small(4, 6)?, small(6, 8)?, small(8, 10)?, minute, second.min(59), 0)
            .map_err(|_| bad)?;
    let (fraction, zone) = split_fraction(&text[digits..]).ok_or(bad)?;
    let unit: i64 = [3_600_000_000, 60_000_000, 1_000_000][(digits - 10) / 2];
    let offset = zone_offset(zone).ok_or(bad)?;
    let utc = local.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| bad)?.timestamp();
    Ok(Instant::from_timestamp(utc).plus(fraction_of(fraction, unit)).plus(-offset))
}

fn split_fraction(rest: &str) -> Option<(&str, &str)> {
    let Some(fraction) = rest.strip_prefix(['.', ',']) else { return Some(("", rest)) };
    let length = fraction.bytes().take_while(u8::is_ascii_digit).count();
    (length > 0).then(|| fraction.split_at(length))
}

fn fraction_of(digits: &str, unit: i64) -> i64 {
    let mut result = 0;
    let mut unit = unit;
    for digit in digits.bytes().take(12) {
        unit /= 10;
        result += i64::from(digit - b'0') * unit;
    }
    result
}

fn zone_offset(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits = &zone[1..];
    if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let hours: i64 = digits[..2].parse().ok()?;
    let minutes: i64 = if digits.len() == 4 { digits[2..].parse().ok()? } else { 0 };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60_000_000)
}

/// groupType as the pair [kind, scope] (MS-ADTS 2.2.12; the names are MS-ADCAP 3.1.4.2.1's).
fn group_type(bits: i64) -> Value {
    let kind = if bits & 0x8000_0000 == 0 { "Distribution" } else { "Security" };
    let scope = match bits {
        bits if bits & 0x1 != 0 => "BuiltinLocal",
        bits if bits & 0x2 != 0 => "Global",
        bits if bits & 0x4 != 0 => "DomainLocal",
        bits if bits & 0x8 != 0 => "Universal",
        _ => "Unknown",
    };
    Value::List(vec![Value::Text(kind.to_owned()), Value::Text(scope.to_owned())])
}

#[cfg(test)]
mod tests;
