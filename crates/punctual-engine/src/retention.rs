//! The clean-up of the task history.

use punctual_core::time::plus_millis;
use punctual_core::{Event, JobQuery, Retention, StoreError};

use crate::scheduler::Scheduler;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

impl Scheduler {
    /// Deletes history beyond what jobs keep of themselves ([`punctual_core::JobHistory`]), then beyond the retention; returns
    /// how many rows.
    pub async fn clean_history(&self, retention: &Retention) -> Result<u64, StoreError> {
        let jobs = self.inner.node.store.jobs(&JobQuery::default()).await?.rows;
        let mut rows = 0;
        for job in jobs.iter().filter(|job| job.detail.history.is_limited()) {
            let limits = &job.detail.history;
            let days = limits.days.map(|days| plus_millis(self.now(), -i64::from(days) * DAY_MS));
            rows += self
                .prune_history(&Retention {
                    job: Some(job.detail.key.clone()),
                    max_rows: limits.rows,
                    ended_before: days,
                    chunk: retention.chunk,
                })
                .await?;
        }
        Ok(rows + self.prune_history(retention).await?)
    }

    /// Deletes history beyond the retention, chunk by chunk; returns how many rows.
    pub async fn prune_history(&self, retention: &Retention) -> Result<u64, StoreError> {
        let mut rows = 0;
        loop {
            let deleted = self.inner.node.store.prune(retention).await?;
            rows += deleted;
            if deleted == 0 {
                break;
            }
        }
        if rows > 0 {
            self.inner.node.listeners.emit(&Event::HistoryPruned { rows });
        }
        Ok(rows)
    }
}
