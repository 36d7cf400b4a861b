//! What due triggers mean.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use punctual_core::{JobKey, StoreError, StoredCalendar, StoredJob, StoredTrigger, TriggerState};

use super::Work;
use crate::error::Sql;
use crate::rows::{self, Due};
use crate::sql;

/// Definitions, jobs and calendars that a claim needs.
#[derive(Default)]
pub(super) struct Known {
    pub(super) triggers: HashMap<i64, Arc<StoredTrigger>>,
    pub(super) jobs: HashMap<i64, Result<StoredJob, String>>,
    pub(super) calendars: HashMap<String, Arc<StoredCalendar>>,
}

impl Work<'_> {
    /// Reads what due triggers mean: their definitions (unless this node knows them), jobs and calendars. The rows of
    /// `due` are locked, so no edit can come between.
    pub(super) async fn know(
        &self,
        due: impl Iterator<Item = &Due> + Clone + Send,
    ) -> Result<Known, StoreError> {
        let mut known = Known::default();
        let mut unknown = Vec::new();
        for one in due.clone() {
            match self.shared.definition(one.trigger_id, one.version) {
                Some(trigger) => {
                    known.triggers.insert(one.trigger_id, trigger);
                }
                None => unknown.push(one.trigger_id),
            }
        }
        if !unknown.is_empty() {
            let statement = self.client.prepare_cached(sql::DEFINITIONS).await.sql()?;
            let versions: HashMap<i64, i64> = due.map(|due| (due.trigger_id, due.version)).collect();
            for row in self.client.query(&statement, &[&unknown]).await.sql()? {
                let trigger = Arc::new(rows::definition(&row, JobKey::stored("", "")));
                let once = matches!(trigger.schedule(), punctual_core::Schedule::Once);
                if let Some(version) = versions.get(&trigger.id).filter(|_| !once) {
                    self.shared.remember_definition(*version, &trigger);
                }
                known.triggers.insert(trigger.id, trigger);
            }
        }
        self.know_jobs(&mut known).await?;
        self.know_calendars(&mut known).await?;
        Ok(known)
    }

    async fn know_jobs(&self, known: &mut Known) -> Result<(), StoreError> {
        let ids: BTreeSet<i64> = known.triggers.values().map(|trigger| trigger.job_id).collect();
        let ids: Vec<i64> = ids.into_iter().collect();
        let statement = self.client.prepare_cached(sql::JOB_VERSIONS).await.sql()?;
        for row in self.client.query(&statement, &[&ids]).await.sql()? {
            let (id, version) = (row.get(0), row.get(1));
            if let Some(job) = self.shared.job(id, version) {
                known.jobs.insert(id, Ok(job));
                continue;
            }
            let statement = self.client.prepare_cached(sql::JOB_BY_ID).await.sql()?;
            let Some(row) = self.client.query_opt(&statement, &[&id]).await.sql()? else { continue };
            let job = match rows::job(&row) {
                Ok(job) => {
                    self.shared.remember_job(&job);
                    Ok(job)
                }
                Err(error) => Err(error.to_string()),
            };
            known.jobs.insert(id, job);
        }
        Ok(())
    }

    async fn know_calendars(&self, known: &mut Known) -> Result<(), StoreError> {
        let names: BTreeSet<&str> =
            known.triggers.values().filter_map(|trigger| trigger.definition.calendar.as_deref()).collect();
        if names.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = names.into_iter().collect();
        let statement = self.client.prepare_cached(sql::CALENDAR_VERSIONS).await.sql()?;
        let mut calendars = HashMap::new();
        for row in self.client.query(&statement, &[&names]).await.sql()? {
            let (name, version): (String, i64) = (row.get(0), row.get(1));
            let calendar = match self.shared.calendar(&name, version) {
                Some(calendar) => calendar,
                None => {
                    let statement = self.client.prepare_cached(sql::CALENDAR_BY_NAME).await.sql()?;
                    let row = self.client.query_opt(&statement, &[&name]).await.sql()?;
                    // One that cannot be read is missing for its triggers, which say so.
                    let Some(Ok(calendar)) = row.map(|row| rows::calendar(&row)) else { continue };
                    self.shared.remember_calendar(calendar)
                }
            };
            calendars.insert(name, calendar);
        }
        known.calendars = calendars;
        Ok(())
    }

    /// The trigger and the job of a row of `due`; one that cannot be understood is set to the error state.
    pub(super) fn meaning(&mut self, due: &Due, known: &mut Known) -> Option<(StoredTrigger, StoredJob)> {
        let mut trigger = Arc::unwrap_or_clone(known.triggers.remove(&due.trigger_id)?);
        rows::stand(&mut trigger, due);
        let problem = if trigger.state == TriggerState::Error {
            trigger.error.clone().unwrap_or_default()
        } else if let Some(name) =
            trigger.definition.calendar.as_ref().filter(|name| !known.calendars.contains_key(*name))
        {
            format!("its calendar {name:?} is missing or cannot be read")
        } else {
            match known.jobs.get(&trigger.job_id) {
                Some(Ok(job)) => {
                    trigger.definition.job = job.detail.key.clone();
                    return Some((trigger, job.clone()));
                }
                Some(Err(problem)) => problem.clone(),
                None => "its job is missing".to_owned(),
            }
        };
        self.taken.lanes.extend(trigger.lane.map(|lane| lane.id));
        self.taken.failed.push((due.trigger_id, problem.clone()));
        self.claimed.errors.push((trigger.definition.key, problem));
        None
    }
}
