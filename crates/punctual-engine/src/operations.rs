//! What an application may ask of its scheduler.

use punctual_core::{
    Applied, CancelledFire, Change, ChangeError, Data, Event, FireId, JobDetail, JobKey, StoreError, Term,
    Trigger, TriggerKey,
};

use crate::scheduler::Scheduler;

/// Why an operation failed. Nothing of it was stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SchedulerError {
    /// The data does not fit the type that the job's code takes.
    #[error("job {job}: {problem}")]
    Data {
        /// The job.
        job: JobKey,
        /// What is wrong.
        problem: String,
    },
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

type Result<T> = std::result::Result<T, SchedulerError>;

impl Scheduler {
    /// Applies edits in one transaction, all or none, and wakes the claim loop if one of them may be due.
    pub async fn apply(&self, changes: &[Change]) -> Result<Vec<Applied>> {
        let applied = self.inner.node.note(self.store().apply(self.now(), changes).await)?;
        if applied.iter().any(|one| one.next_due.is_some()) {
            self.inner.wake.notify_one();
        }
        if !applied.iter().all(Applied::was_so) {
            let changed = changes.iter().zip(&applied).filter(|(_, applied)| !applied.was_so());
            self.inner.node.listeners.emit_with(|| Event::DefinitionsChanged {
                changes: changed.map(|(change, _)| change.clone()).collect(),
            });
        }
        Ok(applied)
    }

    /// Asks a run to stop, wherever it runs; its node hears of it at its next heartbeat at the latest. Whether the run
    /// was under way. A run that stops counts as failed (`cancelled`, with the reason) and is not tried again.
    pub async fn cancel(&self, run: FireId, reason: &str) -> Result<bool> {
        let open = self.inner.node.note(self.store().request_cancel(run, reason).await)?;
        if let Some(term) = self.inner.node.term().filter(|_| open) {
            let reason = reason.to_owned();
            self.inner.cancel_runs(term, &[CancelledFire { id: run, term, reason }]);
        }
        Ok(open)
    }

    /// Asks the node of a term to drain, or to claim again ([`punctual_core::ClusterStore::drain`]); it hears of it at its next
    /// heartbeat. Whether the term is live.
    pub async fn drain(&self, term: Term, draining: bool) -> Result<bool> {
        Ok(self.inner.node.note(self.store().drain(self.now(), term, draining).await)?)
    }

    async fn apply_one(&self, change: Change) -> Result<Applied> {
        let applied = self.apply(std::slice::from_ref(&change)).await?;
        Ok(applied.into_iter().next().unwrap_or_default())
    }

    /// Whether the data that the triggers give a job fits the job's kind, where this node knows the kind. Without triggers
    /// the job's own has to be right as far as it goes: a trigger may bring what is missing.
    pub fn fits(&self, job: &JobDetail, triggers: &[Trigger]) -> Result<()> {
        self.check_data(job, triggers)
            .map_err(|problem| SchedulerError::Data { job: job.key.clone(), problem })
    }

    /// Whether the data of a single run, laid over the job's own, fits the job's kind, where this node knows the kind.
    pub fn fits_run(&self, job: &JobDetail, data: &Data) -> Result<()> {
        self.check_run(job, data).map_err(|problem| SchedulerError::Data { job: job.key.clone(), problem })
    }

    async fn fits_stored(&self, trigger: &Trigger) -> Result<()> {
        match self.stored_job(&trigger.job).await? {
            Some(job) => self.fits(&job.detail, std::slice::from_ref(trigger)),
            None => Err(StoreError::from(ChangeError::NoSuchJob(trigger.job.clone())).into()),
        }
    }

    /// Stores a job with the *whole* set of its triggers; idempotent. See [`Change::Schedule`].
    pub async fn schedule(&self, job: JobDetail, triggers: Vec<Trigger>) -> Result<Applied> {
        self.fits(&job, &triggers)?;
        self.apply_one(Change::Schedule { job, triggers }).await
    }

    /// Stores a durable job without touching its triggers.
    pub async fn add_job(&self, job: JobDetail) -> Result<Applied> {
        self.apply_one(Change::PutJob(job)).await
    }

    /// Stores a trigger of a stored job; refused when its key is taken.
    pub async fn add_trigger(&self, trigger: Trigger) -> Result<Applied> {
        self.fits_stored(&trigger).await?;
        self.apply_one(Change::AddTrigger(trigger)).await
    }

    /// Replaces the trigger of the same key and job, or stores it when there is none.
    pub async fn reschedule(&self, trigger: Trigger) -> Result<Applied> {
        self.fits_stored(&trigger).await?;
        self.apply_one(Change::PutTrigger(trigger)).await
    }

    /// Runs a job once, now, with `data` laid over its own. The run is stored when this returns, and happens
    /// even if this node dies. Returns the key of the pending run's trigger.
    pub async fn trigger_now(&self, job: &JobKey, data: Data) -> Result<TriggerKey> {
        let Some(stored) = self.stored_job(job).await? else {
            return Err(StoreError::from(ChangeError::NoSuchJob(job.clone())).into());
        };
        self.fits_run(&stored.detail, &data)?;
        let applied = self.apply_one(Change::TriggerNow { job: job.clone(), data }).await?;
        applied.pending.ok_or_else(|| {
            StoreError::Other("the store named no pending run for a job triggered by hand".to_owned()).into()
        })
    }

    /// Emits an event: each trigger that waits for it ([`punctual_core::schedule::EventSchedule`]) runs its job once, now,
    /// with `payload` laid over the job's and the trigger's data. The runs are stored when this returns, and happen
    /// even if this node dies. How many there are; 0 where nothing waits for the event.
    pub async fn emit(&self, event: &str, payload: Data) -> Result<u64> {
        Ok(self.apply_one(Change::Emit { event: event.to_owned(), payload }).await?.created)
    }

    /// Pauses all triggers of a job; whether it has any.
    pub async fn pause_job(&self, job: &JobKey) -> Result<bool> {
        Ok(self.apply_one(Change::PauseJob(job.clone())).await?.found())
    }

    /// Resumes all triggers of a job; whether it has any.
    pub async fn resume_job(&self, job: &JobKey) -> Result<bool> {
        Ok(self.apply_one(Change::ResumeJob(job.clone())).await?.found())
    }

    /// Pauses a trigger; whether it exists.
    pub async fn pause_trigger(&self, trigger: &TriggerKey) -> Result<bool> {
        Ok(self.apply_one(Change::PauseTrigger(trigger.clone())).await?.found())
    }

    /// Resumes a trigger; whether it exists.
    pub async fn resume_trigger(&self, trigger: &TriggerKey) -> Result<bool> {
        Ok(self.apply_one(Change::ResumeTrigger(trigger.clone())).await?.found())
    }

    /// Pauses a trigger group, and what joins it later; how many triggers it has.
    pub async fn pause_group(&self, group: &str) -> Result<u64> {
        let applied = self.apply_one(Change::PauseGroup(group.to_owned())).await?;
        Ok(applied.updated + applied.unchanged)
    }

    /// Resumes a trigger group; how many triggers it has.
    pub async fn resume_group(&self, group: &str) -> Result<u64> {
        let applied = self.apply_one(Change::ResumeGroup(group.to_owned())).await?;
        Ok(applied.updated + applied.unchanged + applied.deleted)
    }

    /// Takes a trigger out of the error state; whether it exists.
    pub async fn reset_trigger(&self, trigger: &TriggerKey) -> Result<bool> {
        Ok(self.apply_one(Change::ResetTrigger(trigger.clone())).await?.found())
    }

    /// Deletes a trigger; whether it existed.
    pub async fn delete_trigger(&self, trigger: &TriggerKey) -> Result<bool> {
        Ok(self.apply_one(Change::DeleteTrigger(trigger.clone())).await?.found())
    }

    /// Deletes all triggers of a job, and the job unless it is durable; how many definitions went.
    pub async fn delete_triggers_of(&self, job: &JobKey) -> Result<u64> {
        Ok(self.apply_one(Change::DeleteTriggersOf(job.clone())).await?.deleted)
    }

    /// Deletes a job with its triggers; whether it existed. Runs under way go on.
    pub async fn delete_job(&self, job: &JobKey) -> Result<bool> {
        Ok(self.apply_one(Change::DeleteJob(job.clone())).await?.found())
    }

    /// Whether a job is stored.
    pub async fn job_exists(&self, job: &JobKey) -> Result<bool> {
        Ok(self.stored_job(job).await?.is_some())
    }
}
