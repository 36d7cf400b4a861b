//! The statements, the schema, and files that cannot be opened.

mod ranked;

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;
use punctual_core::{
    ClusterStore, FireId, HistoryStore, LockAnswer, LockHolder, LockMode, LockRequest, LockSet, TaskRunQuery,
    TaskStatus,
};
use rusqlite::Connection;

use crate::{Options, SqliteStore, open, sql};

fn migrated() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    open::migrate(&mut connection).unwrap();
    connection
}

#[test]
fn every_statement_prepares() {
    let connection = migrated();
    for (name, text) in sql::ALL {
        if let Err(error) = connection.prepare(text) {
            panic!("sql/{name}.sql: {error}");
        }
    }
}

#[test]
fn every_file_is_a_statement() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql");
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let listed: BTreeSet<String> = sql::ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(files, listed);
}

#[test]
fn the_committed_schema_is_what_the_migrations_build() {
    let connection = migrated();
    let mut statement = connection
        .prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY type = 'view', tbl_name, type DESC, name")
        .unwrap();
    let parts: Vec<String> =
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    let built =
        format!("-- Built by the files in migrations/, in their order.\n\n{};\n", parts.join(";\n\n"));
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.sql");
    if std::env::var_os("PUNCTUAL_UPDATE").is_some() {
        std::fs::write(path, &built).unwrap();
    }
    assert!(
        std::fs::read_to_string(path).unwrap_or_default() == built,
        "schema.sql differs from what the migrations build: run `PUNCTUAL_UPDATE=1 cargo test -p punctual-sqlite`"
    );
}

fn refusal(path: &Path) -> String {
    SqliteStore::open(path, Options::default()).unwrap_err().to_string()
}

#[test]
fn a_file_of_a_newer_program_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    drop(SqliteStore::open(&path, Options::default()).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 999).unwrap();
    let message = refusal(&path);
    assert!(message.contains("schema version 999") && message.contains("jobs.db"), "{message}");
}

#[test]
fn what_is_no_database_is_refused_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    std::fs::write(&path, "a shopping list, much longer than the header of a database ".repeat(100)).unwrap();
    let message = refusal(&path);
    assert!(message.contains("notes.txt"), "{message}");
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("a shopping list"));
    let message = refusal(folder.path());
    assert!(message.contains("directory"), "{message}");
}

#[test]
fn a_file_is_used_by_one_store_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let first = SqliteStore::open(&path, Options::default()).unwrap();
    assert!(refusal(&path).contains("another process uses this database"));
    drop(first);
    SqliteStore::open(&path, Options::default()).unwrap();
}

/// A job that is stored, and whether it is there.
async fn put(store: &SqliteStore, name: &str) {
    use punctual_core::{Change, DefinitionStore, JobDetail};
    let changes = [Change::PutJob(JobDetail::new(name, "test").durable())];
    store.apply("2026-01-01T00:00:00Z".parse().unwrap(), &changes).await.unwrap();
}

async fn has(store: &SqliteStore, name: &str) -> bool {
    use punctual_core::{DefinitionStore, JobKey};
    store.job(&JobKey::new(name)).await.unwrap().is_some()
}

#[tokio::test]
async fn a_closed_file_is_complete_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let beside = |end: &str| folder.path().join(format!("jobs.db-{end}"));
    let store = SqliteStore::open(&path, Options::default()).unwrap();
    put(&store, "job").await;
    assert!(std::fs::metadata(beside("wal")).unwrap().len() > 0);
    store.close().await.unwrap();
    assert!(!beside("wal").exists() && !beside("shm").exists());
    let copy = folder.path().join("copy.db");
    std::fs::copy(&path, &copy).unwrap();
    assert!(has(&SqliteStore::open(&copy, Options::default()).unwrap(), "job").await);
    // It is over, and says so rather than to wait for ever.
    assert!(matches!(store.nodes().await, Err(punctual_core::StoreError::Unavailable(_))));
    store.close().await.unwrap_err();
    // A store that only looked has nothing to bring in.
    SqliteStore::open_read_only(&path).unwrap().close().await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn nothing_is_taken_into_a_file_that_was_removed() {
    use punctual_core::{Change, DefinitionStore, JobDetail, StoreError};
    use punctual_testkit::factory::{at, beat};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let store = SqliteStore::open(&path, Options::default()).unwrap();
    put(&store, "job").await;
    let term = store.heartbeat(&beat("n", None, at(0))).await.unwrap().term;
    store.heartbeat(&beat("n", Some(term), at(1))).await.unwrap();
    for end in ["", "-wal", "-shm", ".lock"] {
        std::fs::remove_file(format!("{}{end}", path.display())).unwrap();
    }
    // Another one takes its place, and is left alone.
    let other = SqliteStore::open(&path, Options::default()).unwrap();
    put(&other, "other").await;
    let gone = store.heartbeat(&beat("n", Some(term), at(2))).await.unwrap_err();
    assert!(matches!(&gone, StoreError::Gone(text) if text.contains("jobs.db was replaced")), "{gone}");
    let changes = [Change::PutJob(JobDetail::new("late", "test").durable())];
    let refused = store.apply(at(3), &changes).await.unwrap_err();
    assert!(matches!(refused, StoreError::Gone(_)), "{refused}");
    assert!(has(&store, "job").await, "what it held can be read");
    store.close().await.unwrap();
    drop(store);
    other.heartbeat(&beat("m", None, at(0))).await.unwrap();
    other.close().await.unwrap();
    drop(other);
    let again = SqliteStore::open(&path, Options::default()).unwrap();
    assert!(has(&again, "other").await && !has(&again, "job").await);
}

#[tokio::test]
async fn a_reader_does_not_keep_a_file_from_being_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let store = SqliteStore::open(&path, Options::default()).unwrap();
    let reader = Connection::open(&path).unwrap();
    reader.execute_batch("BEGIN; SELECT * FROM jobs").unwrap();
    put(&store, "job").await;
    let said = store.close().await.unwrap_err().to_string();
    assert!(said.contains("another program reads"), "{said}");
    drop((reader, store));
    assert!(has(&SqliteStore::open(&path, Options::default()).unwrap(), "job").await);
}

#[tokio::test]
async fn locks_of_an_earlier_process_are_free_and_its_tokens_stay_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let request = LockRequest {
        locks: LockSet::try_new([("a", LockMode::Exclusive)]).unwrap(),
        holder: LockHolder { node: "n".to_owned(), term: None, purpose: String::new() },
        now: Timestamp::UNIX_EPOCH,
        lease_ms: 60_000,
    };
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let store = SqliteStore::open(&path, Options::default()).unwrap();
        let LockAnswer::Granted(grant) = store.lock(&request).await.unwrap() else { panic!("it is free") };
        tokens.push(grant.token);
    }
    assert!(tokens[0] < tokens[1], "{tokens:?}");
}

#[cfg(unix)]
#[test]
fn a_new_file_is_readable_by_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let _store = SqliteStore::open(&path, Options::default()).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn a_file_can_be_looked_at_beside_the_store_that_uses_it() {
    use punctual_core::{Change, DefinitionStore, JobDetail, JobKey};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let store = SqliteStore::open(&path, Options::default()).unwrap();
    let look = SqliteStore::open_read_only(&path).unwrap();
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    let changes = [Change::PutJob(JobDetail::new("job", "test").durable())];
    runtime.block_on(store.apply(now, &changes)).unwrap();
    let found = |store: &SqliteStore| runtime.block_on(store.job(&JobKey::new("job"))).unwrap().is_some();
    assert!(found(&look), "what was committed meanwhile is seen");
    let refused = runtime.block_on(look.apply(now, &changes)).unwrap_err().to_string();
    assert!(refused.contains("reading only"), "{refused}");
    drop((store, look));
    assert!(found(&SqliteStore::open_read_only(&path).unwrap()), "without the store that used it");
    assert!(found(&SqliteStore::open(&path, Options::default()).unwrap()));
}

#[test]
fn what_cannot_be_looked_at_is_named_and_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let look = |path: &Path| SqliteStore::open_read_only(path).unwrap_err().to_string();
    let missing = folder.path().join("missing.db");
    let message = look(&missing);
    assert!(message.contains("missing.db") && message.contains("no such file"), "{message}");
    assert!(!missing.exists());
    let path = folder.path().join("jobs.db");
    drop(SqliteStore::open(&path, Options::default()).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 1).unwrap();
    let message = look(&path);
    assert!(message.contains("schema version 1") && message.contains("jobs.db"), "{message}");
    let notes = folder.path().join("notes.txt");
    std::fs::write(&notes, "a shopping list, much longer than the header of a database ".repeat(100))
        .unwrap();
    let message = look(&notes);
    assert!(message.contains("notes.txt") && message.contains("not a database"), "{message}");
}

#[test]
fn what_an_event_started_survives_a_crash_right_after_it() {
    use punctual_core::schedule::EventSchedule;
    use punctual_core::{Cause, Change, Data, DefinitionStore, JobDetail, Trigger, TriggerQuery};
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("jobs.db"), folder.path().join("copy.db"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    let waits = Trigger::new("t", "job", EventSchedule::new("ready").unwrap().into());
    let job = JobDetail::new("job", "test");
    let emit = Change::Emit { event: "ready".to_owned(), payload: Data::stored(r#"{"n":1}"#) };
    let store = SqliteStore::open(&path, Options::default()).unwrap();
    runtime.block_on(store.apply(now, &[Change::Schedule { job, triggers: vec![waits] }])).unwrap();
    runtime.block_on(store.apply(now, std::slice::from_ref(&emit))).unwrap();
    // The files as a crash would leave them, without what closing the database does.
    for end in ["", "-wal"] {
        let with = |path: &Path| format!("{}{end}", path.display());
        std::fs::copy(with(&path), with(&copy)).unwrap();
    }
    let again = SqliteStore::open(&copy, Options::default()).unwrap();
    let query = TriggerQuery { cause: Some(Cause::Event), ..TriggerQuery::default() };
    let runs = runtime.block_on(again.triggers(&query)).unwrap().rows;
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].definition.data.as_str(), r#"{"n":1}"#);
    let applied = runtime.block_on(again.apply(now, &[emit])).unwrap();
    assert_eq!(applied[0].created, 1, "and its trigger waits for the next one");
}

/// A trigger that this version cannot read is never written back; once it can be read, the scanner lets it go on.
#[tokio::test]
async fn an_unreadable_trigger_is_kept_as_it_is_until_it_is_understood() {
    use punctual_core::definition::Repair;
    use punctual_core::{Change, TriggerKey, TriggerState};
    use punctual_testkit::factory::{Hand, at, every, job, schedule};

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("punctual.db");
    let edit = |text: &str| Connection::open(&path).unwrap().execute_batch(text).unwrap();
    let store: std::sync::Arc<dyn punctual_core::JobStore> =
        std::sync::Arc::new(SqliteStore::open(&path, Options::default()).unwrap());
    let key = TriggerKey::new("t");
    schedule(&store, at(0), job("job"), vec![punctual_core::Trigger::new("t", "job", every(10))]).await;
    edit("UPDATE triggers SET schedule = '{\"type\":\"lunar\"}'");
    let node = Hand::register(&store, "n", at(0)).await;
    assert_eq!(node.claim(at(1), 10).await.errors.len(), 1);
    let error = store.apply(at(2), &[Change::ResetTrigger(key.clone())]).await.unwrap_err().to_string();
    assert!(error.contains("lunar") && error.contains("replace its definition"), "{error}");
    assert_eq!(store.repair(at(3)).await.unwrap(), []);
    let stored: String = Connection::open(&path)
        .unwrap()
        .query_row("SELECT schedule FROM triggers", [], |row| row.get(0))
        .unwrap();
    assert_eq!(stored, r#"{"type":"lunar"}"#, "nothing was written back");
    // A newer version understands it.
    edit("UPDATE triggers SET schedule = '{\"type\":\"simple\",\"interval_ms\":10000,\"repeat_count\":-1}'");
    assert_eq!(store.repair(at(25)).await.unwrap(), [Repair::Understood(key.clone())]);
    let trigger = store.trigger(&key).await.unwrap().unwrap();
    assert_eq!((trigger.state, trigger.next_fire_at), (TriggerState::Waiting, Some(at(30))));
    punctual_testkit::account::assert_all(&store).await;
}

#[tokio::test]
async fn rows_of_an_older_version_are_kept_and_have_no_logs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let old = Connection::open(&path).unwrap();
    for text in &open::MIGRATIONS[..6] {
        old.execute_batch(text).unwrap();
    }
    old.pragma_update(None, "user_version", 6).unwrap();
    old.execute_batch(
        "INSERT INTO task_history (id, task, status, started_at, ended_at, job_id, trigger_id, term, node, attempt, origin, cause)
         VALUES (5, 'old', 1, 1000, 2000, 0, 0, 0, 'n', 1, 5, 1)",
    )
    .unwrap();
    drop(old);
    let store = SqliteStore::open(&path, Options::default()).unwrap();
    let row = store.history_entry(FireId(5)).await.unwrap().unwrap();
    assert_eq!((row.task.as_str(), row.status), ("old", TaskStatus::Success));
    assert_eq!((row.logs, row.progress, row.parent, row.run), (None, None, None, None));
    assert_eq!(store.runs(&TaskRunQuery::default()).await.unwrap().total, 0);
}
