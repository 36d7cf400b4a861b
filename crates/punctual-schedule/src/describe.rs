//! Schedules in plain English.

use crate::cron::{CronExpression, CronSchedule, DstPolicy};
use crate::interval::{
    CalendarInterval, DailyTimeInterval, FixedDelay, IntervalUnit, Repeat, SimpleSchedule,
};
use crate::schedule::Schedule;
use crate::zone::name_of;

mod cron;
mod day;
mod time;
mod words;

use words::{clock, counted, interval, length};

impl CronExpression {
    /// What the expression means, in English: exactly the local times that match it, whatever way it is written.
    ///
    /// An expression that never matches is described as `never:` and the reason.
    ///
    /// ```
    /// use punctual_schedule::CronExpression;
    ///
    /// let expression: CronExpression = "0 0 9-17 ? * MON-FRI".parse()?;
    /// assert_eq!(expression.describe(), "every hour from 09:00 to 17:00, Monday to Friday");
    /// # Ok::<(), punctual_schedule::ScheduleError>(())
    /// ```
    pub fn describe(&self) -> String {
        cron::describe(self)
    }
}

impl Schedule {
    /// What the schedule means, in English, with its zone where it has one.
    ///
    /// ```
    /// use punctual_schedule::{CronSchedule, Schedule};
    ///
    /// let schedule = Schedule::Cron(CronSchedule::parse("0 30 2 * * ?", "Europe/Berlin")?);
    /// assert_eq!(schedule.describe(), "at 02:30 every day, Europe/Berlin time");
    /// # Ok::<(), punctual_schedule::ScheduleError>(())
    /// ```
    pub fn describe(&self) -> String {
        match self {
            Self::Once => ONCE.to_owned(),
            Self::Simple(schedule) => simple(schedule),
            Self::Cron(schedule) => cron_in_zone(schedule),
            Self::CalendarInterval(schedule) => calendar(schedule),
            Self::DailyTimeInterval(schedule) => daily(schedule),
            Self::Rrule(schedule) => {
                let zone = zone_time(&name_of(schedule.time_zone()));
                format!("by the recurrence rule {} from the start on, {zone}", schedule.as_str())
            }
            Self::FixedDelay(schedule) => delay(schedule),
            Self::Event(schedule) => format!("when the event {:?} is emitted", schedule.event()),
        }
    }
}

const ONCE: &str = "once, at the start";

fn simple(schedule: &SimpleSchedule) -> String {
    if schedule.repeat() == Repeat::Times(0) {
        return ONCE.to_owned();
    }
    format!("every {} from the start on{}", interval(schedule.interval_ms()), in_all(schedule.repeat()))
}

fn delay(schedule: &FixedDelay) -> String {
    if schedule.repeat() == Repeat::Times(0) {
        return ONCE.to_owned();
    }
    let delay = length(schedule.delay_ms());
    format!("at the start, then {delay} after the end of each run{}", in_all(schedule.repeat()))
}

fn in_all(repeat: Repeat) -> String {
    match repeat.firings() {
        None => String::new(),
        Some(1) => ", once in all".to_owned(),
        Some(firings) => format!(", {firings} times in all"),
    }
}

fn cron_in_zone(schedule: &CronSchedule) -> String {
    let dst = match schedule.dst() {
        DstPolicy::Follow => "",
        DstPolicy::Quartz => " (as in Quartz: not in a gap, and on the second pass of an overlap)",
    };
    format!("{}, {}{dst}", schedule.expression().describe(), zone_time(&name_of(schedule.time_zone())))
}

fn zone_time(name: &str) -> String {
    if name == "UTC" { name.to_owned() } else { format!("{name} time") }
}

fn calendar(schedule: &CalendarInterval) -> String {
    let every = format!("every {}", counted(schedule.interval().into(), unit(schedule.unit())));
    let local = match schedule.unit() {
        IntervalUnit::Second | IntervalUnit::Minute | IntervalUnit::Hour => {
            return format!("{every} from the start on");
        }
        IntervalUnit::Day => "at the time of day of the start",
        IntervalUnit::Week => "on the day of the week and at the time of day of the start",
        IntervalUnit::Month => {
            "on the day of the month (or the last one of a shorter month) and at the time of day of the start"
        }
        IntervalUnit::Year => {
            "on the date (or the last day of a shorter month) and at the time of day of the start"
        }
    };
    let gap = if schedule.preserve_hour_of_day() && schedule.skip_day_if_no_hour() {
        ", left out where that time of day does not exist"
    } else {
        ""
    };
    format!("{every} {local}, {}{gap}", zone_time(&name_of(schedule.time_zone())))
}

fn daily(schedule: &DailyTimeInterval) -> String {
    let every = counted(schedule.interval().into(), unit(schedule.unit()));
    let [start, end] = [schedule.start_time_of_day(), schedule.end_time_of_day()].map(|time| {
        clock(time.hour() as u32, time.minute() as u32, time.second() as u32, time.second() != 0)
    });
    let until = if end == "23:59:59" {
        "to the end of the day".to_owned()
    } else {
        format!("until {end} at the latest")
    };
    let days = schedule.days_of_week().fold(0, |bits, day| bits | 1 << day.to_sunday_zero_offset());
    format!(
        "every {every} from {start} {until}, {}, {}{}",
        day::of_week(days),
        zone_time(&name_of(schedule.time_zone())),
        in_all(schedule.repeat())
    )
}

fn unit(unit: IntervalUnit) -> &'static str {
    match unit {
        IntervalUnit::Second => "second",
        IntervalUnit::Minute => "minute",
        IntervalUnit::Hour => "hour",
        IntervalUnit::Day => "day",
        IntervalUnit::Week => "week",
        IntervalUnit::Month => "month",
        IntervalUnit::Year => "year",
    }
}

#[cfg(test)]
mod tests;
