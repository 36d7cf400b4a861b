//! What is wrong with a file, where, and how that is said.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;

use anyhow::anyhow;
use punctual_core::schedule::ScheduleError;
use toml::Spanned;

use super::hidden;

/// Stands for a line that is not shown.
const HIDDEN: &str = "(not shown: this line may hold a password)";

/// What the reader says before it says a value.
const QUOTING: [&str; 3] = ["invalid type: ", "invalid value: ", "unknown variant "];

/// Something wrong with a file, or with what is laid over it.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    /// What is wrong: `key: problem`.
    problem: String,
    place: Place,
    /// Something is not there. It follows from another fault when something could not be read.
    lacking: bool,
}

#[derive(Clone, Debug)]
enum Place {
    /// In bytes of the file.
    File(Range<usize>),
    /// A setting `section.key`, in the file or in the environment.
    Setting(String),
    /// The file as a whole.
    Whole,
    /// Not in the file.
    Environment,
}

impl Fault {
    fn new(place: Place, problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), place, lacking: false }
    }

    pub(super) fn at(span: Range<usize>, problem: impl Into<String>) -> Self {
        Self::new(Place::File(span), problem)
    }

    /// At the beginning of a table.
    pub(super) fn head(span: &Range<usize>, problem: impl Into<String>) -> Self {
        Self::at(span.start..span.start + 1, problem)
    }

    pub(super) fn anywhere(problem: impl Into<String>) -> Self {
        Self::new(Place::Whole, problem)
    }

    pub(super) fn of_environment(problem: impl Into<String>) -> Self {
        Self::new(Place::Environment, problem)
    }

    /// About a setting, `section.key`.
    pub(crate) fn setting(setting: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::new(Place::Setting(setting.into()), problem)
    }

    /// About the setting that the words begin with.
    pub(crate) fn of_setting(error: &anyhow::Error) -> Self {
        let problem = format!("{error:#}");
        let end = problem.find([' ', ':']).unwrap_or(problem.len());
        Self::setting(problem[..end].to_owned(), problem)
    }

    /// The same, known to say that something is not there.
    pub(super) fn lacking(self) -> Self {
        Self { lacking: true, ..self }
    }

    /// A fault of a schedule written as the string at `span`: points at the bad part within it.
    pub(super) fn schedule(key: &str, value: &Spanned<String>, error: &ScheduleError) -> Self {
        let outer = value.span();
        // The text begins behind the opening quote.
        let inner = error.span().map(|part| outer.start + 1 + part.start..outer.start + 1 + part.end);
        let span = inner.filter(|part| part.end <= outer.end).unwrap_or(outer);
        Self::at(span, format!("{key}: {error}"))
    }
}

/// Faults that are found one after the other.
#[derive(Debug, Default)]
pub(super) struct Faults(pub(super) Vec<Fault>);

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// The value, unless it is a fault.
    pub(super) fn keep<T>(&mut self, result: Result<T, Fault>) -> Option<T> {
        result.map_err(|fault| self.add(fault)).ok()
    }
}

/// Where the text came from, for messages.
#[derive(Debug, Default)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) text: String,
    /// Where each `section.key` stands.
    pub(super) settings: BTreeMap<String, Range<usize>>,
    /// The variable that each `section.key` of them is from.
    pub(super) variables: BTreeMap<String, String>,
    /// What could not be read, as keys.
    pub(super) unread: BTreeSet<Vec<String>>,
}

impl Source {
    pub(super) fn line_of(&self, at: usize) -> usize {
        let before = &self.text[..self.text.floor_char_boundary(at.min(self.text.len()))];
        before.matches('\n').count() + 1
    }

    /// A setting is given elsewhere now.
    pub(super) fn forget(&mut self, setting: &str) {
        self.settings.remove(setting);
        self.variables.remove(setting);
    }

    /// Whether something in this part of the file could not be read.
    pub(super) fn is_incomplete(&self, keys: &[&str]) -> bool {
        self.unread.iter().any(|path| path.len() >= keys.len() && path.iter().zip(keys).all(|(a, b)| a == b))
    }

    /// Without what only follows from something that could not be read.
    pub(super) fn own(&self, keys: &[&str], faults: Vec<Fault>) -> Vec<Fault> {
        let incomplete = self.is_incomplete(keys);
        faults.into_iter().filter(|fault| !(fault.lacking && incomplete)).collect()
    }

    /// All of them in the order of the file, each once.
    pub(super) fn error(&self, faults: Vec<Fault>) -> anyhow::Error {
        let mut blocks: Vec<(usize, String)> = faults.iter().map(|fault| self.block(fault)).collect();
        blocks.sort();
        blocks.dedup();
        let blocks: Vec<String> = blocks.into_iter().map(|(_, block)| block).collect();
        match blocks.as_slice() {
            [only] => anyhow!("{only}"),
            _ => {
                let (path, count) = (self.path.display(), blocks.len());
                anyhow!("{path} has {count} problems:\n\n{}", blocks.join("\n\n"))
            }
        }
    }

    /// What is said of a fault, and the byte of the file that it is about.
    fn block(&self, fault: &Fault) -> (usize, String) {
        const NOWHERE: usize = usize::MAX;
        let (path, problem) = (self.path.display(), &fault.problem);
        match &fault.place {
            Place::File(span) => (span.start, self.marked(span, problem)),
            Place::Environment => (NOWHERE, problem.clone()),
            Place::Whole => (NOWHERE, format!("{path}: {problem}")),
            Place::Setting(setting) => match (self.variables.get(setting), self.settings.get(setting)) {
                (Some(variable), _) => (NOWHERE, format!("{path}: {problem} (set by {variable})")),
                // The line is not shown: it may hold a password.
                (None, Some(span)) => {
                    (span.start, format!("{path}, line {}: {problem}", self.line_of(span.start)))
                }
                (None, None) => (NOWHERE, format!("{path}: {problem}")),
            },
        }
    }

    /// A fault with the line that it is in; a line that may hold a password is not shown.
    fn marked(&self, span: &Range<usize>, problem: &str) -> String {
        let path = self.path.display();
        let start = span.start.min(self.text.len());
        let before = &self.text[..self.text.floor_char_boundary(start)];
        let line_number = self.line_of(start);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = self.text[line_start..].lines().next().unwrap_or_default();
        let column = before[line_start..].chars().count();
        let width = span.len().clamp(1, line.chars().count().saturating_sub(column).max(1));
        let margin = " ".repeat(line_number.to_string().len());
        let (line, width, problem) = if hidden::lines(&self.text).contains(&line_number) {
            // How long a password is shows as little as the password.
            (HIDDEN, 1, self.without_value(span, problem))
        } else {
            (line, width, problem.to_owned())
        };
        format!(
            "{path}, line {line_number}: {problem}\n{margin} |\n{line_number} | {line}\n{margin} | {}{}",
            " ".repeat(column),
            "^".repeat(width),
        )
    }

    /// What is wrong with a value, without the value where the words are those of the reader. A key may be said.
    fn without_value(&self, span: &Range<usize>, problem: &str) -> String {
        let value = self.text.get(span.clone()).unwrap_or_default().trim_matches(['"', '\'', '\n', '\r']);
        let Some(at) = QUOTING.iter().find_map(|words| problem.find(words)).filter(|_| !value.is_empty())
        else {
            return problem.to_owned();
        };
        format!("{}{}", &problem[..at], problem[at..].replace(value, "..."))
    }
}
