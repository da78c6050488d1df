//! Values of an attribute, in a buffer that is used again and again.

use std::io::Write;

/// The values of one attribute.
#[derive(Debug, Default)]
pub(super) struct Values {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Values {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub(super) fn push(&mut self, value: impl AsRef<[u8]>) {
        self.bytes.extend_from_slice(value.as_ref());
        self.end();
    }

    /// Adds what `write` appends.
    pub(super) fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.end();
    }

    pub(super) fn push_format(&mut self, arguments: std::fmt::Arguments<'_>) {
        // Writing to memory does not fail.
        let _ = self.bytes.write_fmt(arguments);
        self.end();
    }

    pub(super) fn push_integer(&mut self, number: i64) {
        put_integer(&mut self.bytes, number);
        self.end();
    }

    /// A GeneralizedTime as Active Directory writes it.
    pub(super) fn push_time(&mut self, unix_seconds: i64) {
        put_time(&mut self.bytes, unix_seconds);
        self.end();
    }

    fn end(&mut self) {
        self.ends.push(self.bytes.len());
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start..end])
    }
}

/// Appends a number in decimal digits.
pub(super) fn put_integer(out: &mut Vec<u8>, number: i64) {
    let mut digits = [0_u8; 20];
    let mut start = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        start -= 1;
        digits[start] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[start..]);
}

fn put_time(out: &mut Vec<u8>, unix_seconds: i64) {
    let (days, seconds) = (unix_seconds.div_euclid(86_400), unix_seconds.rem_euclid(86_400));
    // Days to civil: the era is 400 years of 146,097 days, the year begins in March.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    put_padded(out, year, 4);
    for part in [month, day, seconds / 3600, seconds / 60 % 60, seconds % 60] {
        put_padded(out, part, 2);
    }
    out.extend_from_slice(b".0Z");
}

/// Appends a number with leading zeros.
pub(super) fn put_padded(out: &mut Vec<u8>, number: i64, width: u32) {
    for place in (0..width).rev() {
        out.push(b'0' + u8::try_from(number / 10_i64.pow(place) % 10).unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_numbers_and_times() {
        let mut values = Values::default();
        values.push_integer(0);
        values.push_integer(i64::MAX);
        values.push_integer(-2_147_483_646);
        values.push_time(951_782_400);
        values.push_time(1_780_271_999);
        let texts: Vec<_> = values.iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect();
        assert_eq!(texts, ["0", "9223372036854775807", "-2147483646", "20000229000000.0Z", "20260531235959.0Z"]);
    }
}
