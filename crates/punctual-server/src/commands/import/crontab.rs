//! `punctual import crontab`.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::ValueEnum;
use punctual_core::{Change, Clock, JobKey, TriggerKey};
use punctual_engine::{Entry, SystemClock};
use punctual_import::Finding;
use punctual_import::crontab::{self, Crontab, Options, When};

use super::{machine_zone, report};
use crate::commands::check;
use crate::commands::plan::{close, open, runtime};
use crate::config::Config;
use crate::database::Place;
use crate::output;

/// The key group of what is stored from a crontab; a server leaves it alone, whatever its file says.
const GROUP: &str = "crontab";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The crontab, such as /etc/crontab or what `crontab -l` prints; - for the standard input.
    file: PathBuf,
    /// A user stands before each command, as in /etc/crontab and /etc/cron.d.
    #[arg(long)]
    user_field: bool,
    /// The time zone in which cron ran, by its IANA name; this machine's unless given.
    #[arg(long)]
    tz: Option<String>,
    /// What to do with it.
    #[arg(long, value_enum, default_value = "show")]
    output: Output,
    /// Where --output apply stores it: sqlite://PATH or postgresql://USER:PASSWORD@HOST/DATABASE.
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Show what each entry becomes and when it fires next. Nothing is written.
    Show,
    /// Write a configuration file to the standard output.
    Toml,
    /// Store the jobs, in one transaction.
    Apply,
}

pub(super) fn run(args: &Args) -> anyhow::Result<bool> {
    let tz = match &args.tz {
        Some(tz) => {
            punctual_core::schedule::zone(tz).context("--tz")?;
            tz.clone()
        }
        None => machine_zone()?,
    };
    let mut crontab = crontab::read(&text(&args.file)?, &Options { user_field: args.user_field, tz });
    let (_, config, entries) = taken(&crontab)?;
    leave_out_what_never_fires(&mut crontab, &config, &entries);
    sort(&mut crontab.findings);
    let (toml, config, entries) = taken(&crontab)?;
    match (args.output, &args.database) {
        (Output::Apply, Some(url)) => {
            let (stored, boot): (Vec<Entry>, Vec<Entry>) =
                entries.into_iter().partition(|entry| !entry.triggers.is_empty());
            for entry in &boot {
                let line = crontab.jobs.iter().find(|job| job.name == entry.name).map_or(0, |job| job.line);
                let text = "@reboot is an on_start of a server's file: use --output toml".to_owned();
                crontab.findings.push(Finding::lost(format!("line {line}"), text));
            }
            apply(url, &config, &stored)?;
            output::print_of_done("the jobs were stored", |out| {
                Ok(writeln!(out, "{} job(s) stored in the group {GROUP}", stored.len())?)
            });
        }
        (Output::Apply, None) => bail!("--output apply needs the database: --database URL"),
        // The findings are comments in it.
        (Output::Toml, _) => output::print_as_far_as_read(|out| Ok(out.write_all(toml.as_bytes())?))?,
        (Output::Show, _) => output::print_as_far_as_read(|out| show(&crontab, &config, &entries, out))?,
    }
    sort(&mut crontab.findings);
    Ok(report(&crontab.findings))
}

/// The file of a crontab, and what the server would make of it.
fn taken(crontab: &Crontab) -> anyhow::Result<(String, Config, Vec<Entry>)> {
    let toml = crontab::to_toml(crontab);
    let config = Config::from_text(Path::new("(the crontab)"), toml.clone(), std::iter::empty())?;
    let entries = config.entries()?;
    Ok((toml, config, entries))
}

/// A server refuses such triggers, and with them all that is stored in the same transaction.
fn leave_out_what_never_fires(crontab: &mut Crontab, config: &Config, entries: &[Entry]) {
    let now = SystemClock::new().now();
    let Crontab { jobs, findings } = crontab;
    jobs.retain_mut(|job| {
        let When::Cron(triggers) = &mut job.when else { return true };
        let made = entries.iter().filter(|entry| entry.name == job.name).flat_map(|entry| &entry.triggers);
        let mut fires = made.map(|trigger| !check::fire_times(trigger, config, now, 1).is_empty());
        // The triggers of a file stand in its order.
        triggers.retain(|_| fires.next().unwrap_or(true));
        if triggers.is_empty() {
            let text = "never fires: no day of the calendar matches its fields";
            findings.push(Finding::lost(format!("line {}", job.line), text));
        }
        !triggers.is_empty()
    });
}

/// In the file's order; what is about all of it comes first.
fn sort(findings: &mut [Finding]) {
    findings
        .sort_by_key(|finding| finding.place.strip_prefix("line ").and_then(|line| line.parse::<u64>().ok()));
}

fn text(file: &Path) -> anyhow::Result<String> {
    let bytes = if file == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).context("cannot read the standard input")?;
        bytes
    } else {
        std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?
    };
    String::from_utf8(bytes).with_context(|| format!("{} is no UTF-8 text", file.display()))
}

fn show(crontab: &Crontab, config: &Config, entries: &[Entry], out: &mut impl Write) -> anyhow::Result<()> {
    let now = SystemClock::new().now();
    writeln!(out, "{} entries become {} job(s):", crontab.jobs.len(), entries.len())?;
    for job in &crontab.jobs {
        writeln!(out, "\nline {}: {}", job.line, job.name)?;
        for line in job.command.lines() {
            writeln!(out, "  $ {line}")?;
        }
        if let Some(when) = config.start_of(&job.name) {
            writeln!(out, "  {when}")?;
        }
        let triggers =
            entries.iter().filter(|entry| entry.name == job.name).flat_map(|entry| &entry.triggers);
        for trigger in triggers {
            let left_out = trigger.calendar.as_ref().and_then(|name| config.calendars().get(name));
            writeln!(out, "  {}", trigger.schedule.describe())?;
            if let Some(calendar) = left_out.and_then(|calendar| serde_json::to_value(calendar).ok()) {
                writeln!(out, "    not on these days of the month: {}", calendar["days"])?;
            }
            // One that never fires was left out.
            if let Some(at) = check::fire_times(trigger, config, now, 1).first() {
                writeln!(out, "    next {}", check::local_and_utc(*at, &trigger.schedule))?;
            }
        }
    }
    Ok(writeln!(out)?)
}

/// Stores the jobs, and the calendars that they use, under keys of their own group.
fn apply(url: &str, config: &Config, entries: &[Entry]) -> anyhow::Result<()> {
    let mut changes = Vec::new();
    for (name, calendar) in config.calendars() {
        changes.push(Change::PutCalendar { name: name.clone(), calendar: calendar.clone() });
    }
    for entry in entries {
        let mut job = entry.job.clone();
        job.key = JobKey::try_new(GROUP, job.key.name())?;
        let mut triggers = entry.triggers.clone();
        for trigger in &mut triggers {
            trigger.job = job.key.clone();
            trigger.key = TriggerKey::try_new(GROUP, trigger.key.name())?;
        }
        changes.push(Change::Schedule { job, triggers });
    }
    runtime()?.block_on(async {
        let place = Place::of(url, punctual_sqlite::Options::default())?;
        let store = open(&place, "import").await?;
        let now = store.store_now().await?.unwrap_or_else(|| SystemClock::new().now());
        store.apply(now, &changes).await.context("nothing was stored")?;
        close(&*store).await;
        anyhow::Ok(())
    })
}
