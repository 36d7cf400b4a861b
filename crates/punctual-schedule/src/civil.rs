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

/// Eras of 400 years that are added before and taken off after, so that the arithmetic is unsigned (a division by
/// a constant is then one multiplication).
const ERAS: u32 = 82;
/// Days from the beginning of that count, a first of March, to 1970-01-01.
const EPOCH: u32 = 719_468 + 146_097 * ERAS;

/// Days since 1970-01-01. Exact for years -32,000 to 32,000.
#[inline]
pub(crate) const fn days_from_civil(year: i32, month: u8, day: u8) -> i64 {
    // Years that begin in March have their leap day at the end (Neri and Schneider, "Euclidean affine functions").
    let last = (month <= 2) as u32;
    let year = (year + 400 * ERAS as i32) as u32 - last;
    let month = month as u32 + 12 * last;
    let century = year / 100;
    let before_year = 1461 * year / 4 - century + century / 4;
    let before_month = (979 * month - 2919) / 32;
    (before_year + before_month + day as u32 - 1) as i64 - EPOCH as i64
}

/// The date that lies `days` after 1970-01-01. Exact for years -32,000 to 32,000.
#[inline]
pub(crate) const fn civil_from_days(days: i64) -> Date {
    // The same source. Quarter days make centuries and years whole numbers of units.
    let quarters = 4 * (days + EPOCH as i64) as u32 + 3;
    let century = quarters / 146_097;
    let in_century = (quarters % 146_097) | 3;
    // A division by 1461 whose remainder comes with it.
    let product = 2_939_745 * in_century as u64;
    let year_of_century = (product >> 32) as u32;
    let day_of_year = product as u32 / 2_939_745 / 4;
    let scaled = 2141 * day_of_year + 197_913;
    let last = (day_of_year >= 306) as u32;
    Date {
        year: (100 * century + year_of_century + last) as i32 - 400 * ERAS as i32,
        month: ((scaled >> 16) - 12 * last) as u8,
        day: ((scaled & 0xffff) / 2141 + 1) as u8,
    }
}

#[inline]
pub(crate) const fn is_leap(year: i32) -> bool {
    // A century is a multiple of 25 and of 4, every fourth of 25 and of 16.
    year & (if year % 25 == 0 { 15 } else { 3 }) == 0
}

#[inline]
pub(crate) const fn days_in_month(year: i32, month: u8) -> u8 {
    // Odd months up to July and even ones from August on have 31 days.
    if month == 2 { 28 + is_leap(year) as u8 } else { 30 | (month ^ (month >> 3)) }
}

/// Day of the week of a day number: 0 = Sunday ... 6 = Saturday.
#[inline]
pub(crate) const fn weekday(days: i64) -> u8 {
    // 1970-01-01 was a Thursday, and an era is a whole number of weeks.
    ((days + 4 + 146_097 * ERAS as i64) as u32 % 7) as u8
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
    fn agrees_with_jiff_at_both_ends_of_its_range() {
        for year in [-9999, -9996, -400, -1, 0, 1, 4, 9996, 9999] {
            for month in 1..=12 {
                let first = jiff::civil::date(year, month, 1);
                for date in [first, first.last_of_month()] {
                    let days = days_from_civil(year.into(), month as u8, date.day() as u8);
                    let epoch = jiff::civil::date(1970, 1, 1);
                    assert_eq!(days, i64::from((date - epoch).get_days()), "{date}");
                    let own = civil_from_days(days);
                    assert_eq!((own.year, own.month, own.day), (year.into(), month as u8, date.day() as u8));
                    assert_eq!(i64::from(weekday(days)), i64::from(date.weekday().to_sunday_zero_offset()));
                }
                assert_eq!(days_in_month(year.into(), month as u8), first.days_in_month() as u8);
            }
        }
    }

    #[test]
    fn limits_are_where_they_are_said_to_be() {
        assert_eq!(days_from_civil(10_000, 1, 1) * DAY, LOCAL_LIMIT);
        assert_eq!(jiff::Timestamp::MAX.as_second(), LAST_SECOND);
    }
}
