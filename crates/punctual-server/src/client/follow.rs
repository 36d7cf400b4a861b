//! Server-sent events (the HTML standard's `text/event-stream`), and going on where a stream ended.

use std::io::Write;

use jiff::Timestamp;
use punctual_core::Clock;
use punctual_core::time::{plus_millis, whole_millis};
use punctual_engine::SystemClock;
use serde_json::{Value, json};

use super::{Connection, Failure, Follow, Format, Options, Style, style::plain};

/// How long to wait before going on, in milliseconds.
const PAUSE_MS: i64 = 2_000;
/// After so many attempts in a row without an event the server counts as gone.
const ATTEMPTS: u32 = 5;

/// One event.
#[derive(Debug, Default, PartialEq)]
struct Event {
    id: Option<String>,
    kind: String,
    data: String,
}

/// Takes a stream apart.
#[derive(Debug, Default)]
struct Parser {
    rest: Vec<u8>,
    event: Event,
}

impl Parser {
    /// The events that end in these bytes.
    fn take(&mut self, bytes: &[u8]) -> Vec<Event> {
        self.rest.extend_from_slice(bytes);
        let mut events = Vec::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\r', '\n']);
            if line.is_empty() {
                let event = std::mem::take(&mut self.event);
                events.extend(Some(event).filter(|event| !event.data.is_empty()));
                continue;
            }
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match name {
                "id" => self.event.id = Some(value.to_owned()),
                "event" => value.clone_into(&mut self.event.kind),
                "data" if self.event.data.is_empty() => value.clone_into(&mut self.event.data),
                "data" => {
                    self.event.data.push('\n');
                    self.event.data.push_str(value);
                }
                // A comment, or a field of a later version.
                _ => {}
            }
        }
        events
    }
}

/// Prints events until the server is gone or the reader has left.
pub(super) async fn listen(
    connection: &Connection,
    what: &Follow,
    options: &Options,
) -> anyhow::Result<bool> {
    let clock = SystemClock::new();
    let style = Style::of_stdout(options.utc);
    let mut last: Option<String> = None;
    let mut failures = 0;
    loop {
        let ended = read_once(connection, what, options, &style, &mut last, &mut failures).await;
        match ended {
            // Nobody was ever there, or the server does not want to tell us.
            Err(error) if last.is_none() || failures + 1 >= ATTEMPTS || !is_passing(&error) => {
                return Err(error);
            }
            Err(_) => failures += 1,
            // Servers end streams from time to time.
            Ok(()) => {}
        }
        clock.sleep_until(plus_millis(clock.now(), PAUSE_MS)).await;
    }
}

/// Whether it may help to try again.
fn is_passing(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Failure>().is_some_and(Failure::is_passing)
}

async fn read_once(
    connection: &Connection,
    what: &Follow,
    options: &Options,
    style: &Style,
    last: &mut Option<String>,
    failures: &mut u32,
) -> anyhow::Result<()> {
    let mut response = connection.stream(&what.request, last.as_deref()).await?;
    let mut parser = Parser::default();
    while let Some(bytes) = connection.more(&mut response).await? {
        for event in parser.take(&bytes) {
            if event.id.is_some() {
                last.clone_from(&event.id);
            }
            *failures = 0;
            print(&event, what, options, style)?;
        }
    }
    Ok(())
}

fn print(event: &Event, what: &Follow, options: &Options, style: &Style) -> anyhow::Result<()> {
    let data: Value = serde_json::from_str(&event.data).unwrap_or_else(|_| Value::from(event.data.as_str()));
    match event.kind.as_str() {
        "ready" => return Ok(()),
        "reset" => {
            crate::output::note!("punctual: some events were missed");
            return Ok(());
        }
        _ if !(what.wanted)(&data) => return Ok(()),
        _ => {}
    }
    let mut out = crate::output::stdout();
    if options.json {
        writeln!(out, "{}", json!({"id": event.id, "event": event.kind, "data": data}))?;
    } else {
        writeln!(out, "{}", line(whole_millis(SystemClock::new().now()), &event.kind, &data, style))?;
    }
    Ok(out.flush()?)
}

/// An event as people read it: when it came, what it is, and its members.
fn line(now: Timestamp, kind: &str, data: &Value, style: &Style) -> String {
    let mut text = format!("{}  {}", style.instant(now), plain(kind));
    match data.as_object() {
        None => {
            text.push_str("  ");
            text.push_str(&Format::Text.write(data, style));
        }
        Some(members) => {
            for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
                let value = Format::guess(name, value).write(value, style);
                text.push_str(&format!("  {}={}", plain(name), style.paint(&value, value.clone())));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    #[test]
    fn events_are_taken_apart_wherever_the_pieces_end() {
        let text =
            ": hello\r\nid: 1\nevent: run.ended\ndata: {\"a\":\ndata: 1}\n\nretry: 2000\n\ndata:ü\n\nid: 3\n";
        let whole = Parser::default().take(text.as_bytes());
        let mut parser = Parser::default();
        let pieces: Vec<Event> = text.as_bytes().iter().flat_map(|byte| parser.take(&[*byte])).collect();
        assert_eq!(whole, pieces);
        let first =
            Event { id: Some("1".to_owned()), kind: "run.ended".to_owned(), data: "{\"a\":\n1}".to_owned() };
        let second = Event { data: "ü".to_owned(), ..Event::default() };
        assert_eq!(whole, [first, second]);
    }

    #[test]
    fn an_event_is_one_line() {
        let style = Style { color: false, zone: TimeZone::UTC };
        let data = json!({"job": "a.b", "node": null, "duration_ms": 1_500, "note": "x\ny"});
        let shown = line(Timestamp::UNIX_EPOCH, "run.ended", &data, &style);
        assert_eq!(shown, "1970-01-01 00:00:00.000Z  run.ended  duration_ms=1.500s  job=a.b  note=x\\ny");
    }
}
