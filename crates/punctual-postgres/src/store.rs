//! The traits of a store, call by call.

use async_trait::async_trait;
use jiff::Timestamp;
use punctual_core::definition::{self, Expired, Expiry, Repair};
use punctual_core::time::to_millis;
use punctual_core::{
    Applied, CarriedOut, CarryOut, Change, Claim, Claimed, ClusterStore, ClusterView, Completed, Completion,
    Declaration, Declared, DefinitionStore, DueKind, Fire, FireId, FiringStore, Heartbeat, HeldLock,
    HistoryQuery, HistoryStore, Insight, InsightsQuery, JobKey, JobKind, JobQuery, LockAnswer, LockRequest,
    NewTaskRun, Node, Page, PoolStatus, Progress, Recovery, Retention, SkippedQuery, SkippedRange,
    StateCounts, StoreError, StoredCalendar, StoredJob, StoredTrigger, TaskEnd, TaskHistory, TaskRecord,
    TaskRun, TaskRunEntity, TaskRunId, TaskRunQuery, TaskRunStatus, Term, TriggerKey, TriggerQuery, lock,
};

use crate::PostgresStore;
use crate::edit::Edit;
use crate::error::Sql;
use crate::{asked, batch, claim, finish, lists, locks, nodes, ranked, records, rows, sql};

#[async_trait]
impl DefinitionStore for PostgresStore {
    async fn apply(&self, now: Timestamp, changes: &[Change]) -> Result<Vec<Applied>, StoreError> {
        let changes = changes.to_vec();
        self.edit(move |edit| apply_all(edit, now, &changes)).await
    }

    async fn job(&self, key: &JobKey) -> Result<Option<StoredJob>, StoreError> {
        self.one(sql::JOB_BY_KEY, &[&key.group(), &key.name()], rows::job).await?.transpose()
    }

    async fn jobs(&self, query: &JobQuery) -> Result<Page<StoredJob>, StoreError> {
        let client = self.reader().await?;
        let result = lists::jobs(&client, query).await;
        client.after(result)
    }

    async fn trigger(&self, key: &TriggerKey) -> Result<Option<StoredTrigger>, StoreError> {
        self.one(sql::TRIGGERS_BY_KEY, &[&key.group(), &key.name()], rows::listed).await
    }

    async fn triggers(&self, query: &TriggerQuery) -> Result<Page<StoredTrigger>, StoreError> {
        let client = self.reader().await?;
        let result = lists::triggers(&client, query).await;
        client.after(result)
    }

    async fn open_in_lanes(&self, lanes: &[i64]) -> Result<Vec<(i64, u64)>, StoreError> {
        self.all(sql::LANES_OPEN, &[&lanes], |row| (row.get(0), rows::count(row.get(1)))).await
    }

    async fn job_kinds(&self) -> Result<Vec<JobKind>, StoreError> {
        self.all(sql::JOB_KINDS, &[], |row| JobKind::new(row.get::<_, &str>(0))).await
    }

    async fn calendars(&self) -> Result<Vec<StoredCalendar>, StoreError> {
        self.all(sql::CALENDARS, &[], rows::calendar).await?.into_iter().collect()
    }

    async fn calendar(&self, name: &str) -> Result<Option<StoredCalendar>, StoreError> {
        self.one(sql::CALENDAR_BY_NAME, &[&name], rows::calendar).await?.transpose()
    }

    async fn paused_groups(&self) -> Result<Vec<String>, StoreError> {
        self.all(sql::GROUPS_PAUSED, &[], |row| row.get(0)).await
    }

    async fn state_counts(&self, now: Timestamp) -> Result<StateCounts, StoreError> {
        let client = self.reader().await?;
        let result = lists::state_counts(&client, now).await;
        client.after(result)
    }

    async fn carry_out(&self, now: Timestamp, which: &CarryOut) -> Result<CarriedOut, StoreError> {
        asked::carry_out(self, now, which).await
    }
}

pub(crate) fn apply_all(
    edit: &mut Edit,
    now: Timestamp,
    changes: &[Change],
) -> Result<Vec<Applied>, StoreError> {
    let keys: Vec<&TriggerKey> = changes.iter().flat_map(named_triggers).collect();
    if keys.len() > 1 {
        edit.prefetch(&keys)?;
    }
    changes.iter().map(|change| definition::apply(edit, now, change)).collect()
}

/// The triggers that a change names by key.
fn named_triggers(change: &Change) -> Vec<&TriggerKey> {
    match change {
        Change::Schedule { triggers, .. }
        | Change::Declare(Declaration { what: Declared::Job { triggers, .. }, .. }) => {
            triggers.iter().map(|trigger| &trigger.key).collect()
        }
        Change::Import { triggers, .. } => triggers.iter().map(|arrival| &arrival.trigger.key).collect(),
        Change::PutTrigger(trigger) | Change::AddTrigger(trigger) => vec![&trigger.key],
        _ => Vec::new(),
    }
}

#[async_trait]
impl FiringStore for PostgresStore {
    async fn claim_due(&self, claim: &Claim<'_>) -> Result<Claimed, StoreError> {
        let client = self.client().await?;
        let result = claim::claim(&client, &self.shared, claim).await;
        if result.is_err() {
            self.shared.forget_task_names();
        }
        let outcome = client.after_transaction(result).await?;
        self.shared.note_ended_jobs(outcome.ended_jobs);
        self.collect_ended_jobs().await;
        Ok(outcome.claimed)
    }

    async fn complete(&self, now: Timestamp, done: &[Completion]) -> Result<Vec<Completed>, StoreError> {
        if let Some(owners) = finish::plain_owners(&self.shared, done) {
            let client = self.client().await?;
            let result = finish::complete_plain(&client, &self.shared, done, &owners).await;
            return client.after_transaction(result).await;
        }
        let done = done.to_vec();
        self.edit(move |edit| finish::complete(edit, now, &done)).await
    }

    async fn release(&self, now: Timestamp, term: Term, fires: &[Fire]) -> Result<u64, StoreError> {
        let fires = fires.to_vec();
        self.edit(move |edit| finish::release(edit, now, term, &fires)).await
    }

    async fn expire(&self, now: Timestamp, expiry: &Expiry) -> Result<Expired, StoreError> {
        let expiry = expiry.clone();
        self.edit(move |edit| {
            let expired = definition::expire(edit, now, &expiry)?;
            edit.wake = !expired.skipped.is_empty();
            Ok(expired)
        })
        .await
    }

    async fn repair(&self, now: Timestamp) -> Result<Vec<Repair>, StoreError> {
        self.edit(move |edit| {
            let repairs = definition::repair(edit, now)?;
            edit.wake = !repairs.is_empty();
            Ok(repairs)
        })
        .await
    }

    async fn due_by_kind(&self, now: Timestamp) -> Result<Vec<DueKind>, StoreError> {
        let read = |row: &tokio_postgres::Row| DueKind {
            kind: JobKind::new(row.get::<_, &str>(0)),
            triggers: rows::count(row.get(1)),
            since: rows::instant(row.get(2)),
        };
        self.all(sql::DUE_BY_KIND, &[&to_millis(punctual_core::time::whole_millis(now))], read).await
    }

    async fn request_cancel(&self, id: FireId, reason: &str) -> Result<bool, StoreError> {
        let reason = reason.to_owned();
        self.edit(move |edit| {
            batch::unpack_of(edit, &[id.0])?;
            let rows = edit.query(sql::CANCEL_REQUEST, &[&id.0, &reason])?;
            edit.touch_lane(rows.first().and_then(|row| row.get(0)));
            Ok(!rows.is_empty())
        })
        .await
    }
}

#[async_trait]
impl HistoryStore for PostgresStore {
    async fn record(&self, rows: &[TaskRecord]) -> Result<Vec<FireId>, StoreError> {
        let client = self.client().await?;
        client.batch_execute("BEGIN").await.sql()?;
        let result = records::record(&client, &self.shared, rows).await;
        client.after_transaction(result).await
    }

    async fn end_tasks(&self, ends: &[TaskEnd]) -> Result<Vec<Completed>, StoreError> {
        let client = self.client().await?;
        let result = records::end_tasks(&client, &self.shared, ends).await;
        client.after_transaction(result).await
    }

    async fn put_progress(&self, term: Term, rows: &[(FireId, Progress)]) -> Result<(), StoreError> {
        let ids: Vec<i64> = rows.iter().map(|(id, _)| id.0).collect();
        let texts: Vec<_> = rows.iter().map(|(_, progress)| records::progress_text(Some(progress))).collect();
        self.give_rows(&ids).await?;
        self.execute(sql::PROGRESS_PUT, &[&term.0, &ids, &texts]).await.map(drop)
    }

    async fn open_run(&self, run: &NewTaskRun) -> Result<TaskRunId, StoreError> {
        let client = self.client().await?;
        let result = records::open_run(&client, &self.shared, run).await;
        client.after(result)
    }

    async fn close_run(&self, now: Timestamp, id: TaskRunId) -> Result<Option<TaskRunStatus>, StoreError> {
        let client = self.client().await?;
        client.batch_execute("BEGIN").await.sql()?;
        let result = async {
            let status = records::close_run(&client, now, id).await?;
            client.batch_execute("COMMIT").await.sql()?;
            Ok(status)
        };
        let result = result.await;
        client.after_transaction(result).await
    }

    async fn runs(&self, query: &TaskRunQuery) -> Result<Page<TaskRun>, StoreError> {
        let client = self.reader().await?;
        let result = lists::runs(&client, query).await;
        client.after(result)
    }

    async fn run_ids(&self, query: &TaskRunQuery) -> Result<Vec<TaskRunId>, StoreError> {
        let client = self.reader().await?;
        let result = lists::run_ids(&client, query).await;
        client.after(result)
    }

    async fn run(&self, id: TaskRunId) -> Result<Option<TaskRun>, StoreError> {
        self.one(sql::RUN_ENTRY, &[&id.0], rows::task_run).await
    }

    async fn run_entities(&self, query: &TaskRunQuery) -> Result<Vec<TaskRunEntity>, StoreError> {
        let client = self.reader().await?;
        let result = lists::run_entities(&client, query).await;
        client.after(result)
    }

    async fn history(&self, query: &HistoryQuery) -> Result<Page<TaskHistory>, StoreError> {
        let client = self.reader().await?;
        if query.is_ranked() {
            let result = ranked::read::history(&client, &self.shared, query).await;
            return client.after_transaction(result).await;
        }
        let result = lists::history(&client, &self.shared, query, self.trigger_fences).await;
        client.after_transaction(result).await
    }

    async fn history_entry(&self, id: FireId) -> Result<Option<TaskHistory>, StoreError> {
        self.one(sql::HISTORY_ENTRY, &[&id.0], rows::history).await
    }

    async fn insights(&self, query: &InsightsQuery) -> Result<Vec<Insight>, StoreError> {
        let client = self.reader().await?;
        let result = ranked::read::insights(&client, query).await;
        client.after_transaction(result).await
    }

    async fn arrange(&self, at_most: u64) -> Result<u64, StoreError> {
        let client = self.client().await?;
        let result = ranked::arrange(&client, at_most, self.trigger_fences).await;
        client.after_transaction(result).await
    }

    async fn unique_tasks(&self) -> Result<Vec<String>, StoreError> {
        self.read_all(sql::TASK_NAMES, &[], |row| row.get(0)).await
    }

    async fn skipped(&self, query: &SkippedQuery) -> Result<Page<SkippedRange>, StoreError> {
        let client = self.reader().await?;
        let result = lists::skipped(&client, query).await;
        client.after(result)
    }

    async fn prune(&self, retention: &Retention) -> Result<u64, StoreError> {
        let client = self.client().await?;
        client.batch_execute("BEGIN").await.sql()?;
        let result = async {
            let rows = records::prune(&client, &self.shared, retention).await?;
            client.batch_execute("COMMIT").await.sql()?;
            Ok(rows)
        };
        let result = result.await;
        client.after_transaction(result).await
    }
}

#[async_trait]
impl ClusterStore for PostgresStore {
    async fn heartbeat(&self, beat: &Heartbeat) -> Result<ClusterView, StoreError> {
        let client = self.client().await?;
        let result = nodes::heartbeat(&client, &self.shared, beat).await;
        client.after_transaction(result).await
    }

    async fn nodes(&self) -> Result<Vec<Node>, StoreError> {
        self.all(sql::NODES, &[], rows::node).await
    }

    async fn drain(&self, now: Timestamp, term: Term, draining: bool) -> Result<bool, StoreError> {
        Ok(self.execute(sql::NODE_DRAIN, &[&term.0, &draining, &to_millis(now)]).await? > 0)
    }

    async fn open_by_term(&self) -> Result<Vec<(Term, u64)>, StoreError> {
        self.all(sql::OPEN_BY_TERM, &[], |row| (Term(row.get(0)), rows::count(row.get(1)))).await
    }

    async fn store_now(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.one(sql::STORE_NOW, &[], |row| row.get(0)).await?.and_then(nodes::micros))
    }

    async fn changed(&self) {
        self.listener.changed().await;
    }

    fn hears_changes(&self) -> Option<bool> {
        Some(self.listener.hears())
    }

    fn heartbeat_told(&self) -> bool {
        self.listener.heartbeat_told()
    }

    fn requests_told(&self) -> bool {
        self.listener.requests_told()
    }

    fn pool_status(&self) -> Option<PoolStatus> {
        Some(self.connections.status())
    }

    async fn lock(&self, request: &LockRequest) -> Result<LockAnswer, StoreError> {
        let client = self.client().await?;
        client.batch_execute("BEGIN").await.sql()?;
        let result = locks::take(&client, request).await;
        client.after_transaction(result).await
    }

    async fn renew_lock(&self, token: i64, now: Timestamp, lease_ms: u64) -> Result<bool, StoreError> {
        let until = to_millis(lock::lease_end(now, lease_ms));
        Ok(self.execute(sql::LOCK_RENEW, &[&token, &to_millis(now), &until]).await? > 0)
    }

    async fn unlock(&self, token: i64) -> Result<bool, StoreError> {
        Ok(self.execute(sql::LOCK_RELEASE, &[&token]).await? > 0)
    }

    async fn locks(&self, now: Timestamp) -> Result<Vec<HeldLock>, StoreError> {
        self.all(sql::LOCKS_LIVE, &[&to_millis(now)], locks::read).await
    }

    async fn retire(&self, _now: Timestamp, term: Term) -> Result<(), StoreError> {
        self.execute(sql::NODE_DELETE, &[&term.0]).await.map(drop)
    }

    async fn recover(&self, now: Timestamp) -> Result<Recovery, StoreError> {
        let mut all = Recovery::default();
        loop {
            // Each call takes a bounded number, so that no transaction is long.
            let some = self.edit(move |edit| finish::recover(edit, now)).await?;
            let done = some.runs.is_empty();
            all.extend(some);
            if done {
                return Ok(all);
            }
        }
    }
}
