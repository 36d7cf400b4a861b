//! Rows by their instants: those on time by the index of starts, the others by the index that holds them alone.

use punctual_core::query::instants::{ON_TIME_MS, Starts};
use punctual_core::{HistoryQuery, Page, StoreError, TaskHistory};
use rusqlite::Connection;
use rusqlite::types::Value;

use super::Filter;
use crate::rows::{self, integer};

/// A part of the rows that match: those on time, or the others.
struct Part {
    filter: Filter,
    index: &'static str,
}

impl Part {
    /// Both parts of the rows that match; no row is in both.
    fn both(filter: Filter, starts: Starts, of_trigger: bool) -> [Self; 2] {
        let [on_time_index, off_time_index] = match of_trigger {
            true => ["task_history_trigger", "task_history_off_time_of_trigger"],
            false => ["task_history_started_at", "task_history_off_time"],
        };
        let mut on_time = Self { filter: filter.clone(), index: on_time_index };
        on_time.filter.add("started_at >= ?", starts.from);
        on_time.filter.add("started_at <= ?", starts.to);
        let between = format!("started_at >= scheduled_at AND started_at <= scheduled_at + {ON_TIME_MS}");
        on_time.filter.conditions.push(between.into());
        let mut off_time = Self { filter, index: off_time_index };
        let outside = format!("(started_at < scheduled_at OR started_at > scheduled_at + {ON_TIME_MS})");
        off_time.filter.conditions.push(outside.into());
        [on_time, off_time]
    }

    /// `SELECT what` of its rows. The index is named: without statistics, the one that holds few rows looks like any other.
    fn select(&self, what: &str) -> String {
        format!("SELECT {what} FROM task_history INDEXED BY {}{}", self.index, self.filter.sql())
    }
}

fn values<'a>(parts: impl IntoIterator<Item = &'a Part>) -> Vec<Value> {
    parts.into_iter().flat_map(|part| part.filter.values.iter().cloned()).collect()
}

/// The page of a query that names instants.
pub(super) fn page(
    connection: &Connection,
    filter: Filter,
    starts: Starts,
    query: &HistoryQuery,
    (columns, order): (&str, &str),
) -> Result<Page<TaskHistory>, StoreError> {
    let mut parts = Part::both(filter, starts, query.trigger.is_some());
    let total = match query.brief {
        true => None,
        false => {
            let [on_time, off_time] = parts.each_ref().map(|part| part.select("count(*)"));
            let text = format!("SELECT ({on_time}) + ({off_time})");
            Some(super::total(connection, &text, &values(&parts))?)
        }
    };
    let limit = query.paging.limit.map_or(-1, integer);
    let offset = integer(query.paging.offset);
    // Of each part as many as could be on the page or before it.
    let most = if limit < 0 { limit } else { limit.saturating_add(offset) };
    let ids = parts.each_mut().map(|part| {
        part.filter.go_beyond();
        part.filter.values.push(most.into());
        format!("SELECT id FROM ({} ORDER BY {order} LIMIT ?)", part.select("id"))
    });
    let text = format!(
        "SELECT {columns} FROM task_history WHERE id IN ({}) ORDER BY {order} LIMIT ? OFFSET ?",
        ids.join(" UNION ALL ")
    );
    let mut values = values(&parts);
    values.extend([limit.into(), offset.into()]);
    super::page(connection, &text, &values, rows::history, total)
}

#[cfg(test)]
mod tests {
    use punctual_core::time::from_millis;
    use punctual_core::{HistoryQuery, TriggerKey};
    use rusqlite::params_from_iter;

    use super::*;
    use crate::open;

    /// How the rows of both parts are found.
    fn plans(connection: &Connection, query: &HistoryQuery) -> [String; 2] {
        let (filter, order) = super::super::history_filter(query).unwrap();
        let parts = Part::both(filter, query.starts_on_time().unwrap(), query.trigger.is_some());
        parts.map(|part| {
            let text = format!("EXPLAIN QUERY PLAN {} ORDER BY {order} LIMIT 50", part.select("id"));
            let mut statement = connection.prepare(&text).unwrap();
            let rows =
                statement.query_map(params_from_iter(&part.filter.values), |row| row.get::<_, String>(3));
            rows.unwrap().map(Result::unwrap).collect::<Vec<_>>().join("; ")
        })
    }

    #[test]
    fn instants_are_found_by_indexes() {
        let mut connection = Connection::open_in_memory().unwrap();
        open::migrate(&mut connection).unwrap();
        let at = |millis| Some(from_millis(millis));
        let window = HistoryQuery { scheduled_from: at(5), scheduled_to: at(9), ..HistoryQuery::default() };
        // The order is that of the index, so that reading ends with the page.
        let [on_time, off_time] = plans(&connection, &window);
        assert_eq!(
            on_time,
            "SEARCH task_history USING INDEX task_history_started_at (started_at>? AND started_at<?)"
        );
        let by = "SEARCH task_history USING INDEX task_history_off_time (scheduled_at>? AND scheduled_at<?)";
        assert!(off_time.starts_with(by), "{off_time}");
        let trigger = Some(TriggerKey::new("t"));
        for query in [HistoryQuery { scheduled_to: at(5), ..window.clone() }, window] {
            let [on_time, off_time] = plans(&connection, &HistoryQuery { trigger: trigger.clone(), ..query });
            let by = "SEARCH task_history USING COVERING INDEX task_history_trigger \
                      (trigger_group=? AND trigger_name=? AND started_at>? AND started_at<?)";
            assert!(on_time.starts_with(by), "{on_time}");
            let by = "SEARCH task_history USING INDEX task_history_off_time_of_trigger \
                      (trigger_group=? AND trigger_name=? AND scheduled_at>? AND scheduled_at<?)";
            assert!(off_time.starts_with(by), "{off_time}");
        }
    }
}
