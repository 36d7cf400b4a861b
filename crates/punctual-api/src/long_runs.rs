//! Task runs of any number, page by page: first their numbers in the order that is asked for, then the runs themselves. So no
//! run comes twice or is left out because one changes its place meanwhile, whatever the order.

use std::collections::HashMap;
use std::sync::Arc;

use axum::response::Response;
use punctual_core::{JobStore, Paging, StoreError, TaskRun, TaskRunId, TaskRunQuery};

use crate::error::ApiError;
use crate::long_list::{self, PAGE, Rows};
use crate::types::page;
use crate::types::task_run::TaskRun as Shown;

/// The runs of a query, as [`page::respond`] would write them.
pub(crate) async fn respond(
    store: &Arc<dyn JobStore>,
    query: TaskRunQuery,
    limit: Option<u32>,
    offset: Option<u32>,
) -> Result<Response, ApiError> {
    let left = query.paging.limit.unwrap_or(u64::MAX);
    let paging = Paging { limit: Some(left.min(PAGE)), ..query.paging };
    let first = store.runs(&TaskRunQuery { paging, ..query.clone() }).await?;
    let seen = query.paging.offset.saturating_add(first.rows.len() as u64);
    if left <= PAGE || seen >= first.total {
        return Ok(page::respond::<_, Shown>(first, limit, offset).await);
    }
    let ids = store.run_ids(&query).await?;
    let body = page::begin(first.total, limit, offset);
    Ok(long_list::respond(Rest { store: Arc::clone(store), query, ids, read: 0 }, body, true))
}

/// What is still to be read.
struct Rest {
    store: Arc<dyn JobStore>,
    query: TaskRunQuery,
    ids: Vec<TaskRunId>,
    /// So many of them were read.
    read: usize,
}

impl Rows for Rest {
    type Row = TaskRun;
    type Shown = Shown;

    async fn next_page(&mut self) -> Result<Option<Vec<TaskRun>>, StoreError> {
        while self.read < self.ids.len() {
            let left = &self.ids[self.read..];
            let ids = &left[..left.len().min(PAGE as usize)];
            self.read += ids.len();
            // What no longer matches is left out, as what is gone.
            let query = TaskRunQuery { ids: Some(ids.to_vec()), paging: Paging::ALL, ..self.query.clone() };
            let found = self.store.runs(&query).await?.rows;
            let mut found: HashMap<TaskRunId, TaskRun> = found.into_iter().map(|run| (run.id, run)).collect();
            let rows: Vec<TaskRun> = ids.iter().filter_map(|id| found.remove(id)).collect();
            if !rows.is_empty() {
                return Ok(Some(rows));
            }
        }
        Ok(None)
    }
}
