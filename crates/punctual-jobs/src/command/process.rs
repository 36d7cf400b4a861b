//! The process of a run, started directly or by a keeper.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStderr, ChildStdout};

use crate::keeper::Report;

/// Why there is no process.
#[derive(Debug)]
pub(super) enum StartError {
    /// The system cannot start the command.
    Command(io::Error),
    /// The keeper did not begin its work.
    Keeper(io::Error),
}

/// A process that runs.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    group: Group,
    /// What the keeper reports, if there is one.
    reports: Option<Lines<BufReader<UnixStream>>>,
    /// What the keeper has reported.
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts a command.
    pub(super) fn start(mut command: tokio::process::Command) -> Result<Self, StartError> {
        command.stdin(Stdio::null()).kill_on_drop(true);
        let child = command.spawn().map_err(StartError::Command)?;
        let group = Group { id: child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) };
        Ok(Self { child, group, reports: None, ended: None })
    }

    /// Starts a keeper, which starts its command.
    pub(super) async fn start_kept(mut command: tokio::process::Command) -> Result<Self, StartError> {
        let (ours, theirs) = UnixStream::pair().map_err(StartError::Keeper)?;
        // The keeper's end waits.
        let theirs = theirs.into_std().map_err(StartError::Keeper)?;
        theirs.set_nonblocking(false).map_err(StartError::Keeper)?;
        command.stdin(Stdio::from(OwnedFd::from(theirs)));
        let child = command.spawn().map_err(StartError::Keeper)?;
        // This process must hold one end only, or it would never see the other one close.
        drop(command);
        let reports = Some(BufReader::new(ours).lines());
        let mut process = Self { child, group: Group { id: None }, reports, ended: None };
        match process.report().await {
            Some(Report::Started(id)) => {
                process.group.id = Pid::from_raw(id);
                Ok(process)
            }
            Some(Report::Refused(number)) => {
                process.child.wait().await.map_err(StartError::Keeper)?;
                Err(StartError::Command(io::Error::from_raw_os_error(number)))
            }
            Some(Report::Ended(_)) | None => Err(StartError::Keeper(process.lost().await)),
        }
    }

    /// Its outputs, once.
    pub(super) fn outputs(&mut self) -> (Option<ChildStdout>, Option<ChildStderr>) {
        (self.child.stdout.take(), self.child.stderr.take())
    }

    /// Waits for the end of the command. May be dropped and called again.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        if self.reports.is_none() {
            return self.child.wait().await;
        }
        if self.ended.is_none() {
            let Some(Report::Ended(status)) = self.report().await else { return Err(self.lost().await) };
            self.ended = Some(ExitStatus::from_raw(status));
        }
        let own = self.child.wait().await?;
        Ok(self.ended.unwrap_or(own))
    }

    /// Sends a signal to the command and all that is in its group.
    pub(super) fn signal(&self, signal: Signal) {
        self.group.signal(signal);
    }

    /// What is still in the group may go on.
    pub(super) fn done(mut self) {
        self.group.id = None;
    }

    async fn report(&mut self) -> Option<Report> {
        let line = self.reports.as_mut()?.next_line().await.ok()??;
        Report::read(&line)
    }

    /// The keeper is gone without a word about the command, which must not go on unseen.
    async fn lost(&mut self) -> io::Error {
        self.signal(Signal::KILL);
        // A keeper that still lives ends when this end of its socket closes.
        self.reports = None;
        match self.child.wait().await {
            Ok(status) => io::Error::other(format!(
                "the keeper of the command ended before it could say how that ended ({status}): the command is killed"
            )),
            Err(error) => error,
        }
    }
}

/// The process group of a command; killed when this is dropped before [`Process::done`].
#[derive(Debug)]
struct Group {
    id: Option<Pid>,
}

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(id) = self.id {
            // The group may have ended meanwhile, which is what was wanted.
            let _ = rustix::process::kill_process_group(id, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}
