//! Everything that is wrong with a file is said at once.

use super::*;

/// The lines of the problems of a text, with the words of each.
fn problems(text: &str) -> Vec<(usize, String)> {
    let message = refused(text);
    let at = |block: &str| Some(block.split_once(", line ")?.1.split_once(':')?.0.parse().unwrap());
    let blocks = message.split("\n\n").filter_map(|block| Some((at(block)?, block.to_owned())));
    blocks.collect()
}

#[test]
fn everything_that_is_wrong_is_said_at_once_in_the_order_of_the_file() {
    let text = "[server]
listen_on = 'x'
max_connections = 0
header_timeout = '1ms'
[scheduler]
slots = 0
heartbeat = '1ms'
[log]
level = 'loud'
[secrets.partner]
file = 'f'
origin = 'https://example.org/v1'
[calendars.c]
type = 'monthly'
days = [32]
[jobs.a]
kind = 'noop'
every = 'often'
priority = 'high'
url = 'http://x'
program = 'y'
[jobs.b]
kind = 'http'
url = 'ftp://x'
method = 'GET IT'
cron = '0 61 * * * ?'
tz = 'Europe/Berln'
end = 'noon'
secret_headers = { X = 'nobody' }
retry = { policy = 'immediate', max_attempts = 0 }
[jobs.c]
every = '1s'
[[jobs.d.triggers]]
every = '0s'
[[jobs.d.triggers]]
name = 'c'
misfires = 'skip'
every = '1s'
[jobs.d]
kind = 'nop'
timeout = '0s'
";
    let found = problems(text);
    let expected = [
        (2, "server.listen_on: unknown field"),
        (3, "server.max_connections is 0"),
        (4, "server.header_timeout is 1 ms"),
        (6, "slots is 0"),
        (7, "heartbeat_ms is 1"),
        (9, "log level \"loud\""),
        (12, "secrets.partner.origin"),
        (13, "calendars.c"),
        (17, "jobs.a.program: this key does not belong"),
        (17, "jobs.a.url: this key does not belong"),
        (18, "jobs.a.every: \"often\""),
        (19, "jobs.a.priority: invalid type"),
        (22, "jobs.b: method"),
        (22, "jobs.b: url"),
        (26, "jobs.b.cron"),
        (27, "jobs.b.tz"),
        (28, "jobs.b.end"),
        (29, "there is no [secrets.nobody]"),
        (30, "jobs.b.retry"),
        (31, "jobs.c: has no kind"),
        (34, "jobs.d.triggers[0].every"),
        (35, "jobs.d: its trigger has the name \"c\""),
        (37, "jobs.d.triggers[1].misfires: unknown field"),
        (39, "jobs.d: timeout is 0"),
        (40, "jobs.d.kind: there is no kind \"nop\""),
    ];
    for (line, words) in expected {
        assert!(
            found.iter().any(|(at, block)| *at == line && block.contains(words)),
            "{line}: {words}\n{found:#?}"
        );
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    assert!(found.is_sorted_by_key(|(line, _)| *line));
    assert!(refused(text).starts_with(&format!("jobs.toml has {} problems:", expected.len())));
}

#[test]
fn what_only_follows_from_what_cannot_be_read_is_not_said() {
    for (text, lines) in [
        ("[jobs.a]\nkind = 3\nevery = '1s'", vec![2]),
        ("[jobs.a]\nkind = 'noop'\nevery = 5", vec![3]),
        ("[jobs.a]\nkind = 'noop'\non_start = 5\nstart_version = '2'", vec![3]),
        ("[jobs.a]\nkind = 'noop'\ncron = 5\ntz = 'UTC'", vec![3]),
        ("[jobs.a]\nkind = 'http'\nurl = 5\nevery = '1s'", vec![3]),
        ("[jobs.a]\nkind = 'command'\ncommand = 5\nevery = '1s'", vec![3]),
        ("[database]\nurl = 5\n[scheduler]\nstore_timeout = '1s'", vec![2]),
        ("[server]\nlisten = 5\n[auth]\nmode = 'off'", vec![2]),
        (
            "[secrets.s]\npath = 'f'\n[jobs.a]\nkind = 'http'\nurl = 'http://x'\nsecret_headers = { X = 's' }\nevery = '1s'",
            vec![1, 2],
        ),
    ] {
        let found: Vec<usize> = problems(text).into_iter().map(|(line, _)| line).collect();
        assert_eq!(found, lines, "{}", refused(text));
    }
}

#[test]
fn every_error_of_the_notation_is_said_and_nothing_else() {
    let found = problems("[jobs.a]\nkind = 'noop'\nkind = 'http'\nevery = \n[jobs.b\nslots = 0");
    let lines: Vec<usize> = found.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [3, 4, 5], "{found:#?}");
}

#[test]
fn a_setting_that_is_wrong_says_which_variable_set_it_and_shows_no_password() {
    let text = "[server]\nmax_connections = 4\nlisten = 'nowhere'\n[database]\nurl = 'mysql://u:hush@h/d'";
    let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let variables = [
        set("PUNCTUAL__SERVER__MAX_CONNECTIONS", "0"),
        set("PUNCTUAL__LOG__LEVEL", "loud"),
        set("PUNCTUAL__X", "1"),
    ];
    let error = Config::from_text(Path::new("f"), text.to_owned(), variables.into_iter()).unwrap_err();
    let error = format!("{error:#}");
    for words in [
        "f has 4 problems",
        "f, line 3: server.listen is \"nowhere\"",
        "f: server.max_connections is 0: give a number from 1 (set by PUNCTUAL__SERVER__MAX_CONNECTIONS)",
        "(set by PUNCTUAL__LOG__LEVEL)",
        "environment variable PUNCTUAL__X: its form is",
    ] {
        assert!(error.contains(words), "{words}\n{error}");
    }
    assert!(!error.contains("hush"));
}
