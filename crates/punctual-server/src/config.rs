//! The configuration: one TOML file, overlaid by the environment.
//!
//! Each section has a file of its own under `config/`. Unknown keys are refused, and every message names the file, the
//! place and what would be right. A setting `[section] key` can be set by `PUNCTUAL__SECTION__KEY`.

mod auth;
mod faults;
pub(crate) mod hidden;
mod job;
mod read;
pub(crate) mod secrets;
mod sections;
mod time;
mod when;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use anyhow::Context;
use punctual_core::{Calendar, Trigger};
use punctual_engine::{Entry, StartTask};
use punctual_jobs::http::secrets::Secrets;
use serde::Deserialize;
use toml::Spanned;

pub(crate) use auth::{Auth, Mode};
pub(crate) use faults::Fault;
use faults::Source;
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

impl Config {
    /// Reads a file (or nothing, for the defaults) and lays the environment over it.
    ///
    /// # Errors
    /// Everything that is wrong with its sections. Its jobs are looked at by [`Self::entries`].
    pub(crate) fn load(path: Option<&Path>) -> anyhow::Result<Self> {
        Self::sound(Self::read(path)?)
    }

    /// The same with the jobs of the file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) fn load_with_entries(path: Option<&Path>) -> anyhow::Result<(Self, Vec<Entry>)> {
        Self::with_entries(Self::read(path)?)
    }

    fn with_entries((config, mut faults): (Self, Vec<Fault>)) -> anyhow::Result<(Self, Vec<Entry>)> {
        let (entries, wrong) = config.each_entry();
        faults.extend(wrong);
        Ok((Self::sound((config, faults))?, entries))
    }

    /// What can be read of a file, and what is wrong with its sections.
    pub(crate) fn read(path: Option<&Path>) -> anyhow::Result<(Self, Vec<Fault>)> {
        let text = match path {
            Some(path) => std::fs::read_to_string(path)
                .with_context(|| format!("cannot read the configuration file {}", path.display()))?,
            None => String::new(),
        };
        Ok(Self::read_text(path.unwrap_or(Path::new("(no file)")), text, std::env::vars()))
    }

    /// Reads a text; `path` is what messages call it.
    pub(crate) fn from_text(
        path: &Path,
        text: String,
        environment: impl Iterator<Item = (String, String)>,
    ) -> anyhow::Result<Self> {
        Self::sound(Self::read_text(path, text, environment))
    }

    fn read_text(
        path: &Path,
        text: String,
        environment: impl Iterator<Item = (String, String)>,
    ) -> (Self, Vec<Fault>) {
        let source = Source { path: path.to_owned(), text, ..Source::default() };
        let read::Read { mut config, source, mut faults } = read::read(source, environment);
        config.source = source;
        faults.extend(config.faults());
        (config, faults)
    }

    fn sound((config, faults): (Self, Vec<Fault>)) -> anyhow::Result<Self> {
        config.refuse(faults)?;
        Ok(config)
    }

    /// # Errors
    /// The faults, if there are any.
    pub(crate) fn refuse(&self, faults: Vec<Fault>) -> anyhow::Result<()> {
        if faults.is_empty() { Ok(()) } else { Err(self.source.error(faults)) }
    }

    /// Sets where the API listens, instead of what the file says.
    pub(crate) fn listen_at(&mut self, listen: &str) {
        self.server.listen = listen.to_owned();
        self.source.forget("server.listen");
    }

    /// What must hold whatever else is said.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.refuse(self.faults())
    }

    /// What is wrong with the sections.
    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        match self.server.address() {
            Ok(address) if self.auth.mode == Mode::Off && !address.ip().is_loopback() => {
                let problem = format!(
                    "server.listen is {:?}, and auth.mode is \"off\": without accounts the server listens on loopback \
                     addresses only (127.0.0.1 or [::1])",
                    self.server.listen
                );
                faults.push(Fault::setting("server.listen", problem));
            }
            address => faults.extend(address.err().iter().map(Fault::of_setting)),
        }
        faults.extend(self.server.faults());
        faults.extend(secrets::faults(&self.secrets));
        let wrong = self.log.filter(None).err();
        faults.extend(wrong.map(|error| Fault::setting("log.level", format!("{error:#}"))));
        faults.extend(self.auth.settings().err().iter().map(Fault::of_setting));
        let own = self.scheduler.faults(self.database.is_clustered());
        faults.extend(self.source.own(&["database"], own));
        faults
    }

    /// The secrets that http jobs may send.
    pub(crate) fn secrets(&self) -> anyhow::Result<Secrets> {
        secrets::secrets(&self.secrets)
    }

    /// The calendars of the file.
    pub(crate) fn calendars(&self) -> &BTreeMap<String, Calendar> {
        &self.calendars
    }

    /// The jobs of the file as entries for the scheduler.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub(crate) fn entries(&self) -> anyhow::Result<Vec<Entry>> {
        let (entries, faults) = self.each_entry();
        self.refuse(faults)?;
        Ok(entries)
    }

    /// The jobs of the file as far as they are right, and what is wrong with them.
    pub(crate) fn each_entry(&self) -> (Vec<Entry>, Vec<Fault>) {
        let (mut entries, mut faults) = (Vec::new(), Vec::new());
        for (name, job) in &self.jobs {
            let wrong = self.source.own(&["secrets"], job.get_ref().unknown_secrets(name, &self.secrets));
            faults.extend(wrong);
            let (entry, wrong) = job.get_ref().entry(name, job.span());
            faults.extend(self.source.own(&["jobs", name], wrong));
            entries.extend(entry);
        }
        faults.extend(self.twice_named());
        (entries, faults)
    }

    /// All triggers of a file are in one key group: a name belongs to one of them.
    fn twice_named(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut seen: BTreeMap<String, (&str, usize)> = BTreeMap::new();
        for (job, name, span) in self.trigger_names() {
            let Some((other, at)) = seen.get(&name) else {
                seen.insert(name, (job, span.start));
                continue;
            };
            let first = self.source.line_of(*at);
            let problem = format!(
                "jobs.{job}: its trigger has the name {name:?}, which the trigger of jobs.{other} in line {first} has \
                 already: give each trigger of the file a name of its own (a trigger without one is named after its \
                 job)"
            );
            faults.push(Fault::at(span, problem));
        }
        faults
    }

    /// Each trigger with its job, its name, and its place.
    fn trigger_names(&self) -> impl Iterator<Item = (&str, String, Range<usize>)> {
        self.jobs.iter().flat_map(|(job, spanned)| {
            let names = spanned.get_ref().trigger_names(job, spanned.span());
            names.into_iter().map(move |(name, span)| (job.as_str(), name, span))
        })
    }

    /// Something wrong with a trigger.
    pub(crate) fn wrong_trigger(&self, trigger: &Trigger, problem: &str) -> Fault {
        let (job, name) = (trigger.job.name(), trigger.key.name());
        let problem = format!("jobs.{job}: {problem}");
        match self.trigger_names().find(|(of, found, _)| *of == job && found == name) {
            Some((.., span)) => Fault::at(span, problem),
            None => Fault::anywhere(problem),
        }
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

#[cfg(test)]
mod tests;

#[cfg(test)]
mod reference;
