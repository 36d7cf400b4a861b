//! The small process between a server and each of its commands, so that no command outlives its server.
//!
//! When a server is lost (SIGKILL, out of memory, a crash), recovery may run its jobs again. A command that went on would
//! then run twice at a time. So a [`Keeper`] starts the command in a process group of its own and watches a socket whose
//! other end only the server holds. When that closes, the group gets SIGTERM, and SIGKILL after half a second. Recovery
//! begins when the lease of the server ends: `lease - heartbeat` after the loss at the earliest, 2.25 s in a cluster by
//! default. Where that is shorter, so must be [`Keeper::with_grace`].
//!
//! On Linux the keeper is a child subreaper: processes that left the group (`setsid`, daemons) are found, too. Elsewhere
//! only the group is ended. Not covered: a keeper that is killed together with its server, or before it has told of its
//! command, and a server that is frozen rather than lost, whose end of the socket stays open; when it wakes after its
//! lease it cancels what it runs.
//!
//! A program with a `main` of its own makes itself a keeper by calling [`serve_if_asked`] first, and gives the kind
//! `command` a [`Keeper::this_program`].

mod process;
mod report;
mod watch;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use punctual_core::Clock;

pub(crate) use report::Report;

/// The first argument of a program that shall be a keeper.
const WORD: &str = "keep";
const LOCK: &str = "--lock";
const GRACE: &str = "--grace-ms";

/// From SIGTERM to SIGKILL when the server is lost, unless set.
pub const DEFAULT_GRACE: Duration = Duration::from_millis(500);

/// How commands are kept: by which program, and how they end with their server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeper {
    program: PathBuf,
    lock: Option<PathBuf>,
    grace: Duration,
}

impl Keeper {
    /// A program that calls [`serve_if_asked`].
    pub fn program(path: impl Into<PathBuf>) -> Self {
        Self { program: path.into(), lock: None, grace: DEFAULT_GRACE }
    }

    /// The program that asks.
    ///
    /// # Errors
    ///
    /// When the system does not say where its file is.
    pub fn this_program() -> io::Result<Self> {
        // This one stays the same program when an upgrade replaces its file.
        let own = Path::new("/proc/self/exe");
        let path = if own.exists() { own.to_owned() } else { std::env::current_exe()? };
        Ok(Self::program(path))
    }

    /// How long a command has from SIGTERM to SIGKILL when its server is lost.
    #[must_use]
    pub fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Each keeper holds a shared lock on this file for as long as it lives: see [`wait_for_last`].
    ///
    /// # Errors
    ///
    /// When the working directory, from which a relative path begins, cannot be told.
    pub fn with_lock(mut self, path: &Path) -> io::Result<Self> {
        // The command may run in another directory.
        self.lock = Some(std::path::absolute(path)?);
        Ok(self)
    }

    /// The keeper's program, as messages name it.
    pub(crate) fn path(&self) -> &Path {
        &self.program
    }

    /// What runs a program with a keeper around it.
    pub(crate) fn command<'a>(
        &self,
        program: &str,
        args: impl IntoIterator<Item = &'a str>,
    ) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(&self.program);
        command.arg0("punctual").arg(WORD).arg(GRACE).arg(self.grace.as_millis().to_string());
        if let Some(path) = &self.lock {
            command.arg(LOCK).arg(path);
        }
        command.arg("--").arg(program).args(args);
        command
    }
}

/// Waits until no keeper of an earlier process holds the lock of [`Keeper::with_lock`], for at most `limit`. A store
/// that one process at a time uses recovers at once when that is started again, without waiting for a lease.
/// Returns whether all had ended.
///
/// # Errors
///
/// When the file cannot be made or locked.
pub async fn wait_for_last(path: &Path, clock: &dyn Clock, limit: Duration) -> io::Result<bool> {
    const STEP: Duration = Duration::from_millis(20);
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    // It lies beside the database, which others of this machine cannot read either.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    let mut waited = Duration::ZERO;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(std::fs::TryLockError::Error(error)) => return Err(error),
            Err(std::fs::TryLockError::WouldBlock) if waited >= limit => return Ok(false),
            Err(std::fs::TryLockError::WouldBlock) => {}
        }
        clock.sleep_for(STEP).await;
        waited += STEP;
    }
}

/// Makes this process a keeper if it was started as one, and returns how it shall end. For the beginning of `main`:
/// it has to be alone, without other threads and children.
pub fn serve_if_asked() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    if args.next()?.as_os_str() != WORD {
        return None;
    }
    let result = Asked::read(args).and_then(|asked| process::keep(&asked));
    Some(result.map_or_else(
        |problem| {
            eprintln!("punctual {WORD}: {problem}");
            ExitCode::from(2)
        },
        |()| ExitCode::SUCCESS,
    ))
}

/// What a keeper shall do.
#[derive(Debug, PartialEq)]
struct Asked {
    grace: Duration,
    lock: Option<PathBuf>,
    program: OsString,
    args: Vec<OsString>,
}

impl Asked {
    fn read(mut args: impl Iterator<Item = OsString>) -> Result<Self, String> {
        const FORM: &str =
            "its form is: keep [--grace-ms MS] [--lock FILE] -- PROGRAM [ARGUMENT]...; the server starts it";
        let (mut grace, mut lock) = (DEFAULT_GRACE, None);
        loop {
            let word = args.next().ok_or(FORM)?;
            if word == OsStr::new("--") {
                break;
            }
            let wrong = || format!("{} is not understood; {FORM}", word.display());
            let value = args.next().ok_or_else(wrong)?;
            match word.to_str() {
                Some(LOCK) => lock = Some(PathBuf::from(value)),
                Some(GRACE) => {
                    let millis = value.to_str().and_then(|text| text.parse().ok()).ok_or_else(wrong)?;
                    grace = Duration::from_millis(millis);
                }
                _ => return Err(wrong()),
            }
        }
        let program = args.next().ok_or(FORM)?;
        Ok(Self { grace, lock, program, args: args.collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Asked, String> {
        Asked::read(words.iter().map(OsString::from))
    }

    #[test]
    fn what_follows_the_dashes_belongs_to_the_program() {
        let asked = read(&["--grace-ms", "70", "--lock", "/l", "--", "p", "--lock", "--"]).unwrap();
        let args = ["--lock", "--"].map(OsString::from).to_vec();
        assert_eq!(
            asked,
            Asked { grace: Duration::from_millis(70), lock: Some("/l".into()), program: "p".into(), args }
        );
        assert_eq!(read(&["--", "p"]).unwrap().lock, None);
        for wrong in [&["p"][..], &["--grace-ms", "x", "--", "p"], &["--"], &[], &["--lock", "/l"]] {
            assert!(read(wrong).unwrap_err().contains("-- PROGRAM"), "{wrong:?}");
        }
    }
}
