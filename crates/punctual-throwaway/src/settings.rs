//! The file of settings that a server is started with.

use std::fmt::Write;
use std::path::Path;

use crate::ThrowawayError;

/// The name of the file in the data folder; `postgresql.conf` includes it.
pub(crate) const FILE: &str = "punctual.conf";

/// The line of `postgresql.conf` that includes it.
pub(crate) const INCLUDE: &str = "include_if_exists = 'punctual.conf'";

/// Files in the data folder: the certificate, its key, and who may log in how.
pub(crate) const CERTIFICATE: &str = "punctual.crt";
pub(crate) const KEY: &str = "punctual.key";
pub(crate) const CLIENT_ROOT: &str = "punctual_clients.crt";
pub(crate) const LOGINS: &str = "punctual_hba.conf";

/// What makes the server use them.
pub(crate) const WITH_TLS: &str =
    "ssl = 'on'\nssl_cert_file = 'punctual.crt'\nssl_key_file = 'punctual.key'\n";
pub(crate) const WITH_CLIENT_ROOT: &str = "ssl_ca_file = 'punctual_clients.crt'\n";

/// Settings that decide how the server is reached or watched, which is this crate's affair.
const RESERVED: [&str; 12] = [
    "port",
    "listen_addresses",
    "unix_socket_directories",
    "data_directory",
    "hba_file",
    "ssl",
    "ssl_cert_file",
    "ssl_key_file",
    "ssl_ca_file",
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

/// The setting for [`LOGINS`]; unlike the others, this file is not looked for in the data folder.
pub(crate) fn with_logins(data: &Path) -> String {
    let path = data.join(LOGINS).to_string_lossy().replace('\\', "\\\\").replace('\'', "''");
    format!("hba_file = '{path}'\n")
}

/// The text of the file that says who may log in how: `lines`, then everybody without a password.
pub(crate) fn logins(lines: &[String]) -> Result<String, ThrowawayError> {
    let mut text = String::new();
    for line in lines {
        if line.contains(['\n', '\r', '\0']) {
            let reason = "it has a line break or a zero byte; give each line of pg_hba.conf on its own";
            return Err(ThrowawayError::Setting { name: line.clone(), reason });
        }
        text.push_str(line);
        text.push('\n');
    }
    text.push_str("local all all trust\nhost all all 127.0.0.1/32 trust\n");
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
            ("ssl", "on", "can be reached"),
        ] {
            let error = with(name, value).unwrap_err().to_string();
            assert!(error.contains(says) && error.contains(&format!("{name:?}")), "{error}");
        }
    }

    #[test]
    fn lines_about_logins_come_first_and_stay_lines() {
        let line = |text: &str| logins(&[text.to_owned()]);
        let text = line("host all alice all scram-sha-256").unwrap();
        assert!(text.starts_with("host all alice all scram-sha-256\nlocal all all trust\n"), "{text}");
        assert!(line("local all all trust\nhost all all all trust").is_err());
    }
}
