//! Edits within a transaction of the application.

use std::sync::Arc;

use jiff::Timestamp;
use punctual_core::{Applied, Change, StoreError};
use tokio::runtime::Handle;
use tokio_postgres::GenericClient;
use tokio_postgres::error::SqlState;

use crate::edit::Edit;
use crate::error::Sql;
use crate::store::apply_all;
use crate::{PostgresStore, asked, link};

impl PostgresStore {
    /// Applies edits within a transaction of the application: what they store becomes visible to the nodes when the
    /// application commits, together with what it wrote itself, and never if it rolls back. So a run can be asked for
    /// ([`Change::TriggerNow`]), an event emitted ([`Change::Emit`]) or a trigger stored if and only if the application's own
    /// rows are.
    ///
    /// `client` is a transaction, or a client on which one is open, in the database of this store: the same server and
    /// database, by any user with all rights on the schema. `now` is `scheduler.clock().now()`. The nodes are told by the
    /// commit; nothing else has to be done after it.
    ///
    /// ```no_run
    /// use punctual_core::{Change, Data, JobKey};
    /// # async fn pay(
    /// #     store: &punctual_postgres::PostgresStore,
    /// #     client: &mut punctual_postgres::tokio_postgres::Client,
    /// #     now: jiff::Timestamp,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// let tx = client.transaction().await?;
    /// tx.execute("UPDATE orders SET paid = true WHERE id = $1", &[&7_i64]).await?;
    /// let invoice = Change::TriggerNow { job: JobKey::new("invoice"), data: Data::stored(r#"{"order":7}"#) };
    /// store.apply_in(&tx, now, &[invoice]).await?;
    /// tx.commit().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// * **Runs and events alone lock nothing** ([`Change::TriggerNow`], [`Change::RunFor`], [`Change::Emit`], and
    ///   [`Change::Audit`] beside them): they are checked, written down as requests, and carried out by a node right after the
    ///   commit, in their order. [`Applied::pending`] names the run already; how many triggers an event finds nobody knows yet,
    ///   so that its [`Applied::created`] is 0. A request that cannot be carried out any more (its job was deleted in between)
    ///   becomes a failed row of the history.
    /// * **Ask for other changes last.** With any other change in the same call, from here to the end of the transaction every
    ///   other edit waits, and so does every node that reports how runs ended: commit at once. (Heartbeats do not wait, nor do
    ///   claims, apart from triggers and lanes that the changes concern.) Then the transaction must be READ COMMITTED (the
    ///   default): under another level it would not see what was edited since it began.
    /// * **Refused edits** leave the transaction as it was: they are undone to a savepoint, and the application may go on
    ///   and commit. The search path is what it was, either way.
    /// * **Dropping the future** halfway leaves the transaction halfway: roll it back.
    /// * The data of jobs is not checked against the types of their code, as [`DefinitionStore::apply`] does not.
    ///
    /// Must be called inside a tokio runtime, of either kind; the connection may be driven by another one. Nothing blocks
    /// the calling thread.
    ///
    /// # Errors
    /// What [`DefinitionStore::apply`] returns; and [`StoreError::Other`] when `client` has no open transaction, when that is
    /// not READ COMMITTED and has to be, or when its database has no such schema. A deadlock with another transaction of
    /// the application is [`StoreError::Unavailable`]: the whole transaction may be tried again.
    ///
    /// [`DefinitionStore::apply`]: punctual_core::DefinitionStore::apply
    pub async fn apply_in<C: GenericClient + Sync>(
        &self,
        client: &C,
        now: Timestamp,
        changes: &[Change],
    ) -> Result<Vec<Applied>, StoreError> {
        let asks = asked::are_requests(changes);
        let path = self.enter(client, asks).await?;
        let (asking, answering) = link::lent();
        let (changes, shared, runtime) = (changes.to_vec(), Arc::clone(&self.shared), Handle::current());
        let edit = tokio::task::spawn_blocking(move || match asks {
            true => Edit::ask_lent(asking, runtime, shared, |edit| asked::ask(edit, now, &changes)),
            false => Edit::run_lent(asking, runtime, shared, |edit| apply_all(edit, now, &changes)),
        });
        answering.answer(client).await;
        let result = edit
            .await
            .unwrap_or_else(|error| Err(StoreError::Other(format!("an edit ended badly: {error}"))));
        leave(client, result, &path).await
    }

    /// Sets a savepoint and the search path; returns the search path of before.
    async fn enter<C: GenericClient + Sync>(&self, client: &C, asks: bool) -> Result<String, StoreError> {
        const LOOK: &str = "SELECT current_setting('transaction_isolation'), current_setting('search_path'), \
                            to_regclass($1::text) IS NOT NULL";
        let probe = format!("\"{}\".schema_version", self.schema);
        let row = client.query_one(LOOK, &[&probe]).await.sql()?;
        let (isolation, path, exists): (String, String, bool) = (row.get(0), row.get(1), row.get(2));
        if !exists {
            return Err(StoreError::Other(format!(
                "the database of the given connection has no tables of this store in schema {}: the connection must lead \
                 to the database of the store",
                self.schema
            )));
        }
        if isolation != "read committed" && !asks {
            return Err(StoreError::Other(format!(
                "the given transaction is {}: edits need one that is READ COMMITTED",
                isolation.to_uppercase()
            )));
        }
        // Temporary tables of the application are looked at last, whatever they are called.
        let begin = format!("SAVEPOINT punctual_edit; SET LOCAL search_path = \"{}\", pg_temp", self.schema);
        client.batch_execute(&begin).await.map_err(|error| match error.code() {
            Some(&SqlState::NO_ACTIVE_SQL_TRANSACTION) => StoreError::Other(
                "the given connection has no open transaction: begin one, and commit it afterwards"
                    .to_owned(),
            ),
            _ => crate::error::store_error(&error),
        })?;
        Ok(path)
    }
}

async fn leave<C: GenericClient + Sync, T>(
    client: &C,
    result: Result<T, StoreError>,
    path: &str,
) -> Result<T, StoreError> {
    match result {
        Ok(value) => {
            client.execute("SELECT set_config('search_path', $1, true)", &[&path]).await.sql()?;
            client.batch_execute("RELEASE SAVEPOINT punctual_edit").await.sql()?;
            Ok(value)
        }
        Err(error) => {
            // With the rows the search path goes back to what it was. Where even this fails, the connection is gone, and the
            // error says why.
            let undo = "ROLLBACK TO SAVEPOINT punctual_edit; RELEASE SAVEPOINT punctual_edit";
            let _ = client.batch_execute(undo).await;
            Err(error)
        }
    }
}
