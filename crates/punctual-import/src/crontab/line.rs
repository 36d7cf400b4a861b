//! Lines: what each is, and the parts of an entry.

use super::when::Fields;

/// What a line is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Empty,
    /// Without its sign.
    Comment(&'a str),
    Variable(String, String),
    Entry(&'a str),
}

pub(super) fn read(line: &str) -> Line<'_> {
    let text = line.trim_start();
    if text.is_empty() {
        return Line::Empty;
    }
    if let Some(comment) = text.strip_prefix('#') {
        return Line::Comment(comment.trim_start_matches('#'));
    }
    match variable(text) {
        Some((name, value)) => Line::Variable(name, value),
        None => Line::Entry(text),
    }
}

/// `NAME = value`, each between quotes if it likes. A value without quotes ends before the blanks at the line's end.
fn variable(text: &str) -> Option<(String, String)> {
    let (name, rest) = match text.chars().next()? {
        quote @ ('"' | '\'') => text[1..].split_once(quote)?,
        _ => text.split_at(text.find(|c: char| c == '=' || c.is_whitespace())?),
    };
    let value = rest.trim_start().strip_prefix('=')?.trim();
    if name.is_empty() {
        return None;
    }
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote).and_then(|value| value.strip_suffix(quote)) {
            return Some((name.to_owned(), inner.to_owned()));
        }
    }
    Some((name.to_owned(), value.to_owned()))
}

/// The parts of an entry.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    /// Five fields, or one name such as `@daily`.
    pub(super) when: Vec<&'a str>,
    pub(super) user: Option<&'a str>,
    /// Whether a `-` stands in front, which some crons take as "do not log".
    pub(super) quiet: bool,
    rest: &'a str,
}

/// Splits an entry.
pub(super) fn split(text: &str, user_field: bool) -> Result<Entry<'_>, String> {
    let text = text.trim_start();
    let quiet = text.starts_with('-');
    let mut rest = text.strip_prefix('-').unwrap_or(text);
    let mut word = |what: &str| {
        rest = rest.trim_start();
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        if word.is_empty() { Err(format!("has no {what}")) } else { Ok(word) }
    };
    let first = word("schedule")?;
    let mut when = vec![first];
    if !first.starts_with('@') {
        for field in ["hour field", "day of month field", "month field", "day of week field"] {
            when.push(word(field)?);
        }
    }
    let user = user_field.then(|| word("user (--user-field)")).transpose()?;
    let rest = rest.trim();
    if rest.is_empty() {
        return Err("has no command".to_owned());
    }
    Ok(Entry { when, user, quiet, rest })
}

impl Entry<'_> {
    pub(super) fn fields(&self) -> Result<Fields, String> {
        match self.when[..] {
            [minute, hour, month_day, month, week_day] => {
                Fields::parse([minute, hour, month_day, month, week_day])
            }
            [name] => Fields::nickname(name).ok_or_else(|| {
                format!(
                    "{name:?} is not known: there are @reboot, @yearly, @annually, @monthly, @weekly, @daily, @midnight and \
                     @hourly"
                )
            }),
            _ => Err("has not five fields".to_owned()),
        }
    }

    /// The line for the shell. A `%` ends it, and further ones are line ends of what it reads; `\%` is a plain one.
    pub(super) fn command(&self, shell: Option<&str>) -> Result<String, String> {
        let mut parts = vec![String::new()];
        let mut chars = self.rest.chars().peekable();
        while let Some(c) = chars.next() {
            let last = parts.len() - 1;
            match c {
                '\\' if chars.peek() == Some(&'%') => {
                    chars.next();
                    parts[last].push('%');
                }
                '%' => parts.push(String::new()),
                c => parts[last].push(c),
            }
        }
        let command = parts.remove(0);
        if command.trim().is_empty() {
            return Err("has no command before the %".to_owned());
        }
        if parts.is_empty() {
            return Ok(command);
        }
        if parts.last().is_some_and(String::is_empty) {
            parts.pop();
        }
        if let Some(shell) = shell.filter(|shell| shell.ends_with("csh") || shell.ends_with("fish")) {
            return Err(format!("its standard input (%) cannot be given to {shell} as a here-document"));
        }
        let mut end = "END_OF_INPUT".to_owned();
        while parts.contains(&end) {
            end.push('_');
        }
        let input: String = parts.iter().map(|line| format!("{line}\n")).collect();
        // A subshell, so that all commands of the line read it.
        Ok(format!("(\n{}\n) <<'{end}'\n{input}{end}", command.trim_end()))
    }
}
