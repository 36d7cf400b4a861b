//! One trigger.

use std::time::Duration;

use jiff::civil::{Time, Weekday};
use punctual_core::schedule::{
    CalendarInterval, CronExpression, CronSchedule, DailyTimeInterval, DstPolicy, IntervalUnit, Repeat,
    ScheduleError, SimpleSchedule, TimeZone, zone,
};
use punctual_core::{Arrival, JobDetail, MisfirePolicy, Schedule, Timestamp, Trigger, TriggerKey};

use super::tables::{self, Properties, TriggerRow};

/// Its definition, and where it stands.
pub(super) fn read(row: &TriggerRow, job: &JobDetail, tz: &str) -> Result<Arrival, String> {
    let key =
        TriggerKey::try_new(row.group.as_str(), row.name.as_str()).map_err(|error| error.to_string())?;
    let Some(next) = row.next_fire_time.filter(|next| *next > 0) else {
        return Err("it has no further fire time".to_owned());
    };
    let (schedule, repeats_left) = schedule(row, next, tz)?;
    let mut trigger = Trigger::new(key, job.key.clone(), schedule).start(instant(row.start_time)?);
    trigger.end = row.end_time.filter(|end| *end > 0).map(instant).transpose()?;
    trigger.description.clone_from(&row.description);
    trigger.priority = row.priority.unwrap_or(trigger.priority);
    trigger.calendar.clone_from(&row.calendar);
    trigger.misfire = misfire(row.misfire.unwrap_or(0), &trigger.schedule)?;
    Ok(Arrival {
        trigger,
        next_fire_at: instant(next)?,
        previous_fire_at: row.prev_fire_time.filter(|previous| *previous > 0).map(instant).transpose()?,
        repeats_left,
        paused: matches!(row.state.as_str(), "PAUSED" | "PAUSED_BLOCKED" | "ERROR"),
    })
}

fn instant(millis: i64) -> Result<Timestamp, String> {
    Timestamp::from_millisecond(millis)
        .map_err(|_| format!("{millis} ms lies outside of the years -9999 to 9999"))
}

/// The schedule, and the repeats left where some of them have been fired.
fn schedule(row: &TriggerRow, next: i64, tz: &str) -> Result<(Schedule, Option<u32>), String> {
    let text = |error: ScheduleError| error.to_string();
    match (&row.schedule, row.kind.as_str()) {
        (tables::Schedule::Cron { expression, tz: own }, _) => {
            let zone = zone(own.as_deref().unwrap_or(tz)).map_err(text)?;
            let expression = CronExpression::parse(expression).map_err(text)?;
            Ok((CronSchedule::new(expression, zone, DstPolicy::Quartz).into(), None))
        }
        (tables::Schedule::Simple { repeat_count: 0, .. }, _) => Ok((Schedule::Once, None)),
        (tables::Schedule::Simple { repeat_count, repeat_interval }, _) => {
            let repeat = Repeat::try_from(*repeat_count).map_err(text)?;
            let interval = u64::try_from(*repeat_interval)
                .map_err(|_| format!("its REPEAT_INTERVAL is {repeat_interval}"))?;
            let simple = SimpleSchedule::new(Duration::from_millis(interval), repeat).map_err(text)?;
            // Quartz counts by the steps from the start, whether a calendar left some of them out or not.
            let done = (next - row.start_time).max(0) / repeat_interval.max(&1);
            let left = match repeat {
                Repeat::Times(times) if done > 0 => {
                    Some(times.saturating_sub(u32::try_from(done).unwrap_or(u32::MAX)))
                }
                _ => None,
            };
            Ok((simple.into(), left))
        }
        (tables::Schedule::Properties(properties), "CAL_INT") => {
            calendar_interval(properties, tz).map(|s| (s, None))
        }
        (tables::Schedule::Properties(properties), "DAILY_I") => daily(properties, tz),
        (_, "BLOB") => {
            Err("Quartz keeps it as a serialised object of its own class, which cannot be read".to_owned())
        }
        (_, kind) => {
            Err(format!("its type {kind:?} is unknown, or the row that says its schedule is missing"))
        }
    }
}

fn interval(properties: &Properties) -> Result<(u32, IntervalUnit), String> {
    let interval = properties.ints[0].and_then(|interval| u32::try_from(interval).ok());
    let interval = interval.ok_or_else(|| format!("its interval is {:?}", properties.ints[0]))?;
    let unit = match properties.text[0].as_deref() {
        Some("SECOND") => IntervalUnit::Second,
        Some("MINUTE") => IntervalUnit::Minute,
        Some("HOUR") => IntervalUnit::Hour,
        Some("DAY") => IntervalUnit::Day,
        Some("WEEK") => IntervalUnit::Week,
        Some("MONTH") => IntervalUnit::Month,
        Some("YEAR") => IntervalUnit::Year,
        other => return Err(format!("its unit is {other:?}")),
    };
    Ok((interval, unit))
}

fn calendar_interval(properties: &Properties, tz: &str) -> Result<Schedule, String> {
    let (interval, unit) = interval(properties)?;
    let named = properties.text[1].as_deref().filter(|name| !name.is_empty());
    let zone: TimeZone = zone(named.unwrap_or(tz)).map_err(|error| error.to_string())?;
    let schedule = CalendarInterval::new(interval, unit, zone).map_err(|error| error.to_string())?;
    Ok(schedule
        .with_preserve_hour_of_day(properties.bools[0].unwrap_or(false))
        .with_skip_day_if_no_hour(properties.bools[1].unwrap_or(false))
        .into())
}

fn daily(properties: &Properties, tz: &str) -> Result<(Schedule, Option<u32>), String> {
    let text = |error: ScheduleError| error.to_string();
    let (interval, unit) = interval(properties)?;
    let numbers = |place: usize| -> Option<Vec<i8>> {
        properties.text[place].as_deref()?.split(',').map(|number| number.trim().parse().ok()).collect()
    };
    let days: Option<Vec<Weekday>> = numbers(1)
        .and_then(|days| days.into_iter().map(|day| Weekday::from_sunday_one_offset(day).ok()).collect());
    let days = days.ok_or_else(|| format!("its days of the week are {:?}", properties.text[1]))?;
    let times = match numbers(2).as_deref() {
        Some([h, m, s, end_h, end_m, end_s]) => {
            Time::new(*h, *m, *s, 0).ok().zip(Time::new(*end_h, *end_m, *end_s, 0).ok())
        }
        _ => None,
    };
    let (start, end) = times.ok_or_else(|| format!("its times of day are {:?}", properties.text[2]))?;
    let repeat = Repeat::try_from(properties.longs[0].unwrap_or(-1)).map_err(text)?;
    let zone = zone(tz).map_err(text)?;
    let schedule = DailyTimeInterval::new(interval, unit, zone)
        .and_then(|schedule| schedule.between(start, end))
        .and_then(|schedule| schedule.on_days(days))
        .map_err(text)?
        .with_repeat(repeat);
    let fired = properties.ints[1].and_then(|fired| u32::try_from(fired).ok()).unwrap_or(0);
    let left = match repeat {
        Repeat::Times(times) if fired > 0 => Some(times.saturating_sub(fired)),
        _ => None,
    };
    Ok((schedule.into(), left))
}

/// Whether Quartz and Punctual may go different ways: steps of months and years from a day that some month lacks.
pub(super) fn may_drift(trigger: &Trigger) -> bool {
    let Schedule::CalendarInterval(interval) = &trigger.schedule else { return false };
    let months = matches!(interval.unit(), IntervalUnit::Month | IntervalUnit::Year);
    let day = trigger.start.map(|start| start.to_zoned(interval.time_zone().clone()).day());
    months && day.is_some_and(|day| day > 28)
}

fn misfire(instruction: i16, schedule: &Schedule) -> Result<MisfirePolicy, String> {
    let simple = matches!(schedule, Schedule::Once | Schedule::Simple(_));
    Ok(match (instruction, simple) {
        (0, _) => MisfirePolicy::Smart,
        (-1, _) => MisfirePolicy::IgnoreMisfires,
        (1, false) => MisfirePolicy::FireOnceNow,
        (2, false) => MisfirePolicy::DoNothing,
        (1, true) => MisfirePolicy::FireNow,
        (2, true) => MisfirePolicy::RescheduleNowWithExistingCount,
        (3, true) => MisfirePolicy::RescheduleNowWithRemainingCount,
        (4, true) => MisfirePolicy::RescheduleNextWithRemainingCount,
        (5, true) => MisfirePolicy::RescheduleNextWithExistingCount,
        (other, _) => {
            return Err(format!("its misfire instruction is {other}, which its type does not have"));
        }
    })
}
