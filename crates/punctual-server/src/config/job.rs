//! `[jobs.NAME]`: a job with its triggers.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use punctual_core::schedule::DstPolicy;
use punctual_core::{
    Concurrency, Data, JobDetail, JobHistory, JobKey, MisfirePolicy, Overlap, RetryPolicy, Trigger,
    UnknownKind,
};
use punctual_engine::{Entry, StartTask};
use punctual_jobs::command::CommandData;
use punctual_jobs::http::{Expected, HttpData};
use serde::Deserialize;
use toml::Spanned;

use super::Fault;
use super::time::Span;
use super::when::When;

/// The key group of jobs that a file declares; those that are no longer in the file are deleted at the next start.
pub(crate) const FILE_GROUP: &str = "config";

/// A job. Its trigger stands beside it (`cron`, `every` or `at`), or several stand under `triggers`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Job {
    kind: Spanned<String>,
    description: Option<String>,
    #[serde(default)]
    requests_recovery: bool,
    #[serde(default = "yes")]
    concurrent: bool,
    overlap: Option<Overlap>,
    concurrency: Option<Concurrency>,
    retry: Option<Spanned<Retry>>,
    timeout: Option<Span>,
    #[serde(default)]
    history: JobHistory,
    unknown_kind: Option<UnknownKind>,
    #[serde(default)]
    triggers: Vec<Spanned<When>>,
    on_start: Option<OnStart>,
    /// What makes a task of the cluster run again when it changes.
    start_version: Option<Spanned<String>>,

    // A trigger of the job's own.
    cron: Option<Spanned<String>>,
    rrule: Option<Spanned<String>>,
    every: Option<Spanned<Span>>,
    delay: Option<Spanned<Span>>,
    repeat: Option<u32>,
    at: Option<Spanned<String>>,
    event: Option<Spanned<String>>,
    schedule: Option<Spanned<toml::Table>>,
    tz: Option<Spanned<String>>,
    dst: Option<DstPolicy>,
    start: Option<Spanned<String>>,
    end: Option<Spanned<String>>,
    priority: Option<i32>,
    calendar: Option<String>,
    misfire: Option<Spanned<MisfirePolicy>>,
    misfire_threshold: Option<Span>,

    // Kind `command`.
    command: Option<String>,
    program: Option<String>,
    args: Option<Vec<String>>,
    working_dir: Option<PathBuf>,
    env: Option<BTreeMap<String, String>>,
    clear_env: Option<bool>,
    success_exit_codes: Option<Vec<i32>>,
    max_output_bytes: Option<usize>,

    // Kind `http`.
    url: Option<String>,
    method: Option<String>,
    headers: Option<BTreeMap<String, String>>,
    secret_headers: Option<BTreeMap<String, Spanned<String>>>,
    body: Option<String>,
    expected_status: Option<Vec<Expected>>,
    request_timeout: Option<Span>,
    ca_file: Option<PathBuf>,
    max_body_bytes: Option<usize>,
}

/// At which starts of the server a job runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OnStart {
    Node,
    Cluster,
    Boot,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "policy", rename_all = "snake_case", deny_unknown_fields)]
enum Retry {
    None,
    Immediate {
        max_attempts: u32,
    },
    Exponential {
        max_attempts: u32,
        initial: Option<Span>,
        multiplier: Option<f64>,
        max: Option<Span>,
        jitter: Option<f64>,
    },
}

fn yes() -> bool {
    true
}

impl Retry {
    fn policy(&self) -> RetryPolicy {
        match self {
            Self::None => RetryPolicy::None,
            Self::Immediate { max_attempts } => RetryPolicy::Immediate { max_attempts: *max_attempts },
            Self::Exponential { max_attempts, initial, multiplier, max, jitter } => {
                RetryPolicy::Exponential {
                    max_attempts: *max_attempts,
                    initial_ms: initial.as_ref().map_or(1_000, Span::millis),
                    multiplier: multiplier.unwrap_or(2.0),
                    max_ms: max.as_ref().map_or(300_000, Span::millis),
                    jitter: jitter.unwrap_or(0.1),
                }
            }
        }
    }
}

impl Job {
    /// The entry for the scheduler, checked completely.
    pub(super) fn entry(&self, name: &str, span: Range<usize>) -> Result<Entry, Fault> {
        let path = format!("jobs.{name}");
        let fault = |problem: String| Fault::at(span.start..span.start + 1, format!("{path}: {problem}"));
        let key = JobKey::try_new(FILE_GROUP, name).map_err(|error| fault(error.to_string()))?;
        let mut detail = JobDetail::new(key.clone(), self.kind.get_ref().as_str());
        detail.description.clone_from(&self.description);
        // It stays as long as the file names it, so that a single instant is not taken for a new one at each start.
        detail.durable = true;
        detail.requests_recovery = self.requests_recovery;
        detail.concurrency.clone_from(&self.concurrency);
        detail.concurrent = self.concurrent && (self.overlap.is_none() || self.concurrency.is_some());
        detail.overlap = self.overlap.unwrap_or_default();
        detail.timeout_ms = self.timeout.as_ref().map(Span::millis);
        detail.history = self.history;
        detail.unknown_kind = self.unknown_kind;
        if let Some(retry) = &self.retry {
            detail.retry = retry.get_ref().policy();
            let wrong = |problem| Fault::at(retry.span(), format!("{path}.retry: {problem}"));
            detail.retry.check().map_err(wrong)?;
        }
        if detail.timeout_ms == Some(0) {
            return Err(fault("timeout is 0: give at least 1ms, or leave it out for no limit".to_owned()));
        }
        detail.check().map_err(fault)?;
        detail.data = self.data(&path, &span)?;
        self.check_start(&path)?;
        let triggers = self.when(&path, &key, &span)?;
        Ok(Entry { name: name.to_owned(), job: detail, triggers })
    }

    /// Whether the file has the secrets that it sends.
    pub(super) fn check_secrets(&self, name: &str, known: impl Fn(&str) -> bool) -> Result<(), Fault> {
        match self.secret_headers.iter().flatten().find(|(_, secret)| !known(secret.get_ref())) {
            Some((header, secret)) => Err(Fault::at(
                secret.span(),
                format!("jobs.{name}.secret_headers.{header}: there is no [secrets.{}]", secret.get_ref()),
            )),
            None => Ok(()),
        }
    }

    /// The same job as a start-up task, if it is one. The entry has been checked.
    pub(super) fn start_task(&self, job: &JobDetail) -> Option<StartTask> {
        let version = self.start_version.as_ref().map_or("1", |version| version.get_ref());
        Some(match self.on_start? {
            OnStart::Node => StartTask::per_node(job.clone()),
            OnStart::Cluster => StartTask::per_cluster(job.clone(), version),
            OnStart::Boot => StartTask::per_boot(job.clone()),
        })
    }

    /// When it is a start-up task, in words.
    pub(super) fn start_words(&self) -> Option<String> {
        Some(match (self.on_start?, &self.start_version) {
            (OnStart::Node, _) => "at each start of the server".to_owned(),
            (OnStart::Cluster, None) => "once, at the first start of a server".to_owned(),
            (OnStart::Cluster, Some(version)) => {
                format!("once, at the first start of a server with version {:?}", version.get_ref())
            }
            (OnStart::Boot, _) => {
                "at the first start of the server after each boot of the machine".to_owned()
            }
        })
    }

    /// Where each of its triggers stands, in their order. The entry has been checked.
    pub(super) fn trigger_spans(&self, span: Range<usize>) -> Vec<Range<usize>> {
        let head = |span: Range<usize>| span.start..span.start + 1;
        match self.triggers.as_slice() {
            [] => vec![head(span)],
            list => list.iter().map(|when| head(when.span())).collect(),
        }
    }

    fn check_start(&self, path: &str) -> Result<(), Fault> {
        let Some(version) = &self.start_version else { return Ok(()) };
        let wrong =
            |problem: &str| Err(Fault::at(version.span(), format!("{path}.start_version: {problem}")));
        let text = version.get_ref();
        if self.on_start != Some(OnStart::Cluster) {
            return wrong("this key belongs to on_start = \"cluster\"");
        }
        if !(1..=50).contains(&text.chars().count())
            || text.chars().any(char::is_control)
            || text.trim() != text
        {
            return wrong("give 1 to 50 characters, without control characters and outer white space");
        }
        Ok(())
    }

    /// The job's data, from the keys of its kind; keys of another kind are refused.
    fn data(&self, path: &str, span: &Range<usize>) -> Result<Data, Fault> {
        let fault = |problem: String| Fault::at(span.start..span.start + 1, format!("{path}: {problem}"));
        let text = |error: punctual_core::data::DataError| fault(error.to_string());
        match self.kind.get_ref().as_str() {
            "command" => {
                self.refuse_keys(path, "command", &self.http_keys())?;
                let data = self.command_data();
                data.check().map_err(fault)?;
                Data::from_serialize(&data).map_err(text)
            }
            "http" => {
                self.refuse_keys(path, "http", &self.command_keys())?;
                let data = self.http_data().ok_or_else(|| fault("an http job needs a url".to_owned()))?;
                data.check().map_err(fault)?;
                Data::from_serialize(&data).map_err(text)
            }
            "noop" => {
                self.refuse_keys(path, "noop", &[self.http_keys(), self.command_keys()].concat())?;
                Ok(Data::empty())
            }
            other => Err(Fault::at(
                self.kind.span(),
                format!("{path}.kind: there is no kind {other:?}; the kinds are command, http and noop"),
            )),
        }
    }

    fn refuse_keys(&self, path: &str, kind: &str, keys: &[(&str, bool)]) -> Result<(), Fault> {
        match keys.iter().find(|(_, given)| *given) {
            Some((key, _)) => Err(Fault::at(
                self.kind.span(),
                format!("{path}.{key}: this key does not belong to a job of kind {kind}"),
            )),
            None => Ok(()),
        }
    }

    fn command_keys(&self) -> Vec<(&'static str, bool)> {
        vec![
            ("command", self.command.is_some()),
            ("program", self.program.is_some()),
            ("args", self.args.is_some()),
            ("working_dir", self.working_dir.is_some()),
            ("env", self.env.is_some()),
            ("clear_env", self.clear_env.is_some()),
            ("success_exit_codes", self.success_exit_codes.is_some()),
            ("max_output_bytes", self.max_output_bytes.is_some()),
        ]
    }

    fn http_keys(&self) -> Vec<(&'static str, bool)> {
        vec![
            ("url", self.url.is_some()),
            ("method", self.method.is_some()),
            ("headers", self.headers.is_some()),
            ("secret_headers", self.secret_headers.is_some()),
            ("body", self.body.is_some()),
            ("expected_status", self.expected_status.is_some()),
            ("request_timeout", self.request_timeout.is_some()),
            ("ca_file", self.ca_file.is_some()),
            ("max_body_bytes", self.max_body_bytes.is_some()),
        ]
    }

    fn command_data(&self) -> CommandData {
        CommandData {
            command: self.command.clone(),
            program: self.program.clone(),
            args: self.args.clone().unwrap_or_default(),
            working_dir: self.working_dir.clone(),
            env: self.env.clone().unwrap_or_default(),
            clear_env: self.clear_env.unwrap_or(false),
            success_exit_codes: self.success_exit_codes.clone().unwrap_or_default(),
            max_output_bytes: self.max_output_bytes,
        }
    }

    fn http_data(&self) -> Option<HttpData> {
        let named =
            |(header, secret): (&String, &Spanned<String>)| (header.clone(), secret.get_ref().clone());
        Some(HttpData {
            url: self.url.clone()?,
            method: self.method.clone(),
            headers: self.headers.clone().unwrap_or_default(),
            secret_headers: self.secret_headers.iter().flatten().map(named).collect(),
            body: self.body.clone(),
            expected_status: self.expected_status.clone().unwrap_or_default(),
            timeout_ms: self.request_timeout.as_ref().map(Span::millis),
            ca_file: self.ca_file.clone(),
            max_body_bytes: self.max_body_bytes,
        })
    }

    /// The job's triggers.
    fn when(&self, path: &str, job: &JobKey, span: &Range<usize>) -> Result<Vec<Trigger>, Fault> {
        let own = When {
            name: None,
            cron: self.cron.clone(),
            rrule: self.rrule.clone(),
            every: self.every.clone(),
            delay: self.delay.clone(),
            repeat: self.repeat,
            at: self.at.clone(),
            event: self.event.clone(),
            schedule: self.schedule.clone(),
            tz: self.tz.clone(),
            dst: self.dst,
            start: self.start.clone(),
            end: self.end.clone(),
            priority: self.priority,
            calendar: self.calendar.clone(),
            misfire: self.misfire.clone(),
            misfire_threshold: self.misfire_threshold.clone(),
            data: None,
        };
        let beside = own.schedules() > 0;
        let fault = |problem: &str| Fault::at(span.start..span.start + 1, format!("{path}: {problem}"));
        match (beside, self.triggers.as_slice()) {
            (true, []) => Ok(vec![own.trigger(path, job, job.name(), span)?]),
            (true, _) => Err(fault("has a schedule of its own and triggers: give one or the other")),
            (false, []) if self.on_start.is_some() => Ok(Vec::new()),
            (false, []) => {
                Err(fault("has no schedule: give cron, every, at, rrule, delay, event, schedule or on_start"))
            }
            (false, list) => list
                .iter()
                .enumerate()
                .map(|(position, when)| {
                    let default = format!("{}-{}", job.name(), position + 1);
                    let name = when.get_ref().name.clone().unwrap_or(default);
                    let path = format!("{path}.triggers[{position}]");
                    when.get_ref().trigger(&path, job, &name, &when.span())
                })
                .collect(),
        }
    }
}
