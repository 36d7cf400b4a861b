//! The seven fields and what each allows.

/// A field of a cron expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Second,
    Minute,
    Hour,
    DayOfMonth,
    Month,
    DayOfWeek,
    Year,
}

const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

impl Kind {
    pub(super) const ALL: [Self; 7] =
        [Self::Second, Self::Minute, Self::Hour, Self::DayOfMonth, Self::Month, Self::DayOfWeek, Self::Year];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::DayOfMonth => "day-of-month",
            Self::Month => "month",
            Self::DayOfWeek => "day-of-week",
            Self::Year => "year",
        }
    }

    /// Lowest and highest value. A year may be any number; those outside of 1970-2099 never match.
    pub(crate) const fn limits(self) -> (u32, u32) {
        match self {
            Self::Second | Self::Minute => (0, 59),
            Self::Hour => (0, 23),
            Self::DayOfMonth => (1, 31),
            Self::Month => (1, 12),
            Self::DayOfWeek => (1, 7),
            Self::Year => (0, i32::MAX as u32),
        }
    }

    /// The limits in words.
    pub(super) const fn allowed(self) -> &'static str {
        match self {
            Self::Second => "seconds are 0-59",
            Self::Minute => "minutes are 0-59",
            Self::Hour => "hours are 0-23",
            Self::DayOfMonth => "days of the month are 1-31",
            Self::Month => "months are 1-12 or JAN-DEC",
            Self::DayOfWeek => "days of the week are 1-7 (1 = Sunday) or SUN-SAT",
            Self::Year => "years are 1970-2099",
        }
    }

    /// The largest step that Quartz takes.
    pub(super) const fn max_step(self) -> u32 {
        match self {
            Self::Second | Self::Minute => 59,
            Self::Hour => 23,
            Self::DayOfMonth => 31,
            Self::Month => 12,
            Self::DayOfWeek => 7,
            Self::Year => i32::MAX as u32,
        }
    }

    pub(crate) const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Month => &MONTHS,
            Self::DayOfWeek => &WEEKDAYS,
            _ => &[],
        }
    }

    /// The value of a name of three letters, in capitals. Both lists begin with 1.
    pub(super) fn named(self, name: &str) -> Option<u32> {
        self.names().iter().position(|known| *known == name).map(|index| index as u32 + 1)
    }
}
