//! Keys of requests.

use async_trait::async_trait;
use deadpool_postgres::Object;
use punctual_core::time::to_millis;
use punctual_core::{Keyed, KeyedRequest, LAPSED_CHUNK, RequestStore, StoreError, TakenKey};
use tokio_postgres::Row;

use crate::error::Sql;
use crate::rows::{instant, integer};
use crate::{PostgresStore, sql};

type Result<T> = std::result::Result<T, StoreError>;

fn read(row: &Row) -> TakenKey {
    TakenKey {
        request: row.get(0),
        busy_until: instant(row.get(1)),
        expires_at: instant(row.get(2)),
        answer: row.get(3),
    }
}

/// Takes a key inside the caller's transaction. Requests of one key exclude each other for its length.
async fn take(client: &Object, request: &KeyedRequest) -> Result<Keyed> {
    let guard = client.prepare_cached(sql::REQUEST_KEY_GUARD).await.sql()?;
    client.query(&guard, &[&request.key]).await.sql()?;
    let look = client.prepare_cached(sql::REQUEST_KEY).await.sql()?;
    let keyed = request.decide(client.query_opt(&look, &[&request.key]).await.sql()?.as_ref().map(read));
    if keyed == Keyed::First {
        let taken = request.taken();
        let (busy, expires) = (to_millis(taken.busy_until), to_millis(taken.expires_at));
        let put = client.prepare_cached(sql::REQUEST_KEY_PUT).await.sql()?;
        client.execute(&put, &[&request.key, &taken.request, &busy, &expires]).await.sql()?;
        let lapsed = client.prepare_cached(sql::REQUEST_KEYS_LAPSED).await.sql()?;
        client.execute(&lapsed, &[&to_millis(request.now), &integer(LAPSED_CHUNK)]).await.sql()?;
    }
    client.batch_execute("COMMIT").await.sql()?;
    Ok(keyed)
}

#[async_trait]
impl RequestStore for PostgresStore {
    async fn take_key(&self, request: &KeyedRequest) -> Result<Keyed> {
        let client = self.client().await?;
        client.batch_execute("BEGIN").await.sql()?;
        let result = take(&client, request).await;
        client.after_transaction(result).await
    }

    async fn answer_key(&self, key: &str, request: &str, answer: &str) -> Result<bool> {
        Ok(self.execute(sql::REQUEST_KEY_ANSWER, &[&key, &request, &answer]).await? > 0)
    }

    async fn release_key(&self, key: &str, request: &str) -> Result<bool> {
        Ok(self.execute(sql::REQUEST_KEY_RELEASE, &[&key, &request]).await? > 0)
    }
}
