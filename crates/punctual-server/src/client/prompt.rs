//! Names and passwords, from people or from another program.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::{Context, bail};

/// What to ask for.
pub(crate) struct Prompt {
    pub(crate) questions: Vec<Question>,
    /// Whether the answers are lines of the standard input.
    pub(crate) from_stdin: bool,
}

/// One question.
pub(crate) enum Question {
    /// What is typed can be seen.
    Open(&'static str),
    /// What is typed is hidden.
    Secret(&'static str),
    /// What is typed is hidden, and typed twice by people.
    NewSecret(&'static str),
}

impl Prompt {
    pub(super) fn ask(&self) -> anyhow::Result<Vec<String>> {
        if !self.from_stdin {
            return self.questions.iter().map(Question::ask).collect();
        }
        let mut lines = std::io::stdin().lock().lines();
        let mut next = || -> anyhow::Result<String> {
            lines.next().transpose()?.context("the standard input ended before the last answer")
        };
        self.questions.iter().map(|_| next()).collect()
    }
}

impl Question {
    fn ask(&self) -> anyhow::Result<String> {
        if !std::io::stdin().is_terminal() {
            bail!("there is no terminal to ask at: give passwords with --password-stdin");
        }
        match self {
            Self::Open(what) => {
                let mut err = std::io::stderr().lock();
                write!(err, "{what}: ").and_then(|()| err.flush())?;
                let mut line = String::new();
                std::io::stdin().lock().read_line(&mut line)?;
                Ok(line.trim_end_matches(['\r', '\n']).to_owned())
            }
            Self::Secret(what) => hidden(what),
            Self::NewSecret(what) => {
                let first = hidden(what)?;
                if hidden(&format!("{what}, again"))? != first {
                    bail!("these were two different passwords");
                }
                Ok(first)
            }
        }
    }
}

fn hidden(what: &str) -> anyhow::Result<String> {
    rpassword::prompt_password(format!("{what}: ")).context("cannot ask for the password")
}
