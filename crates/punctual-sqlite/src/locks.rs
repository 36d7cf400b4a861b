//! Locks.

use jiff::Timestamp;
use punctual_core::time::to_millis;
use punctual_core::{
    HeldLock, LockAnswer, LockHolder, LockMode, LockName, LockRequest, StoreError, Term, lock,
};
use rusqlite::{Connection, Row};

use crate::error::Sql;
use crate::rows::instant;
use crate::sql;
use crate::writer::Writer;

pub(crate) fn take(writer: &mut Writer, request: &LockRequest) -> Result<LockAnswer, StoreError> {
    writer.run(sql::LOCKS_LAPSED_DELETE, [to_millis(request.now)])?;
    let mut held = Vec::new();
    for (name, _) in request.locks.iter() {
        held.extend(writer.many(sql::LOCKS_OF_NAME, [name.as_str()], read)?);
    }
    let conflicts = lock::conflicts(request, &held);
    if !conflicts.is_empty() {
        return Ok(LockAnswer::Busy(conflicts));
    }
    let (grant, rows) = lock::grant(request, writer.next_id()?);
    for row in &rows {
        let holder = &row.holder;
        let params = (
            row.name.as_str(),
            row.token,
            row.mode.code(),
            &holder.node,
            holder.term.map(|term| term.0),
            &holder.purpose,
            to_millis(row.acquired_at),
            to_millis(row.lease_until),
        );
        writer.run(sql::LOCK_INSERT, params)?;
    }
    Ok(LockAnswer::Granted(grant))
}

pub(crate) fn held(connection: &Connection, now: Timestamp) -> Result<Vec<HeldLock>, StoreError> {
    connection
        .prepare_cached(sql::LOCKS_LIVE)
        .and_then(|mut statement| statement.query_map([to_millis(now)], read)?.collect())
        .sql()
}

/// Reads a lock: name, token, mode, node, term, purpose, acquired, lease.
fn read(row: &Row<'_>) -> rusqlite::Result<HeldLock> {
    Ok(HeldLock {
        name: LockName::stored(row.get_ref(0)?.as_str()?),
        token: row.get(1)?,
        mode: LockMode::from_code(row.get(2)?),
        holder: LockHolder {
            node: row.get(3)?,
            term: row.get::<_, Option<i64>>(4)?.map(Term),
            purpose: row.get(5)?,
        },
        acquired_at: instant(row.get(6)?),
        lease_until: instant(row.get(7)?),
    })
}
