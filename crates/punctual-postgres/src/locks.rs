//! Locks.

use deadpool_postgres::Object;
use punctual_core::time::to_millis;
use punctual_core::{
    HeldLock, LockAnswer, LockHolder, LockMode, LockName, LockRequest, StoreError, Term, lock,
};
use tokio_postgres::Row;

use crate::error::Sql;
use crate::rows::{code, instant};
use crate::sql;

/// Takes locks inside the caller's transaction. Requests exclude each other for its length, so that tokens grow in the
/// order of the grants.
pub(crate) async fn take(client: &Object, request: &LockRequest) -> Result<LockAnswer, StoreError> {
    client.batch_execute(sql::LOCKS_GUARD).await.sql()?;
    let statement = client.prepare_cached(sql::LOCKS_LAPSED_DELETE).await.sql()?;
    client.execute(&statement, &[&to_millis(request.now)]).await.sql()?;
    let names: Vec<&str> = request.locks.iter().map(|(name, _)| name.as_str()).collect();
    let statement = client.prepare_cached(sql::LOCKS_OF_NAMES).await.sql()?;
    let held: Vec<HeldLock> = client.query(&statement, &[&names]).await.sql()?.iter().map(read).collect();
    let conflicts = lock::conflicts(request, &held);
    if !conflicts.is_empty() {
        client.batch_execute("COMMIT").await.sql()?;
        return Ok(LockAnswer::Busy(conflicts));
    }
    let statement = client.prepare_cached(sql::LOCK_TOKEN).await.sql()?;
    let token: i64 = client.query_one(&statement, &[]).await.sql()?.get(0);
    let (grant, rows) = lock::grant(request, token);
    let statement = client.prepare_cached(sql::LOCK_INSERT).await.sql()?;
    for row in &rows {
        let holder = &row.holder;
        client
            .execute(
                &statement,
                &[
                    &row.name.as_str(),
                    &row.token,
                    &code(row.mode.code()),
                    &holder.node,
                    &holder.term.map(|term| term.0),
                    &holder.purpose,
                    &to_millis(row.acquired_at),
                    &to_millis(row.lease_until),
                ],
            )
            .await
            .sql()?;
    }
    client.batch_execute("COMMIT").await.sql()?;
    Ok(LockAnswer::Granted(grant))
}

/// Reads a lock: name, token, mode, node, term, purpose, acquired, lease.
pub(crate) fn read(row: &Row) -> HeldLock {
    HeldLock {
        name: LockName::stored(row.get::<_, &str>(0)),
        token: row.get(1),
        mode: LockMode::from_code(row.get::<_, i16>(2).into()),
        holder: LockHolder {
            node: row.get(3),
            term: row.get::<_, Option<i64>>(4).map(Term),
            purpose: row.get(5),
        },
        acquired_at: instant(row.get(6)),
        lease_until: instant(row.get(7)),
    }
}
