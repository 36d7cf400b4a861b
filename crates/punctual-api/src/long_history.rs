//! A history of any length, page by page.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use axum::response::Response;
use punctual_core::ranking::Place;
use punctual_core::{
    FireId, HistoryQuery, HistorySort, JobStore, Paging, StoreError, TaskHistory, TaskStatus,
};

use crate::error::ApiError;
use crate::long_list::{self, LONGEST, PAGE, Rows};
use crate::types::page::{self, write_rows};
use crate::types::task::Task;

/// The rows of a query, as [`page::respond`] would write them.
pub(crate) async fn respond(
    store: &Arc<dyn JobStore>,
    query: HistoryQuery,
    limit: Option<u32>,
    offset: Option<u32>,
) -> Result<Response, ApiError> {
    let left = query.paging.limit.unwrap_or(u64::MAX);
    let paging = Paging { limit: Some(left.min(PAGE)), ..query.paging };
    let first = store.history(&HistoryQuery { paging, ..query.clone() }).await?;
    let seen = query.paging.offset.saturating_add(first.rows.len() as u64);
    if left <= PAGE || seen >= first.total {
        return Ok(page::respond::<_, Task>(first, limit, offset).await);
    }
    let mut body = page::begin(first.total, limit, offset);
    let (rest, is_first) = match query.sort {
        // One place in the order does not tell where these go on.
        HistorySort::Task | HistorySort::Status => {
            (Rest { pieces: pieces(store, &query).await?, ..Rest::new(store, &query, first.total) }, true)
        }
        _ => {
            let mut rest = Rest::new(store, &query, first.total);
            rest.pieces.push_back(HistoryQuery { paging: Paging::ALL, ..query });
            rest.skip = 0;
            let rows = rest.take(first.rows);
            write_rows::<_, Task>(&mut body, rows, true).await;
            (rest, false)
        }
    };
    Ok(long_list::respond(rest, body, is_first))
}

/// Queries in the order of starts that together have the rows of one in the order of tasks or statuses.
async fn pieces(
    store: &Arc<dyn JobStore>,
    query: &HistoryQuery,
) -> Result<VecDeque<HistoryQuery>, StoreError> {
    let by_start = HistoryQuery { sort: HistorySort::StartedAt, paging: Paging::ALL, ..query.clone() };
    let mut all: Vec<HistoryQuery> = match (query.sort, &query.task, query.status) {
        (HistorySort::Task, None, _) => {
            let mut tasks = store.unique_tasks().await?;
            tasks.sort();
            tasks.into_iter().map(|task| HistoryQuery { task: Some(task), ..by_start.clone() }).collect()
        }
        (HistorySort::Status, _, None) => {
            let mut statuses = TaskStatus::ALL;
            statuses.sort_by_key(|status| status.as_str());
            statuses.map(|status| HistoryQuery { status: Some(status), ..by_start.clone() }).to_vec()
        }
        _ => vec![by_start],
    };
    if query.descending {
        all.reverse();
    }
    Ok(all.into())
}

/// What is still to be read.
struct Rest {
    store: Arc<dyn JobStore>,
    pieces: VecDeque<HistoryQuery>,
    /// The last row that was read of the first piece.
    after: Option<Place>,
    skip: u64,
    left: u64,
    page: u64,
    /// Rows that were open when they were read. When one ends meanwhile, it may come again further down.
    open: HashSet<FireId>,
}

impl Rest {
    fn new(store: &Arc<dyn JobStore>, query: &HistoryQuery, total: u64) -> Self {
        Self {
            store: Arc::clone(store),
            pieces: VecDeque::new(),
            after: None,
            skip: query.paging.offset,
            left: query.paging.limit.unwrap_or(u64::MAX),
            // In longer histories it costs more to find a page.
            page: (total / 100).clamp(PAGE, LONGEST),
            open: HashSet::new(),
        }
    }

    /// Notes that a page was read; returns what is new of it.
    fn take(&mut self, mut rows: Vec<TaskHistory>) -> Vec<TaskHistory> {
        self.left = self.left.saturating_sub(rows.len() as u64);
        if let (Some(last), Some(piece)) = (rows.last(), self.pieces.front()) {
            self.after = Some(piece.sort.place(last));
        }
        rows.retain(|row| match row.status {
            TaskStatus::Started => self.open.insert(row.id),
            _ => !self.open.contains(&row.id),
        });
        rows
    }
}

impl Rows for Rest {
    type Row = TaskHistory;
    type Shown = Task;

    async fn next_page(&mut self) -> Result<Option<Vec<TaskHistory>>, StoreError> {
        while let Some(piece) = self.pieces.front().filter(|_| self.left > 0) {
            let limit = self.left.min(self.page);
            let paging = Paging { limit: Some(limit), offset: self.skip };
            let page =
                self.store.history(&HistoryQuery { after: self.after, paging, ..piece.clone() }).await?;
            let count = page.rows.len() as u64;
            self.skip = if count == 0 { self.skip.saturating_sub(page.total) } else { 0 };
            let rows = self.take(page.rows);
            if count < limit {
                self.pieces.pop_front();
                self.after = None;
            }
            if !rows.is_empty() {
                return Ok(Some(rows));
            }
        }
        Ok(None)
    }
}
