//! What a command asks of the server, and how the answer is shown.

use reqwest::Method;
use serde_json::Value;

use super::{Column, Prompt, Style};

/// What a command does.
pub(crate) enum Step {
    /// Asks once, or page by page.
    Ask(Call),
    /// Asks for what the question needs first.
    After(Request, Box<Next>),
    /// Asks whoever sits at the terminal first.
    Prompt(Prompt, Box<Answered>),
    /// Listens until it is stopped.
    Follow(Follow),
}

/// What is done after a first answer of the server.
pub(crate) type Next = dyn FnOnce(&Value) -> anyhow::Result<Step>;

/// What is done with the answers of people.
pub(crate) type Answered = dyn FnOnce(Vec<String>) -> anyhow::Result<Step>;

/// A stream of server-sent events.
pub(crate) struct Follow {
    pub(crate) request: Request,
    /// Whether an event with this data is shown.
    pub(crate) wanted: Box<dyn Fn(&Value) -> bool>,
}

impl Step {
    /// What it asks first, if it asks anything.
    #[cfg(test)]
    pub(crate) fn route(&self) -> Option<(&Method, &'static str)> {
        let request = match self {
            Self::Ask(Call { request, .. }) | Self::After(request, _) => request,
            Self::Follow(follow) => &follow.request,
            Self::Prompt(..) => return None,
        };
        Some((&request.method, request.route))
    }
}

#[cfg(test)]
impl Request {
    pub(crate) fn queries(&self) -> &[(&'static str, String)] {
        &self.query
    }
}

impl From<Call> for Step {
    fn from(call: Call) -> Self {
        Self::Ask(call)
    }
}

/// One question and how its answer is shown.
pub(crate) struct Call {
    pub(super) request: Request,
    pub(super) shown: Shown,
}

pub(super) enum Shown {
    /// The rows of a list, as a table.
    Rows(&'static [Column], Pages),
    /// Rows that are made of one answer, as a table.
    Made(&'static [Column], Lines, fn(&Value) -> Made),
    /// One object: these members first, then all others, then lists of what belongs to it.
    Record(&'static [Column], &'static [Section]),
    /// The same without lists, and of its own lists only the beginning.
    Brief(&'static [Column]),
    /// The session is kept.
    SignedIn,
    /// The session is forgotten.
    SignedOut,
    /// A sentence, and the one where the answer says that nothing was changed.
    Done(String, Option<String>),
    /// In words of its own; whether the answer is yes.
    Words(fn(&Value, &Style) -> (String, bool)),
}

/// The rows that are made of an answer.
pub(crate) struct Made {
    pub(crate) rows: Vec<Value>,
    /// What is missing, in words.
    pub(crate) missing: Option<&'static str>,
}

/// A list below a record, of what belongs to it.
pub(crate) struct Section {
    pub(crate) title: &'static str,
    /// What is asked for it, with the record.
    pub(crate) request: fn(&Value) -> Request,
    pub(crate) columns: &'static [Column],
    /// With fewer rows it is left out.
    pub(crate) least: usize,
}

/// How a list is asked for.
#[derive(Clone, Debug)]
pub(super) struct Pages {
    pub(super) by: By,
    pub(super) extent: Extent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// `limit` and `offset`.
    Offset,
    /// `limit` and the `next` of the page before.
    Cursor,
    /// `limit` and, as `before`, the `next` of the page before.
    Before,
    /// At once.
    Whole,
}

/// A list that comes at once.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Lines {
    /// Print each row as a line of JSON.
    #[arg(long, help_heading = "Output", conflicts_with = "json")]
    pub(super) jsonl: bool,
}

/// Why something is done.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Note {
    /// Why, for the log of changes.
    #[arg(long, value_name = "TEXT", value_parser = one_line)]
    note: Option<String>,
}

fn one_line(text: &str) -> Result<String, String> {
    if text.chars().any(char::is_control) {
        Err("give one line of text".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

/// How much of a list is wanted.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Extent {
    /// At most so many rows; 50 unless given.
    #[arg(long, value_name = "N", help_heading = "Output", conflicts_with = "all", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) limit: Option<u32>,
    /// All rows.
    #[arg(long, help_heading = "Output")]
    pub(super) all: bool,
    /// Print each row as a line of JSON.
    #[arg(long, help_heading = "Output", conflicts_with = "json")]
    pub(super) jsonl: bool,
}

/// Method, route, query and body.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(super) method: Method,
    /// As the table of routes has it, with `{name}` for what [`Self::at`] fills in.
    pub(super) route: &'static str,
    pub(super) parts: Vec<(&'static str, String)>,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) body: Option<Body>,
    pub(super) note: Option<String>,
}

/// What a request carries.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    /// Its content type.
    pub(crate) kind: &'static str,
    pub(crate) text: String,
}

impl Request {
    fn new(method: Method, route: &'static str) -> Self {
        Self { method, route, parts: Vec::new(), query: Vec::new(), body: None, note: None }
    }

    pub(crate) fn get(route: &'static str) -> Self {
        Self::new(Method::GET, route)
    }

    pub(crate) fn put(route: &'static str) -> Self {
        Self::new(Method::PUT, route)
    }

    pub(crate) fn patch(route: &'static str) -> Self {
        Self::new(Method::PATCH, route)
    }

    pub(crate) fn delete(route: &'static str) -> Self {
        Self::new(Method::DELETE, route)
    }

    pub(crate) fn post(route: &'static str) -> Self {
        Self::new(Method::POST, route)
    }

    /// The body.
    pub(crate) fn json(mut self, body: &Value) -> Self {
        self.body = Some(Body { kind: "application/json", text: body.to_string() });
        self
    }

    /// Why, for the log of changes.
    pub(crate) fn note(mut self, note: &Note) -> Self {
        self.note.clone_from(&note.note);
        self
    }

    /// Fills in a part of the route.
    pub(crate) fn at(mut self, name: &'static str, value: impl ToString) -> Self {
        self.parts.push((name, value.to_string()));
        self
    }

    /// A parameter, where it was given.
    pub(crate) fn query(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.query.extend(value.map(|value| (name, value.to_string())));
        self
    }

    /// Shows the rows of a list as a table; its pages are counted by `offset`.
    pub(crate) fn rows(self, columns: &'static [Column], extent: &Extent) -> Call {
        self.list(columns, By::Offset, extent.clone())
    }

    /// Shows the rows of a list as a table; its pages go on from a `cursor`.
    pub(crate) fn pages(self, columns: &'static [Column], extent: &Extent) -> Call {
        self.list(columns, By::Cursor, extent.clone())
    }

    /// Shows the rows of a list as a table; its pages go on `before` a row.
    pub(crate) fn pages_before(self, columns: &'static [Column], extent: &Extent) -> Call {
        self.list(columns, By::Before, extent.clone())
    }

    /// Shows the rows of a list as a table; it has no pages.
    pub(crate) fn whole(self, columns: &'static [Column], lines: &Lines) -> Call {
        self.list(columns, By::Whole, Extent { limit: None, all: true, jsonl: lines.jsonl })
    }

    fn list(self, columns: &'static [Column], by: By, extent: Extent) -> Call {
        Call { request: self, shown: Shown::Rows(columns, Pages { by, extent }) }
    }

    /// Shows the one object of the answer: these members first.
    pub(crate) fn record(self, columns: &'static [Column]) -> Call {
        self.record_with(columns, &[])
    }

    /// The same, with lists of what belongs to it below.
    pub(crate) fn record_with(self, columns: &'static [Column], sections: &'static [Section]) -> Call {
        Call { request: self, shown: Shown::Record(columns, sections) }
    }

    /// Shows an object and the beginning of its lists.
    pub(crate) fn brief(self, columns: &'static [Column]) -> Call {
        Call { request: self, shown: Shown::Brief(columns) }
    }

    /// Shows rows that are made of the answer as a table.
    pub(crate) fn made(self, columns: &'static [Column], lines: &Lines, make: fn(&Value) -> Made) -> Call {
        Call { request: self, shown: Shown::Made(columns, lines.clone(), make) }
    }

    /// Says this once it is done.
    pub(crate) fn done(self, said: String) -> Call {
        Call { request: self, shown: Shown::Done(said, None) }
    }

    /// Says this once it is done, or the other where the answer says that nothing was changed.
    pub(crate) fn done_or(self, said: String, nothing: String) -> Call {
        Call { request: self, shown: Shown::Done(said, Some(nothing)) }
    }

    /// Keeps the session of the answer.
    pub(crate) fn signs_in(self) -> Call {
        Call { request: self, shown: Shown::SignedIn }
    }

    /// Forgets the session.
    pub(crate) fn signs_out(self) -> Call {
        Call { request: self, shown: Shown::SignedOut }
    }

    /// Shows the answer in words of its own.
    pub(crate) fn words(self, words: fn(&Value, &Style) -> (String, bool)) -> Call {
        Call { request: self, shown: Shown::Words(words) }
    }

    /// The path, with what was filled in percent-encoded.
    pub(super) fn path(&self) -> String {
        let fill = |path: String, (name, value): &(&'static str, String)| {
            path.replace(&format!("{{{name}}}"), &encoded(value))
        };
        self.parts.iter().fold(self.route.to_owned(), fill)
    }
}

/// A segment of a path: everything but the unreserved characters of RFC 3986 is encoded.
fn encoded(segment: &str) -> String {
    use std::fmt::Write;
    // Clients and servers take these two away before they look at a path, even when they are encoded.
    let is_dots = segment == "." || segment == "..";
    segment.bytes().fold(String::with_capacity(segment.len()), |mut text, byte| {
        let plain =
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') || byte == b'.' && !is_dots;
        // Writing to a string cannot fail.
        let _ = if plain { text.write_char(char::from(byte)) } else { write!(text, "%{byte:02X}") };
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filled_in_stays_one_segment() {
        let request = Request::get("/api/v1/x/{key}/y").at("key", "a/b?c#d e.ü");
        assert_eq!(request.path(), "/api/v1/x/a%2Fb%3Fc%23d%20e.%C3%BC/y");
        assert_eq!(Request::get("/x/{key}").at("key", "..").path(), "/x/%2E%2E");
    }
}
