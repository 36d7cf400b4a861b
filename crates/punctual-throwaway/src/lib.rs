//! A PostgreSQL server for a while: for tests, benchmarks and for trying a cluster out.
//!
//! ```no_run
//! use punctual_throwaway::{Options, Postgres};
//!
//! let server = Postgres::start(Options::default())?;
//! assert_eq!(server.psql("SELECT 1")?, "1");
//! println!("{}", server.url()); // postgresql://punctual@127.0.0.1:40123/punctual
//! # Ok::<(), punctual_throwaway::ThrowawayError>(())
//! ```
//!
//! [`binaries`] says which PostgreSQL is used. The server is as durable as PostgreSQL is by default (`fsync` and
//! `synchronous_commit` are on), sorts by bytes (locale C, encoding UTF-8), and listens on 127.0.0.1 alone. It asks for
//! no password unless [`Options::logins`] says so: **every user of this machine can log in as its superuser** while it runs.
//!
//! PostgreSQL refuses to run as root. Where this process is root, the server runs as the user `postgres` or else
//! `nobody`, to whom its folders are given.
//!
//! # How it ends
//!
//! Dropping [`Postgres`] stops the server and removes its temporary folder. Where nothing is dropped (the owner is
//! killed, even by SIGKILL, or the value is in a `static`), a small shell process that reads from a pipe of the owner
//! notices, stops the server at once (as [`Stop::Immediate`] does) and removes the folder. Only if that process is
//! killed too does the server go on; `pg_ctl stop -D` with its data folder then ends it.
//!
//! Unix only.

mod account;
mod binaries;
mod error;
mod guard;
mod server;
mod settings;

pub use binaries::binaries;
pub use error::ThrowawayError;
pub use server::{Options, Postgres, Stop, Tls};
