//! Options of commands that ask a server, given before the name of the command.

use std::ffi::OsString;

use clap::{Args as _, Command};

use super::Options;

/// The arguments with such options moved behind the name of the command: commands that ask no server refuse them there as
/// they do otherwise.
pub(crate) fn moved(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let options = Options::augment_args(Command::new("options"));
    let mut rest = arguments.into_iter().peekable();
    let mut moved: Vec<OsString> = rest.next().into_iter().collect();
    let mut early = Vec::new();
    while let Some(option) = rest.peek().and_then(|argument| argument.to_str()?.strip_prefix("--")) {
        let (name, joined) = option.split_once('=').map_or((option, false), |(name, _)| (name, true));
        let Some(known) = options.get_arguments().find(|known| known.get_long() == Some(name)) else { break };
        let takes_value = known.get_action().takes_values() && !joined;
        early.extend(rest.next());
        if takes_value {
            early.extend(rest.next());
        }
    }
    let is_command = rest.peek().is_some_and(|argument| !argument.as_encoded_bytes().starts_with(b"-"));
    if is_command {
        moved.extend(rest.next());
    }
    moved.into_iter().chain(early).chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(arguments: &str) -> String {
        let moved = moved(format!("punctual {arguments}").split(' ').map(OsString::from));
        let moved: Vec<&str> = moved.iter().skip(1).map(|argument| argument.to_str().unwrap()).collect();
        moved.join(" ")
    }

    #[test]
    fn options_before_a_command_stand_behind_its_name() {
        for (given, expected) in [
            ("jobs list --server u", "jobs list --server u"),
            ("--server u jobs list", "jobs --server u list"),
            ("--server=u --json --token t jobs list", "jobs --server=u --json --token t list"),
            ("--utc whoami", "whoami --utc"),
            // Their own errors are those of the command, or of the program.
            ("--server u serve --listen x", "serve --server u --listen x"),
            ("--server u", "--server u"),
            ("--server u --help", "--server u --help"),
            ("--server", "--server"),
            ("--color jobs", "--color jobs"),
            ("--version", "--version"),
            ("-- --server", "-- --server"),
            ("jobs -- --server", "jobs -- --server"),
        ] {
            assert_eq!(after(given), expected, "{given}");
        }
        assert_eq!(moved([]), Vec::<OsString>::new());
    }
}
