//! What becomes of what a claim took.

use std::collections::BTreeSet;

use deadpool_postgres::Object;
use punctual_core::time::to_millis;
use punctual_core::{Fire, StoreError, StoredTrigger, Term};

use crate::batch::{self, Opened, kept_data};
use crate::edit::cause;
use crate::error::Sql;
use crate::insert::{self, SkipRow};
use crate::rows::{code, integer, json, millis};
use crate::shared::{Owner, Shared};
use crate::{short, sql};

/// What is still to be written.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) moved: Vec<(StoredTrigger, bool)>,
    pub(super) gone: Vec<i64>,
    pub(super) deleted: Vec<i64>,
    /// What the fires belong to, which are kept elsewhere.
    pub(super) owners: Vec<Owner>,
    pub(super) skips: Vec<SkipRow>,
    pub(super) pending: Vec<(StoredTrigger, i64)>,
    pub(super) lanes: BTreeSet<i64>,
    pub(super) failed: Vec<(i64, String)>,
}

impl Taken {
    pub(super) async fn write(
        &self,
        client: &Object,
        shared: &Shared,
        node: (Term, &str),
        fires: &[Fire],
    ) -> Result<(), StoreError> {
        for (id, problem) in &self.failed {
            let statement = client.prepare_cached(sql::TRIGGER_FAIL).await.sql()?;
            client.execute(&statement, &[id, problem]).await.sql()?;
        }
        // Statements that do not need each other's answers go out together.
        futures_util::try_join!(
            self.write_moved(client),
            delete(client, sql::DUE_DELETE, &self.gone),
            delete(client, sql::TRIGGERS_DELETE, &self.deleted),
            self.write_fires(client, shared, node, fires),
        )?;
        if !self.skips.is_empty() {
            insert::skips(client, &self.skips).await?;
        }
        if !self.pending.is_empty() {
            insert::triggers(client, &self.pending).await?;
        }
        refresh_gates(client, &self.lanes).await
    }

    async fn write_moved(&self, client: &Object) -> Result<(), StoreError> {
        for (trigger, _) in self.moved.iter().filter(|(_, rebased)| *rebased) {
            let rebased = trigger.rebased.as_ref().map(json).transpose()?;
            let statement = client.prepare_cached(sql::TRIGGER_REBASE).await.sql()?;
            let (anchor, from) = (to_millis(trigger.anchor), to_millis(trigger.accounted_from));
            client.execute(&statement, &[&trigger.id, &anchor, &rebased, &from]).await.sql()?;
        }
        if self.moved.is_empty() {
            return Ok(());
        }
        let all = || self.moved.iter().map(|(trigger, _)| trigger);
        let statement = client.prepare_cached(sql::DUE_ADVANCE).await.sql()?;
        client
            .execute(
                &statement,
                &[
                    &all().map(|trigger| trigger.id).collect::<Vec<_>>(),
                    &all().map(|trigger| code(trigger.state.code())).collect::<Vec<_>>(),
                    &all().map(|trigger| millis(trigger.next_fire_at)).collect::<Vec<_>>(),
                    &all().map(|trigger| millis(trigger.previous_fire_at)).collect::<Vec<_>>(),
                    &all().map(|trigger| integer(trigger.fired)).collect::<Vec<_>>(),
                    &all().map(|trigger| integer(trigger.skipped)).collect::<Vec<_>>(),
                    &self.moved.iter().map(|(_, rebased)| i64::from(*rebased)).collect::<Vec<_>>(),
                ],
            )
            .await
            .sql()?;
        Ok(())
    }

    async fn write_fires(
        &self,
        client: &Object,
        shared: &Shared,
        node: (Term, &str),
        fires: &[Fire],
    ) -> Result<(), StoreError> {
        if fires.is_empty() {
            return Ok(());
        }
        let kept = fires.iter().filter(|fire| fire.job.history.is_kept()).map(|fire| fire.job.key.name());
        let names = shared.new_task_names(kept);
        if !names.is_empty() {
            let statement = client.prepare_cached(sql::TASK_NAMES_INSERT).await.sql()?;
            client.execute(&statement, &[&names]).await.sql()?;
            shared.remember_task_names(&names);
        }
        let opened = fires.iter().zip(&self.owners);
        let (together, single): (Vec<Opened<'_>>, Vec<Opened<'_>>) =
            opened.partition(|(_, owner)| owner.place.is_some());
        futures_util::try_join!(batch::open(client, node, &together), write_rows(client, node, &single))?;
        Ok(())
    }
}

/// Opens fires with a row of their own.
async fn write_rows(
    client: &Object,
    (term, node): (Term, &str),
    opened: &[Opened<'_>],
) -> Result<(), StoreError> {
    if opened.is_empty() {
        return Ok(());
    }
    let all = || opened.iter().map(|(fire, _)| *fire);
    let owners = || opened.iter().map(|(_, owner)| owner);
    let origin = |fire: &Fire| (fire.origin != fire.id).then_some(fire.origin.0);
    let statement = client.prepare_cached(sql::RUNNING_INSERT).await.sql()?;
    client
        .execute(
            &statement,
            &[
                &term.0,
                &node,
                &all().map(|fire| fire.id.0).collect::<Vec<_>>(),
                &short::of_one(owners().map(|owner| owner.job_id).collect()),
                &owners().map(|owner| owner.trigger_id).collect::<Vec<_>>(),
                &short::of_some(owners().map(|owner| owner.lane).collect()),
                &short::of_one(all().map(|fire| to_millis(fire.fired_at)).collect()),
                &short::of_one(all().map(|fire| to_millis(fire.scheduled_at)).collect()),
                &short::of_some(all().map(origin).collect()),
                &short::of_one(all().map(|fire| i64::from(fire.attempt)).collect()),
                &short::of_one(all().map(|fire| cause(fire.cause)).collect()),
                &short::of_one(all().map(|fire| fire.trigger.group()).collect()),
                &all().map(|fire| fire.trigger.name()).collect::<Vec<_>>(),
                &short::of_some(all().map(kept_data).collect()),
            ],
        )
        .await
        .sql()?;
    Ok(())
}

pub(crate) async fn delete(client: &Object, text: &str, ids: &[i64]) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    let statement = client.prepare_cached(text).await.sql()?;
    client.execute(&statement, &[&ids]).await.sql()?;
    Ok(())
}

/// Recomputes the gates of lanes that this transaction has locked.
async fn refresh_gates(client: &Object, lanes: &BTreeSet<i64>) -> Result<(), StoreError> {
    if lanes.is_empty() {
        return Ok(());
    }
    let lanes: Vec<i64> = lanes.iter().copied().collect();
    let (close, open) = futures_util::try_join!(
        client.prepare_cached(sql::GATES_CLOSE),
        client.prepare_cached(sql::GATES_OPEN)
    )
    .sql()?;
    futures_util::try_join!(async { client.execute(&close, &[&lanes]).await }, async {
        client.execute(&open, &[&lanes]).await
    },)
    .sql()?;
    Ok(())
}
