//! The configuration: one TOML file, overlaid by the environment.
//!
//! Each section has a file of its own under `config/`. Unknown keys are refused, and every message names the file, the
//! place and what would be right. A setting `[section] key` can be set by `PUNCTUAL__SECTION__KEY`.

mod auth;
mod job;
pub(crate) mod secrets;
mod sections;
mod time;
mod when;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use punctual_core::Calendar;
use punctual_core::schedule::ScheduleError;
use punctual_engine::{Entry, StartTask};
use punctual_jobs::http::secrets::Secrets;
use serde::Deserialize;
use toml::Spanned;

pub(crate) use auth::{Auth, Mode};
pub(crate) use job::FILE_GROUP;
pub(crate) use sections::{Api, Database, History, Log, LogFormat, SchedulerSection, Server, Tls};

/// Everything that can be configured.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    pub(crate) server: Server,
    pub(crate) api: Api,
    pub(crate) database: Database,
    pub(crate) scheduler: SchedulerSection,
    pub(crate) history: History,
    pub(crate) log: Log,
    pub(crate) auth: Auth,
    secrets: BTreeMap<String, secrets::Section>,
    calendars: BTreeMap<String, Calendar>,
    jobs: BTreeMap<String, Spanned<job::Job>>,
    #[serde(skip)]
    source: Source,
}

/// Where the text came from, for messages.
#[derive(Debug, Default)]
struct Source {
    path: PathBuf,
    text: String,
}

/// Something wrong at a place of the file.
#[derive(Debug)]
pub(crate) struct Fault {
    /// What is wrong: `key: problem`.
    problem: String,
    /// Where, in bytes of the file.
    span: Option<std::ops::Range<usize>>,
}

impl Fault {
    fn at(span: std::ops::Range<usize>, problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), span: Some(span) }
    }

    /// A fault of a schedule written as the string at `span`: points at the bad part within it.
    fn schedule(key: &str, value: &Spanned<String>, error: &ScheduleError) -> Self {
        let outer = value.span();
        // The text begins behind the opening quote.
        let inner = error.span().map(|part| outer.start + 1 + part.start..outer.start + 1 + part.end);
        let span = inner.filter(|part| part.end <= outer.end).unwrap_or(outer);
        Self::at(span, format!("{key}: {error}"))
    }
}

impl Source {
    fn line_of(&self, at: usize) -> usize {
        let before = &self.text[..self.text.floor_char_boundary(at.min(self.text.len()))];
        before.matches('\n').count() + 1
    }

    fn error(&self, fault: &Fault) -> anyhow::Error {
        let path = self.path.display();
        let Some(span) = &fault.span else { return anyhow!("{path}: {}", fault.problem) };
        let start = span.start.min(self.text.len());
        let before = &self.text[..self.text.floor_char_boundary(start)];
        let line_number = self.line_of(start);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = self.text[line_start..].lines().next().unwrap_or_default();
        let column = before[line_start..].chars().count();
        let width = span.len().clamp(1, line.chars().count().saturating_sub(column).max(1));
        let margin = " ".repeat(line_number.to_string().len());
        anyhow!(
            "{path}, line {line_number}: {}\n{margin} |\n{line_number} | {line}\n{margin} | {}{}",
            fault.problem,
            " ".repeat(column),
            "^".repeat(width),
        )
    }
}

impl Config {
    /// Reads a file (or nothing, for the defaults) and lays the environment over it.
    pub(crate) fn load(path: Option<&Path>) -> anyhow::Result<Self> {
        let text = match path {
            Some(path) => std::fs::read_to_string(path)
                .with_context(|| format!("cannot read the configuration file {}", path.display()))?,
            None => String::new(),
        };
        Self::from_text(path.unwrap_or(Path::new("(no file)")), text, std::env::vars())
    }

    /// Reads a text; `path` is what messages call it.
    pub(crate) fn from_text(
        path: &Path,
        text: String,
        environment: impl Iterator<Item = (String, String)>,
    ) -> anyhow::Result<Self> {
        let mut config: Self =
            toml::from_str(&text).map_err(|error| anyhow!("{}: {error}", path.display()))?;
        let overlay: Vec<(String, String)> =
            environment.filter(|(name, _)| name.starts_with("PUNCTUAL__")).collect();
        if !overlay.is_empty() {
            let (jobs, calendars) = (std::mem::take(&mut config.jobs), std::mem::take(&mut config.calendars));
            config = overlaid(&text, &overlay)?;
            (config.jobs, config.calendars) = (jobs, calendars);
        }
        config.source = Source { path: path.to_owned(), text };
        config.check()?;
        config.scheduler.settings(config.database.is_clustered())?;
        Ok(config)
    }

    /// What must hold whatever else is said.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let loopback = self.server.address()?.ip().is_loopback();
        if self.auth.mode == Mode::Off && !loopback {
            bail!(
                "server.listen is {:?}, and auth.mode is \"off\": without accounts the server listens on loopback addresses \
                 only (127.0.0.1 or [::1])",
                self.server.listen
            );
        }
        self.server.trusted_proxies()?;
        self.server.check_limits()?;
        self.secrets()?;
        self.log.filter(None)?;
        self.auth.settings().map(drop)
    }

    /// The secrets that http jobs may send.
    pub(crate) fn secrets(&self) -> anyhow::Result<Secrets> {
        secrets::secrets(&self.secrets)
    }

    /// The calendars of the file.
    pub(crate) fn calendars(&self) -> &BTreeMap<String, Calendar> {
        &self.calendars
    }

    /// The jobs of the file as entries for the scheduler. Every one is checked completely.
    pub(crate) fn entries(&self) -> anyhow::Result<Vec<Entry>> {
        let entries = self.each_entry()?;
        self.check_trigger_names(&entries)?;
        Ok(entries)
    }

    /// All triggers of a file are in one key group: a name belongs to one of them.
    fn check_trigger_names(&self, entries: &[Entry]) -> anyhow::Result<()> {
        let mut seen: BTreeMap<&str, (&str, usize)> = BTreeMap::new();
        for entry in entries {
            let Some(job) = self.jobs.get(&entry.name) else { continue };
            let spans = job.get_ref().trigger_spans(job.span());
            for (trigger, span) in entry.triggers.iter().zip(spans) {
                let (name, line) = (trigger.key.name(), self.source.line_of(span.start));
                let Some((other, first)) = seen.insert(name, (&entry.name, line)) else { continue };
                let problem = format!(
                    "jobs.{}: its trigger has the name {name:?}, which the trigger of jobs.{other} in line {first} has \
                     already: give each trigger of the file a name of its own (a trigger without one is named after its \
                     job)",
                    entry.name
                );
                return Err(self.source.error(&Fault::at(span, problem)));
            }
        }
        Ok(())
    }

    /// Something wrong with a job, with its line.
    pub(crate) fn wrong_job(&self, job: &str, problem: &str) -> anyhow::Error {
        let span = self.jobs.get(job).map(|job| job.span().start..job.span().start + 1);
        self.source.error(&Fault { problem: format!("jobs.{job}: {problem}"), span })
    }

    fn each_entry(&self) -> anyhow::Result<Vec<Entry>> {
        self.jobs
            .iter()
            .map(|(name, job)| {
                let known = |secret: &str| self.secrets.contains_key(secret);
                let entry = job
                    .get_ref()
                    .check_secrets(name, known)
                    .and_then(|()| job.get_ref().entry(name, job.span()));
                entry.map_err(|fault| self.source.error(&fault))
            })
            .collect()
    }

    /// At which starts of the server a job runs, in words.
    pub(crate) fn start_of(&self, job: &str) -> Option<String> {
        self.jobs.get(job)?.get_ref().start_words()
    }

    /// The jobs that run at the start of the server. They are among the entries, too.
    pub(crate) fn start_tasks(&self, entries: &[Entry]) -> Vec<StartTask> {
        let task = |entry: &Entry| self.jobs.get(&entry.name)?.get_ref().start_task(&entry.job);
        entries.iter().filter_map(task).collect()
    }
}

/// The sections (not jobs and calendars) with variables laid over them, each named in the message when it does not fit.
fn overlaid(text: &str, overlay: &[(String, String)]) -> anyhow::Result<Config> {
    let mut table: toml::Table = toml::from_str(text)?;
    table.remove("jobs");
    table.remove("calendars");
    for (name, value) in overlay {
        let path: Vec<String> = name["PUNCTUAL__".len()..].split("__").map(str::to_lowercase).collect();
        let [section, key] = path.as_slice() else {
            bail!("environment variable {name}: its form is PUNCTUAL__SECTION__KEY");
        };
        // Numbers and booleans are read as such, anything else as text.
        let parsed = match (value.parse::<i64>(), value.parse::<bool>()) {
            (Ok(number), _) => toml::Value::Integer(number),
            (_, Ok(flag)) => toml::Value::Boolean(flag),
            _ => toml::Value::String(value.clone()),
        };
        let slot = table.entry(section.clone()).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        let Some(slot) = slot.as_table_mut() else {
            bail!("environment variable {name}: {section} is no section")
        };
        slot.insert(key.clone(), parsed);
        let probe: Result<Config, _> = table.clone().try_into();
        probe.map_err(|error| anyhow!("environment variable {name}={value}: {}", error.message()))?;
    }
    Ok(table.try_into()?)
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod reference;
