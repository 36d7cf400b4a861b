//! A parsed expression as bit sets.

use crate::civil::days_in_month;

/// Years with a bit of their own. Quartz documents 1970-2099.
pub(crate) const FIRST_YEAR: i32 = 1970;
pub(crate) const LAST_YEAR: i32 = 2099;
/// The last year that a wildcard reaches.
pub(crate) const END_YEAR: i32 = 9999;

/// The fields of an expression; bit n stands for value n.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fields {
    pub(crate) seconds: u64,
    pub(crate) minutes: u64,
    pub(crate) hours: u32,
    /// Bits 1 to 12, without months that never have a matching day.
    pub(crate) months: u16,
    /// The months that the expression names.
    pub(crate) named_months: u16,
    pub(crate) years: Years,
    pub(crate) rule: DayRule,
    pub(crate) days: DayMasks,
    /// Whether second, minute or hour has a wildcard or a step, so that firings follow elapsed time.
    pub(crate) elapsed: bool,
    /// First and last matching second of a matching day.
    pub(crate) first_of_day: u32,
    pub(crate) last_of_day: u32,
    /// Matching seconds of a matching day.
    pub(crate) per_day: u64,
}

/// What picks the days of a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DayRule {
    /// Days of the month, bits 1 to 31.
    OfMonth(u32),
    /// Days of the week, bit 0 = Sunday.
    OfWeek(u8),
    /// `L`, `L-3`: days before the last one.
    Last(u8),
    /// `LW`, `L-3W`.
    LastWeekday(u8),
    /// `15W`.
    NearestWeekday(u8),
    /// `6L`: the last such weekday (0 = Sunday).
    LastOfWeek(u8),
    /// `6#3`: the third such weekday.
    NthOfWeek(u8, u8),
}

impl DayRule {
    /// The matching days of a month of `length` days whose first day is a `first` (0 = Sunday), as bits 1 to 31.
    fn mask(self, length: u8, first: u8) -> u32 {
        let all = (u32::MAX >> (31 - length)) & !1;
        let bit = |day: i8| if day >= 1 && day <= length as i8 { 1u32 << day } else { 0 };
        let first_such = |weekday: u8| 1 + (weekday + 7 - first) % 7;
        match self {
            Self::OfMonth(days) => days & all,
            Self::OfWeek(weekdays) => (1..=length)
                .filter(|day| weekdays >> ((first + day - 1) % 7) & 1 == 1)
                .fold(0, |m, d| m | 1 << d),
            Self::Last(offset) => bit(length as i8 - offset as i8),
            Self::LastWeekday(offset) => bit(nearest_weekday(length as i8 - offset as i8, length, first)),
            Self::NearestWeekday(day) => bit(nearest_weekday(day as i8, length, first)),
            Self::LastOfWeek(weekday) => {
                let day = first_such(weekday);
                bit((day + (length - day) / 7 * 7) as i8)
            }
            Self::NthOfWeek(weekday, nth) => bit((first_such(weekday) + (nth - 1) * 7) as i8),
        }
    }
}

/// The weekday nearest to `day` in the same month, or 0 where the month has no such day.
fn nearest_weekday(day: i8, length: u8, first: u8) -> i8 {
    let length = length as i8;
    if day < 1 || day > length {
        return 0;
    }
    match (first as i8 + day - 1) % 7 {
        6 if day == 1 => 3,
        6 => day - 1,
        0 if day == length => day - 2,
        0 => day + 1,
        _ => day,
    }
}

/// The matching days of every kind of month there is: four lengths by seven first weekdays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DayMasks([[u32; 7]; 4]);

impl DayMasks {
    pub(crate) fn new(rule: DayRule) -> Self {
        let mut masks = [[0; 7]; 4];
        for (length, row) in (28..=31).zip(&mut masks) {
            for (first, mask) in (0..7).zip(row) {
                *mask = rule.mask(length, first);
            }
        }
        Self(masks)
    }

    /// The matching days of a month, as bits 1 to 31.
    pub(crate) fn of(&self, length: u8, first: u8) -> u32 {
        self.0[usize::from(length & 3)][usize::from(first % 7)]
    }

    /// Whether any month of this number, in any year, has a matching day.
    pub(crate) fn any_in(&self, month: u8) -> bool {
        let any = |length: u8| self.0[usize::from(length - 28)].iter().any(|mask| *mask != 0);
        any(days_in_month(2000, month)) || any(days_in_month(2001, month))
    }
}

/// The years of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Years {
    /// No year field, or `*`: every year from 1970 to 9999.
    Every,
    /// The years 1970 + n whose bit n is set.
    Listed([u64; 3]),
}

impl Years {
    pub(crate) const NONE: Self = Self::Listed([0; 3]);

    pub(crate) fn insert(&mut self, year: i32) {
        if let (Self::Listed(words), FIRST_YEAR..=LAST_YEAR) = (self, year) {
            let bit = (year - FIRST_YEAR) as usize;
            words[bit / 64] |= 1 << (bit % 64);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::NONE
    }

    pub(crate) fn contains(&self, year: i32) -> bool {
        match self {
            Self::Every => (FIRST_YEAR..=END_YEAR).contains(&year),
            Self::Listed(words) => {
                (FIRST_YEAR..=LAST_YEAR).contains(&year) && {
                    let bit = (year - FIRST_YEAR) as usize;
                    words[bit / 64] >> (bit % 64) & 1 == 1
                }
            }
        }
    }

    /// The first matching year from `year` on.
    pub(crate) fn at_or_after(&self, year: i32) -> Option<i32> {
        match self {
            Self::Every => (year <= END_YEAR).then_some(year.max(FIRST_YEAR)),
            Self::Listed(_) => (year.max(FIRST_YEAR)..=LAST_YEAR).find(|year| self.contains(*year)),
        }
    }

    /// The last matching year up to `year`.
    pub(crate) fn at_or_before(&self, year: i32) -> Option<i32> {
        match self {
            Self::Every => (year >= FIRST_YEAR).then_some(year.min(END_YEAR)),
            Self::Listed(_) => (FIRST_YEAR..=year.min(LAST_YEAR)).rev().find(|year| self.contains(*year)),
        }
    }
}

impl Fields {
    /// Whether no date at all matches: a day that its months do not have, or no year within 1970-2099.
    pub(crate) fn is_never(&self) -> bool {
        self.months == 0
    }

    /// Drops months that never have a matching day, so that searches end early.
    pub(crate) fn drop_empty_months(&mut self) {
        if self.years.is_empty() {
            self.months = 0;
        }
        for month in 1..=12 {
            if !self.days.any_in(month) {
                self.months &= !(1 << month);
            }
        }
    }

    /// Fills the figures that follow from the time fields.
    pub(crate) fn summarise_time(&mut self) {
        let low = |bits: u64| bits.trailing_zeros();
        let high = |bits: u64| 63 - bits.leading_zeros();
        let hours = u64::from(self.hours);
        self.first_of_day = low(hours) * 3600 + low(self.minutes) * 60 + low(self.seconds);
        self.last_of_day = high(hours) * 3600 + high(self.minutes) * 60 + high(self.seconds);
        self.per_day = u64::from(self.hours.count_ones())
            * u64::from(self.minutes.count_ones())
            * u64::from(self.seconds.count_ones());
    }
}
