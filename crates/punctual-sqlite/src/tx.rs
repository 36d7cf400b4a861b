//! The row operations of edits.

use jiff::Timestamp;
use punctual_core::definition::DefinitionTx;
use punctual_core::time::to_millis;
use punctual_core::{
    Cause, FireId, JobDetail, JobKey, Overlap, Skip, StoreError, StoredJob, StoredTrigger, TriggerKey,
};
use rusqlite::Row;

use crate::rows::{self, integer, json, millis};
use crate::sql;
use crate::writer::Writer;

type Result<T> = std::result::Result<T, StoreError>;

/// Reads a trigger whose last two columns are its job's key.
pub(crate) fn listed_trigger(row: &Row<'_>) -> rusqlite::Result<StoredTrigger> {
    let job = JobKey::stored(row.get::<_, String>(31)?, row.get::<_, String>(32)?);
    rows::trigger(row, job, |text| serde_json::from_str(text).map_err(|error| error.to_string()))
}

impl Writer {
    pub(crate) fn write_skip(
        &mut self,
        trigger: &TriggerKey,
        job: &JobKey,
        skip: &Skip,
        now: Timestamp,
        fire: Option<FireId>,
    ) -> Result<()> {
        let id = self.next_id()?;
        let (first, last) = (to_millis(skip.first), to_millis(skip.last));
        let reason = skip.reason.as_str();
        let fire = fire.map(|fire| fire.0);
        self.run(
            sql::SKIP_INSERT,
            (
                id,
                trigger.group(),
                trigger.name(),
                job.group(),
                job.name(),
                first,
                last,
                integer(skip.count),
                reason,
                to_millis(now),
                fire,
            ),
        )?;
        Ok(())
    }

    fn gate_follows(&mut self, job_id: i64) -> Result<()> {
        match self.job_by_id(job_id)? {
            Some(job) if !job.detail.concurrent => self.refresh_gate(job_id),
            _ => Ok(()),
        }
    }
}

impl DefinitionTx for Writer {
    type Error = StoreError;

    fn job(&mut self, key: &JobKey) -> Result<Option<StoredJob>> {
        self.job_by_key(key)
    }

    fn job_by_id(&mut self, id: i64) -> Result<Option<StoredJob>> {
        Self::job_by_id(self, id)
    }

    fn insert_job(&mut self, detail: &JobDetail, now: Timestamp) -> Result<i64> {
        let id = self.next_id()?;
        let kind = self.kind_id(&detail.kind)?;
        let skips = detail.overlap == Overlap::Skip;
        let (group, name) = (detail.key.group(), detail.key.name());
        let now = to_millis(now);
        self.run(sql::JOB_INSERT, (id, group, name, kind, json(detail)?, !detail.concurrent, skips, now))?;
        Ok(id)
    }

    fn update_job(&mut self, old: &StoredJob, detail: &JobDetail, now: Timestamp) -> Result<()> {
        let kind = self.kind_id(&detail.kind)?;
        let skips = detail.overlap == Overlap::Skip;
        let exclusive = !detail.concurrent;
        self.run(sql::JOB_UPDATE, (old.id, kind, json(detail)?, exclusive, skips, to_millis(now)))?;
        self.forget_job(old.id);
        if old.detail.kind != detail.kind || old.detail.concurrent != detail.concurrent {
            self.run(sql::JOB_UPDATE_TRIGGERS, (old.id, kind, exclusive))?;
        }
        if exclusive { self.refresh_gate(old.id) } else { self.run(sql::GATE_CLOSE, [old.id]).map(drop) }
    }

    fn delete_job(&mut self, id: i64) -> Result<()> {
        self.run(sql::JOB_DELETE, [id])?;
        self.run(sql::GATE_CLOSE, [id])?;
        self.forget_job(id);
        Ok(())
    }

    fn has_open_fires(&mut self, job_id: i64) -> Result<bool> {
        Self::has_open_fires(self, job_id)
    }

    fn trigger(&mut self, key: &TriggerKey) -> Result<Option<StoredTrigger>> {
        self.one(sql::TRIGGER_BY_KEY, [key.group(), key.name()], listed_trigger)
    }

    fn triggers_of(&mut self, job_id: i64) -> Result<Vec<StoredTrigger>> {
        self.many(sql::TRIGGERS_OF_JOB, [job_id], listed_trigger)
    }

    fn has_triggers(&mut self, job_id: i64) -> Result<bool> {
        self.exists(sql::JOB_HAS_TRIGGERS, [job_id])
    }

    fn triggers_in(&mut self, group: &str) -> Result<Vec<StoredTrigger>> {
        self.many(sql::TRIGGERS_OF_GROUP, [group], listed_trigger)
    }

    fn insert_trigger(&mut self, trigger: &StoredTrigger) -> Result<()> {
        let Some(job) = Self::job_by_id(self, trigger.job_id)? else {
            return Err(StoreError::Corrupt(format!("trigger {} has no job", trigger.definition.key)));
        };
        let id = self.next_id()?;
        let kind = self.kind_id(&job.detail.kind)?;
        let definition = &trigger.definition;
        let pending = trigger.pending.as_ref();
        let cause = pending.map_or(Cause::Schedule, |pending| pending.cause);
        let for_trigger = pending.and_then(|pending| pending.trigger.as_ref());
        self.run(
            sql::TRIGGER_INSERT,
            rusqlite::params![
                id,
                definition.key.group(),
                definition.key.name(),
                trigger.job_id,
                kind,
                !job.detail.concurrent,
                definition.description,
                json(&definition.schedule)?,
                millis(definition.start),
                millis(definition.end),
                -i64::from(definition.priority),
                definition.calendar,
                json(&definition.misfire)?,
                definition.misfire_threshold_ms.map(integer),
                definition.data.as_str(),
                trigger.state.code(),
                to_millis(trigger.anchor),
                trigger.rebased.as_ref().map(json).transpose()?,
                millis(trigger.next_fire_at),
                millis(trigger.previous_fire_at),
                integer(trigger.fired),
                integer(trigger.skipped),
                to_millis(trigger.accounted_from),
                cause.code(),
                pending.is_some(),
                pending.map_or(1, |pending| pending.attempt),
                pending.and_then(|pending| pending.origin).map(|origin| origin.0),
                pending.map(|pending| to_millis(pending.scheduled_at)),
                for_trigger.map(TriggerKey::group),
                for_trigger.map(TriggerKey::name),
                trigger.error,
                to_millis(trigger.created_at),
                to_millis(trigger.updated_at),
            ],
        )?;
        self.gate_follows(trigger.job_id)
    }

    fn update_trigger(&mut self, trigger: &StoredTrigger) -> Result<()> {
        let definition = &trigger.definition;
        self.run(
            sql::TRIGGER_UPDATE,
            rusqlite::params![
                trigger.id,
                definition.description,
                json(&definition.schedule)?,
                millis(definition.start),
                millis(definition.end),
                -i64::from(definition.priority),
                definition.calendar,
                json(&definition.misfire)?,
                definition.misfire_threshold_ms.map(integer),
                definition.data.as_str(),
                trigger.state.code(),
                to_millis(trigger.anchor),
                trigger.rebased.as_ref().map(json).transpose()?,
                millis(trigger.next_fire_at),
                millis(trigger.previous_fire_at),
                integer(trigger.fired),
                integer(trigger.skipped),
                to_millis(trigger.accounted_from),
                trigger.error,
                to_millis(trigger.updated_at),
            ],
        )?;
        self.gate_follows(trigger.job_id)
    }

    fn delete_trigger(&mut self, trigger: &StoredTrigger) -> Result<()> {
        self.run(sql::TRIGGER_DELETE, [trigger.id])?;
        self.gate_follows(trigger.job_id)
    }

    fn add_skip(&mut self, trigger: &StoredTrigger, skip: &Skip, now: Timestamp) -> Result<()> {
        self.write_skip(&trigger.definition.key, &trigger.definition.job, skip, now, None)
    }

    fn next_id(&mut self) -> Result<FireId> {
        self.next_fire_id()
    }

    fn group_paused(&mut self, group: &str) -> Result<bool> {
        self.exists(sql::GROUP_PAUSED, [group])
    }

    fn set_group_paused(&mut self, group: &str, paused: bool) -> Result<()> {
        let statement = if paused { sql::GROUP_PAUSE } else { sql::GROUP_RESUME };
        self.run(statement, [group]).map(drop)
    }
}
