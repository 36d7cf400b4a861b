//! Goes from fire time to fire time, for counting what a step costs: `cargo xtask instructions` runs it twice with
//! different counts and divides the difference.
//!
//! ```sh
//! cargo run --release -p punctual-schedule --example next_fire_count -- '0 0 9-17 ? * MON-FRI' America/New_York 1000
//! ```
//!
//! A fourth argument, `occurrences`, asks through [`Occurrences`], made anew for every step as a scheduler does.

use std::error::Error;

use punctual_schedule::{CronSchedule, Occurrences, Schedule, Timestamp, Window};

/// A walk that leaves these years begins again.
const FROM: &str = "2026-01-01T00:00:00Z";
const TO: &str = "2061-01-01T00:00:00Z";

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (expression, zone, count, path) = match args.as_slice() {
        [] => ("0 0 9-17 ? * MON-FRI", "America/New_York", "1000", ""),
        [expression, zone, count] => (*expression, *zone, *count, ""),
        [expression, zone, count, path @ "occurrences"] => (*expression, *zone, *count, *path),
        _ => return Err("expected EXPRESSION ZONE COUNT [occurrences]".into()),
    };
    let count: u64 = count.parse().map_err(|error| format!("COUNT {count:?}: {error}"))?;
    let cron = CronSchedule::parse(expression, zone)?;
    let last = if path.is_empty() {
        walk(count, |t| cron.next_after(t))
    } else {
        let schedule = Schedule::Cron(cron);
        let window = Window { start: FROM.parse()?, end: None };
        walk(count, |t| Occurrences::new(&schedule, window).next_after(t))
    };
    println!("{}", last?);
    Ok(())
}

/// Takes `count` steps and gives the last fire time.
fn walk(count: u64, step: impl Fn(Timestamp) -> Option<Timestamp>) -> Result<Timestamp, jiff::Error> {
    let (from, to): (Timestamp, Timestamp) = (FROM.parse()?, TO.parse()?);
    Ok((0..count).fold(from, |t, _| step(t).filter(|found| *found < to).unwrap_or(from)))
}
