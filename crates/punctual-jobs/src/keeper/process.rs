//! The keeper's own process.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, WaitOptions};

use super::watch::{Event, Watch};
use super::{Asked, Report};

/// Starts the command and stays until it has ended; if the server is lost before, until nothing of it is left.
pub(super) fn keep(asked: &Asked) -> Result<(), String> {
    let mut server = server()?;
    // Held until the process ends. Without it a server that is started again at once cannot wait, and goes on.
    let _lock = asked.lock.as_ref().and_then(|path| hold(path));
    if is_lost(&mut server) {
        return Ok(());
    }
    adopt();
    let child = Command::new(&asked.program).args(&asked.args).stdin(Stdio::null()).process_group(0).spawn();
    let child = match child {
        Ok(child) => child,
        Err(error) => {
            let number = error.raw_os_error().unwrap_or(rustix::io::Errno::INVAL.raw_os_error());
            tell(&mut server, Report::Refused(number));
            return Ok(());
        }
    };
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or("the command has no process id")?;
    // At once: without this process nobody else could find what the server does not know.
    tell(&mut server, Report::Started(id.as_raw_nonzero().get()));
    let mut kept = Kept { command: Some(id), lost: false, over: false };
    let watched = server.try_clone().and_then(|server| Watch::start(server, asked.grace));
    let watch = watched.map_err(|error| {
        kept.signal(Signal::KILL);
        format!("cannot watch the command: {error}")
    })?;
    while let Some(event) = watch.next() {
        match event {
            Event::ChildEnded => {
                let ended = kept.reap();
                watch.reaped();
                if let Some(status) = ended.filter(|_| !kept.lost) {
                    tell(&mut server, Report::Ended(status));
                    return Ok(());
                }
            }
            Event::NoChildren => return Ok(()),
            Event::ServerLost => kept.lose(),
            Event::GraceOver => kept.end(),
        }
    }
    Ok(())
}

/// The socket to the server: standard input, which the command does not get.
fn server() -> Result<UnixStream, String> {
    let input = std::io::stdin().as_fd().try_clone_to_owned().map_err(|error| error.to_string())?;
    let socket = UnixStream::from(input);
    match socket.peer_addr() {
        Ok(_) => Ok(socket),
        Err(_) => Err("standard input is no socket; the server starts this with one".to_owned()),
    }
}

fn hold(path: &std::path::Path) -> Option<File> {
    let file = File::open(path).ok()?;
    file.lock_shared().ok()?;
    Some(file)
}

/// Whether the server is gone already.
fn is_lost(server: &mut UnixStream) -> bool {
    let looked = server.set_nonblocking(true).and_then(|()| server.read(&mut [0]));
    let lost = !matches!(looked, Err(ref error) if error.kind() == ErrorKind::WouldBlock);
    server.set_nonblocking(false).is_err() || lost
}

/// A server that is lost cannot be told; the watch finds that out.
fn tell(server: &mut UnixStream, report: Report) {
    let _ = server.write_all(report.to_string().as_bytes());
}

/// Lets orphans of the command become children of this process, wherever they have gone.
#[cfg(target_os = "linux")]
fn adopt() {
    // Any number but 0 means yes. Without it those that left the group are not found.
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
}

#[cfg(not(target_os = "linux"))]
fn adopt() {}

/// The command and what it has started.
struct Kept {
    /// The command, until it is reaped: its process group.
    command: Option<Pid>,
    /// Whether the server is lost.
    lost: bool,
    /// Whether what is left gets SIGKILL.
    over: bool,
}

impl Kept {
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.command {
            // It may have ended.
            let _ = rustix::process::kill_process_group(group, signal);
        }
    }

    fn lose(&mut self) {
        self.lost = true;
        self.signal(Signal::TERM);
    }

    fn end(&mut self) {
        self.over = true;
        self.signal(Signal::KILL);
        kill_descendants();
    }

    /// Reaps a child that has ended; the status of the command if that is the one.
    fn reap(&mut self) -> Option<i32> {
        if self.lost && !cfg!(target_os = "linux") {
            // The rest of the group is found by this number only, which is free once the command is reaped.
            self.signal(Signal::KILL);
        }
        let ended = rustix::process::wait(WaitOptions::NOHANG).ok().flatten();
        if self.over {
            // Those whose parent has just ended.
            kill_descendants();
        }
        let (_, status) = ended.filter(|(id, _)| Some(*id) == self.command)?;
        self.command = None;
        Some(status.as_raw())
    }
}

#[cfg(not(target_os = "linux"))]
fn kill_descendants() {}

#[cfg(target_os = "linux")]
fn kill_descendants() {
    let processes = processes();
    let mut found = vec![rustix::process::getpid().as_raw_nonzero().get()];
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        found.extend(processes.iter().filter(|(_, of)| *of == parent).map(|(id, _)| *id));
        at += 1;
    }
    for id in found.into_iter().skip(1).filter_map(Pid::from_raw) {
        let _ = rustix::process::kill_process(id, Signal::KILL);
    }
}

/// Every process with its parent.
#[cfg(target_os = "linux")]
fn processes() -> Vec<(i32, i32)> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let of = |entry: std::fs::DirEntry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read(entry.path().join("stat")).ok()?;
        Some((id, parent(&String::from_utf8_lossy(&stat))?))
    };
    entries.flatten().filter_map(of).collect()
}

/// The parent that a line of `/proc/ID/stat` names: the second word behind the name, which may hold anything.
#[cfg(target_os = "linux")]
fn parent(stat: &str) -> Option<i32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn a_parent_is_found_behind_any_name() {
        assert_eq!(super::parent("12 (a) b) (c) S 7 12 0"), Some(7));
        assert_eq!(super::parent("12 (a"), None);
        let own = rustix::process::getpid().as_raw_nonzero().get();
        let parent = rustix::process::getppid().unwrap().as_raw_nonzero().get();
        assert!(super::processes().contains(&(own, parent)));
    }
}
