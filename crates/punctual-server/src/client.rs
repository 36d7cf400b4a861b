//! The commands that talk to a running server over its API.
//!
//! A command says in a [`Call`] which route it asks and how the answer is shown; everything else (connection, paging,
//! tables, JSON, failures, exit codes) is here, once.

mod before;
mod call;
mod connection;
mod credentials;
mod definition;
mod failure;
mod follow;
mod format;
mod instant;
mod key;
mod options;
mod pages;
mod prompt;
mod session;
mod style;
mod table;

pub(crate) use before::moved;
pub(crate) use call::{Call, Extent, Follow, Lines, Made, Note, Request, Section, Step};
pub(crate) use connection::Connection;
pub(crate) use definition::{File, object};
pub(crate) use failure::{Failure, outcome};
pub(crate) use format::Format;
pub(crate) use instant::{Started, When};
pub(crate) use key::Key;
pub(crate) use options::Options;
pub(crate) use prompt::{Prompt, Question};
pub(crate) use session::{Remote, run};
pub(crate) use style::{Style, plain};
pub(crate) use table::{Column, column};
