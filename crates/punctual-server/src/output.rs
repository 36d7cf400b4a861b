//! What commands print. All of it goes through here: the macros of the standard library panic where nobody reads any
//! more or a disk is full.

use std::error::Error;
use std::fmt;
use std::io::{self, IsTerminal, StdoutLock, Write};

/// Writes a line to the standard output.
macro_rules! say {
    ($($text:tt)*) => { $crate::output::write_line(format_args!($($text)*)) };
}

/// Writes a line to the standard error, where that is possible.
macro_rules! note {
    ($($text:tt)*) => { $crate::output::write_note(format_args!($($text)*)) };
}

pub(crate) use {note, say};

/// The standard output, whose errors say that they are its own.
#[derive(Debug)]
pub(crate) struct Output(StdoutLock<'static>);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(Unwritten::error)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(Unwritten::error)
    }
}

/// The standard output. Whoever writes to it flushes it in the end, or else would not hear of the last error.
#[expect(clippy::disallowed_methods, reason = "this is where everything else gets it")]
pub(crate) fn stdout() -> Output {
    Output(io::stdout().lock())
}

/// Whether people read the standard output.
pub(crate) fn is_terminal() -> bool {
    stdout().0.is_terminal()
}

/// Something could not be written to the standard output.
#[derive(Debug)]
struct Unwritten(io::Error);

impl Unwritten {
    fn error(cause: io::Error) -> io::Error {
        io::Error::new(cause.kind(), Self(cause))
    }
}

impl fmt::Display for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot write to the standard output")
    }
}

impl Error for Unwritten {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

/// Whether nobody reads the standard output any more, as with `| head`, which has seen enough. A connection that breaks
/// is something else.
pub(crate) fn reader_left(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|cause| {
        cause.kind() == io::ErrorKind::BrokenPipe
            && cause.get_ref().is_some_and(|cause| cause.is::<Unwritten>())
    })
}

/// Writes to the standard output, up to the last byte.
pub(crate) fn print(write: impl FnOnce(&mut Output) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut out = stdout();
    write(&mut out)?;
    Ok(out.flush()?)
}

/// The same before a verdict, which stands whether or not it is read to its end.
pub(crate) fn print_as_far_as_read(
    write: impl FnOnce(&mut Output) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    print(write).or_else(|error| if reader_left(&error) { Ok(()) } else { Err(error) })
}

/// The same about what is `done` already, and stays done whatever becomes of the words about it.
pub(crate) fn print_of_done(done: &str, write: impl FnOnce(&mut Output) -> anyhow::Result<()>) {
    if let Err(error) = print_as_far_as_read(write) {
        note!("punctual: {done}, but what has changed cannot be shown: {error:#}");
    }
}

/// [`say!`].
pub(crate) fn write_line(text: fmt::Arguments<'_>) -> anyhow::Result<()> {
    print(|out| Ok(writeln!(out, "{text}")?))
}

/// [`note!`].
pub(crate) fn write_note(text: fmt::Arguments<'_>) {
    // There is nowhere left to say that it could not be said.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn a_reader_that_leaves_is_told_from_what_fails() {
        let of = |kind: io::ErrorKind| anyhow::Error::new(Unwritten::error(kind.into()));
        assert!(reader_left(&of(io::ErrorKind::BrokenPipe)));
        assert!(reader_left(&Err::<(), _>(of(io::ErrorKind::BrokenPipe)).context("a list").unwrap_err()));
        let full = of(io::ErrorKind::StorageFull);
        assert!(!reader_left(&full));
        let said = format!("{full:#}");
        assert_eq!(said, "cannot write to the standard output: no storage space");
        // That of a connection.
        assert!(!reader_left(&io::Error::from(io::ErrorKind::BrokenPipe).into()));
    }
}
