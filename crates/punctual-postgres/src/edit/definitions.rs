//! What the rules about definitions do with rows.

use jiff::Timestamp;
use punctual_core::definition::DefinitionTx;
use punctual_core::time::to_millis;
use punctual_core::{
    AuditEntry, FireId, JobDetail, JobKey, JobKind, Skip, StoreError, StoredCalendar, StoredJob,
    StoredTrigger, TriggerKey,
};

use super::{Edit, Result};
use crate::insert;
use crate::link::Params;
use crate::rows::{self, code, integer, json, millis};
use crate::sql;

impl DefinitionTx for Edit {
    type Error = StoreError;

    fn job(&mut self, key: &JobKey) -> Result<Option<StoredJob>> {
        if let Some(job) = self.jobs.get(key) {
            return Ok(job.clone());
        }
        let row = self.first(sql::JOB_BY_KEY, &[&key.group(), &key.name()])?;
        let job = row.map(|row| rows::job(&row)).transpose()?;
        self.jobs.insert(key.clone(), job.clone());
        Ok(job)
    }

    fn job_by_id(&mut self, id: i64) -> Result<Option<StoredJob>> {
        self.first(sql::JOB_BY_ID, &[&id])?.map(|row| rows::job(&row)).transpose()
    }

    fn insert_job(&mut self, detail: &JobDetail, now: Timestamp) -> Result<i64> {
        let (id, kind) = (self.next_number()?, self.kind_id(&detail.kind)?);
        let (group, name) = (detail.key.group(), detail.key.name());
        let params: Params<'_> =
            &[&id, &group, &name, &kind, &json(detail)?, &detail.durable, &to_millis(now)];
        self.run_statement(sql::JOB_INSERT, params)?;
        self.jobs.remove(&detail.key);
        Ok(id)
    }

    fn update_job(&mut self, old: &StoredJob, detail: &JobDetail, now: Timestamp) -> Result<()> {
        self.flush()?;
        let kind = self.kind_id(&detail.kind)?;
        let params: Params<'_> = &[&old.id, &kind, &json(detail)?, &detail.durable, &to_millis(now)];
        self.run_statement(sql::JOB_UPDATE, params)?;
        self.jobs.remove(&detail.key);
        if old.detail.kind != detail.kind {
            self.run_statement(sql::JOB_UPDATE_DUE, &[&old.id, &kind])?;
            for trigger in self.triggers_of(old.id)? {
                self.touch_lane(trigger.lane.map(|lane| lane.id));
            }
        }
        Ok(())
    }

    fn delete_job(&mut self, id: i64) -> Result<()> {
        self.flush()?;
        self.jobs.clear();
        self.run_statement(sql::JOB_DELETE, &[&id]).map(drop)
    }

    fn has_open_fires(&mut self, job_id: i64) -> Result<bool> {
        self.exists(sql::JOB_HAS_OPEN_FIRES, &[&job_id])
    }

    fn trigger(&mut self, key: &TriggerKey) -> Result<Option<StoredTrigger>> {
        if let Some(known) = self.known.get(key) {
            return Ok(known.clone());
        }
        let found = self.read_locked(sql::TRIGGERS_BY_KEY, &[&key.group(), &key.name()])?;
        Ok(found.into_iter().next())
    }

    fn triggers_of(&mut self, job_id: i64) -> Result<Vec<StoredTrigger>> {
        self.listed(sql::TRIGGERS_OF_JOB, &[&job_id])
    }

    fn has_triggers(&mut self, job_id: i64) -> Result<bool> {
        self.flush()?;
        self.exists(sql::JOB_HAS_TRIGGERS, &[&job_id])
    }

    fn triggers_in(&mut self, group: &str) -> Result<Vec<StoredTrigger>> {
        self.listed(sql::TRIGGERS_OF_GROUP, &[&group])
    }

    fn insert_trigger(&mut self, trigger: &StoredTrigger) -> Result<()> {
        let id = self.next_number()?;
        let kind = self.kind_of(trigger)?;
        let trigger = StoredTrigger { id, ..trigger.clone() };
        self.touch_lane(trigger.lane.map(|lane| lane.id));
        self.known.insert(trigger.definition.key.clone(), Some(trigger.clone()));
        self.fresh.push((trigger, kind));
        Ok(())
    }

    fn update_trigger(&mut self, trigger: &StoredTrigger) -> Result<()> {
        self.flush()?;
        let old = self.first("SELECT lane_id FROM due WHERE trigger_id = $1", &[&trigger.id])?;
        self.touch_lane(old.and_then(|row| row.get(0)));
        self.touch_lane(trigger.lane.map(|lane| lane.id));
        let definition = &trigger.definition;
        let rebased = trigger.rebased.as_ref().map(json).transpose()?;
        self.run_statement(
            sql::TRIGGER_UPDATE,
            &[
                &trigger.id,
                &definition.description,
                &json(&definition.schedule)?,
                &millis(definition.start),
                &millis(definition.end),
                &definition.calendar,
                &json(&definition.misfire)?,
                &definition.misfire_threshold_ms.map(integer),
                &definition.data.as_str(),
                &to_millis(trigger.anchor),
                &rebased,
                &to_millis(trigger.accounted_from),
                &trigger.error,
                &to_millis(trigger.updated_at),
                &definition.schedule.event(),
            ],
        )?;
        let (lane, limit, overlap) = insert::lane_columns(trigger.lane);
        let rows = self.run_statement(
            sql::DUE_UPDATE,
            &[
                &trigger.id,
                &millis(trigger.next_fire_at),
                &-i64::from(definition.priority),
                &code(trigger.state.code()),
                &lane,
                &limit,
                &overlap,
                &millis(trigger.previous_fire_at),
                &integer(trigger.fired),
                &integer(trigger.skipped),
            ],
        )?;
        if rows == 0 {
            // Its single instant was claimed, and it is given others.
            let kind = self.kind_of(trigger)?;
            self.runtime.block_on(insert::stand(&self.link, &[(trigger.clone(), kind)]))?;
        }
        self.shared.forget_definition(trigger.id);
        self.known.insert(definition.key.clone(), Some(trigger.clone()));
        Ok(())
    }

    fn delete_trigger(&mut self, trigger: &StoredTrigger) -> Result<()> {
        self.flush()?;
        let ids = [trigger.id];
        self.run_statement(sql::DUE_DELETE, &[&&ids[..]])?;
        self.run_statement(sql::TRIGGERS_DELETE, &[&&ids[..]])?;
        self.touch_lane(trigger.lane.map(|lane| lane.id));
        self.shared.forget_definition(trigger.id);
        self.known.insert(trigger.definition.key.clone(), None);
        Ok(())
    }

    fn add_skip(&mut self, trigger: &StoredTrigger, skip: &Skip, now: Timestamp) -> Result<()> {
        self.write_skip(&trigger.definition.key, &trigger.definition.job, skip, now, None)
    }

    fn add_audit(&mut self, entry: &AuditEntry, now: Timestamp) -> Result<()> {
        self.write_audit(now, entry).map(drop)
    }

    fn next_id(&mut self) -> Result<FireId> {
        self.next_number().map(FireId)
    }

    fn group_paused(&mut self, group: &str) -> Result<bool> {
        if let Some(paused) = self.paused.get(group) {
            return Ok(*paused);
        }
        let paused = self.exists(sql::GROUP_PAUSED, &[&group])?;
        self.paused.insert(group.to_owned(), paused);
        Ok(paused)
    }

    fn set_group_paused(&mut self, group: &str, paused: bool) -> Result<()> {
        let statement = if paused { sql::GROUP_PAUSE } else { sql::GROUP_RESUME };
        self.run_statement(statement, &[&group])?;
        self.paused.insert(group.to_owned(), paused);
        Ok(())
    }

    fn triggers_in_error(&mut self) -> Result<Vec<StoredTrigger>> {
        self.listed(sql::TRIGGERS_IN_ERROR, &[])
    }

    fn overdue(
        &mut self,
        kinds: &[JobKind],
        now: Timestamp,
        after: i64,
        limit: usize,
    ) -> Result<Vec<StoredTrigger>> {
        let kinds: Vec<&str> = kinds.iter().map(JobKind::as_str).collect();
        self.listed(sql::TRIGGERS_OVERDUE, &[&kinds, &to_millis(now), &after, &integer(limit as u64)])
    }

    fn triggers_without_next(&mut self) -> Result<Vec<StoredTrigger>> {
        self.listed(sql::TRIGGERS_WITHOUT_NEXT, &[])
    }

    fn is_under_way(&mut self, trigger: &StoredTrigger) -> Result<bool> {
        let key = &trigger.definition.key;
        self.exists(sql::TRIGGER_UNDER_WAY, &[&trigger.job_id, &key.group(), &key.name()])
    }

    fn mend_index(&mut self, now: Timestamp) -> Result<Vec<i64>> {
        self.flush()?;
        let rows = self.query(sql::LANES_HIDDEN, &[&to_millis(now)])?;
        let lanes: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
        self.lanes.extend(lanes.iter().copied());
        Ok(lanes)
    }

    fn calendar(&mut self, name: &str) -> Result<Option<StoredCalendar>> {
        self.first(sql::CALENDAR_BY_NAME, &[&name])?.map(|row| rows::calendar(&row)).transpose()
    }

    fn put_calendar(&mut self, calendar: &StoredCalendar) -> Result<()> {
        let (definition, updated_at) = (json(&calendar.calendar)?, to_millis(calendar.updated_at));
        let params: Params<'_> = &[&calendar.name, &definition, &calendar.version, &updated_at];
        self.run_statement(sql::CALENDAR_PUT, params).map(drop)
    }

    fn delete_calendar(&mut self, name: &str) -> Result<()> {
        self.run_statement(sql::CALENDAR_DELETE, &[&name]).map(drop)
    }

    fn triggers_with_calendar(&mut self, name: &str) -> Result<Vec<StoredTrigger>> {
        self.listed(sql::TRIGGERS_OF_CALENDAR, &[&name])
    }

    fn triggers_on_event(&mut self, event: &str) -> Result<Vec<StoredTrigger>> {
        self.listed(sql::TRIGGERS_ON_EVENT, &[&event])
    }
}
