//! Lists, page by page.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};

use anyhow::Context;
use serde_json::value::RawValue;

use super::table::Table;
use super::{Column, Connection, Extent, Options, Request, Style};

/// How many rows are shown unless more are asked for, so that nobody gets a whole history by accident.
const FEW: u32 = 50;
/// The most rows of one answer.
const PAGE: u32 = 500;

/// A list as the server sent it: the rows, and what surrounds them.
struct Page {
    text: String,
    rows: Vec<Box<RawValue>>,
    around: BTreeMap<String, Box<RawValue>>,
}

impl Page {
    fn read(text: String) -> anyhow::Result<Self> {
        let unreadable = "the server's answer is not the list that it should be";
        if text.trim_start().starts_with('[') {
            let rows = serde_json::from_str(&text).context(unreadable)?;
            return Ok(Self { text, rows, around: BTreeMap::new() });
        }
        let mut around: BTreeMap<String, Box<RawValue>> = serde_json::from_str(&text).context(unreadable)?;
        let rows = around.remove("data").context(unreadable)?;
        let rows = serde_json::from_str(rows.get()).context(unreadable)?;
        Ok(Self { text, rows, around })
    }

    fn total(&self) -> Option<usize> {
        self.around.get("total").and_then(|total| total.get().parse().ok())
    }
}

/// Asks for as many rows as are wanted and writes them as they come.
pub(super) async fn show(
    connection: &Connection,
    request: &Request,
    columns: &'static [Column],
    extent: &Extent,
    options: &Options,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let wanted = if extent.all { usize::MAX } else { extent.limit.unwrap_or(FEW) as usize };
    let style = Style::of_stdout(options.utc);
    let mut table = Table::new(columns, &style, !options.no_header);
    let mut whole: Option<Page> = None;
    let mut seen = 0;
    loop {
        let asked = u32::try_from(wanted - seen).unwrap_or(PAGE).min(PAGE);
        let part = request.clone().query("limit", Some(asked)).query("offset", (seen > 0).then_some(seen));
        let page = Page::read(connection.send(&part).await?)?;
        let (got, total) = (page.rows.len(), page.total());
        seen += got;
        if options.json {
            whole = Some(joined(whole, page));
        } else {
            write_rows(&page.rows, extent.jsonl, &mut table, out)?;
        }
        let is_end = got < asked as usize || total.is_some_and(|total| seen >= total);
        if is_end || seen >= wanted {
            let more = total.filter(|total| !is_end && *total > seen);
            note_more(seen, more, extent.jsonl || options.json);
            break;
        }
    }
    if let Some(page) = whole {
        writeln!(out, "{}", page.text.trim_end())?;
    }
    Ok(())
}

fn write_rows(
    rows: &[Box<RawValue>],
    jsonl: bool,
    table: &mut Table<'_>,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    if !jsonl {
        let rows: Result<Vec<_>, _> = rows.iter().map(|row| serde_json::from_str(row.get())).collect();
        return Ok(table.write(&rows?, out)?);
    }
    for row in rows {
        // A line is a row, also where the server breaks lines.
        let line = if row.get().contains('\n') {
            serde_json::from_str::<serde_json::Value>(row.get())?.to_string()
        } else {
            row.get().to_owned()
        };
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// The first page with the rows of the following ones.
fn joined(whole: Option<Page>, page: Page) -> Page {
    let Some(mut whole) = whole else { return page };
    whole.rows.extend(page.rows);
    let member = |name: &str, text: &str| format!("\"{name}\":{text}");
    let rows: Vec<&str> = whole.rows.iter().map(|row| row.get()).collect();
    let total = whole.around.get("total").map(|total| member("total", total.get()));
    let data = member("data", &format!("[{}]", rows.join(",")));
    whole.text = format!("{{{}}}", total.into_iter().chain([data]).collect::<Vec<_>>().join(","));
    whole
}

/// Says to people that there are more rows than these.
fn note_more(seen: usize, total: Option<usize>, is_for_programs: bool) {
    if let Some(total) = total
        && !is_for_programs
        && std::io::stderr().is_terminal()
    {
        eprintln!("{seen} of {total}: --limit N shows more, --all all of them");
    }
}
