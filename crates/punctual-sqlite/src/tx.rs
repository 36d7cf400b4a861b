//! The row operations of edits.

use std::collections::BTreeSet;

use jiff::Timestamp;
use punctual_core::definition::DefinitionTx;
use punctual_core::time::to_millis;
use punctual_core::{
    AuditEntry, Cause, FireId, JobDetail, JobKey, JobKind, Lane, Skip, StoreError, StoredCalendar, StoredJob,
    StoredTrigger, TriggerKey,
};
use rusqlite::Row;

use crate::rows::{self, integer, json, millis};
use crate::sql;
use crate::writer::Writer;

type Result<T> = std::result::Result<T, StoreError>;

/// Reads a trigger whose last two columns are its job's key.
pub(crate) fn listed_trigger(row: &Row<'_>) -> rusqlite::Result<StoredTrigger> {
    let job = JobKey::stored(row.get::<_, String>(34)?, row.get::<_, String>(35)?);
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

    pub(crate) fn gates_follow(&mut self, lane: Option<Lane>) -> Result<()> {
        lane.map_or(Ok(()), |lane| self.refresh_gates(lane.id))
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
        let (group, name) = (detail.key.group(), detail.key.name());
        self.run(sql::JOB_INSERT, (id, group, name, kind, json(detail)?, to_millis(now)))?;
        Ok(id)
    }

    fn update_job(&mut self, old: &StoredJob, detail: &JobDetail, now: Timestamp) -> Result<()> {
        let kind = self.kind_id(&detail.kind)?;
        self.run(sql::JOB_UPDATE, (old.id, kind, json(detail)?, to_millis(now)))?;
        self.forget_job(old.id);
        if old.detail.kind != detail.kind {
            self.run(sql::JOB_UPDATE_TRIGGERS, (old.id, kind))?;
            let triggers = self.triggers_of(old.id)?;
            let lanes: BTreeSet<i64> =
                triggers.iter().filter_map(|trigger| trigger.lane).map(|lane| lane.id).collect();
            lanes.into_iter().try_for_each(|lane| self.refresh_gates(lane))?;
        }
        Ok(())
    }

    fn delete_job(&mut self, id: i64) -> Result<()> {
        self.run(sql::JOB_DELETE, [id])?;
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
                trigger.lane.map(|lane| lane.id),
                trigger.lane.map_or(1, |lane| lane.limit),
                trigger.lane.map_or(0, |lane| lane.overlap.code()),
                definition.schedule.event(),
            ],
        )?;
        self.gates_follow(trigger.lane)
    }

    fn update_trigger(&mut self, trigger: &StoredTrigger) -> Result<()> {
        let old: Option<Option<i64>> = self.one(sql::TRIGGER_LANE, [trigger.id], |row| row.get(0))?;
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
                trigger.lane.map(|lane| lane.id),
                trigger.lane.map_or(1, |lane| lane.limit),
                trigger.lane.map_or(0, |lane| lane.overlap.code()),
                definition.schedule.event(),
            ],
        )?;
        if let Some(left) = old.flatten().filter(|old| trigger.lane.is_none_or(|lane| lane.id != *old)) {
            self.refresh_gates(left)?;
        }
        self.gates_follow(trigger.lane)
    }

    fn delete_trigger(&mut self, trigger: &StoredTrigger) -> Result<()> {
        self.run(sql::TRIGGER_DELETE, [trigger.id])?;
        self.gates_follow(trigger.lane)
    }

    fn add_skip(&mut self, trigger: &StoredTrigger, skip: &Skip, now: Timestamp) -> Result<()> {
        self.write_skip(&trigger.definition.key, &trigger.definition.job, skip, now, None)
    }

    fn add_audit(&mut self, entry: &AuditEntry, now: Timestamp) -> Result<()> {
        self.write_audit(now, entry).map(drop)
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
    fn triggers_in_error(&mut self) -> Result<Vec<StoredTrigger>> {
        self.many(sql::TRIGGERS_IN_ERROR, [], listed_trigger)
    }

    fn overdue(
        &mut self,
        kinds: &[JobKind],
        now: Timestamp,
        after: i64,
        limit: usize,
    ) -> Result<Vec<StoredTrigger>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.many(
            sql::TRIGGERS_OVERDUE,
            (json(&kinds.to_vec())?, to_millis(now), after, limit),
            listed_trigger,
        )
    }

    fn triggers_without_next(&mut self) -> Result<Vec<StoredTrigger>> {
        self.many(sql::TRIGGERS_WITHOUT_NEXT, [], listed_trigger)
    }

    fn is_under_way(&mut self, trigger: &StoredTrigger) -> Result<bool> {
        let key = &trigger.definition.key;
        self.exists(sql::TRIGGER_UNDER_WAY, (trigger.job_id, key.group(), key.name()))
    }

    fn mend_index(&mut self, now: Timestamp) -> Result<Vec<i64>> {
        let lanes: Vec<i64> = self.many(sql::LANES_HIDDEN, [to_millis(now)], |row| row.get(0))?;
        lanes.iter().try_for_each(|lane| self.refresh_gates(*lane))?;
        Ok(lanes)
    }

    fn calendar(&mut self, name: &str) -> Result<Option<StoredCalendar>> {
        Ok(self.stored_calendar(name)?.map(|calendar| (*calendar).clone()))
    }

    fn put_calendar(&mut self, calendar: &StoredCalendar) -> Result<()> {
        self.forget_calendar(&calendar.name);
        let (name, definition) = (&calendar.name, json(&calendar.calendar)?);
        self.run(sql::CALENDAR_PUT, (name, definition, calendar.version, to_millis(calendar.updated_at)))
            .map(drop)
    }

    fn delete_calendar(&mut self, name: &str) -> Result<()> {
        self.forget_calendar(name);
        self.run(sql::CALENDAR_DELETE, [name]).map(drop)
    }

    fn triggers_with_calendar(&mut self, name: &str) -> Result<Vec<StoredTrigger>> {
        self.many(sql::TRIGGERS_OF_CALENDAR, [name], listed_trigger)
    }

    fn triggers_on_event(&mut self, event: &str) -> Result<Vec<StoredTrigger>> {
        self.many(sql::TRIGGERS_ON_EVENT, [event], listed_trigger)
    }
}
