//! The fences of lists, remembered for as long as nobody has changed any: there are thousands of them in a long history,
//! and most of the time of a page would go into reading them.

use std::collections::HashMap;
use std::sync::Arc;

use deadpool_postgres::Object;
use punctual_core::StoreError;
use punctual_core::ranking::{Fence, List};

use super::read;
use crate::link::Statements;
use crate::shared::{Shared, lock};
use crate::sql;

/// How many fences are remembered: some tens of megabytes.
const MOST: usize = 500_000;

/// The fences of one version.
#[derive(Default)]
pub(crate) struct Known {
    version: i64,
    fences: usize,
    lists: HashMap<List, Arc<[Fence]>>,
}

impl Known {
    fn list(&self, version: i64, list: &List) -> Option<Arc<[Fence]>> {
        if self.version == version { self.lists.get(list).map(Arc::clone) } else { None }
    }

    /// What an older transaction has seen is not remembered.
    fn remember(&mut self, version: i64, list: List, fences: &Arc<[Fence]>) {
        if version < self.version {
            return;
        }
        if version > self.version || self.fences + fences.len() > MOST {
            *self = Self { version, ..Self::default() };
        }
        self.fences += fences.len();
        self.lists.insert(list, Arc::clone(fences));
    }
}

/// The version that the open transaction sees.
pub(super) async fn version(client: &Object) -> Result<i64, StoreError> {
    let rows = client.rows(sql::FENCES_VERSION, &[]).await?;
    Ok(rows.first().map_or(0, |row| row.get(0)))
}

/// The fences of each list, in their order.
pub(super) async fn of(
    client: &Object,
    shared: &Shared,
    version: i64,
    lists: &[List],
) -> Result<Vec<Vec<Fence>>, StoreError> {
    let mut found: HashMap<List, Arc<[Fence]>> = {
        let known = lock(&shared.fences);
        lists.iter().filter_map(|list| Some((*list, known.list(version, list)?))).collect()
    };
    let missing: Vec<List> = lists.iter().filter(|list| !found.contains_key(list)).copied().collect();
    if !missing.is_empty() {
        let mut read: HashMap<List, Vec<Fence>> = missing.iter().map(|list| (*list, Vec::new())).collect();
        for (list, fence) in read::fences(client, &missing).await? {
            read.entry(list).or_default().push(fence);
        }
        let mut known = lock(&shared.fences);
        for (list, fences) in read {
            let fences: Arc<[Fence]> = fences.into();
            known.remember(version, list, &fences);
            found.insert(list, fences);
        }
    }
    Ok(lists.iter().map(|list| found.get(list).map(|fences| fences.to_vec()).unwrap_or_default()).collect())
}
