//! Rows by their instants: those on time by the index of starts, the others by the index that holds them alone.

use deadpool_postgres::Object;
use punctual_core::query::instants::{ON_TIME_MS, Starts};
use punctual_core::{Page, Paging, StoreError, TaskHistory};

use super::Filter;
use crate::rows::{self, integer};

/// The conditions of both parts of the rows that match, those on time and the others. No row is in both.
fn parts(filter: &mut Filter, starts: Starts) -> [String; 2] {
    // The words are those of the one index and of the other.
    let off_time = match filter.of_trigger {
        true => format!("(started_at - scheduled_at < 0 OR started_at - scheduled_at > {ON_TIME_MS})"),
        false => format!("(started_at < scheduled_at OR started_at > scheduled_at + {ON_TIME_MS})"),
    };
    let mut on_time = format!("started_at >= scheduled_at AND started_at <= scheduled_at + {ON_TIME_MS}");
    for (side, limit) in [(">=", starts.from), ("<=", starts.to)] {
        if let Some(limit) = limit {
            let limit = filter.bind(limit);
            on_time.push_str(&format!(" AND started_at {side} {limit}"));
        }
    }
    [on_time, off_time]
}

/// The statement that counts all rows that match.
fn count(filter: &mut Filter, starts: Starts) -> String {
    let parts = parts(filter, starts);
    let [on_time, off_time] =
        parts.map(|part| format!("SELECT count(*) FROM task_history_all{} AND {part}", filter.conditions));
    format!("SELECT ({on_time}) + ({off_time})")
}

/// The statement that reads a page.
fn read(filter: &mut Filter, starts: Starts, paging: Paging, (columns, order): (&str, &str)) -> String {
    filter.go_beyond();
    let [on_time, off_time] = parts(filter, starts);
    let conditions = filter.conditions.clone();
    let (mut most, mut cut) = (String::new(), String::new());
    if let Some(limit) = paging.limit.map(integer) {
        // As many as could be on the page or before it.
        most = format!(" LIMIT {}", filter.bind(limit.saturating_add(integer(paging.offset))));
        cut = format!(" LIMIT {}", filter.bind(limit));
    }
    cut.push_str(&format!(" OFFSET {}", filter.bind(integer(paging.offset))));
    // The others are few and read without an order: in one, their index would look no better than that of all starts.
    format!(
        "WITH off_time AS MATERIALIZED (SELECT id FROM task_history_all{conditions} AND {off_time}), \
         on_time AS (SELECT id FROM task_history_all{conditions} AND {on_time} ORDER BY {order}{most}) \
         SELECT {columns} FROM task_history_all \
         WHERE id = ANY(ARRAY(SELECT id FROM on_time UNION ALL SELECT id FROM off_time)) ORDER BY {order}{cut}"
    )
}

/// The statements of a query that names instants: the one that counts, and the one that reads its page.
#[cfg(test)]
pub(crate) fn statements(query: &punctual_core::HistoryQuery) -> [String; 2] {
    let built = || super::history_filter(query).unwrap();
    let starts = query.starts_on_time().unwrap();
    let order = built().1;
    [count(&mut built().0, starts), read(&mut built().0, starts, query.paging, (super::ROW, order))]
}

/// The page of a query that names instants.
pub(super) async fn page(
    client: &Object,
    mut filter: Filter,
    starts: Starts,
    paging: Paging,
    (columns, order): (&str, &str),
) -> Result<Page<TaskHistory>, StoreError> {
    let mut total = None;
    if !filter.brief {
        let values = filter.values.len();
        let text = count(&mut filter, starts);
        total = Some(super::total(client, &text, &filter.values).await?);
        filter.values.truncate(values);
    }
    let text = read(&mut filter, starts, paging, (columns, order));
    super::page(client, &text, &filter.values, rows::history, total).await
}
