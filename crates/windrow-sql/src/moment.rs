//! Dates and times of day. All times are in UTC.

use std::fmt::Write as _;

use jiff::civil::{Date, DateTime};
use windrow_core::time::Timestamp;

use crate::expression::TimeField;
use crate::types::SqlType;

/// Milliseconds of a day.
pub(crate) const DAY: i64 = 86_400_000;

const EPOCH: Date = jiff::civil::date(1970, 1, 1);

/// The moment so many milliseconds after the epoch; `None` beyond the years 0 to 9999.
pub(crate) fn of_millis(millis: i64) -> Option<Timestamp> {
    Timestamp::from_nanos(i128::from(millis).checked_mul(1_000_000)?)
}

/// The start of the interval that a moment is in. Intervals are counted from the epoch.
pub(crate) fn floor(time: Timestamp, millis: i64) -> Option<Timestamp> {
    let interval = i128::from(millis).checked_mul(1_000_000)?;
    let rest = time.nanos().checked_rem_euclid(interval)?;
    Timestamp::from_nanos(time.nanos() - rest)
}

/// The end of the interval that a moment is in, or the moment itself where two meet.
pub(crate) fn ceil(time: Timestamp, millis: i64) -> Option<Timestamp> {
    let start = floor(time, millis)?;
    if start == time {
        return Some(time);
    }
    Timestamp::from_nanos(start.nanos().checked_add(i128::from(millis) * 1_000_000)?)
}

/// The start of the year, quarter, month or week that a moment is in.
pub(crate) fn floor_calendar(time: Timestamp, field: TimeField) -> Option<Timestamp> {
    let date = date(time)?;
    let start = match field {
        TimeField::Year => date.first_of_year(),
        TimeField::Quarter => Date::new(date.year(), (date.month() - 1) / 3 * 3 + 1, 1).ok()?,
        TimeField::Week => date
            .checked_sub(jiff::Span::new().days(date.weekday().to_sunday_zero_offset()))
            .ok()?,
        _ => date.first_of_month(),
    };
    of_date(start)
}

/// The day that a moment is in.
pub(crate) fn date(time: Timestamp) -> Option<Date> {
    let days = time.millis().div_euclid(DAY);
    EPOCH
        .checked_add(jiff::Span::new().try_days(days).ok()?)
        .ok()
}

fn of_date(date: Date) -> Option<Timestamp> {
    let duration = date
        .to_datetime(jiff::civil::Time::midnight())
        .duration_since(EPOCH.to_datetime(jiff::civil::Time::midnight()));
    of_millis(i64::try_from(duration.as_millis()).ok()?)
}

/// A part of a time, in whole units.
pub(crate) fn extract(time: Timestamp, field: TimeField) -> Option<i64> {
    let millis = time.millis();
    let of_day = millis.rem_euclid(DAY);
    let date = date(time)?;
    Some(match field {
        TimeField::Year => date.year().into(),
        TimeField::Quarter => i64::from((date.month() - 1) / 3 + 1),
        TimeField::Month => date.month().into(),
        TimeField::Week => date.iso_week_date().week().into(),
        TimeField::Day => date.day().into(),
        TimeField::DayOfWeek => i64::from(date.weekday().to_sunday_one_offset()),
        TimeField::DayOfYear => date.day_of_year().into(),
        TimeField::Hour => of_day / 3_600_000,
        TimeField::Minute => of_day / 60_000 % 60,
        TimeField::Second => of_day / 1000 % 60,
        TimeField::Millisecond => of_day % 60_000,
        TimeField::Epoch => millis.div_euclid(1000),
    })
}

/// A time as text: `2026-03-01 22:49:10.000`, `2026-03-01` or `22:49:10`.
pub(crate) fn format(time: Timestamp, sql_type: SqlType) -> String {
    let text = time.to_string();
    match sql_type {
        SqlType::Date => text.get(..10).unwrap_or(&text).to_owned(),
        SqlType::Time => text.get(11..19).unwrap_or(&text).to_owned(),
        _ => text,
    }
}

/// A time from text: a date, a time of day, or both with a blank or `T` between them.
pub(crate) fn parse(text: &str, sql_type: SqlType) -> Option<Timestamp> {
    let text = text.trim();
    let mut full = String::with_capacity(text.len() + 16);
    // Writing to a string cannot fail.
    let _ = match sql_type {
        SqlType::Time if !text.contains('-') => write!(full, "1970-01-01 {text}"),
        _ if text.len() == 10 => write!(full, "{text} 00:00:00"),
        _ => write!(full, "{text}"),
    };
    // Zones are no part of these types.
    let time: DateTime = full.parse().ok()?;
    let duration = time.duration_since(EPOCH.to_datetime(jiff::civil::Time::midnight()));
    let parsed = Timestamp::from_nanos(duration.as_nanos())?;
    round_to(parsed, sql_type)
}

/// A moment as a value of a type: of a date its midnight, of a time its time on the first day, and
/// of a timestamp its millisecond.
pub(crate) fn round_to(time: Timestamp, sql_type: SqlType) -> Option<Timestamp> {
    match sql_type {
        SqlType::Date => floor(time, DAY),
        SqlType::Time => of_millis(time.millis().rem_euclid(DAY)),
        _ => floor(time, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        parse(text, SqlType::Timestamp).unwrap()
    }

    #[test]
    fn parts_are_those_of_the_calendar() {
        let moment = time("2026-03-01 22:49:10.123");
        for (field, expected) in [
            (TimeField::Year, 2026),
            (TimeField::Quarter, 1),
            (TimeField::Month, 3),
            (TimeField::Week, 9),
            (TimeField::Day, 1),
            (TimeField::DayOfWeek, 1),
            (TimeField::DayOfYear, 60),
            (TimeField::Hour, 22),
            (TimeField::Minute, 49),
            (TimeField::Second, 10),
        ] {
            assert_eq!(extract(moment, field), Some(expected), "{field:?}");
        }
        assert_eq!(
            extract(time("1969-12-31 23:59:59.5"), TimeField::Second),
            Some(59)
        );
    }

    #[test]
    fn times_are_floored_towards_the_past() {
        let floored = floor(time("1969-12-31 23:59:59.5"), 10_000).unwrap();
        assert_eq!(floored.to_string(), "1969-12-31 23:59:50.000");
        let moment = time("2026-05-17 10:00:00");
        assert_eq!(ceil(moment, 3_600_000), Some(moment));
        let calendar = |field| floor_calendar(moment, field).unwrap().to_string();
        assert_eq!(calendar(TimeField::Year), "2026-01-01 00:00:00.000");
        assert_eq!(calendar(TimeField::Quarter), "2026-04-01 00:00:00.000");
        assert_eq!(calendar(TimeField::Month), "2026-05-01 00:00:00.000");
        assert_eq!(calendar(TimeField::Week), "2026-05-17 00:00:00.000");
    }

    #[test]
    fn texts_are_times_of_their_type() {
        let text = |text: &str, sql_type| parse(text, sql_type).map(|time| format(time, sql_type));
        assert_eq!(
            text("2026-03-01T22:49:10", SqlType::Date).as_deref(),
            Some("2026-03-01")
        );
        assert_eq!(text("22:49:10", SqlType::Time).as_deref(), Some("22:49:10"));
        assert_eq!(text("2026-02-30", SqlType::Date), None);
        assert_eq!(text("", SqlType::Timestamp), None);
    }
}
