//! Tables and records.

use std::io::{self, Write};

use serde_json::{Map, Value};

use super::{Format, Style};

/// A column of a table, or a line of a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    head: &'static str,
    /// Where the value is, as a JSON pointer (RFC 6901).
    at: &'static str,
    format: Format,
}

/// A column: its head, the JSON pointer (RFC 6901) to its value in a row, and how that is written.
pub(crate) const fn column(head: &'static str, at: &'static str, format: Format) -> Column {
    Column { head, at, format }
}

/// The widths of a table's columns, which the first rows decide when there are more than one page.
#[derive(Debug)]
pub(super) struct Table<'a> {
    columns: &'static [Column],
    style: &'a Style,
    widths: Vec<usize>,
    has_head: bool,
}

impl<'a> Table<'a> {
    pub(super) fn new(columns: &'static [Column], style: &'a Style, header: bool) -> Self {
        let width = |column: &Column| if header { column.head.len() } else { 0 };
        Self { columns, style, widths: columns.iter().map(width).collect(), has_head: header }
    }

    /// Writes some more rows, and the head before the first ones.
    pub(super) fn write(&mut self, rows: &[Value], out: &mut dyn Write) -> io::Result<()> {
        let cells: Vec<Vec<String>> = rows.iter().map(|row| self.cells(row)).collect();
        for row in &cells {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        if std::mem::take(&mut self.has_head) {
            let heads = self.columns.iter().map(|column| column.head.to_owned()).collect::<Vec<_>>();
            self.line(&heads, out, |_, text| self.style.head(text))?;
        }
        for row in &cells {
            self.line(row, out, |number, text| match self.columns[number].format {
                Format::State => self.style.paint(&row[number], text),
                _ => text,
            })?;
        }
        Ok(())
    }

    fn cells(&self, row: &Value) -> Vec<String> {
        let cell =
            |column: &Column| column.format.write(row.pointer(column.at).unwrap_or(&Value::Null), self.style);
        self.columns.iter().map(cell).collect()
    }

    fn line(
        &self,
        cells: &[String],
        out: &mut dyn Write,
        paint: impl Fn(usize, String) -> String,
    ) -> io::Result<()> {
        for (number, cell) in cells.iter().enumerate() {
            let is_last = number + 1 == cells.len();
            // Spaces after the last cell would only be copied along.
            let width = if is_last { 0 } else { self.widths[number] };
            let text = paint(number, format!("{cell:width$}"));
            write!(out, "{text}{}", if is_last { "\n" } else { "  " })?;
        }
        Ok(())
    }
}

/// One object, a member a line: those of the columns first.
pub(super) fn record(
    value: &Value,
    columns: &[Column],
    style: &Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let Some(members) = value.as_object() else {
        return writeln!(out, "{}", Format::Text.write(value, style));
    };
    let mut members = members.clone();
    for column in columns {
        let name = column.at.trim_start_matches('/');
        if let Some(value) = members.remove(name) {
            let text = column.format.write(&value, style);
            writeln!(out, "{}: {}", label(name, column.format), style.paint(&text, text.clone()))?;
        }
    }
    write_members(&members, 0, style, out)
}

/// An object with the beginning of each of its lists, and what is said of the rest.
pub(super) fn brief(mut value: Value) -> (Value, Vec<String>) {
    const LONGEST: usize = 20;
    let mut left_out = Vec::new();
    for (name, list) in value.as_object_mut().into_iter().flatten() {
        if let Some(list) = list.as_array_mut().filter(|list| list.len() > LONGEST) {
            left_out.push(format!("{} more {name} (--json shows all)", list.len() - LONGEST));
            list.truncate(LONGEST);
        }
    }
    (value, left_out)
}

/// The name of a member, without its unit where the value is written with its own.
fn label(name: &str, format: Format) -> &str {
    match format {
        Format::Millis => name.strip_suffix("_ms").unwrap_or(name),
        _ => name,
    }
}

fn write_members(
    members: &Map<String, Value>,
    depth: usize,
    style: &Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    let indent = "  ".repeat(depth);
    for (name, value) in members {
        let name = super::style::plain(name);
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                writeln!(out, "{indent}{name}:")?;
                write_members(inner, depth + 1, style, out)?;
            }
            Value::Array(values)
                if name == "logs" && values.iter().all(|entry| entry.get("msg").is_some()) =>
            {
                writeln!(out, "{indent}{name}:")?;
                values.iter().try_for_each(|entry| write_log(entry, &indent, style, out))?;
            }
            Value::Array(values) if values.iter().any(Value::is_object) => {
                writeln!(out, "{indent}{name}:")?;
                write_items(values, depth + 1, style, out)?;
            }
            // Output of a command, a stack trace.
            Value::String(text) if text.trim_end().contains('\n') => {
                writeln!(out, "{indent}{name}:")?;
                for line in text.lines() {
                    writeln!(out, "{indent}  {}", super::style::plain(line))?;
                }
            }
            value => {
                let text = match value {
                    Value::String(text) => Value::from(text.trim_end()),
                    other => other.clone(),
                };
                let format = Format::guess(&name, &text);
                writeln!(out, "{indent}{}: {}", label(&name, format), format.write(&text, style))?;
            }
        }
    }
    Ok(())
}

/// A message as people read logs: its time, level and text, and below that the error that came with it.
fn write_log(entry: &Value, indent: &str, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let part = |name: &str, format: Format| format.write(entry.get(name).unwrap_or(&Value::Null), style);
    let (at, level) = (part("timestamp", Format::Instant), part("level", Format::Text));
    let level = style.paint(&level, format!("{level:5}"));
    writeln!(out, "{indent}  {at}  {level}  {}", part("msg", Format::Text))?;
    let causes = entry.get("exception").and_then(Value::as_array).into_iter().flatten();
    for cause in causes {
        writeln!(out, "{indent}    {}", Format::Text.write(cause, style))?;
    }
    Ok(())
}

fn write_items(values: &[Value], depth: usize, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let indent = "  ".repeat(depth);
    for value in values {
        match value {
            Value::Object(inner) => {
                writeln!(out, "{indent}-")?;
                write_members(inner, depth + 1, style, out)?;
            }
            other => writeln!(out, "{indent}- {}", Format::Text.write(other, style))?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use serde_json::json;

    use super::*;

    const COLUMNS: &[Column] = &[
        column("NAME", "/name", Format::Text),
        column("STATE", "/inner/state", Format::State),
        column("TOOK", "/took_ms", Format::Millis),
    ];

    fn style(color: bool) -> Style {
        Style { color, zone: TimeZone::UTC }
    }

    fn shown(table: &mut Table<'_>, rows: &[Value]) -> String {
        let mut out = Vec::new();
        table.write(rows, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_table_is_aligned_and_says_its_heads_once() {
        let rows = [
            json!({"name": "long name", "inner": {"state": "failed"}, "took_ms": 5}),
            json!({"name": "ü", "inner": {"state": "ok"}}),
        ];
        let style = style(false);
        let mut table = Table::new(COLUMNS, &style, true);
        let text = "NAME       STATE   TOOK\nlong name  failed  5ms\nü          ok      -\n";
        assert_eq!(shown(&mut table, &rows), text);
        assert_eq!(shown(&mut table, &rows[1..]), "ü          ok      -\n");
        let mut bare = Table::new(COLUMNS, &style, false);
        assert_eq!(shown(&mut bare, &rows[1..]), "ü  ok  -\n");
    }

    #[test]
    fn colours_do_not_shift_columns() {
        let style = style(true);
        let mut table = Table::new(COLUMNS, &style, false);
        let rows = [
            json!({"name": "a", "inner": {"state": "failed"}}),
            json!({"name": "b", "inner": {"state": "ok"}}),
        ];
        let text = "a  \u{1b}[31mfailed\u{1b}[0m  -\nb  \u{1b}[32mok    \u{1b}[0m  -\n";
        assert_eq!(shown(&mut table, &rows), text);
    }

    #[test]
    fn messages_are_lines_of_a_log() {
        let at = "2026-11-21T05:00:00.000Z";
        let value = json!({"logs": [
            {"level": "warn", "timestamp": at, "fqns": "a::b", "msg": "slow\nagain"},
            {"level": "error", "timestamp": at, "fqns": "a::b", "msg": "gone", "exception": ["no disk", "full"]},
        ]});
        let mut out = Vec::new();
        record(&value, &[], &style(false), &mut out).unwrap();
        let text = "logs:\n  2026-11-21 05:00:00.000Z  warn   slow\\nagain\n  2026-11-21 05:00:00.000Z  error  gone\n\
                    \x20   no disk\n    full\n";
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }

    #[test]
    fn of_a_long_list_the_beginning_is_shown() {
        let list = |length: i32| (0..length).collect::<Vec<_>>();
        let (value, left_out) = brief(json!({"name": "n", "triggers": list(700), "other": list(20)}));
        assert_eq!(value, json!({"name": "n", "triggers": list(20), "other": list(20)}));
        assert_eq!(left_out, ["680 more triggers (--json shows all)"]);
    }

    #[test]
    fn a_record_begins_with_its_columns() {
        let value = json!({
            "a": {"b": "x\ny\n", "c": {}}, "at": "2026-11-21T05:00:00.000Z", "list": [{"k": 1}, 2], "name": "n",
            "took_ms": 1_500, "out": "one\n", "wait_ms": 20, "none_ms": null,
        });
        let mut out = Vec::new();
        record(&value, COLUMNS, &style(false), &mut out).unwrap();
        let text = "name: n\ntook: 1.500s\na:\n  b:\n    x\n    y\n  c: {}\nat: 2026-11-21 05:00:00.000Z\n\
                    list:\n  -\n    k: 1\n  - 2\nnone_ms: -\nout: one\nwait: 20ms\n";
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }
}
