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

use super::faults::{Fault, Faults};
use super::time::Span;
use super::when::When;

/// The key group of jobs that a file declares; those that are no longer in the file are deleted at the next start.
pub(crate) const FILE_GROUP: &str = "config";

/// A job. Its trigger stands beside it (`cron`, `every` or `at`), or several stand under `triggers`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Job {
    kind: Option<Spanned<String>>,
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
    /// The entry for the scheduler as far as it is right, and what is wrong with it.
    pub(super) fn entry(&self, name: &str, span: Range<usize>) -> (Option<Entry>, Vec<Fault>) {
        let path = format!("jobs.{name}");
        let mut faults = Faults::default();
        let fault = |problem: String| Fault::head(&span, format!("{path}: {problem}"));
        let key = JobKey::try_new(FILE_GROUP, name).map_err(|error| fault(error.to_string()));
        let Some(key) = faults.keep(key) else { return (None, faults.0) };
        let mut detail = JobDetail::new(key.clone(), self.kind().map_or("", |kind| kind.get_ref()));
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
        if detail.timeout_ms == Some(0) {
            faults.add(fault("timeout is 0: give at least 1ms, or leave it out for no limit".to_owned()));
        }
        // Without a limit of time and a retry policy: what is said of those is said of their keys.
        faults.keep(JobDetail { timeout_ms: None, ..detail.clone() }.check().map_err(fault));
        if let Some(retry) = &self.retry {
            detail.retry = retry.get_ref().policy();
            let wrong = |problem| Fault::at(retry.span(), format!("{path}.retry: {problem}"));
            faults.keep(detail.retry.check().map_err(wrong));
        }
        detail.data = self.data(&path, &span, &mut faults);
        faults.keep(self.check_start(&path));
        let triggers = self.when(&path, &key, &span, &mut faults);
        let entry = Entry { name: name.to_owned(), job: detail, triggers };
        (Some(entry), faults.0)
    }

    /// The secrets that it sends and the file does not have.
    pub(super) fn unknown_secrets<T>(&self, name: &str, known: &BTreeMap<String, T>) -> Vec<Fault> {
        let sent = self.secret_headers.iter().flatten();
        let unknown = sent.filter(|(_, secret)| !known.contains_key(secret.get_ref()));
        let fault = |(header, secret): (&String, &Spanned<String>)| {
            let problem =
                format!("jobs.{name}.secret_headers.{header}: there is no [secrets.{}]", secret.get_ref());
            Fault::at(secret.span(), problem).lacking()
        };
        unknown.map(fault).collect()
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

    /// The names of its triggers, and where each of them stands.
    pub(super) fn trigger_names(&self, name: &str, span: Range<usize>) -> Vec<(String, Range<usize>)> {
        let head = |span: Range<usize>| span.start..span.start + 1;
        if self.triggers.is_empty() {
            let own = self.own_trigger().schedules() > 0;
            return own.then(|| (name.to_owned(), head(span))).into_iter().collect();
        }
        let named = |(position, when): (usize, &Spanned<When>)| {
            (when.get_ref().name_in(name, position), head(when.span()))
        };
        self.triggers.iter().enumerate().map(named).collect()
    }

    fn check_start(&self, path: &str) -> Result<(), Fault> {
        let Some(version) = &self.start_version else { return Ok(()) };
        let wrong =
            |problem: &str| Err(Fault::at(version.span(), format!("{path}.start_version: {problem}")));
        let text = version.get_ref();
        if self.on_start != Some(OnStart::Cluster) {
            return wrong("this key belongs to on_start = \"cluster\"").map_err(Fault::lacking);
        }
        if !(1..=50).contains(&text.chars().count())
            || text.chars().any(char::is_control)
            || text.trim() != text
        {
            return wrong("give 1 to 50 characters, without control characters and outer white space");
        }
        Ok(())
    }

    fn kind(&self) -> Option<&Spanned<String>> {
        self.kind.as_ref()
    }

    /// The job's data, from the keys of its kind; keys of another kind are refused.
    fn data(&self, path: &str, span: &Range<usize>, faults: &mut Faults) -> Data {
        let fault = |problem: String| Fault::head(span, format!("{path}: {problem}"));
        let Some(kind) = &self.kind else {
            faults.add(
                fault("has no kind: give kind = \"command\", \"http\" or \"noop\"".to_owned()).lacking(),
            );
            return Data::empty();
        };
        let made = match kind.get_ref().as_str() {
            "command" => {
                refuse_keys(path, kind, &self.http_keys(), faults);
                let data = self.command_data();
                let lacks = data.command.is_none() && data.program.is_none();
                let wrong = |problem| if lacks { fault(problem).lacking() } else { fault(problem) };
                faults.keep(data.check().map_err(wrong));
                Data::from_serialize(&data)
            }
            "http" => {
                refuse_keys(path, kind, &self.command_keys(), faults);
                let Some(data) = self.http_data() else {
                    faults.add(fault("an http job needs a url".to_owned()).lacking());
                    return Data::empty();
                };
                data.problems().into_iter().for_each(|problem| faults.add(fault(problem)));
                Data::from_serialize(&data)
            }
            "noop" => {
                refuse_keys(path, kind, &[self.http_keys(), self.command_keys()].concat(), faults);
                Ok(Data::empty())
            }
            other => {
                faults.add(Fault::at(
                    kind.span(),
                    format!("{path}.kind: there is no kind {other:?}; the kinds are command, http and noop"),
                ));
                Ok(Data::empty())
            }
        };
        faults.keep(made.map_err(|error| fault(error.to_string()))).unwrap_or_default()
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

    /// The trigger whose keys stand beside the job's.
    fn own_trigger(&self) -> When {
        When {
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
        }
    }

    /// The job's triggers that are right.
    fn when(&self, path: &str, job: &JobKey, span: &Range<usize>, faults: &mut Faults) -> Vec<Trigger> {
        let own = self.own_trigger();
        let fault = |problem: &str| Fault::head(span, format!("{path}: {problem}"));
        match (own.schedules() > 0, self.triggers.as_slice()) {
            (true, []) => own.trigger(path, job, job.name(), span, faults).into_iter().collect(),
            (false, []) if self.on_start.is_some() => Vec::new(),
            (false, []) => {
                let problem =
                    "has no schedule: give cron, every, at, rrule, delay, event, schedule or on_start";
                faults.add(fault(problem).lacking());
                Vec::new()
            }
            (beside, list) => {
                if beside {
                    faults.add(fault("has a schedule of its own and triggers: give one or the other"));
                }
                list.iter()
                    .enumerate()
                    .filter_map(|(position, when)| {
                        let name = when.get_ref().name_in(job.name(), position);
                        let path = format!("{path}.triggers[{position}]");
                        when.get_ref().trigger(&path, job, &name, &when.span(), faults)
                    })
                    .collect()
            }
        }
    }
}

fn refuse_keys(path: &str, kind: &Spanned<String>, keys: &[(&str, bool)], faults: &mut Faults) {
    for (key, _) in keys.iter().filter(|(_, given)| *given) {
        let kind_is = kind.get_ref();
        let problem = format!("{path}.{key}: this key does not belong to a job of kind {kind_is}");
        faults.add(Fault::at(kind.span(), problem));
    }
}
