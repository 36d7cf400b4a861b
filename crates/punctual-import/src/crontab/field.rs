//! The five fields, as Vixie cron reads them.

/// A field of a crontab entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Minute,
    Hour,
    DayOfMonth,
    Month,
    DayOfWeek,
}

pub(super) const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
pub(super) const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

impl Kind {
    pub(super) const ALL: [Self; 5] =
        [Self::Minute, Self::Hour, Self::DayOfMonth, Self::Month, Self::DayOfWeek];

    fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::DayOfMonth => "day of month",
            Self::Month => "month",
            Self::DayOfWeek => "day of week",
        }
    }

    /// Lowest and highest number that may be written.
    fn limits(self) -> (u32, u32) {
        match self {
            Self::Minute => (0, 59),
            Self::Hour => (0, 23),
            Self::DayOfMonth => (1, 31),
            Self::Month => (1, 12),
            Self::DayOfWeek => (0, 7),
        }
    }

    fn number(self, text: &str) -> Option<u32> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().ok();
        }
        let named = |names: &[&str]| names.iter().position(|name| text.eq_ignore_ascii_case(name));
        let (place, first) = match self {
            Self::Month => (named(&MONTHS)?, 1),
            Self::DayOfWeek => (named(&WEEKDAYS)?, 0),
            _ => return None,
        };
        u32::try_from(place + first).ok()
    }
}

/// A field that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    kind: Kind,
    /// The values that match; Sunday is bit 0 alone.
    pub(super) bits: u64,
    /// Whether it begins with `*`. Vixie cron takes a day field that does as one that says nothing, whatever follows
    /// (`*/2`), and a time field that does as one that follows elapsed time.
    pub(super) star: bool,
    /// The steps of `*/n` items, kept so that the expression stays readable.
    steps: Vec<u32>,
}

impl Field {
    pub(super) fn parse(kind: Kind, text: &str) -> Result<Self, String> {
        let mut field = Self { kind, bits: 0, star: text.starts_with('*'), steps: Vec::new() };
        for item in text.split(',') {
            field
                .item(item)
                .map_err(|problem| format!("{} field {text:?}: {item:?} {problem}", kind.name()))?;
        }
        if kind == Kind::DayOfWeek && field.bits >> 7 & 1 == 1 {
            field.bits = (field.bits | 1) & 0x7f;
        }
        Ok(field)
    }

    fn item(&mut self, item: &str) -> Result<(), String> {
        let (low, high) = self.kind.limits();
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        let step = match step {
            None => 1,
            Some(text) => match text.parse::<u32>() {
                Ok(step) if step > 0 && text.bytes().all(|byte| byte.is_ascii_digit()) => step,
                _ => return Err("has a step that is no number above 0".to_owned()),
            },
        };
        let number = |text: &str| {
            let number = self.kind.number(text).filter(|number| (low..=high).contains(number));
            number.ok_or_else(|| format!("is not within {low}-{high}"))
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => {
                self.steps.push(step);
                // A seventh day would be Sunday once more, and `*/7` would mean Sunday twice.
                (low, high)
            }
            Some((first, last)) => (number(first)?, number(last)?),
            None if item.contains('/') => {
                return Err("has a step without a range, which cron refuses: write a-b/n or */n".to_owned());
            }
            None => (number(range)?, number(range)?),
        };
        if first > last {
            return Err("ends before it begins, which cron refuses: write it as two".to_owned());
        }
        for value in (first..=last).step_by(step as usize) {
            self.bits |= 1 << value;
        }
        Ok(())
    }

    fn all(&self) -> u64 {
        let (low, high) = match self.kind {
            Kind::DayOfWeek => (0, 6),
            kind => kind.limits(),
        };
        (low..=high).fold(0, |bits, value| bits | 1 << value)
    }

    /// Whether every value matches.
    pub(super) fn is_full(&self) -> bool {
        self.bits == self.all()
    }

    /// The matching values.
    pub(super) fn values(&self) -> impl Iterator<Item = u32> + use<> {
        let bits = self.bits;
        (0..64).filter(move |value| bits >> value & 1 == 1)
    }

    /// The values that do not match.
    pub(super) fn others(&self) -> impl Iterator<Item = u32> + use<> {
        let bits = self.all() & !self.bits;
        (0..64).filter(move |value| bits >> value & 1 == 1)
    }

    /// The field in the dialect of Quartz. A time field that begins with `*` has a wildcard or a step there and others have
    /// none, which is what makes a schedule follow elapsed time or the clock on the wall, in both programs.
    pub(super) fn quartz(&self) -> String {
        let stars = self.star && matches!(self.kind, Kind::Minute | Kind::Hour);
        if self.is_full() && (stars || !matches!(self.kind, Kind::Minute | Kind::Hour)) {
            return "*".to_owned();
        }
        let mut covered = 0;
        let mut items = Vec::new();
        if stars {
            let (low, high) = self.kind.limits();
            for step in &self.steps {
                // A step beyond the field leaves its first value alone.
                items.push(if *step > high { format!("{low}-{low}/1") } else { format!("*/{step}") });
                covered |= (low..=high).step_by(*step as usize).fold(0, |bits, value| bits | 1 << value);
            }
        }
        items.extend(runs(self.bits & !covered, |value| self.word(value)));
        items.join(",")
    }

    fn word(&self, value: u32) -> String {
        match self.kind {
            Kind::DayOfWeek => WEEKDAYS[value as usize % 7].to_owned(),
            _ => value.to_string(),
        }
    }
}

/// Values as single ones and ranges.
fn runs(bits: u64, word: impl Fn(u32) -> String) -> Vec<String> {
    let mut items = Vec::new();
    let mut value = 0;
    while value < 64 {
        if bits >> value & 1 == 0 {
            value += 1;
            continue;
        }
        let length = (bits >> value).trailing_ones();
        match length {
            1 => items.push(word(value)),
            2 => items.extend([word(value), word(value + 1)]),
            _ => items.push(format!("{}-{}", word(value), word(value + length - 1))),
        }
        value += length;
    }
    items
}
