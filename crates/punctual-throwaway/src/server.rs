//! One server: its folders, its start, its stop.

use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::account::Account;
use crate::guard::Guard;
use crate::{ThrowawayError, binaries, settings};

/// The superuser and the first database.
const NAME: &str = "punctual";

/// What `pg_ctl` waits for a server to start, and to stop when asked to, in seconds.
const PATIENCE: &str = "60";

/// What a drop waits for a fast stop before it does without, in seconds.
const PATIENCE_OF_DROP: &str = "10";

/// How often a free port that somebody else took in the meantime is replaced by another.
const PORTS_TO_TRY: usize = 10;

/// The path of a socket must fit into about 100 bytes: a temporary folder with a longer name is not used.
const LONGEST_BASE: usize = 60;

/// How a server is to be started.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The data folder, which is kept. It is created, or used again if it has a cluster of [`Postgres`] in it. With
    /// `None` it is a temporary one, which is removed in the end.
    pub data_dir: Option<PathBuf>,
    /// The port on 127.0.0.1, or `None` for a free one.
    pub port: Option<u16>,
    /// Names and values as in `postgresql.conf` but without quotes: `("max_connections", "300")`. They hold for each
    /// start. What decides how the server is reached (`port`, `listen_addresses` and so on) is refused.
    pub settings: Vec<(String, String)>,
    /// The certificate that the server shows, with its key: it then offers TLS, which clients need not take.
    pub tls: Option<Tls>,
    /// Lines of `pg_hba.conf` that come before the one that lets everybody in, such as
    /// `host all alice 127.0.0.1/32 scram-sha-256`, so that a user needs a password. Not for the user `punctual`, whom this
    /// crate itself uses.
    pub logins: Vec<String>,
}

impl Options {
    /// For tests that do not cut the power, so that they need not wait for the disk; for so many connections.
    pub fn for_tests(connections: u32) -> Self {
        let connections = connections.to_string();
        let settings = [("max_connections", &*connections), ("fsync", "off"), ("full_page_writes", "off")];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Self { settings, ..Self::default() }
    }
}

/// A certificate and its private key, each as PEM text.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The server's certificate, followed by those that lead to its root.
    pub certificate: String,
    /// The private key, without a passphrase.
    pub key: String,
    /// The root of certificates by which clients may log in (`cert` in [`Options::logins`]).
    pub client_root: Option<String>,
}

/// How a server is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Open transactions are rolled back, and what is in memory is written to the data files.
    Fast,
    /// Every process ends at once, as in a crash; the next start recovers from the write-ahead log.
    Immediate,
}

/// A PostgreSQL server that is stopped when this is dropped.
#[derive(Debug)]
pub struct Postgres {
    bin: PathBuf,
    account: Account,
    data: PathBuf,
    port: u16,
    settings: Vec<(String, String)>,
    tls: Option<Tls>,
    logins: Vec<String>,
    /// Whether there may be a server of this value's own.
    started: bool,
    // Dropped in this order: the guard is called off before the folder goes.
    _guard: Guard,
    temp: TempDir,
}

impl Postgres {
    /// Creates a cluster (`initdb`) unless there is one, starts a server on it and creates the database `punctual`.
    /// Returns when it accepts connections.
    ///
    /// # Errors
    ///
    /// If there is no PostgreSQL, a setting is refused, the port is taken, a server already runs on the folder, or
    /// one of PostgreSQL's programs fails (with what it said and the server's log). Nothing is left running then.
    pub fn start(options: Options) -> Result<Self, ThrowawayError> {
        Self::start_on(options, free_port)
    }

    /// Starts with ports from `free` where the options name none.
    fn start_on(
        options: Options,
        free: impl FnMut() -> Result<u16, ThrowawayError>,
    ) -> Result<Self, ThrowawayError> {
        let Options { data_dir, port, settings, tls, logins } = options;
        settings::text(0, Path::new(""), &settings)?;
        settings::logins(&logins)?;
        let bin = binaries()?;
        let account = Account::choose()?;
        let temp = temporary_folder()?;
        account.own(temp.path())?;
        let data = match data_dir {
            Some(named) => std::path::absolute(&named)
                .map_err(ThrowawayError::io(format!("use the data folder {named:?}")))?,
            None => temp.path().join("data"),
        };
        // Before the guard: it must not stop a server that somebody else has started.
        if runs(account, &bin, &data, temp.path())? {
            return Err(ThrowawayError::InUse { data_dir: data });
        }
        let guard = Guard::start(account, &bin, &data, temp.path())?;
        let mut server =
            Self { bin, account, data, port: 0, settings, tls, logins, started: false, _guard: guard, temp };
        server.create_cluster()?;
        server.first_launch(port, free)?;
        if server.ask("postgres", &format!("SELECT 1 FROM pg_database WHERE datname = '{NAME}'"))?.is_empty()
        {
            server.ask("postgres", &format!("CREATE DATABASE {NAME}"))?;
        }
        Ok(server)
    }

    /// `postgresql://punctual@127.0.0.1:PORT/punctual`, for a superuser without a password.
    pub fn url(&self) -> String {
        self.url_of(NAME)
    }

    /// Creates another database and returns its URL.
    ///
    /// # Errors
    ///
    /// If the name is not a lower-case letter followed by at most 62 lower-case letters (a-z), digits and underscores,
    /// if there is such a database, or if the server does not answer.
    pub fn database(&self, name: &str) -> Result<String, ThrowawayError> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(plain) || name.len() > 63
        {
            return Err(ThrowawayError::DatabaseName { name: name.to_owned() });
        }
        self.ask("postgres", &format!("CREATE DATABASE \"{name}\""))?;
        Ok(self.url_of(name))
    }

    /// Stops the server and returns when it has ended. One that does not run is left as it is.
    ///
    /// # Errors
    ///
    /// If it goes on running for 60 s.
    pub fn stop(&mut self, mode: Stop) -> Result<(), ThrowawayError> {
        self.stop_within(mode, PATIENCE)
    }

    /// Starts the server again, with the same port, data and settings. One that runs is left as it is; one that was
    /// killed from outside counts as running until the system has removed its process.
    ///
    /// # Errors
    ///
    /// As for [`Postgres::start`].
    pub fn start_again(&mut self) -> Result<(), ThrowawayError> {
        if self.runs()? { Ok(()) } else { self.launch() }
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The file that the server logs to, over all its starts. It goes with the temporary folder.
    pub fn log(&self) -> PathBuf {
        self.temp.path().join("log")
    }

    /// The data folder, with `postmaster.pid` (whose first line is the process id) while the server runs.
    pub fn data_dir(&self) -> &Path {
        &self.data
    }

    /// Runs SQL in the database `punctual` by `psql -AtX`: a row for each line, `|` between columns, no header, without
    /// the last line break. Several statements in one text are one transaction, as ever with `psql -c`.
    ///
    /// # Errors
    ///
    /// What psql says if a statement fails or the server does not answer.
    pub fn psql(&self, sql: &str) -> Result<String, ThrowawayError> {
        self.ask(NAME, sql)
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgresql://{NAME}@127.0.0.1:{}/{database}", self.port)
    }

    fn ask(&self, database: &str, sql: &str) -> Result<String, ThrowawayError> {
        let mut psql = self.command("psql");
        psql.env("PGCONNECT_TIMEOUT", "10");
        psql.args(["-AtX", "-v", "ON_ERROR_STOP=1", "-d", &self.url_of(database), "-c", sql]);
        let output = run(&mut psql)?;
        let answer = succeeded("psql", &output)?;
        Ok(answer.strip_suffix('\n').unwrap_or(&answer).to_owned())
    }

    fn create_cluster(&self) -> Result<(), ThrowawayError> {
        if self.data.join("PG_VERSION").exists() {
            return Ok(());
        }
        let doing = || format!("create the data folder {}", self.data.display());
        std::fs::create_dir_all(&self.data).map_err(ThrowawayError::io(doing()))?;
        // A folder with something in it is not given away; initdb refuses it and says why.
        if std::fs::read_dir(&self.data).map_err(ThrowawayError::io(doing()))?.next().is_none() {
            self.account.own(&self.data)?;
        }
        let mut initdb = self.command("initdb");
        initdb.args(["--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync", "-U", NAME, "-D"]);
        succeeded("initdb", &run(initdb.arg(&self.data))?).map(drop)
    }

    fn first_launch(
        &mut self,
        port: Option<u16>,
        mut free: impl FnMut() -> Result<u16, ThrowawayError>,
    ) -> Result<(), ThrowawayError> {
        if let Some(port) = port {
            self.port = port;
            return self.launch();
        }
        let mut tries = PORTS_TO_TRY;
        loop {
            tries -= 1;
            self.port = free()?;
            match self.launch() {
                Err(ThrowawayError::PortTaken { .. }) if tries > 0 => {}
                ended => return ended,
            }
        }
    }

    /// Starts the server on the port that is set. If that fails, none runs.
    fn launch(&mut self) -> Result<(), ThrowawayError> {
        self.write_settings()?;
        let logged = std::fs::metadata(self.log()).map_or(0, |file| file.len());
        let mut start = self.command("pg_ctl");
        start.args(["start", "-w", "-t", PATIENCE, "-D"]).arg(&self.data).arg("-l").arg(self.log());
        self.started = true;
        let output = run(&mut start)?;
        if output.status.success() {
            return Ok(());
        }
        // It may be starting yet, only too slowly. What this says adds nothing to why the start failed.
        let _ = self.stop_within(Stop::Immediate, PATIENCE_OF_DROP);
        let log = text_from(&self.log(), logged);
        if log.contains("could not bind") && log.contains("Address already in use") {
            return Err(ThrowawayError::PortTaken { port: self.port });
        }
        let output = format!("{}\n{}", said(&output), log.trim_end());
        Err(ThrowawayError::Failed { program: "pg_ctl start".to_owned(), output })
    }

    fn write_settings(&self) -> Result<(), ThrowawayError> {
        let mut text = settings::text(self.port, self.temp.path(), &self.settings)?;
        if let Some(tls) = &self.tls {
            self.write_private(settings::CERTIFICATE, &tls.certificate)?;
            self.write_private(settings::KEY, &tls.key)?;
            text.push_str(settings::WITH_TLS);
            if let Some(root) = &tls.client_root {
                self.write_private(settings::CLIENT_ROOT, root)?;
                text.push_str(settings::WITH_CLIENT_ROOT);
            }
        }
        if !self.logins.is_empty() {
            self.write_private(settings::LOGINS, &settings::logins(&self.logins)?)?;
            text.push_str(&settings::with_logins(&self.data));
        }
        self.write_private(settings::FILE, &text)?;
        let main = self.data.join("postgresql.conf");
        let doing = || format!("include {} in {}", settings::FILE, main.display());
        let present = std::fs::read_to_string(&main).map_err(ThrowawayError::io(doing()))?;
        if present.lines().any(|line| line == settings::INCLUDE) {
            return Ok(());
        }
        let mut main_file =
            std::fs::OpenOptions::new().append(true).open(&main).map_err(ThrowawayError::io(doing()))?;
        main_file
            .write_all(format!("\n{}\n", settings::INCLUDE).as_bytes())
            .map_err(ThrowawayError::io(doing()))
    }

    /// Writes a file into the data folder that only the server's user can read.
    fn write_private(&self, name: &str, text: &str) -> Result<(), ThrowawayError> {
        let file = self.data.join(name);
        std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&file)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(ThrowawayError::io(format!("write {}", file.display())))?;
        self.account.own(&file)
    }

    fn stop_within(&mut self, mode: Stop, seconds: &str) -> Result<(), ThrowawayError> {
        let mode = match mode {
            Stop::Fast => "fast",
            Stop::Immediate => "immediate",
        };
        let mut stop = self.command("pg_ctl");
        stop.args(["stop", "-w", "-t", seconds, "-m", mode, "-D"]).arg(&self.data);
        let output = run(&mut stop)?;
        // It fails also where nothing runs, as after a crash.
        if !output.status.success() && self.runs()? {
            return succeeded("pg_ctl stop", &output).map(drop);
        }
        self.started = false;
        Ok(())
    }

    fn runs(&self) -> Result<bool, ThrowawayError> {
        runs(self.account, &self.bin, &self.data, self.temp.path())
    }

    fn command(&self, program: &str) -> Command {
        self.account.command(&self.bin.join(program), self.temp.path())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if !self.started || self.stop_within(Stop::Fast, PATIENCE_OF_DROP).is_ok() {
            return;
        }
        if let Err(error) = self.stop_within(Stop::Immediate, PATIENCE_OF_DROP) {
            eprintln!("the PostgreSQL server on port {} was not stopped: {error}", self.port);
        }
    }
}

/// Whether a server runs on a data folder.
fn runs(account: Account, bin: &Path, data: &Path, folder: &Path) -> Result<bool, ThrowawayError> {
    let mut status = account.command(&bin.join("pg_ctl"), folder);
    // 0: it runs, 3: it does not, 4: no such data folder.
    run(status.arg("status").arg("-D").arg(data)).map(|output| output.status.success())
}

fn temporary_folder() -> Result<TempDir, ThrowawayError> {
    let mut base = std::env::temp_dir();
    if base.as_os_str().len() > LONGEST_BASE {
        base = PathBuf::from("/tmp");
    }
    let base = std::path::absolute(&base).unwrap_or(base);
    tempfile::Builder::new()
        .prefix("punctual-pg-")
        .tempdir_in(&base)
        .map_err(ThrowawayError::io(format!("create a temporary folder in {}", base.display())))
}

/// A port that nobody listens on; somebody else may take it before it is used.
fn free_port() -> Result<u16, ThrowawayError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(ThrowawayError::io("find a free port on 127.0.0.1"))
}

fn run(command: &mut Command) -> Result<Output, ThrowawayError> {
    command.output().map_err(|source| {
        let folder = command.get_current_dir().unwrap_or(Path::new("."));
        let doing = format!("run {} in {}", command.get_program().display(), folder.display());
        ThrowawayError::Io { doing, source }
    })
}

/// What a program wrote to standard output, or the error of one that failed.
fn succeeded(program: &str, output: &Output) -> Result<String, ThrowawayError> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(ThrowawayError::Failed { program: program.to_owned(), output: said(output) })
}

/// What a program that failed said: errors, or else the rest, or else how it ended.
fn said(output: &Output) -> String {
    let texts =
        [&output.stderr, &output.stdout].map(|bytes| String::from_utf8_lossy(bytes).trim().to_owned());
    texts.into_iter().find(|text| !text.is_empty()).unwrap_or_else(|| output.status.to_string())
}

/// A file from a position on, or what can be read of it.
fn text_from(path: &Path, position: u64) -> String {
    let mut bytes = Vec::new();
    if let Ok(mut file) = std::fs::File::open(path) {
        let _ = file.seek(SeekFrom::Start(position)).and_then(|_| file.read_to_end(&mut bytes));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_was_taken_in_the_meantime_is_replaced() {
        if let Err(error) = binaries() {
            let required = std::env::var("PUNCTUAL_REQUIRE").unwrap_or_default();
            assert!(!required.split(',').any(|name| name.trim() == "postgres"), "{error}");
            eprintln!("passed over: {error}");
            return;
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let taken = listener.local_addr().unwrap().port();
        let mut tries = 0;
        let server = Postgres::start_on(Options::default(), || {
            tries += 1;
            if tries <= 2 { Ok(taken) } else { free_port() }
        })
        .unwrap();
        assert_ne!(server.port(), taken);
        assert_eq!(server.psql("SHOW port").unwrap(), server.port().to_string());
        assert!(tries >= 3, "{tries}");
    }
}
