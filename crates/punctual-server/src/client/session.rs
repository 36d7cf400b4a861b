//! What happens between the command line and the exit code.

use std::io::Write;

use anyhow::Context;
use jiff::Timestamp;
use punctual_core::Clock;
use punctual_engine::SystemClock;
use serde_json::Value;

use super::call::{Lines, Section, Shown};
use super::credentials::Credentials;
use super::prompt::Prompt;
use super::table::{self, Table};
use super::{Call, Connection, Made, Options, Step, Style, follow, outcome, pages};

/// A command, or a group of commands, that talks to a server.
pub(crate) trait Remote {
    /// What it does, at this time.
    fn step(&self, now: Timestamp, style: &Style) -> anyhow::Result<Step>;
}

/// Runs a command; whether the answer is yes.
pub(crate) fn run(command: &dyn Remote, options: &Options) -> anyhow::Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    outcome(runtime.block_on(act(command, options)))
}

async fn act(command: &dyn Remote, options: &Options) -> anyhow::Result<bool> {
    let mut step = command.step(SystemClock::new().now(), &Style::of_stdout(options.utc))?;
    while let Step::Prompt(prompt, next) = step {
        step = next(answers(&prompt, options)?)?;
    }
    let connection = Connection::open(options)?;
    loop {
        match step {
            Step::Ask(call) => return ask(&connection, &call, options).await,
            Step::Follow(what) => return follow::listen(&connection, &what, options).await,
            Step::After(request, next) => step = next(&read(&connection.send(&request).await?)?)?,
            Step::Prompt(prompt, next) => step = next(answers(&prompt, options)?)?,
        }
    }
}

/// What people answer; all prompts are for passwords.
fn answers(prompt: &Prompt, options: &Options) -> anyhow::Result<Vec<String>> {
    Connection::refuse_eavesdroppers(options, "the password")?;
    prompt.ask()
}

async fn ask(connection: &Connection, call: &Call, options: &Options) -> anyhow::Result<bool> {
    let mut out = crate::output::stdout();
    if let Shown::Rows(columns, pages) = &call.shown {
        pages::show(connection, &call.request, columns, pages, options, &mut out).await?;
        out.flush()?;
        return Ok(true);
    }
    let text = connection.send(&call.request).await?;
    let value = read(&text)?;
    let style = Style::of_stdout(options.utc);
    let (said, is_yes) = match &call.shown {
        Shown::Words(words) => words(&value, &style),
        Shown::Done(said, nothing) => {
            let changed = value.get("updated").and_then(Value::as_u64) != Some(0);
            let said = nothing.as_ref().filter(|_| !changed).unwrap_or(said);
            (said.clone(), true)
        }
        Shown::SignedIn => (signed_in(connection, &value)?, true),
        Shown::SignedOut => {
            Credentials::forget(connection.server())?;
            (format!("Signed out of {}.", connection.server()), true)
        }
        Shown::Record(..) | Shown::Brief(..) | Shown::Made(..) | Shown::Rows(..) => (String::new(), true),
    };
    // The id of a session is for the file alone.
    let is_secret = matches!(call.shown, Shown::SignedIn);
    match &call.shown {
        _ if options.json && !is_secret => {
            if !value.is_null() {
                writeln!(out, "{}", text.trim_end())?;
            }
        }
        Shown::Brief(columns) => {
            warn(&value);
            let (value, left_out) = table::brief(value);
            table::record(&value, columns, &style, &mut out)?;
            left_out.iter().try_for_each(|line| writeln!(out, "{line}"))?;
        }
        Shown::Record(columns, sections) => {
            warn(&value);
            table::record(&value, columns, &style, &mut out)?;
            for section in *sections {
                show_section(connection, section, &value, &style, &mut out).await?;
            }
        }
        Shown::Made(columns, lines, make) => {
            let table = Table::new(columns, &style, !options.no_header);
            show_made(make(&value), lines, table, &mut out)?;
        }
        _ => writeln!(out, "{said}")?,
    }
    out.flush()?;
    Ok(is_yes)
}

fn warn(answer: &Value) {
    for warning in answer["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        crate::output::note!("warning: {warning}");
    }
}

/// A list below a record.
async fn show_section(
    connection: &Connection,
    section: &Section,
    record: &Value,
    style: &Style,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let answer = read(&connection.send(&(section.request)(record)).await?)?;
    let rows = answer.get("data").and_then(Value::as_array).context("the server's answer holds no list")?;
    if rows.len() < section.least {
        return Ok(());
    }
    let total = answer.get("total").and_then(Value::as_u64).filter(|total| *total > rows.len() as u64);
    let all = total.map(|total| format!(" (the first {} of {total})", rows.len())).unwrap_or_default();
    writeln!(out, "\n{}{all}:", section.title)?;
    Ok(Table::new(section.columns, style, true).write(rows, out)?)
}

fn show_made(made: Made, lines: &Lines, mut table: Table<'_>, out: &mut dyn Write) -> anyhow::Result<()> {
    if lines.jsonl {
        made.rows.iter().try_for_each(|row| writeln!(out, "{row}"))?;
    } else {
        table.write(&made.rows, out)?;
    }
    if let Some(missing) = made.missing {
        crate::output::note!("{missing}");
    }
    Ok(())
}

fn signed_in(connection: &Connection, answer: &Value) -> anyhow::Result<String> {
    let id = answer.get("id").and_then(Value::as_str).context("the server's answer holds no session")?;
    let path = Credentials::keep(connection.server(), id.to_owned())?;
    let mut said = format!("Signed in; the session is kept in {}.", path.display());
    if answer.get("must_change_password").and_then(Value::as_bool) == Some(true) {
        said.push_str("\nThe password has to be changed first: punctual password");
    }
    Ok(said)
}

fn read(text: &str) -> anyhow::Result<Value> {
    match text.trim() {
        "" => Ok(Value::Null),
        text => serde_json::from_str(text).context("the server's answer is not JSON"),
    }
}
