//! Rows that are written many at a time, one array for each column.

use jiff::Timestamp;
use punctual_core::time::to_millis;
use punctual_core::{Cause, FireId, JobKey, Lane, Skip, StoreError, StoredTrigger, TriggerKey};

use crate::link::Statements;
use crate::rows::{code, integer, json, millis};
use crate::sql;

/// Number, limit and overlap policy of a lane.
pub(crate) fn lane_columns(lane: Option<Lane>) -> (Option<i64>, i32, i16) {
    let limit = lane.map_or(1, |lane| i32::try_from(lane.limit).unwrap_or(i32::MAX));
    (lane.map(|lane| lane.id), limit, lane.map_or(0, |lane| code(lane.overlap.code())))
}

/// Inserts triggers, each with the number of its job's kind.
pub(crate) async fn triggers(
    client: &impl Statements,
    fresh: &[(StoredTrigger, i64)],
) -> Result<(), StoreError> {
    insert_definitions(client, fresh).await?;
    stand(client, fresh).await
}

/// Inserts where triggers stand.
pub(crate) async fn stand(
    client: &impl Statements,
    fresh: &[(StoredTrigger, i64)],
) -> Result<(), StoreError> {
    let each = |fresh: &'_ [(StoredTrigger, i64)], of: fn(&StoredTrigger) -> i64| -> Vec<i64> {
        fresh.iter().map(|(trigger, _)| of(trigger)).collect()
    };
    let lanes: Vec<_> = fresh.iter().map(|(trigger, _)| lane_columns(trigger.lane)).collect();
    client
        .run(
            sql::DUE_INSERT,
            &[
                &each(fresh, |trigger| trigger.id),
                &fresh.iter().map(|(_, kind)| *kind).collect::<Vec<_>>(),
                &fresh.iter().map(|(trigger, _)| millis(trigger.next_fire_at)).collect::<Vec<_>>(),
                &each(fresh, |trigger| -i64::from(trigger.definition.priority)),
                &fresh.iter().map(|(trigger, _)| code(trigger.state.code())).collect::<Vec<_>>(),
                &fresh.iter().map(|(trigger, _)| trigger.pending.is_some()).collect::<Vec<_>>(),
                &lanes.iter().map(|lane| lane.0).collect::<Vec<_>>(),
                &lanes.iter().map(|lane| lane.1).collect::<Vec<_>>(),
                &lanes.iter().map(|lane| lane.2).collect::<Vec<_>>(),
                &fresh.iter().map(|(trigger, _)| millis(trigger.previous_fire_at)).collect::<Vec<_>>(),
                &each(fresh, |trigger| integer(trigger.fired)),
                &each(fresh, |trigger| integer(trigger.skipped)),
            ],
        )
        .await?;
    Ok(())
}

async fn insert_definitions(
    client: &impl Statements,
    fresh: &[(StoredTrigger, i64)],
) -> Result<(), StoreError> {
    let all = || fresh.iter().map(|(trigger, _)| trigger);
    let text = |result: Result<Vec<String>, StoreError>| result;
    let schedules = text(all().map(|trigger| json(&trigger.definition.schedule)).collect())?;
    let misfires = text(all().map(|trigger| json(&trigger.definition.misfire)).collect())?;
    let rebased: Vec<Option<String>> =
        all().map(|trigger| trigger.rebased.as_ref().map(json).transpose()).collect::<Result<_, _>>()?;
    let pending = || all().map(|trigger| trigger.pending.as_ref());
    let source = || pending().map(|run| run.and_then(|run| run.trigger.as_ref()));
    client
        .run(
            sql::TRIGGERS_INSERT,
            &[
                &all().map(|trigger| trigger.id).collect::<Vec<_>>(),
                &all().map(|trigger| trigger.definition.key.group()).collect::<Vec<_>>(),
                &all().map(|trigger| trigger.definition.key.name()).collect::<Vec<_>>(),
                &all().map(|trigger| trigger.job_id).collect::<Vec<_>>(),
                &all().map(|trigger| trigger.definition.description.as_deref()).collect::<Vec<_>>(),
                &schedules,
                &all().map(|trigger| millis(trigger.definition.start)).collect::<Vec<_>>(),
                &all().map(|trigger| millis(trigger.definition.end)).collect::<Vec<_>>(),
                &all().map(|trigger| trigger.definition.calendar.as_deref()).collect::<Vec<_>>(),
                &misfires,
                &all()
                    .map(|trigger| trigger.definition.misfire_threshold_ms.map(integer))
                    .collect::<Vec<_>>(),
                &all().map(|trigger| trigger.definition.data.as_str()).collect::<Vec<_>>(),
                &all().map(|trigger| to_millis(trigger.anchor)).collect::<Vec<_>>(),
                &rebased,
                &all().map(|trigger| to_millis(trigger.accounted_from)).collect::<Vec<_>>(),
                &pending()
                    .map(|run| code(run.map_or(Cause::Schedule, |run| run.cause).code()))
                    .collect::<Vec<_>>(),
                &pending().map(|run| run.is_some()).collect::<Vec<_>>(),
                &pending().map(|run| i64::from(run.map_or(1, |run| run.attempt))).collect::<Vec<_>>(),
                &pending()
                    .map(|run| run.and_then(|run| run.origin).map(|origin| origin.0))
                    .collect::<Vec<_>>(),
                &pending().map(|run| run.map(|run| to_millis(run.scheduled_at))).collect::<Vec<_>>(),
                &source().map(|key| key.map(TriggerKey::group)).collect::<Vec<_>>(),
                &source().map(|key| key.map(TriggerKey::name)).collect::<Vec<_>>(),
                &all().map(|trigger| trigger.error.as_deref()).collect::<Vec<_>>(),
                &all().map(|trigger| to_millis(trigger.created_at)).collect::<Vec<_>>(),
                &all().map(|trigger| to_millis(trigger.updated_at)).collect::<Vec<_>>(),
                &all().map(|trigger| trigger.definition.schedule.event()).collect::<Vec<_>>(),
            ],
        )
        .await?;
    Ok(())
}

/// A skipped range that is still to be written.
pub(crate) struct SkipRow {
    id: i64,
    trigger: TriggerKey,
    job: JobKey,
    skip: Skip,
    recorded_at: Timestamp,
    fire: Option<FireId>,
}

impl SkipRow {
    pub(crate) fn new(
        id: i64,
        trigger: &TriggerKey,
        job: &JobKey,
        skip: &Skip,
        recorded_at: Timestamp,
        fire: Option<FireId>,
    ) -> Self {
        Self { id, trigger: trigger.clone(), job: job.clone(), skip: *skip, recorded_at, fire }
    }
}

pub(crate) async fn skips(client: &impl Statements, skips: &[SkipRow]) -> Result<(), StoreError> {
    client
        .run(
            sql::SKIPS_INSERT,
            &[
                &skips.iter().map(|row| row.id).collect::<Vec<_>>(),
                &skips.iter().map(|row| row.trigger.group()).collect::<Vec<_>>(),
                &skips.iter().map(|row| row.trigger.name()).collect::<Vec<_>>(),
                &skips.iter().map(|row| row.job.group()).collect::<Vec<_>>(),
                &skips.iter().map(|row| row.job.name()).collect::<Vec<_>>(),
                &skips.iter().map(|row| to_millis(row.skip.first)).collect::<Vec<_>>(),
                &skips.iter().map(|row| to_millis(row.skip.last)).collect::<Vec<_>>(),
                &skips.iter().map(|row| integer(row.skip.count)).collect::<Vec<_>>(),
                &skips.iter().map(|row| row.skip.reason.as_str()).collect::<Vec<_>>(),
                &skips.iter().map(|row| to_millis(row.recorded_at)).collect::<Vec<_>>(),
                &skips.iter().map(|row| row.fire.map(|fire| fire.0)).collect::<Vec<_>>(),
            ],
        )
        .await?;
    Ok(())
}
