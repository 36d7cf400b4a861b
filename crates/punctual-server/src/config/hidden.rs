//! Which lines of a file are not shown in a message, since they may hold a password. The file may be broken, so nothing of
//! this relies on its syntax: in doubt a line is hidden.

use std::collections::BTreeSet;

/// Words that tell of a secret, wherever they stand in a line.
const WORDS: [&str; 11] =
    ["pass", "pasw", "pwd", "secret", "token", "url", "authori", "header", "cookie", "credential", "apikey"];

/// The same as words of their own; as parts of words they are too common.
const WHOLE_WORDS: [&str; 8] = ["env", "database", "data", "body", "key", "pw", "uri", "dsn"];

/// Whether a name or a line tells of a secret.
pub(super) fn tells(text: &str) -> bool {
    // One frequent word has another in it.
    let text = text.to_ascii_lowercase().replace("hourly", "");
    WORDS.iter().any(|word| text.contains(word))
        || (text.contains("://") && text.contains('@'))
        || text.split(|c: char| !c.is_ascii_alphanumeric()).any(|part| WHOLE_WORDS.contains(&part))
}

/// The lines that are not shown, counted from 1.
pub(super) fn lines(text: &str) -> BTreeSet<usize> {
    let mut scan = Scan::default();
    let mut hidden = BTreeSet::new();
    for (number, line) in text.lines().enumerate() {
        if scan.hides(line) {
            hidden.insert(number + 1);
        }
    }
    hidden
}

/// What is wrong with the syntax of a text, without a line that may hold a password.
pub(crate) fn syntax_error(text: &str, error: &toml::de::Error) -> anyhow::Error {
    let start = error.span().map_or(text.len(), |span| span.start).min(text.len());
    let line = text[..text.floor_char_boundary(start)].matches('\n').count() + 1;
    if lines(text).contains(&line) {
        anyhow::anyhow!("line {line}: {} (the line is not shown: it may hold a password)", error.message())
    } else {
        anyhow::anyhow!("{}", error.to_string().trim_end())
    }
}

/// What is known at the beginning of a line.
#[derive(Default)]
struct Scan {
    /// The string over several lines that it is in.
    string: Option<char>,
    /// How many brackets and braces of a value are open.
    depth: u32,
    /// The value that it is in, or the value before it, is hidden.
    secret: bool,
    /// The line before ended within a string that ends with its line.
    torn: bool,
    /// All of the table is hidden.
    table: bool,
}

impl Scan {
    fn hides(&mut self, line: &str) -> bool {
        let within = self.string.is_some() || self.depth > 0;
        let header = if within || self.torn { None } else { header(line) };
        if let Some(name) = header {
            self.table = is_secret_table(name);
        }
        let goes_on = within || self.torn || !begins(line);
        let hidden = match header {
            // Its name is no secret; what stands behind it may be one.
            Some(_) => line.contains(['=', '"', '\'', '@']) && tells(line),
            None => tells(line) || self.table || (goes_on && self.secret),
        };
        // What goes on is as secret as its beginning, or more so.
        self.secret = hidden || (goes_on && self.secret);
        if header.is_none() {
            self.read(line);
        } else {
            self.torn = hidden;
        }
        hidden
    }

    /// Follows strings and brackets through a line.
    fn read(&mut self, line: &str) {
        let mut rest = line;
        let mut single = None;
        while let Some(c) = rest.chars().next() {
            let triple =
                matches!(c, '"' | '\'') && rest.chars().take(3).filter(|next| *next == c).count() == 3;
            let mut step = c.len_utf8();
            match (self.string, single) {
                (Some('"'), _) | (None, Some('"')) if c == '\\' => {
                    step += rest[step..].chars().next().map_or(0, char::len_utf8);
                }
                (Some(quote), _) => {
                    if c == quote && triple {
                        (self.string, step) = (None, 3);
                    }
                }
                (None, Some(quote)) => {
                    if c == quote {
                        single = None;
                    }
                }
                (None, None) => match c {
                    '#' => break,
                    '"' | '\'' if triple => (self.string, step) = (Some(c), 3),
                    '"' | '\'' => single = Some(c),
                    '[' | '{' => self.depth += 1,
                    ']' | '}' => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                },
            }
            rest = &rest[step..];
        }
        self.torn = single.is_some();
    }
}

/// The name of the table that a line begins.
fn header(line: &str) -> Option<&str> {
    let line = line.trim_start().strip_prefix('[')?;
    let line = line.strip_prefix('[').unwrap_or(line);
    Some(line.split([']', '#']).next().unwrap_or_default().trim())
}

/// Whether all keys of a table may be secrets: `database`, `secrets.NAME`, `jobs.NAME.headers`.
fn is_secret_table(name: &str) -> bool {
    // The names of jobs and calendars are the user's.
    let own = match name.split_once('.') {
        Some(("jobs" | "calendars", rest)) => rest.split_once('.').map_or("", |(_, own)| own),
        Some(("secrets", _)) => "secrets",
        _ => name,
    };
    tells(own)
}

/// Whether a line begins something, and is no part of what is before it.
fn begins(line: &str) -> bool {
    let line = line.trim();
    let is_key = |key: &str| {
        !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_. \"'".contains(c))
    };
    line.is_empty()
        || line.starts_with('#')
        || line.split_once('=').is_some_and(|(key, _)| is_key(key.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(text: &str) -> Vec<usize> {
        lines(text).into_iter().collect()
    }

    #[test]
    fn lines_that_tell_of_a_secret_are_hidden() {
        for line in [
            "url = 'postgresql://u:p@h/d",
            "x = 'amqp://u:p@h",
            "Password = x",
            "env = { A = 'b' }",
            "headers = { X = 'y' }",
            "database.pwrd = 'x'",
            "X-Api-Key = 'x",
            "[jobs.a] url = 'x",
        ] {
            assert_eq!(hidden(line), [1], "{line}");
        }
        for line in [
            "[jobs.hourly",
            "every = '1m",
            "[database",
            "[jobs.refresh-token]",
            "kind = 'noop' x",
            "description = 'a@b'",
            "",
        ] {
            assert_eq!(hidden(line), Vec::<usize>::new(), "{line}");
        }
    }

    #[test]
    fn a_syntax_error_does_not_show_a_hidden_line() {
        let error =
            |text: &str| syntax_error(text, &toml::from_str::<toml::Table>(text).unwrap_err()).to_string();
        let hidden = error("name = 'a'\nurl = 'http://me:s3cret@h");
        assert!(hidden.starts_with("line 2: ") && !hidden.contains("s3cret"), "{hidden}");
        let shown = error("name = 'a");
        assert!(shown.contains("line 1") && shown.contains("name = 'a"), "{shown}");
    }

    #[test]
    fn what_a_hidden_line_begins_is_hidden_to_its_end() {
        for (text, lines) in [
            // Strings over several lines.
            ("password = \"\"\"\none\n\\\"\"\" two\n\"\"\" three\nevery = '1m'", vec![1, 2, 3, 4]),
            ("token = '''\nx = 1\n[y]\n'''\nevery = '1m'", vec![1, 2, 3, 4]),
            // Brackets and braces.
            ("headers = {\n  X = 'y',\n}\nevery = '1m'", vec![1, 2, 3]),
            ("urls = [\n  'x',\n  ['y'],\n]\nevery = '1m'", vec![1, 2, 3, 4]),
            // A string that was broken by a line end, and a value on the next line.
            ("password = \"one\ntwo=three\"\nevery = '1m'\nrepeat = 3", vec![1, 2, 3]),
            ("password =\n  \"one\"\nevery = '1m'", vec![1, 2]),
            // A secret within a string or a list that began without one.
            ("command = '''\ncurl\n-H 'Authorization: x\ny\n'''\nevery = '1m'", vec![2, 3, 4, 5]),
            ("args = [\n'--token',\n'x',\n]\nevery = '1m'", vec![2, 3, 4]),
            // Tables.
            ("[jobs.a.headers]\nX = 'y'\n[jobs.a]\nevery = '1m'", vec![2]),
            ("[database]\npasw = 'y'\n[jobs.token]\nevery = '1m'", vec![2]),
            ("[secrets.a]\nvalue = 'x'\n\n[[jobs.a.triggers]]\nevery = '1m'", vec![2, 3]),
        ] {
            assert_eq!(hidden(text), lines, "{text}");
        }
    }
}
