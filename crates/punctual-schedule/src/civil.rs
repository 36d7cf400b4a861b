//! Proleptic Gregorian arithmetic on plain integers: the part of date handling that every search step needs,
//! without the range checks and conversions of a general date type.

pub(crate) const DAY: i64 = 86_400;
/// Seconds in 400 Gregorian years, after which dates, weekdays and leap years repeat.
pub(crate) const CYCLE: i64 = 146_097 * DAY;
/// 1970-01-01T00:00:00, the first second that any cron expression can match.
pub(crate) const FIRST_SECOND: i64 = 0;
/// 9999-12-30T22:00:00Z as seconds, the last instant that [`jiff::Timestamp`] holds.
pub(crate) const LAST_SECOND: i64 = 253_402_207_200;
/// 10000-01-01T00:00:00 on the local time line: exclusive limit of every search.
pub(crate) const LOCAL_LIMIT: i64 = 253_402_300_800;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Date {
    pub(crate) year: i32,
    pub(crate) month: u8,
    pub(crate) day: u8,
}

/// Days since 1970-01-01.
pub(crate) const fn days_from_civil(year: i32, month: u8, day: u8) -> i64 {
    let y = year as i64 - (month <= 2) as i64;
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let shifted_month = (month as i64 + 9) % 12;
    let day_of_year = (153 * shifted_month + 2) / 5 + day as i64 - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The date that lies `days` after 1970-01-01. Exact for years 0 to 9999 and far beyond.
pub(crate) const fn civil_from_days(days: i64) -> Date {
    // Counting in 32 bits from 0000-03-01 keeps the divisions cheap.
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097) as u32;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u8;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 } as u8;
    let year = (year_of_era as i64 + era * 400) as i32 + (month <= 2) as i32;
    Date { year, month, day }
}

pub(crate) const fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub(crate) const fn days_in_month(year: i32, month: u8) -> u8 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Day of the week of a day number: 0 = Sunday ... 6 = Saturday.
pub(crate) const fn weekday(days: i64) -> u8 {
    // 1970-01-01 was a Thursday.
    (days + 4).rem_euclid(7) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_jiff_on_every_day_of_a_cycle() {
        let mut date = jiff::civil::date(1969, 12, 1);
        for days in days_from_civil(1969, 12, 1)..days_from_civil(2400, 3, 2) {
            let own = civil_from_days(days);
            assert_eq!(
                (own.year, own.month, own.day),
                (date.year().into(), date.month() as u8, date.day() as u8)
            );
            assert_eq!(days_from_civil(own.year, own.month, own.day), days);
            assert_eq!(i64::from(weekday(days)), i64::from(date.weekday().to_sunday_zero_offset()));
            assert_eq!(days_in_month(own.year, own.month), date.days_in_month() as u8);
            date = date.tomorrow().unwrap();
        }
    }

    #[test]
    fn limits_are_where_they_are_said_to_be() {
        assert_eq!(days_from_civil(10_000, 1, 1) * DAY, LOCAL_LIMIT);
        assert_eq!(jiff::Timestamp::MAX.as_second(), LAST_SECOND);
    }
}
