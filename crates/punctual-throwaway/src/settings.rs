//! The file of settings that a server is started with.

use std::fmt::Write;
use std::path::Path;

use crate::ThrowawayError;

/// The name of the file in the data folder; `postgresql.conf` includes it.
pub(crate) const FILE: &str = "punctual.conf";

/// The line of `postgresql.conf` that includes it.
pub(crate) const INCLUDE: &str = "include_if_exists = 'punctual.conf'";

/// Settings that decide how the server is reached or watched, which is this crate's affair.
const RESERVED: [&str; 8] = [
    "port",
    "listen_addresses",
    "unix_socket_directories",
    "data_directory",
    "hba_file",
    "lc_messages",
    "log_destination",
    "logging_collector",
];

/// The text of the file: `settings` beside those that keep the server on the loopback address, its sockets in
/// `sockets` and its messages readable.
pub(crate) fn text(
    port: u16,
    sockets: &Path,
    settings: &[(String, String)],
) -> Result<String, ThrowawayError> {
    let mut text = String::from("# Written anew at each start.\n");
    let mut line = |name: &str, value: &str| {
        // A quoted value knows backslash escapes. Writing to a string does not fail.
        let _ = writeln!(text, "{name} = '{}'", value.replace('\\', "\\\\").replace('\'', "''"));
    };
    line("port", &port.to_string());
    line("listen_addresses", "127.0.0.1");
    line("unix_socket_directories", &sockets.to_string_lossy());
    line("lc_messages", "C");
    for (name, value) in settings {
        check(name, value)?;
        line(name, value);
    }
    Ok(text)
}

fn check(name: &str, value: &str) -> Result<(), ThrowawayError> {
    let refuse = |reason| Err(ThrowawayError::Setting { name: name.to_owned(), reason });
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.') {
        return refuse("a name has letters, digits, `_` and `.` only, as in \"max_connections\"");
    }
    if name.eq_ignore_ascii_case("port") {
        return refuse("the port is set by `Options::port`");
    }
    if RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
        return refuse("it is set so that the server can be reached, watched and removed");
    }
    if value.contains(['\n', '\r', '\0']) {
        return refuse("its value has a line break or a zero byte; write it on one line");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, value: &str) -> Result<String, ThrowawayError> {
        text(5432, Path::new("/tmp/it's"), &[(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn values_are_quoted() {
        let text = with("log_line_prefix", r"it's %m\n").unwrap();
        assert!(text.contains("port = '5432'\n"), "{text}");
        assert!(text.contains("unix_socket_directories = '/tmp/it''s'\n"), "{text}");
        assert!(text.ends_with("log_line_prefix = 'it''s %m\\\\n'\n"), "{text}");
    }

    #[test]
    fn what_would_break_the_server_is_refused_by_name() {
        for (name, value, says) in [
            ("", "1", "letters, digits"),
            ("fsync = off\nport", "1", "letters, digits"),
            ("Port", "1", "Options::port"),
            ("LISTEN_ADDRESSES", "*", "can be reached"),
            ("search_path", "a\nport = 1", "line break"),
        ] {
            let error = with(name, value).unwrap_err().to_string();
            assert!(error.contains(says) && error.contains(&format!("{name:?}")), "{error}");
        }
    }
}
