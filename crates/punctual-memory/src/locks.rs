//! Locks: the grants by their tokens.

use std::collections::BTreeMap;

use jiff::Timestamp;
use punctual_core::time::whole_millis;
use punctual_core::{HeldLock, LockAnswer, LockRequest, lock};

#[derive(Debug, Default)]
pub(crate) struct Locks {
    last_token: i64,
    grants: BTreeMap<i64, Vec<HeldLock>>,
}

impl Locks {
    pub(crate) fn take(&mut self, request: &LockRequest) -> LockAnswer {
        let now = whole_millis(request.now);
        self.grants.retain(|_, rows| rows.iter().any(|row| row.is_live(now)));
        let conflicts = lock::conflicts(request, self.grants.values().flatten());
        if !conflicts.is_empty() {
            return LockAnswer::Busy(conflicts);
        }
        self.last_token += 1;
        let (grant, rows) = lock::grant(request, self.last_token);
        self.grants.insert(self.last_token, rows);
        LockAnswer::Granted(grant)
    }

    pub(crate) fn renew(&mut self, token: i64, now: Timestamp, lease_ms: u64) -> bool {
        let Some(rows) = self.grants.get_mut(&token) else { return false };
        let live = rows.iter().all(|row| row.is_live(whole_millis(now)));
        if live {
            let end = lock::lease_end(now, lease_ms);
            rows.iter_mut().for_each(|row| row.lease_until = row.lease_until.max(end));
        }
        live
    }

    pub(crate) fn give_up(&mut self, token: i64) -> bool {
        self.grants.remove(&token).is_some()
    }

    pub(crate) fn held(&self, now: Timestamp) -> Vec<HeldLock> {
        let live = |row: &&HeldLock| row.is_live(whole_millis(now));
        let mut held: Vec<HeldLock> = self.grants.values().flatten().filter(live).cloned().collect();
        held.sort_by(|a, b| (&a.name, a.token).cmp(&(&b.name, b.token)));
        held
    }
}
