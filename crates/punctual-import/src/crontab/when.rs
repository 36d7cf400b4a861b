//! When an entry runs.

use super::field::{Field, Kind};

/// When an entry runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// At what any of these fires. No two of them fire at the same time.
    Cron(Vec<CronTrigger>),
    /// Once after each boot of the machine.
    Boot,
}

/// A cron expression of Punctual, and days on which it does not fire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CronTrigger {
    /// Six fields in the dialect of Quartz.
    pub expression: String,
    /// Days of the month that are left out.
    pub not_on: Vec<u8>,
}

/// The five fields of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fields(pub(super) [Field; 5]);

impl Fields {
    pub(super) fn parse(texts: [&str; 5]) -> Result<Self, String> {
        let mut parsed = Vec::with_capacity(5);
        for (kind, text) in Kind::ALL.into_iter().zip(texts) {
            parsed.push(Field::parse(kind, text)?);
        }
        parsed.try_into().map(Self).map_err(|_| "has not five fields".to_owned())
    }

    /// A name such as `@daily`.
    pub(super) fn nickname(name: &str) -> Option<Self> {
        let texts = match name.to_ascii_lowercase().as_str() {
            "@yearly" | "@annually" => ["0", "0", "1", "1", "*"],
            "@monthly" => ["0", "0", "1", "*", "*"],
            "@weekly" => ["0", "0", "*", "*", "0"],
            "@daily" | "@midnight" => ["0", "0", "*", "*", "*"],
            "@hourly" => ["0", "*", "*", "*", "*"],
            _ => return None,
        };
        Self::parse(texts).ok()
    }

    /// The triggers that fire exactly when Vixie cron runs the entry.
    ///
    /// Cron's rule of days: a day matches by its day of the month *or* its day of the week if neither field begins with `*`,
    /// and by both otherwise (so `*/2` in the one and `1` in the other means odd days that are Mondays). An expression of
    /// Quartz knows one of the two, so the other is said by the days of the month on which a trigger does not fire.
    pub(super) fn triggers(&self) -> Vec<CronTrigger> {
        let [_, _, month_day, _, week_day] = &self.0;
        let days = |field: &mut dyn Iterator<Item = u32>| -> Vec<u8> {
            field.filter_map(|day| u8::try_from(day).ok()).collect()
        };
        let by_month = || self.expression(&month_day.quartz(), "?");
        let by_week = || self.expression("?", &week_day.quartz());
        let trigger = |expression, not_on| CronTrigger { expression, not_on };
        let both_needed = month_day.star || week_day.star;
        match (month_day.is_full(), week_day.is_full()) {
            (_, true) if both_needed => vec![trigger(by_month(), Vec::new())],
            (true, _) if both_needed => vec![trigger(by_week(), Vec::new())],
            _ if both_needed => vec![trigger(by_week(), days(&mut month_day.others()))],
            // Every day matches by one of them.
            (true, _) | (_, true) => vec![trigger(self.expression("*", "?"), Vec::new())],
            _ => vec![
                trigger(by_month(), Vec::new()),
                // Not twice on a day that matches by both.
                trigger(by_week(), days(&mut month_day.values())),
            ],
        }
    }

    fn expression(&self, month_day: &str, week_day: &str) -> String {
        let [minute, hour, _, month, _] = &self.0;
        format!("0 {} {} {month_day} {} {week_day}", minute.quartz(), hour.quartz(), month.quartz())
    }
}
