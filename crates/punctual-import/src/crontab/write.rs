//! A crontab as a configuration file.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{CronJob, CronTrigger, Crontab, When};

/// The configuration file that does what the crontab did, with everything that is not carried over as comments.
pub fn to_toml(crontab: &Crontab) -> String {
    let mut out = String::new();
    for finding in &crontab.findings {
        comment(&mut out, &finding.to_string());
    }
    let calendars = calendars(crontab);
    for ((tz, days), name) in &calendars {
        begin(&mut out);
        let days: Vec<String> = days.iter().map(u8::to_string).collect();
        // Writing to a string does not fail.
        let _ = writeln!(
            out,
            "[calendars.{name}]\ntype = \"monthly\"\ntz = {}\ndays = [{}]",
            text(tz),
            days.join(", ")
        );
    }
    for job in &crontab.jobs {
        begin(&mut out);
        write_job(&mut out, job, &calendars);
    }
    out
}

type Calendars<'a> = BTreeMap<(&'a str, &'a [u8]), String>;

/// A calendar for each set of days (and zone) on which some trigger does not fire.
fn calendars(crontab: &Crontab) -> Calendars<'_> {
    let mut calendars = Calendars::new();
    for job in &crontab.jobs {
        for trigger in job.triggers().iter().filter(|trigger| !trigger.not_on.is_empty()) {
            let next = format!("crontab-{}", calendars.len() + 1);
            calendars.entry((job.tz.as_str(), trigger.not_on.as_slice())).or_insert(next);
        }
    }
    calendars
}

impl CronJob {
    fn triggers(&self) -> &[CronTrigger] {
        match &self.when {
            When::Cron(triggers) => triggers,
            When::Boot => &[],
        }
    }
}

fn write_job(out: &mut String, job: &CronJob, calendars: &Calendars<'_>) {
    comment(out, &format!("line {} of the crontab", job.line));
    let mut line = |key: &str, value: String| {
        let _ = writeln!(out, "{key} = {value}");
    };
    // The table's head is a line, too, but without a value.
    line_head(&mut line, job);
    match &job.shell {
        None => line("command", text(&job.command)),
        Some(shell) => {
            line("program", text(shell));
            line("args", format!("[\"-c\", {}]", text(&job.command)));
        }
    }
    if let Some(directory) = &job.working_dir {
        line("working_dir", text(directory));
    }
    if !job.env.is_empty() {
        let pairs: Vec<String> =
            job.env.iter().map(|(name, value)| format!("{} = {}", text(name), text(value))).collect();
        line("env", format!("{{ {} }}", pairs.join(", ")));
    }
    let when = |trigger: &CronTrigger| {
        let calendar = calendars.get(&(job.tz.as_str(), trigger.not_on.as_slice()));
        // Cron runs nothing of what passed while it was down.
        let mut keys = vec![
            ("cron", text(&trigger.expression)),
            ("tz", text(&job.tz)),
            ("misfire", "\"skip\"".to_owned()),
        ];
        keys.extend(calendar.map(|name| ("calendar", text(name))));
        keys
    };
    match &job.when {
        When::Boot => line("on_start", "\"boot\"".to_owned()),
        When::Cron(triggers) => match triggers.as_slice() {
            [only] => when(only).into_iter().for_each(|(key, value)| line(key, value)),
            several => {
                for trigger in several {
                    let _ = writeln!(out, "[[jobs.{}.triggers]]", job.name);
                    for (key, value) in when(trigger) {
                        let _ = writeln!(out, "{key} = {value}");
                    }
                }
            }
        },
    }
}

fn line_head(line: &mut impl FnMut(&str, String), job: &CronJob) {
    line(&format!("[jobs.{}]\nkind", job.name), "\"command\"".to_owned());
    if let Some(description) = &job.description {
        line("description", text(description));
    }
}

fn begin(out: &mut String) {
    if !out.is_empty() {
        out.push('\n');
    }
}

fn comment(out: &mut String, text: &str) {
    for line in text.lines() {
        let _ = writeln!(out, "# {line}");
    }
}

/// A string of TOML on one line.
fn text(value: &str) -> String {
    let mut out = String::from("\"");
    for c in value.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
