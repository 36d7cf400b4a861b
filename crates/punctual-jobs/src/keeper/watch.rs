//! What a keeper waits for, from its threads.

use std::io::{ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use rustix::process::{WaitId, WaitIdOptions};

/// Something has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A child has ended and waits to be reaped. The next is looked for when [`Watch::reaped`] is called.
    ChildEnded,
    /// There is no child any more.
    NoChildren,
    /// The server's end of the socket is closed.
    ServerLost,
    /// What is still there has had its time.
    GraceOver,
}

/// The threads that watch.
pub(super) struct Watch {
    events: Receiver<Event>,
    reaped: Sender<()>,
}

impl Watch {
    /// Starts them: there must be a child.
    pub(super) fn start(server: UnixStream, grace: Duration) -> std::io::Result<Self> {
        let (tell, events) = channel();
        let (reaped, next) = channel();
        let tell_of_children = tell.clone();
        std::thread::Builder::new().spawn(move || watch_server(server, grace, &tell))?;
        std::thread::Builder::new().spawn(move || watch_children(&tell_of_children, &next))?;
        Ok(Self { events, reaped })
    }

    /// Waits for the next event; none: the threads are gone.
    pub(super) fn next(&self) -> Option<Event> {
        self.events.recv().ok()
    }

    /// To be called after a child that has ended was reaped.
    pub(super) fn reaped(&self) {
        // The thread goes on for as long as this exists.
        let _ = self.reaped.send(());
    }
}

fn watch_server(mut server: UnixStream, grace: Duration, tell: &Sender<Event>) {
    let mut nothing = [0; 16];
    loop {
        match server.read(&mut nothing) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Ok(1..) => {}
            Ok(0) | Err(_) => break,
        }
    }
    let (_never, silence) = channel::<()>();
    // The keeper ends when it has what it waits for, whatever this thread has to say.
    let _ = tell.send(Event::ServerLost);
    let _ = silence.recv_timeout(grace);
    let _ = tell.send(Event::GraceOver);
}

/// Leaves those that have ended to be reaped by the thread that sends signals, so that none goes to a number which the
/// system has given to another process meanwhile.
fn watch_children(tell: &Sender<Event>, next: &Receiver<()>) {
    loop {
        match rustix::process::waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            Err(rustix::io::Errno::INTR) => {}
            Ok(_) => {
                if tell.send(Event::ChildEnded).is_err() || next.recv().is_err() {
                    return;
                }
            }
            Err(_) => {
                let _ = tell.send(Event::NoChildren);
                return;
            }
        }
    }
}
