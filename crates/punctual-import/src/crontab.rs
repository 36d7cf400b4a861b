//! Crontabs, as Vixie cron and its descendants (cronie, Debian's cron) read them.
//!
//! | crontab | here |
//! | --- | --- |
//! | five fields, `@daily` and the like | a cron expression; two that share no day where a day may match by either of its fields |
//! | `@reboot` | `on_start = "boot"` |
//! | `NAME=value` | an environment variable of the jobs that follow |
//! | `CRON_TZ` | the zone of the jobs that follow |
//! | `SHELL`, `HOME` | the program that gets the line, the working directory |
//! | `%` | the end of the line, and then line ends of its standard input |
//! | the comment above an entry | its description |
//!
//! The rules are those of crontab(5) and of the program where the page says nothing.

mod field;
mod line;
#[cfg(test)]
mod tests;
mod when;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use punctual_core::schedule::zone;

use crate::Finding;
use line::Line;
pub use when::{CronTrigger, When};
pub use write::to_toml;

/// How a crontab is read.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether a user stands before each command, as in `/etc/crontab` and `/etc/cron.d`.
    pub user_field: bool,
    /// The zone of entries for which no `CRON_TZ` says another: that of the machine on which cron ran.
    pub tz: String,
}

/// What a crontab holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Crontab {
    /// The entries, in their order.
    pub jobs: Vec<CronJob>,
    /// What is not carried over as it is.
    pub findings: Vec<Finding>,
}

/// An entry.
#[derive(Clone, Debug, PartialEq)]
pub struct CronJob {
    /// The line on which it stands, from 1.
    pub line: usize,
    /// Made of the command's first word; unique in the crontab.
    pub name: String,
    /// The comment above it.
    pub description: Option<String>,
    /// Who ran it.
    pub user: Option<String>,
    /// When it runs.
    pub when: When,
    /// The zone in which it is read.
    pub tz: String,
    /// The shell that runs the command; `None` for `/bin/sh`.
    pub shell: Option<String>,
    /// The line for the shell, with its standard input as a here-document.
    pub command: String,
    /// Where it runs.
    pub working_dir: Option<String>,
    /// Its environment variables.
    pub env: BTreeMap<String, String>,
}

/// Reads a crontab.
pub fn read(text: &str, options: &Options) -> Crontab {
    let mut reader = Reader {
        options,
        env: BTreeMap::new(),
        tz: Ok(options.tz.clone()),
        comment: Vec::new(),
        names: BTreeSet::new(),
        mailed: BTreeSet::new(),
        found: Crontab::default(),
    };
    for (number, line) in (1..).zip(text.lines()) {
        reader.line(number, line);
    }
    reader.look_for_users();
    if !text.is_empty() && !text.ends_with('\n') {
        let line = text.lines().count();
        let place = format!("line {line}");
        reader.found.findings.push(Finding::differs(
            place,
            "the last line has no line end, for which cron may refuse it; it is carried over",
        ));
    }
    reader.found
}

struct Reader<'a> {
    options: &'a Options,
    env: BTreeMap<String, String>,
    /// The zone in force, or why there is none.
    tz: Result<String, String>,
    comment: Vec<String>,
    names: BTreeSet<String>,
    /// Addresses that a finding names already.
    mailed: BTreeSet<String>,
    found: Crontab,
}

/// Whose names stand before the commands of most system crontabs.
const USERS: [&str; 14] = [
    "root", "nobody", "daemon", "www-data", "apache", "nginx", "http", "backup", "mail", "man", "news",
    "postgres", "mysql", "ubuntu",
];

impl Reader<'_> {
    /// Each command of a system crontab begins with the user's name when nobody says that there is one.
    fn look_for_users(&mut self) {
        let first = |job: &CronJob| job.command.split_whitespace().next().map(str::to_owned);
        let users: BTreeSet<Option<String>> = self.found.jobs.iter().map(first).collect();
        let known = |user: &Option<String>| user.as_deref().is_some_and(|user| USERS.contains(&user));
        if self.options.user_field || users.is_empty() || !users.iter().all(known) {
            return;
        }
        let users: Vec<String> = users.into_iter().flatten().collect();
        self.found.findings.push(Finding::differs(
            "every line",
            format!(
                "each command begins with the name of a user ({}): if this is a system crontab, as /etc/crontab, give \
                 --user-field",
                users.join(", ")
            ),
        ));
    }

    fn line(&mut self, number: usize, text: &str) {
        match line::read(text) {
            Line::Empty => self.comment.clear(),
            Line::Comment(comment) => {
                if line::split(comment, self.options.user_field).is_ok_and(|entry| entry.fields().is_ok()) {
                    self.differs(number, "an entry that is commented out stays out".to_owned());
                    self.comment.clear();
                } else {
                    self.comment.push(comment.trim().to_owned());
                }
            }
            Line::Variable(name, value) => {
                self.comment.clear();
                self.variable(number, name, value);
            }
            Line::Entry(entry) => {
                let comment = std::mem::take(&mut self.comment);
                if let Err(problem) = self.entry(number, entry, &comment) {
                    self.found.findings.push(Finding::lost(format!("line {number}"), problem));
                }
            }
        }
    }

    fn differs(&mut self, line: usize, text: String) {
        self.found.findings.push(Finding::differs(format!("line {line}"), text));
    }

    fn variable(&mut self, number: usize, name: String, value: String) {
        match name.as_str() {
            "CRON_TZ" => {
                self.tz = match zone(&value) {
                    Ok(_) => Ok(value),
                    Err(error) => {
                        self.differs(
                            number,
                            format!("CRON_TZ: {error}; the entries that follow are not read"),
                        );
                        Err(format!("CRON_TZ is {value:?} (line {number}), which is no zone"))
                    }
                };
            }
            "MAILTO" | "MAILFROM" => {
                if !value.is_empty() && self.mailed.insert(value.clone()) {
                    let text = "nothing is mailed: the end of each output is kept in the history of its run";
                    self.differs(number, format!("{name}={value}: {text}"));
                }
            }
            _ => drop(self.env.insert(name, value)),
        }
    }

    fn entry(&mut self, number: usize, text: &str, comment: &[String]) -> Result<(), String> {
        let entry = line::split(text, self.options.user_field)?;
        let tz = self.tz.clone()?;
        let when = match entry.when.as_slice() {
            [name] if name.eq_ignore_ascii_case("@reboot") => When::Boot,
            _ => When::Cron(entry.fields()?.triggers()),
        };
        if entry.quiet {
            self.differs(number, "the \"-\" in front (no log) means nothing here".to_owned());
        }
        let mut env = self.env.clone();
        let shell = env.remove("SHELL").filter(|shell| shell != "/bin/sh");
        let command = entry.command(shell.as_deref())?;
        if let Some(user) = entry.user {
            self.differs(number, format!("cron ran it as {user}; here it runs as the user of the server"));
        }
        let name = self.name(&command);
        let description = (!comment.is_empty()).then(|| comment.join("\n"));
        self.found.jobs.push(CronJob {
            line: number,
            name,
            description: description.filter(|text| !text.trim().is_empty()),
            user: entry.user.map(str::to_owned),
            when,
            tz,
            shell,
            command,
            working_dir: env.get("HOME").cloned(),
            env,
        });
        Ok(())
    }

    /// A name that no other entry has: the program's.
    fn name(&mut self, command: &str) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let words = command.split_whitespace().filter(|word| !word.contains('='));
        let program = words
            .map(|word| word.rsplit('/').next().unwrap_or(word))
            .find(|word| word.starts_with(|c: char| c.is_ascii_alphanumeric()) && word.chars().all(plain));
        let base: String =
            program.unwrap_or("job").chars().take(60).map(|c| if c == '.' { '-' } else { c }).collect();
        let mut name = base.clone();
        let mut count = 1;
        while !self.names.insert(name.clone()) {
            count += 1;
            name = format!("{base}-{count}");
        }
        name
    }
}
