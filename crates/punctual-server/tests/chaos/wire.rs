//! The network between a node and the database, which can be cut: nothing goes through any more, and neither side is told.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// Forwards connections to a port of this machine. It goes on until the process ends.
pub(crate) struct Wire {
    pub(crate) port: u16,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    cut: Mutex<bool>,
    changed: Condvar,
}

impl Gate {
    fn set(&self, cut: bool) {
        *self.cut.lock().unwrap() = cut;
        self.changed.notify_all();
    }

    /// Waits while it is cut.
    fn pass(&self) {
        drop(self.changed.wait_while(self.cut.lock().unwrap(), |cut| *cut).unwrap());
    }
}

impl Wire {
    pub(crate) fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, gate) = (listener.local_addr().unwrap().port(), Arc::<Gate>::default());
        let shared = Arc::clone(&gate);
        thread::spawn(move || {
            for node in listener.incoming() {
                shared.pass();
                // While the server does not listen, the node sees its connection end.
                let (Ok(node), Ok(server)) = (node, TcpStream::connect(("127.0.0.1", server))) else {
                    continue;
                };
                let back = (server.try_clone().unwrap(), node.try_clone().unwrap());
                for (from, to) in [(node, server), back] {
                    let gate = Arc::clone(&shared);
                    thread::spawn(move || forward(from, to, &gate));
                }
            }
        });
        Self { port, gate }
    }

    pub(crate) fn cut(&self) {
        self.gate.set(true);
    }

    /// What was sent meanwhile arrives now, late.
    pub(crate) fn mend(&self) {
        self.gate.set(false);
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, gate: &Gate) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        gate.pass();
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    // The end of a connection is no more than another message.
    gate.pass();
    // The other direction may have ended it already.
    let _ = to.shutdown(Shutdown::Write);
    let _ = from.shutdown(Shutdown::Read);
}
