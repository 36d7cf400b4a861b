//! Keys of requests.

use async_trait::async_trait;
use punctual_core::time::to_millis;
use punctual_core::{Keyed, KeyedRequest, LAPSED_CHUNK, RequestStore, StoreError, TakenKey};
use rusqlite::Row;

use crate::rows::{instant, integer};
use crate::writer::Writer;
use crate::{SqliteStore, sql};

type Result<T> = std::result::Result<T, StoreError>;

fn read(row: &Row<'_>) -> rusqlite::Result<TakenKey> {
    Ok(TakenKey {
        request: row.get(0)?,
        busy_until: instant(row.get(1)?),
        expires_at: instant(row.get(2)?),
        answer: row.get(3)?,
    })
}

fn take(writer: &mut Writer, request: &KeyedRequest) -> Result<Keyed> {
    let keyed = request.decide(writer.one(sql::REQUEST_KEY, [&request.key], read)?);
    if keyed == Keyed::First {
        let taken = request.taken();
        let (busy, expires) = (to_millis(taken.busy_until), to_millis(taken.expires_at));
        writer.run(sql::REQUEST_KEY_PUT, (&request.key, &taken.request, busy, expires))?;
        writer.run(sql::REQUEST_KEYS_LAPSED, (to_millis(request.now), integer(LAPSED_CHUNK)))?;
    }
    Ok(keyed)
}

#[async_trait]
impl RequestStore for SqliteStore {
    async fn take_key(&self, request: &KeyedRequest) -> Result<Keyed> {
        let request = request.clone();
        self.write(move |writer| take(writer, &request)).await
    }

    async fn answer_key(&self, key: &str, request: &str, answer: &str) -> Result<bool> {
        let params = (key.to_owned(), request.to_owned(), answer.to_owned());
        self.write(move |writer| Ok(writer.run(sql::REQUEST_KEY_ANSWER, params)? > 0)).await
    }

    async fn release_key(&self, key: &str, request: &str) -> Result<bool> {
        let params = (key.to_owned(), request.to_owned());
        self.write(move |writer| Ok(writer.run(sql::REQUEST_KEY_RELEASE, params)? > 0)).await
    }
}
