//! Times as requests write them.

use openvpc_model::UnixMillis;

/// Reads an ISO 8601 time such as `2026-01-31T12:00:00.250Z`; the zone is `Z`, an offset, or left out for UTC.
pub fn parse(text: &str) -> Option<UnixMillis> {
    let (date, time) = text.split_once(['T', 't'])?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let (clock, offset_minutes) = zone(time)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let valid = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour <= 23
        && minute <= 59
        && second <= 60;
    if !valid || fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let millis: i64 = format!("{fraction:0<3}")[..3].parse().ok()?;
    let seconds = days_since_epoch(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset_minutes * 60;
    u64::try_from(seconds * 1_000 + millis).ok().map(UnixMillis)
}

fn zone(time: &str) -> Option<(&str, i64)> {
    if let Some(clock) = time.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(sign) = time.rfind(['+', '-']) else { return Some((time, 0)) };
    let [hours, minutes] = numbers(&time[sign + 1..], ':', [2, 2])?;
    let minutes = hours * 60 + minutes;
    Some((&time[..sign], if time[sign..].starts_with('-') { -minutes } else { minutes }))
}

/// Exactly `N` groups of digits of the given widths.
fn numbers<const N: usize>(text: &str, separator: char, widths: [usize; N]) -> Option<[i64; N]> {
    let mut groups = text.split(separator);
    let mut values = [0; N];
    for (value, width) in values.iter_mut().zip(widths) {
        let group = groups.next().filter(|group| group.len() == width && group.bytes().all(|b| b.is_ascii_digit()))?;
        *value = group.parse().ok()?;
    }
    groups.next().is_none().then_some(values)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Howard Hinnant's civil-to-days conversion, the inverse of the model's.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let year_of_era = year % 400;
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    year / 400 * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn zones_and_fractions_are_understood() {
        for text in [
            "2026-09-21T14:14:02.007Z",
            "2026-09-21T14:14:02.0079",
            "2026-09-21T16:14:02.007+02:00",
            "2026-09-21T09:44:02.007-04:30",
        ] {
            assert_eq!(parse(text), Some(UnixMillis(1_790_000_042_007)), "{text}");
        }
        assert_eq!(parse("1970-01-01T00:00:00Z"), Some(UnixMillis(0)));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "T",
            "2026-09-21",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00Z",
            "1969-12-31T23:59:59Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00.é",
            "2026-01-01T00:00:00é",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_the_model_writes_is_read_back(millis in 0u64..253_402_300_800_000) {
            prop_assert_eq!(parse(&UnixMillis(millis).to_string()), Some(UnixMillis(millis)));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[0-9TZ:.+-é]{0,30}") {
            let _ = parse(&text);
        }
    }
}
