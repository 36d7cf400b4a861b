//! Ways to run statements: over a connection of the store, or over one that is lent for an edit.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Mutex;

use bytes::BytesMut;
use deadpool_postgres::Object;
use punctual_core::StoreError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{GenericClient, Row, Statement};

use crate::error::Sql;
use crate::pool::Loan;
use crate::shared::lock;

type Result<T> = std::result::Result<T, StoreError>;
pub(crate) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// Runs statements, each prepared once.
pub(crate) trait Statements: Sync {
    /// Runs one that returns rows.
    fn rows(&self, text: &str, params: Params<'_>) -> impl Future<Output = Result<Vec<Row>>> + Send;
    /// Runs one that changes rows; returns how many.
    fn run(&self, text: &str, params: Params<'_>) -> impl Future<Output = Result<u64>> + Send;
}

impl Statements for Object {
    async fn rows(&self, text: &str, params: Params<'_>) -> Result<Vec<Row>> {
        let statement = self.prepare_cached(text).await.sql()?;
        self.query(&statement, params).await.sql()
    }

    async fn run(&self, text: &str, params: Params<'_>) -> Result<u64> {
        let statement = self.prepare_cached(text).await.sql()?;
        self.execute(&statement, params).await.sql()
    }
}

/// How an edit reaches the database.
pub(crate) enum Link {
    /// Over a connection of the store, for as long as somebody waits for the edit.
    Own(Loan, Caller),
    /// Through the task that has borrowed a connection of the application. An edit is synchronous code on a thread of its
    /// own, where nothing borrowed can be: it asks, and the task answers.
    Lent(Asking),
}

/// Tells whether the caller of an edit still waits for it: the edit runs on a thread of its own, which would wait for ever
/// for an answer that a cut network swallows.
pub(crate) struct Caller(pub(crate) watch::Receiver<()>);

impl Caller {
    /// Nothing is ever sent: the channel closes when the other end is dropped.
    async fn gone(&self) {
        let mut waits = self.0.clone();
        while waits.changed().await.is_ok() {}
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.0.has_changed().is_err()
    }

    async fn unless_gone<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            done = work => done,
            () = self.gone() => Err(given_up()),
        }
    }
}

impl Link {
    pub(crate) async fn batch(&self, text: &str) -> Result<()> {
        match self {
            Self::Own(client, caller) => {
                caller.unless_gone(async { client.batch_execute(text).await.sql() }).await
            }
            Self::Lent(asking) => asking.ask(Ask::Batch(text.to_owned())).await.map(drop),
        }
    }
}

impl Statements for Link {
    async fn rows(&self, text: &str, params: Params<'_>) -> Result<Vec<Row>> {
        match self {
            Self::Own(client, caller) => caller.unless_gone(Object::rows(client, text, params)).await,
            Self::Lent(asking) => {
                let statement = asking.prepared(text).await?;
                let params = encoded(&statement, params)?;
                match asking.ask(Ask::Rows(statement, params)).await? {
                    Answer::Rows(rows) => Ok(rows),
                    _ => Err(misunderstood()),
                }
            }
        }
    }

    async fn run(&self, text: &str, params: Params<'_>) -> Result<u64> {
        match self {
            Self::Own(client, caller) => caller.unless_gone(Object::run(client, text, params)).await,
            Self::Lent(asking) => {
                let statement = asking.prepared(text).await?;
                let params = encoded(&statement, params)?;
                match asking.ask(Ask::Run(statement, params)).await? {
                    Answer::Count(count) => Ok(count),
                    _ => Err(misunderstood()),
                }
            }
        }
    }
}

/// What an edit asks of the connection that was lent to it.
enum Ask {
    Batch(String),
    Prepare(String),
    Rows(Statement, Vec<Encoded>),
    Run(Statement, Vec<Encoded>),
}

enum Answer {
    Done,
    Prepared(Statement),
    Rows(Vec<Row>),
    Count(u64),
}

type Question = (Ask, oneshot::Sender<Result<Answer>>);

/// The edit's end.
pub(crate) struct Asking {
    asks: mpsc::UnboundedSender<Question>,
    prepared: Mutex<HashMap<String, Statement>>,
}

/// The connection's end.
pub(crate) struct Answering(mpsc::UnboundedReceiver<Question>);

pub(crate) fn lent() -> (Asking, Answering) {
    let (asks, asked) = mpsc::unbounded_channel();
    (Asking { asks, prepared: Mutex::default() }, Answering(asked))
}

impl Asking {
    async fn ask(&self, ask: Ask) -> Result<Answer> {
        let (answer, answered) = oneshot::channel();
        self.asks.send((ask, answer)).map_err(|_| given_up())?;
        answered.await.map_err(|_| given_up())?
    }

    async fn prepared(&self, text: &str) -> Result<Statement> {
        if let Some(statement) = lock(&self.prepared).get(text) {
            return Ok(statement.clone());
        }
        let Answer::Prepared(statement) = self.ask(Ask::Prepare(text.to_owned())).await? else {
            return Err(misunderstood());
        };
        lock(&self.prepared).insert(text.to_owned(), statement.clone());
        Ok(statement)
    }
}

impl Answering {
    /// Answers until the edit has ended.
    pub(crate) async fn answer<C: GenericClient + Sync>(mut self, client: &C) {
        while let Some((ask, answer)) = self.0.recv().await {
            // An edit that has gone wants no answer.
            let _ = answer.send(put(client, ask).await.sql());
        }
    }
}

async fn put<C: GenericClient + Sync>(
    client: &C,
    ask: Ask,
) -> std::result::Result<Answer, tokio_postgres::Error> {
    fn params(encoded: &[Encoded]) -> Vec<&(dyn ToSql + Sync)> {
        encoded.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
    }
    Ok(match ask {
        Ask::Batch(text) => client.batch_execute(&text).await.map(|()| Answer::Done)?,
        Ask::Prepare(text) => Answer::Prepared(client.prepare(&text).await?),
        Ask::Rows(statement, values) => Answer::Rows(client.query(&statement, &params(&values)).await?),
        Ask::Run(statement, values) => Answer::Count(client.execute(&statement, &params(&values)).await?),
    })
}

/// A parameter as it goes to the server, so that it can go to another thread.
#[derive(Debug)]
struct Encoded(Option<BytesMut>);

impl ToSql for Encoded {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        let Some(bytes) = &self.0 else { return Ok(IsNull::Yes) };
        out.extend_from_slice(bytes);
        Ok(IsNull::No)
    }

    /// The type was checked when the value was encoded.
    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

fn encoded(statement: &Statement, params: Params<'_>) -> Result<Vec<Encoded>> {
    let encode = |(kind, param): (&Type, &&(dyn ToSql + Sync))| {
        let mut bytes = BytesMut::new();
        match param.to_sql_checked(kind, &mut bytes) {
            Ok(IsNull::Yes) => Ok(Encoded(None)),
            Ok(IsNull::No) => Ok(Encoded(Some(bytes))),
            Err(error) => Err(StoreError::Other(format!("a value of type {kind} cannot be sent: {error}"))),
        }
    };
    statement.params().iter().zip(params).map(encode).collect()
}

fn given_up() -> StoreError {
    StoreError::Other("the edit was given up by its caller".to_owned())
}

fn misunderstood() -> StoreError {
    StoreError::Other("a statement was answered as another one".to_owned())
}
