//! A store that fails when it is told to, and one that tells another time than the machine.

mod mistake;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use punctual_core::accounts::rules::Failures;
use punctual_core::accounts::{ApiToken, Group, SecretHash, Session, User};
use punctual_core::definition::{Expired, Expiry, Repair};
use punctual_core::{
    Account, AccountChange, AccountRetention, AccountStore, Applied, AuditQuery, AuditRow, CarriedOut,
    CarryOut, Change, Claim, Claimed, ClusterStore, ClusterView, Completed, Completion, DefinitionStore,
    DueKind, Fire, FireId, FiringStore, Heartbeat, HeldLock, HistoryQuery, HistoryStore, Insight,
    InsightsQuery, JobKey, JobKind, JobQuery, JobStore, LockAnswer, LockRequest, NewTaskRun, Node, Page,
    Paging, PoolStatus, Progress, PrunedAccounts, Recovery, Retention, SkippedQuery, SkippedRange,
    StateCounts, StoreError, StoredCalendar, StoredJob, StoredTrigger, TaskEnd, TaskHistory, TaskRecord,
    TaskRun, TaskRunEntity, TaskRunId, TaskRunQuery, TaskRunStatus, Term, TriggerKey, TriggerQuery,
};
use punctual_core::{Keyed, KeyedRequest, RequestStore};
use tokio::sync::{Notify, watch};

pub use self::mistake::Mistake;

type TellTime = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// Passes every call on to another store, or fails it, as a database that cannot be reached would.
pub struct FaultyStore {
    inner: Arc<dyn JobStore>,
    broken: AtomicBool,
    silent: AtomicBool,
    calls: AtomicU64,
    recoveries: AtomicU64,
    time: Option<TellTime>,
    /// Whether claims wait with their answers.
    holding: watch::Sender<bool>,
    changed: Notify,
    heartbeat: AtomicBool,
    hearing: Mutex<Option<bool>>,
    pool: Option<PoolStatus>,
    request_since: Option<Timestamp>,
    mistake: Option<Mistake>,
}

impl std::fmt::Debug for FaultyStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FaultyStore").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl FaultyStore {
    /// A store that works until [`Self::set_broken`].
    pub fn new(inner: Arc<dyn JobStore>) -> Self {
        Self {
            inner,
            broken: AtomicBool::new(false),
            silent: AtomicBool::new(false),
            calls: AtomicU64::new(0),
            recoveries: AtomicU64::new(0),
            time: None,
            holding: watch::Sender::new(false),
            changed: Notify::new(),
            heartbeat: AtomicBool::new(false),
            hearing: Mutex::default(),
            pool: None,
            request_since: None,
            mistake: None,
        }
    }

    /// Gives the store a clock of its own. It is read whenever a node asks for the time; reading it may take time, as
    /// messages to a database and back do.
    #[must_use]
    pub fn with_clock(mut self, time: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.time = Some(Box::new(time));
        self
    }

    /// Gives the store connections.
    #[must_use]
    pub fn with_pool(mut self, pool: PoolStatus) -> Self {
        self.pool = Some(pool);
        self
    }

    /// Lets heartbeats see a request of an application that has waited since then.
    #[must_use]
    pub fn with_request_since(mut self, at: Timestamp) -> Self {
        self.request_since = Some(at);
        self
    }

    /// Lets the store make a mistake, again and again.
    #[must_use]
    pub fn with_mistake(mut self, mistake: Mistake) -> Self {
        self.mistake = Some(mistake);
        self
    }

    /// Says whether the store hears what other processes change.
    pub fn set_hearing(&self, hearing: bool) {
        *self.hearing.lock().unwrap_or_else(PoisonError::into_inner) = Some(hearing);
        self.change();
    }

    fn hearing(&self) -> Option<bool> {
        *self.hearing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets [`ClusterStore::changed`] complete, as if another process had changed something.
    pub fn change(&self) {
        self.changed.notify_one();
    }

    /// The same, and says that a heartbeat is worth while.
    pub fn change_for_heartbeat(&self) {
        self.heartbeat.store(true, Ordering::SeqCst);
        self.change();
    }

    /// Keeps the answers of claims back, or lets them go; the claims are carried out meanwhile.
    pub fn hold_claims(&self, holding: bool) {
        self.holding.send_replace(holding);
    }

    /// How many claims wait for their answer.
    pub fn held_claims(&self) -> usize {
        self.holding.receiver_count()
    }

    /// How often [`ClusterStore::recover`] was called.
    pub fn recoveries(&self) -> u64 {
        self.recoveries.load(Ordering::SeqCst)
    }

    fn time(&self, inner: Option<Timestamp>) -> Option<Timestamp> {
        self.time.as_ref().map_or(inner, |time| Some(time()))
    }

    /// Whether calls fail from now on.
    pub fn set_broken(&self, broken: bool) {
        self.broken.store(broken, Ordering::SeqCst);
    }

    /// Whether calls from now on never end, as through a network that is cut.
    pub fn set_silent(&self, silent: bool) {
        self.silent.store(silent, Ordering::SeqCst);
    }

    /// How many calls there were, failed ones included.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    async fn pass(&self) -> Result<&dyn JobStore, StoreError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if self.silent.load(Ordering::SeqCst) {
            return std::future::pending().await;
        }
        if self.broken.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("the database cannot be reached".to_owned()));
        }
        Ok(&*self.inner)
    }
}

#[async_trait]
impl DefinitionStore for FaultyStore {
    async fn apply(&self, now: Timestamp, changes: &[Change]) -> Result<Vec<Applied>, StoreError> {
        let inner = self.pass().await?;
        match self.mistake {
            Some(mistake) => mistake.apply(inner, now, changes).await,
            None => inner.apply(now, changes).await,
        }
    }

    async fn job(&self, key: &JobKey) -> Result<Option<StoredJob>, StoreError> {
        self.pass().await?.job(key).await
    }

    async fn jobs(&self, query: &JobQuery) -> Result<Page<StoredJob>, StoreError> {
        self.pass().await?.jobs(query).await
    }

    async fn trigger(&self, key: &TriggerKey) -> Result<Option<StoredTrigger>, StoreError> {
        self.pass().await?.trigger(key).await
    }

    async fn triggers(&self, query: &TriggerQuery) -> Result<Page<StoredTrigger>, StoreError> {
        self.pass().await?.triggers(query).await
    }

    async fn open_in_lanes(&self, lanes: &[i64]) -> Result<Vec<(i64, u64)>, StoreError> {
        self.pass().await?.open_in_lanes(lanes).await
    }

    async fn calendars(&self) -> Result<Vec<StoredCalendar>, StoreError> {
        self.pass().await?.calendars().await
    }

    async fn calendar(&self, name: &str) -> Result<Option<StoredCalendar>, StoreError> {
        self.pass().await?.calendar(name).await
    }

    async fn job_kinds(&self) -> Result<Vec<JobKind>, StoreError> {
        self.pass().await?.job_kinds().await
    }

    async fn paused_groups(&self) -> Result<Vec<String>, StoreError> {
        self.pass().await?.paused_groups().await
    }

    async fn state_counts(&self, now: Timestamp) -> Result<StateCounts, StoreError> {
        self.pass().await?.state_counts(now).await
    }

    async fn carry_out(&self, now: Timestamp, which: &CarryOut) -> Result<CarriedOut, StoreError> {
        self.pass().await?.carry_out(now, which).await
    }
}

#[async_trait]
impl FiringStore for FaultyStore {
    async fn claim_due(&self, claim: &Claim<'_>) -> Result<Claimed, StoreError> {
        let inner = self.pass().await?;
        let claimed = match self.mistake {
            Some(mistake) => mistake.claim_due(inner, claim).await,
            None => inner.claim_due(claim).await,
        };
        if *self.holding.borrow() {
            // The sender lives as long as this store.
            let _ = self.holding.subscribe().wait_for(|holding| !holding).await;
        }
        claimed
    }

    async fn complete(&self, now: Timestamp, done: &[Completion]) -> Result<Vec<Completed>, StoreError> {
        self.pass().await?.complete(now, done).await
    }

    async fn release(&self, now: Timestamp, term: Term, fires: &[Fire]) -> Result<u64, StoreError> {
        let fires = if self.mistake == Some(Mistake::KeepsReleased) { &[] } else { fires };
        self.pass().await?.release(now, term, fires).await
    }

    async fn expire(&self, now: Timestamp, expiry: &Expiry) -> Result<Expired, StoreError> {
        let inner = self.pass().await?;
        match self.mistake {
            Some(mistake) => mistake.expire(inner, now, expiry).await,
            None => inner.expire(now, expiry).await,
        }
    }

    async fn repair(&self, now: Timestamp) -> Result<Vec<Repair>, StoreError> {
        self.pass().await?.repair(now).await
    }

    async fn due_by_kind(&self, now: Timestamp) -> Result<Vec<DueKind>, StoreError> {
        self.pass().await?.due_by_kind(now).await
    }

    async fn request_cancel(&self, id: FireId, reason: &str) -> Result<bool, StoreError> {
        self.pass().await?.request_cancel(id, reason).await
    }
}

#[async_trait]
impl HistoryStore for FaultyStore {
    async fn record(&self, rows: &[TaskRecord]) -> Result<Vec<FireId>, StoreError> {
        self.pass().await?.record(rows).await
    }

    async fn end_tasks(&self, ends: &[TaskEnd]) -> Result<Vec<Completed>, StoreError> {
        self.pass().await?.end_tasks(ends).await
    }

    async fn put_progress(&self, term: Term, rows: &[(FireId, Progress)]) -> Result<(), StoreError> {
        self.pass().await?.put_progress(term, rows).await
    }

    async fn open_run(&self, run: &NewTaskRun) -> Result<TaskRunId, StoreError> {
        self.pass().await?.open_run(run).await
    }

    async fn close_run(&self, now: Timestamp, id: TaskRunId) -> Result<Option<TaskRunStatus>, StoreError> {
        self.pass().await?.close_run(now, id).await
    }

    async fn runs(&self, query: &TaskRunQuery) -> Result<Page<TaskRun>, StoreError> {
        self.pass().await?.runs(query).await
    }

    async fn run_ids(&self, query: &TaskRunQuery) -> Result<Vec<TaskRunId>, StoreError> {
        self.pass().await?.run_ids(query).await
    }

    async fn run(&self, id: TaskRunId) -> Result<Option<TaskRun>, StoreError> {
        self.pass().await?.run(id).await
    }

    async fn run_entities(&self, query: &TaskRunQuery) -> Result<Vec<TaskRunEntity>, StoreError> {
        self.pass().await?.run_entities(query).await
    }

    async fn history(&self, query: &HistoryQuery) -> Result<Page<TaskHistory>, StoreError> {
        self.pass().await?.history(query).await
    }

    async fn history_entry(&self, id: FireId) -> Result<Option<TaskHistory>, StoreError> {
        self.pass().await?.history_entry(id).await
    }

    async fn insights(&self, query: &InsightsQuery) -> Result<Vec<Insight>, StoreError> {
        self.pass().await?.insights(query).await
    }

    async fn arrange(&self, at_most: u64) -> Result<u64, StoreError> {
        self.pass().await?.arrange(at_most).await
    }

    async fn unique_tasks(&self) -> Result<Vec<String>, StoreError> {
        self.pass().await?.unique_tasks().await
    }

    async fn skipped(&self, query: &SkippedQuery) -> Result<Page<SkippedRange>, StoreError> {
        let mut page = self.pass().await?.skipped(query).await?;
        if let Some(mistake) = self.mistake {
            page.rows.retain(|row| mistake.keeps(row));
        }
        Ok(page)
    }

    async fn prune(&self, retention: &Retention) -> Result<u64, StoreError> {
        self.pass().await?.prune(retention).await
    }
}

#[async_trait]
impl ClusterStore for FaultyStore {
    async fn heartbeat(&self, beat: &Heartbeat) -> Result<ClusterView, StoreError> {
        let inner = self.pass().await?;
        let mut view = match self.mistake {
            Some(mistake) => mistake.heartbeat(inner, beat).await?,
            None => inner.heartbeat(beat).await?,
        };
        view.store_now = self.time(view.store_now);
        view.requests_since = view.requests_since.or(self.request_since);
        Ok(view)
    }

    async fn nodes(&self) -> Result<Vec<Node>, StoreError> {
        self.pass().await?.nodes().await
    }

    async fn drain(&self, now: Timestamp, term: Term, draining: bool) -> Result<bool, StoreError> {
        self.pass().await?.drain(now, term, draining).await
    }

    async fn open_by_term(&self) -> Result<Vec<(Term, u64)>, StoreError> {
        self.pass().await?.open_by_term().await
    }

    async fn retire(&self, now: Timestamp, term: Term) -> Result<(), StoreError> {
        self.pass().await?.retire(now, term).await
    }

    async fn recover(&self, now: Timestamp) -> Result<Recovery, StoreError> {
        self.recoveries.fetch_add(1, Ordering::SeqCst);
        self.pass().await?.recover(now).await
    }

    async fn store_now(&self) -> Result<Option<Timestamp>, StoreError> {
        let inner = self.pass().await?.store_now().await?;
        Ok(self.time(inner))
    }

    async fn changed(&self) {
        tokio::select! {
            () = self.inner.changed() => {}
            () = self.changed.notified() => {}
        }
    }

    fn hears_changes(&self) -> Option<bool> {
        self.hearing().or_else(|| self.inner.hears_changes())
    }

    fn requests_told(&self) -> bool {
        self.inner.requests_told()
    }

    fn heartbeat_told(&self) -> bool {
        self.heartbeat.swap(false, Ordering::SeqCst) | self.inner.heartbeat_told()
    }

    fn pool_status(&self) -> Option<PoolStatus> {
        self.pool.or_else(|| self.inner.pool_status())
    }

    async fn lock(&self, request: &LockRequest) -> Result<LockAnswer, StoreError> {
        self.pass().await?.lock(request).await
    }

    async fn renew_lock(&self, token: i64, now: Timestamp, lease_ms: u64) -> Result<bool, StoreError> {
        self.pass().await?.renew_lock(token, now, lease_ms).await
    }

    async fn unlock(&self, token: i64) -> Result<bool, StoreError> {
        self.pass().await?.unlock(token).await
    }

    async fn locks(&self, now: Timestamp) -> Result<Vec<HeldLock>, StoreError> {
        self.pass().await?.locks(now).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.inner.close().await
    }
}

#[async_trait]
impl AccountStore for FaultyStore {
    async fn apply_accounts(
        &self,
        now: Timestamp,
        changes: &[AccountChange],
    ) -> Result<Vec<i64>, StoreError> {
        self.pass().await?.apply_accounts(now, changes).await
    }

    async fn account(&self, user: i64) -> Result<Option<Account>, StoreError> {
        self.pass().await?.account(user).await
    }

    async fn account_by_name(&self, name: &str) -> Result<Option<Account>, StoreError> {
        self.pass().await?.account_by_name(name).await
    }

    async fn users(&self, paging: Paging) -> Result<Page<User>, StoreError> {
        self.pass().await?.users(paging).await
    }

    async fn groups(&self) -> Result<Vec<Group>, StoreError> {
        self.pass().await?.groups().await
    }

    async fn session(&self, hash: &SecretHash) -> Result<Option<(Session, Account)>, StoreError> {
        self.pass().await?.session(hash).await
    }

    async fn sessions(&self, user: i64) -> Result<Vec<Session>, StoreError> {
        self.pass().await?.sessions(user).await
    }

    async fn login_failures(&self, keys: &[String]) -> Result<BTreeMap<String, Failures>, StoreError> {
        self.pass().await?.login_failures(keys).await
    }

    async fn token(&self, hash: &SecretHash) -> Result<Option<(ApiToken, Account)>, StoreError> {
        self.pass().await?.token(hash).await
    }

    async fn tokens(&self, user: Option<i64>) -> Result<Vec<ApiToken>, StoreError> {
        self.pass().await?.tokens(user).await
    }

    async fn audit_log(&self, query: &AuditQuery) -> Result<Vec<AuditRow>, StoreError> {
        self.pass().await?.audit_log(query).await
    }

    async fn prune_accounts(&self, retention: &AccountRetention) -> Result<PrunedAccounts, StoreError> {
        self.pass().await?.prune_accounts(retention).await
    }
}

#[async_trait]
impl RequestStore for FaultyStore {
    async fn take_key(&self, request: &KeyedRequest) -> Result<Keyed, StoreError> {
        self.pass().await?.take_key(request).await
    }

    async fn answer_key(&self, key: &str, request: &str, answer: &str) -> Result<bool, StoreError> {
        self.pass().await?.answer_key(key, request, answer).await
    }

    async fn release_key(&self, key: &str, request: &str) -> Result<bool, StoreError> {
        self.pass().await?.release_key(key, request).await
    }
}
