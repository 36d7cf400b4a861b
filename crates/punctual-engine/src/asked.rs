//! Carrying out what applications asked for inside their own transactions, right after the commit.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use punctual_core::{CarriedOut, CarryOut, Event, StoreError};

use crate::node::Node;
use crate::scheduler::Inner;
use crate::settings::Backoff;

/// How many requests one transaction carries out: few enough that the ends of runs do not wait long for it.
const AT_ONCE: usize = 100;

const OPERATION: &str = "carry out what an application asked for";

/// Carries requests out whenever the store tells of some, or a heartbeat sees some. It does not matter whether this node
/// has room for runs, or is in standby: what comes of them is for all nodes.
pub(crate) async fn asked_loop(inner: Arc<Inner>) {
    let mut backoff = Backoff::new(&inner.node.settings);
    loop {
        tokio::select! {
            biased;
            () = inner.stop.cancelled() => return,
            () = inner.asked.notified() => {}
        }
        while let Err(error) = carry_out_all(&inner).await {
            let pause = backoff.fail();
            inner.node.tell_failure(OPERATION, &error, pause);
            tokio::select! {
                biased;
                () = inner.stop.cancelled() => return,
                () = inner.node.clock.sleep_for(Duration::from_millis(pause)) => {}
            }
        }
        backoff.reset();
    }
}

/// Carries out what waits, batch by batch.
async fn carry_out_all(inner: &Inner) -> Result<(), StoreError> {
    let mut after = None;
    let mut stuck = false;
    loop {
        let carried = inner.node.carry_out(inner.node.clock.now(), after, AT_ONCE).await?;
        if carried.done > 0 {
            inner.wake.notify_one();
        }
        stuck |= carried.stuck.is_some();
        after = carried.next;
        if after.is_none() || inner.stop.is_cancelled() {
            if !stuck {
                inner.node.tell_works(OPERATION);
            }
            return Ok(());
        }
    }
}

impl Node {
    /// Carries out one batch of what applications asked for inside their transactions, from those after a number on.
    pub async fn carry_out(
        &self,
        now: Timestamp,
        after: Option<i64>,
        limit: usize,
    ) -> Result<CarriedOut, StoreError> {
        let which = CarryOut { node: self.name.clone(), after, limit };
        let carried = self.note(self.answered(self.store.carry_out(now, &which)).await)?;
        for refused in &carried.refused {
            self.listeners.emit_with(|| Event::RequestRefused(refused.clone()));
        }
        if let Some(error) = carried.stuck.clone() {
            self.tell_failed(OPERATION, error, self.settings.heartbeat_ms);
        }
        Ok(carried)
    }
}
