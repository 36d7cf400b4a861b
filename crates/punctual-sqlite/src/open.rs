//! Opens the file: lock, permissions, pragmas, migrations.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use punctual_core::StoreError;
use punctual_core::ranking::Spacing;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error::Sql;

/// How sure a commit is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Synchronous {
    /// Edits and claims reach the disk before they are acknowledged: a power cut loses no definition and runs nothing
    /// twice. (How the very last runs ended may be lost; they are then `unknown`.)
    #[default]
    Full,
    /// A killed process loses nothing; a power cut may take back the last commits, so that what ran just before
    /// runs again.
    Normal,
}

/// How to open a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// How sure a commit is.
    pub synchronous: Synchronous,
    /// How close the fences stand that count the rows of triggers with many of them. Anything but the default is for tests.
    pub trigger_fences: Spacing,
    /// Whether the file may lose its name while it is open, which is an error otherwise: for tests that remove it at once.
    pub nameless: bool,
}

pub(crate) const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_init.sql"),
    include_str!("../migrations/0002_lanes_and_calendars.sql"),
    include_str!("../migrations/0003_node_clock.sql"),
    include_str!("../migrations/0004_locks.sql"),
    include_str!("../migrations/0005_events.sql"),
    include_str!("../migrations/0006_accounts.sql"),
    include_str!("../migrations/0007_records.sql"),
    include_str!("../migrations/0008_request_keys.sql"),
    include_str!("../migrations/0009_ranked_history.sql"),
    include_str!("../migrations/0010_login_failures.sql"),
    include_str!("../migrations/0011_history_of_triggers.sql"),
    include_str!("../migrations/0012_history_of_moved_clocks.sql"),
    include_str!("../migrations/0013_history_off_time.sql"),
    include_str!("../migrations/0014_places_of_all_tasks.sql"),
    include_str!("../migrations/0015_fences_of_triggers.sql"),
    include_str!("../migrations/0016_triggers_to_mend.sql"),
    include_str!("../migrations/0017_slots_of_nodes.sql"),
    include_str!("../migrations/0018_draining_nodes.sql"),
];

/// The version of the schema that this program writes.
pub(crate) const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64;

fn refused(path: &Path, problem: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(format!("{}: {problem}", path.display()))
}

/// Whether another process holds the lock of a database. Where there is nothing to lock, nobody does, and nothing is made.
pub(crate) fn is_in_use(path: &Path) -> Result<bool, StoreError> {
    let lock_path = lock_path(path);
    if !lock_path.exists() {
        return Ok(false);
    }
    let file = OpenOptions::new().write(true).open(&lock_path).map_err(|error| refused(&lock_path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(refused(&lock_path, error)),
    }
}

fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

/// A file beside the database that is locked while a process uses it; the system frees it when the process dies.
pub(crate) fn lock(path: &Path) -> Result<File, StoreError> {
    let lock_path = lock_path(path);
    let file = private(OpenOptions::new().create(true).truncate(false).write(true))
        .open(&lock_path)
        .map_err(|error| refused(&lock_path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(refused(
            path,
            "another process uses this database; stop it first, or give this one a directory of its own",
        )),
        Err(TryLockError::Error(error)) => Err(refused(&lock_path, error)),
    }
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600)
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// Opens the connection that writes, and brings the schema up to date.
pub(crate) fn writer(path: &Path, options: &Options) -> Result<Connection, StoreError> {
    if path.is_dir() {
        return Err(refused(path, "this is a directory: name a file"));
    }
    // Created here, so that it never exists with wider permissions than it should have.
    private(OpenOptions::new().create(true).truncate(false).read(true).write(true))
        .open(path)
        .map_err(|error| refused(path, format!("cannot open the database: {error}")))?;
    let mut connection = Connection::open(path).sql()?;
    configure(&connection, options).and_then(|()| migrate(&mut connection)).map_err(|error| match error {
        StoreError::Corrupt(text) => StoreError::Corrupt(format!(
            "{}: {text}; restore it from a backup, or move it away to begin with an empty one",
            path.display()
        )),
        StoreError::Unavailable(text) => refused(path, text),
        other => other,
    })?;
    Ok(connection)
}

/// Opens a connection that only reads.
pub(crate) fn reader(path: &Path) -> Result<Connection, StoreError> {
    reads(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
}

/// Opens a connection that looks at a database which another process may be using. It changes nothing, not even when it
/// is the last one that is closed.
pub(crate) fn looker(path: &Path) -> Result<Connection, StoreError> {
    if !path.is_file() {
        return Err(refused(path, "there is no such file"));
    }
    let version = |connection: &Connection| {
        connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0)).sql()
    };
    let (connection, version) = reads(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .and_then(|connection| version(&connection).map(|version| (connection, version)))
        .map_err(|error| match error {
            StoreError::Corrupt(text) => StoreError::Corrupt(format!("{}: {text}", path.display())),
            StoreError::Unavailable(text) => refused(path, text),
            other => other,
        })?;
    if version != SCHEMA_VERSION {
        return Err(refused(
            path,
            format!(
                "the database has schema version {version}, and this program reads version {SCHEMA_VERSION}: use the \
                 program that uses the database"
            ),
        ));
    }
    Ok(connection)
}

fn reads(path: &Path, mode: OpenFlags) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX).sql()?;
    connection.pragma_update(None, "query_only", true).sql()?;
    connection.pragma_update(None, "cache_size", -1_024).sql()?;
    connection.busy_timeout(std::time::Duration::from_secs(5)).sql()?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

fn configure(connection: &Connection, options: &Options) -> Result<(), StoreError> {
    connection.busy_timeout(std::time::Duration::from_secs(5)).sql()?;
    connection.pragma_update(None, "journal_mode", "wal").sql()?;
    connection.pragma_update(None, "synchronous", synchronous_word(options.synchronous)).sql()?;
    connection.pragma_update(None, "cache_size", -8_192).sql()?;
    connection.pragma_update(None, "temp_store", "memory").sql()?;
    // 16 MiB: a busy writer would otherwise move its pages into the file, and wait for the disk, many times a second.
    connection.pragma_update(None, "wal_autocheckpoint", 4_000).sql()?;
    // Without this, SQLite built with STAT4 compiles a statement anew whenever other values are bound to it, to look at
    // its statistics; there are none here, and the indexes are made for the statements.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).sql()?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(())
}

/// How long other programs that read the file may hold up its close.
const LAST_READERS: std::time::Duration = std::time::Duration::from_secs(1);

/// Brings what is in the write-ahead log into the file, and leaves the log empty.
pub(crate) fn empty_log(connection: &Connection) -> Result<(), StoreError> {
    connection.busy_timeout(LAST_READERS).sql()?;
    let busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).sql()?;
    if busy {
        return Err(StoreError::Unavailable("another program reads the database".to_owned()));
    }
    Ok(())
}

/// SQLite's word.
pub(crate) fn synchronous_word(synchronous: Synchronous) -> &'static str {
    match synchronous {
        Synchronous::Full => "full",
        Synchronous::Normal => "normal",
    }
}

pub(crate) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).sql()?;
    if version > SCHEMA_VERSION {
        return Err(StoreError::Corrupt(format!(
            "the database has schema version {version}, and this program knows versions up to {SCHEMA_VERSION}: use \
             the newer program that wrote it"
        )));
    }
    for (number, migration) in (1_i64..).zip(MIGRATIONS).filter(|(number, _)| *number > version) {
        let tx = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).sql()?;
        tx.execute_batch(migration).sql()?;
        tx.pragma_update(None, "user_version", number).sql()?;
        tx.commit().sql()?;
    }
    Ok(())
}
