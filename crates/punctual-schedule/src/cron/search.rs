//! Searching the local time line: seconds since 1970-01-01T00:00:00 without regard to any zone.

use crate::civil::{
    DAY, Date, LOCAL_LIMIT, civil_from_days, days_from_civil, days_in_month, is_leap, weekday,
};

use super::field::Fields;

/// Day number and second of the day; `local` is not negative, and unsigned divisions are the cheaper ones.
#[inline]
fn split(local: i64) -> (i64, u32) {
    let local = local as u64;
    let days = local / DAY as u64;
    (days as i64, (local - days * DAY as u64) as u32)
}

/// What the months of a year need to be placed, worked out once for all of them.
struct YearStart {
    /// The day number of the first of January.
    january: i64,
    leap: bool,
}

impl YearStart {
    #[inline]
    fn of(year: i32) -> Self {
        Self { january: days_from_civil(year, 1, 1), leap: is_leap(year) }
    }

    #[inline]
    fn first_of(&self, month: u8) -> i64 {
        // Days before a month of a common year; one for each value of four bits spares the check of the index.
        const BEFORE: [u16; 16] = [0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365, 0, 0];
        let leap = self.leap && month > 2;
        self.january + i64::from(BEFORE[usize::from(month & 15)]) + i64::from(leap)
    }

    #[inline]
    fn length_of(&self, month: u8) -> u8 {
        // Any leap year and any common one.
        days_in_month(if self.leap { 2000 } else { 2001 }, month)
    }
}

impl Fields {
    /// The first matching local second from `local` on.
    pub(crate) fn at_or_after(&self, local: i64) -> Option<i64> {
        let local = local.max(0);
        if local >= LOCAL_LIMIT || self.is_never() {
            return None;
        }
        let (days, second) = split(local);
        let date = civil_from_days(days);
        if self.has_month(date) {
            let mask = self.mask(date.year, date.month, weekday(days - i64::from(date.day) + 1));
            if mask >> date.day & 1 == 1
                && let Some(second) = self.second_at_or_after(second)
            {
                return Some(days * DAY + i64::from(second));
            }
            // `day` is at most 31, and two shifts keep 31 + 1 defined.
            let later = mask & (u32::MAX << date.day << 1);
            if later != 0 {
                let ahead = i64::from(later.trailing_zeros()) - i64::from(date.day);
                return Some((days + ahead) * DAY + i64::from(self.first_of_day));
            }
        }
        let days = self.day_in_later_month(date)?;
        Some(days * DAY + i64::from(self.first_of_day))
    }

    /// The last matching local second up to `local`.
    pub(crate) fn at_or_before(&self, local: i64) -> Option<i64> {
        let local = local.min(LOCAL_LIMIT - 1);
        if local < 0 || self.is_never() {
            return None;
        }
        let (days, second) = split(local);
        let date = civil_from_days(days);
        if self.has_month(date) {
            let mask = self.mask(date.year, date.month, weekday(days - i64::from(date.day) + 1));
            if mask >> date.day & 1 == 1
                && let Some(second) = self.second_at_or_before(second)
            {
                return Some(days * DAY + i64::from(second));
            }
            let earlier = mask & ((1 << date.day) - 1);
            if earlier != 0 {
                let back = i64::from(date.day) - i64::from(31 - earlier.leading_zeros());
                return Some((days - back) * DAY + i64::from(self.last_of_day));
            }
        }
        let days = self.day_in_earlier_month(date)?;
        Some(days * DAY + i64::from(self.last_of_day))
    }

    /// Matching local seconds in `from..to`.
    pub(crate) fn count(&self, from: i64, to: i64) -> u64 {
        let (from, to) = (from.max(0), to.min(LOCAL_LIMIT));
        if from >= to || self.is_never() {
            return 0;
        }
        let (first, last) = (from.div_euclid(DAY), to.div_euclid(DAY));
        let partial = |days: i64, second: i64| {
            if second > 0 && self.count_days(days, days + 1) == 1 { self.rank(second as u32) } else { 0 }
        };
        // Whole days, without the part before `from`, with the part before `to`.
        self.count_days(first, last) * self.per_day + partial(last, to.rem_euclid(DAY))
            - partial(first, from.rem_euclid(DAY))
    }

    /// The first local second after `local` that does not match.
    pub(crate) fn unmatched_after(&self, local: i64) -> Option<i64> {
        const HOUR: i64 = 3600;
        let matches = |second: i64| self.at_or_after(second) == Some(second);
        // The shortest stretch that is not matched from end to end; a search in its steps ends soon.
        let step = if self.seconds.count_ones() < 60 {
            1
        } else if self.minutes.count_ones() < 60 {
            60
        } else if self.hours.count_ones() < 24 {
            HOUR
        } else {
            return self.unmatched_day_after(local.div_euclid(DAY)).map(|days| days * DAY);
        };
        let begin = local - local.rem_euclid(step) + step;
        (begin..begin + 61 * step)
            .step_by(step as usize)
            .find(|second| *second < LOCAL_LIMIT && !matches(*second))
    }

    /// The first day after `days` without a match, month by month.
    fn unmatched_day_after(&self, days: i64) -> Option<i64> {
        let mut days = days + 1;
        while days * DAY < LOCAL_LIMIT {
            let date = civil_from_days(days);
            let length = days_in_month(date.year, date.month);
            let first = days - i64::from(date.day) + 1;
            let mask =
                if self.has_month(date) { self.mask(date.year, date.month, weekday(first)) } else { 0 };
            let free = !mask & (u32::MAX << date.day);
            let day = i64::from(free.trailing_zeros());
            if day <= i64::from(length) {
                return Some(first + day - 1);
            }
            days = first + i64::from(length);
        }
        None
    }

    fn has_month(&self, date: Date) -> bool {
        self.months >> date.month & 1 == 1 && self.years.contains(date.year)
    }

    fn mask(&self, year: i32, month: u8, first: u8) -> u32 {
        self.days.of(days_in_month(year, month), first)
    }

    /// The first matching day after the month of `date`. Every month left in the set has a matching day in some
    /// year, and no day of the calendar stays away for longer than 40 years, so this loop is short.
    fn day_in_later_month(&self, date: Date) -> Option<i64> {
        let mut year = self.years.at_or_after(date.year)?;
        // Two shifts: for December the months after it are none.
        let mut months =
            if year == date.year { self.months & (u16::MAX << date.month << 1) } else { self.months };
        loop {
            let of_year = YearStart::of(year);
            while months != 0 {
                let (first, mask) = self.month_of(&of_year, months.trailing_zeros() as u8);
                if mask != 0 {
                    return Some(first + i64::from(mask.trailing_zeros()) - 1);
                }
                months &= months - 1;
            }
            year = self.years.at_or_after(year + 1)?;
            months = self.months;
        }
    }

    fn day_in_earlier_month(&self, date: Date) -> Option<i64> {
        let mut year = self.years.at_or_before(date.year)?;
        let mut months = if year == date.year { self.months & ((1 << date.month) - 1) } else { self.months };
        loop {
            let of_year = YearStart::of(year);
            while months != 0 {
                let month = 15 - months.leading_zeros() as u8;
                let (first, mask) = self.month_of(&of_year, month);
                if mask != 0 {
                    return Some(first + i64::from(31 - mask.leading_zeros()) - 1);
                }
                months &= !(1 << month);
            }
            year = self.years.at_or_before(year - 1)?;
            months = self.months;
        }
    }

    /// The first day of a month, and its matching days.
    #[inline]
    fn month_of(&self, year: &YearStart, month: u8) -> (i64, u32) {
        let first = year.first_of(month);
        (first, self.days.of(year.length_of(month), weekday(first)))
    }

    /// The first matching second of a day from `second` on.
    fn second_at_or_after(&self, second: u32) -> Option<u32> {
        let (hour, minute, sec) = (second / 3600, second / 60 % 60, second % 60);
        if self.hours >> hour & 1 == 1 {
            if self.minutes >> minute & 1 == 1 {
                let seconds = self.seconds & (u64::MAX << sec);
                if seconds != 0 {
                    return Some(second - sec + seconds.trailing_zeros());
                }
            }
            let minutes = self.minutes & (u64::MAX << minute << 1);
            if minutes != 0 {
                return Some(hour * 3600 + minutes.trailing_zeros() * 60 + self.seconds.trailing_zeros());
            }
        }
        let hours = self.hours & (u32::MAX << hour << 1);
        let of_hour = self.minutes.trailing_zeros() * 60 + self.seconds.trailing_zeros();
        (hours != 0).then(|| hours.trailing_zeros() * 3600 + of_hour)
    }

    fn second_at_or_before(&self, second: u32) -> Option<u32> {
        let (hour, minute, sec) = (second / 3600, second / 60 % 60, second % 60);
        let high = |bits: u64| 63 - bits.leading_zeros();
        if self.hours >> hour & 1 == 1 {
            if self.minutes >> minute & 1 == 1 {
                let seconds = self.seconds & (u64::MAX >> (63 - sec));
                if seconds != 0 {
                    return Some(second - sec + high(seconds));
                }
            }
            let minutes = self.minutes & ((1 << minute) - 1);
            if minutes != 0 {
                return Some(hour * 3600 + high(minutes) * 60 + high(self.seconds));
            }
        }
        let hours = u64::from(self.hours & ((1 << hour) - 1));
        (hours != 0).then(|| high(hours) * 3600 + high(self.minutes) * 60 + high(self.seconds))
    }

    /// Matching seconds of a matching day before `second`.
    fn rank(&self, second: u32) -> u64 {
        let (hour, minute, sec) = (second / 3600, second / 60 % 60, second % 60);
        let ones = |bits: u64| u64::from(bits.count_ones());
        let per_minute = ones(self.seconds);
        let per_hour = ones(self.minutes) * per_minute;
        let mut rank = ones(u64::from(self.hours & ((1 << hour) - 1))) * per_hour;
        if self.hours >> hour & 1 == 1 {
            rank += ones(self.minutes & ((1 << minute) - 1)) * per_minute;
            if self.minutes >> minute & 1 == 1 {
                rank += ones(self.seconds & ((1 << sec) - 1));
            }
        }
        rank
    }

    /// Matching days in `from..to`.
    fn count_days(&self, from: i64, to: i64) -> u64 {
        let mut total = 0;
        let mut days = from;
        while days < to {
            let date = civil_from_days(days);
            let length = days_in_month(date.year, date.month);
            let first = days - i64::from(date.day) + 1;
            let next = first + i64::from(length);
            if self.has_month(date) {
                let mut mask = self.mask(date.year, date.month, weekday(first)) & (u32::MAX << date.day);
                if next > to {
                    // `to` lies in this month: keep the days before it.
                    mask &= (1 << (to - first + 1)) - 1;
                }
                total += u64::from(mask.count_ones());
            }
            days = next;
        }
        total
    }
}
