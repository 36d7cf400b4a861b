//! What happens between the command line and the exit code.

use std::io::Write;

use anyhow::Context;
use jiff::Timestamp;
use punctual_core::Clock;
use punctual_engine::SystemClock;
use serde_json::Value;

use super::call::Shown;
use super::{Call, Connection, Options, Step, Style, follow, outcome, pages, table};

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
    let step = command.step(SystemClock::new().now(), &Style::of_stdout(options.utc))?;
    let connection = Connection::open(options)?;
    match step {
        Step::Ask(call) => ask(&connection, &call, options).await,
        Step::After(request, next) => {
            let first = read(&connection.send(&request).await?)?;
            ask(&connection, &next(&first)?, options).await
        }
        Step::Follow(what) => follow::listen(&connection, &what, options).await,
    }
}

async fn ask(connection: &Connection, call: &Call, options: &Options) -> anyhow::Result<bool> {
    let mut out = std::io::stdout().lock();
    if let Shown::Rows(columns, pages) = &call.shown {
        pages::show(connection, &call.request, columns, pages, options, &mut out).await?;
        return Ok(true);
    }
    let text = connection.send(&call.request).await?;
    let value = read(&text)?;
    let style = Style::of_stdout(options.utc);
    let said = match &call.shown {
        Shown::Words(words) => Some(words(&value, &style)),
        _ => None,
    };
    if options.json {
        if !value.is_null() {
            writeln!(out, "{}", text.trim_end())?;
        }
    } else {
        match (&call.shown, &said) {
            (_, Some((said, _))) => writeln!(out, "{said}")?,
            (Shown::Record(columns), _) => table::record(&value, columns, &style, &mut out)?,
            (Shown::Rows(..) | Shown::Words(_), _) => {}
        }
    }
    Ok(said.is_none_or(|(_, is_yes)| is_yes))
}

fn read(text: &str) -> anyhow::Result<Value> {
    match text.trim() {
        "" => Ok(Value::Null),
        text => serde_json::from_str(text).context("the server's answer is not JSON"),
    }
}
