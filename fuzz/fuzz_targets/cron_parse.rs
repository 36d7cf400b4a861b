//! Any text as a cron expression: no panic; what is understood prints and reads as the same; what is refused is
//! refused at a place that exists.

#![no_main]

use libfuzzer_sys::fuzz_target;
use punctual_schedule::{CronExpression, CronSchedule, DstPolicy, ScheduleError, TimeZone, Timestamp, zone};

fuzz_target!(|text: &str| {
    match CronExpression::parse(text) {
        Ok(expression) => check(&expression),
        Err(error) => check_error(&error, text),
    }
    match CronExpression::parse_hashed(text, "group.job") {
        // The printed form holds numbers in the place of `H`.
        Ok(expression) => check(&expression),
        Err(error) => check_error(&error, text),
    }
    // The search for a similar name takes far longer than all of the above.
    if !text.contains(' ')
        && let Err(error) = zone(text)
    {
        check_error(&error, text);
    }
});

fn check(expression: &CronExpression) {
    let printed = expression.to_string();
    let again = CronExpression::parse(&printed).expect("what is printed can be read");
    assert_eq!(&again, expression);
    assert_eq!(again.to_string(), printed);
    let never = expression.never_matches();
    let schedules =
        [expression.clone(), again].map(|e| CronSchedule::new(e, TimeZone::UTC, DstPolicy::Follow));
    let [first, same] = schedules.map(|schedule| schedule.next_after(Timestamp::MIN));
    assert_eq!(first, same);
    assert_eq!(first.is_none(), never);
}

fn check_error(error: &ScheduleError, text: &str) {
    assert_eq!(error.input(), Some(text));
    let span = error.span().expect("text has a place");
    assert!(text.get(span.clone()).is_some(), "{span:?} in {text:?}");
    assert!(!error.field().is_empty());
    assert!(error.render().starts_with(&error.to_string()));
}
