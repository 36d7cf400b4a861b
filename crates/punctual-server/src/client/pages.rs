//! Lists, page by page.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};

use anyhow::Context;
use serde_json::Value;
use serde_json::value::RawValue;

use super::call::{By, Pages};
use super::table::Table;
use super::{Column, Connection, Options, Request, Style};

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

    /// Where the next page begins.
    fn next(&self) -> Option<String> {
        match serde_json::from_str(self.around.get("next")?.get()).ok()? {
            Value::String(next) => Some(next),
            Value::Number(next) => Some(next.to_string()),
            _ => None,
        }
    }
}

/// Asks for as many rows as are wanted and writes them as they come.
pub(super) async fn show(
    connection: &Connection,
    request: &Request,
    columns: &'static [Column],
    pages: &Pages,
    options: &Options,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let extent = &pages.extent;
    let wanted = if extent.all { usize::MAX } else { extent.limit.unwrap_or(FEW) as usize };
    let style = Style::of_stdout(options.utc);
    let mut table = Table::new(columns, &style, !options.no_header);
    let mut whole: Option<Page> = None;
    let (mut seen, mut cursor) = (0, None);
    let is_cut = loop {
        let asked = u32::try_from(wanted - seen).unwrap_or(PAGE).min(PAGE);
        let part = match pages.by {
            By::Whole => request.clone(),
            By::Offset => {
                request.clone().query("limit", Some(asked)).query("offset", (seen > 0).then_some(seen))
            }
            By::Cursor => request.clone().query("limit", Some(asked)).query("cursor", cursor),
            By::Before => request.clone().query("limit", Some(asked)).query("before", cursor),
        };
        let page = Page::read(connection.send(&part).await?)?;
        seen += page.rows.len();
        cursor = page.next();
        let goes_on = match pages.by {
            By::Whole => false,
            By::Offset => page.rows.len() >= asked as usize && page.total().is_none_or(|total| total > seen),
            By::Cursor | By::Before => cursor.is_some(),
        };
        if options.json {
            whole = Some(joined(whole, page));
        } else {
            write_rows(&page.rows, extent.jsonl, &mut table, out)?;
        }
        if !goes_on || seen >= wanted {
            break goes_on;
        }
    };
    if let Some(page) = whole {
        writeln!(out, "{}", page.text.trim_end())?;
    } else if is_cut && !extent.jsonl && std::io::stderr().is_terminal() {
        crate::output::note!("There are more than these {seen}: --limit N shows more, --all all of them.");
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
            serde_json::from_str::<Value>(row.get())?.to_string()
        } else {
            row.get().to_owned()
        };
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// The first page with the rows of the following ones, and the last one's word on what follows.
fn joined(whole: Option<Page>, page: Page) -> Page {
    let Some(mut whole) = whole else { return page };
    whole.rows.extend(page.rows);
    let rows: Vec<&str> = whole.rows.iter().map(|row| row.get()).collect();
    let data = [format!("\"data\":[{}]", rows.join(","))];
    let around = ["total", "next"].into_iter().filter_map(|name| Some((name, page.around.get(name)?)));
    let members = data.into_iter().chain(around.map(|(name, value)| format!("\"{name}\":{}", value.get())));
    whole.text = format!("{{{}}}", members.collect::<Vec<_>>().join(","));
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_become_one_whose_rows_are_those_of_the_server() {
        let page = |text: &str| Page::read(text.to_owned()).unwrap();
        let first = page(r#"{"total":3,"limit":2,"offset":0,"data":[{"b":1,"a":1.50},{"c":"é"}]}"#);
        assert_eq!((first.rows.len(), first.total(), first.next()), (2, Some(3), None));
        let both = joined(Some(joined(None, first)), page(r#"{"total":3,"limit":2,"offset":2,"data":[3]}"#));
        assert_eq!(both.text, r#"{"data":[{"b":1,"a":1.50},{"c":"é"},3],"total":3}"#);
        let first = page(r#"{"data":[1],"next":"61"}"#);
        assert_eq!(first.next().as_deref(), Some("61"));
        assert_eq!(
            joined(Some(first), page(r#"{"data":[2],"next":null}"#)).text,
            r#"{"data":[1,2],"next":null}"#
        );
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in ["", "7", r#"{"rows":[]}"#, r#"{"data":{}}"#] {
            assert!(Page::read(text.to_owned()).is_err(), "{text}");
        }
        assert_eq!(Page::read("[1, 2]".to_owned()).unwrap().rows.len(), 2);
    }
}
