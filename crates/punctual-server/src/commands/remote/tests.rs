//! Every command asks a route that there is, and is in the documentation.

use std::collections::BTreeSet;
use std::fmt::Write;

use clap::{Arg, Command as Clap, CommandFactory, Parser};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Command;
use crate::Cli;
use crate::client::{Step, Style};

/// At least one line for each command.
const EXAMPLES: &[&str] = &[
    "jobs list --group reports --kind command --search daily --all",
    "jobs show reports.daily",
    "jobs run reports.daily --data {\"day\":1} --note asked",
    "jobs pause reports.daily",
    "jobs resume reports.daily",
    "jobs put {file}",
    "jobs delete reports.daily --note obsolete",
    "triggers pause reports.daily",
    "triggers resume reports.daily",
    "triggers reset reports.daily",
    "triggers put {file} --force",
    "triggers delete reports.daily",
    "triggers pause-group reports",
    "triggers resume-group reports",
    "calendars put {file}",
    "calendars delete holidays",
    "history cancel 7",
    "history rerun 7",
    "events emit file-arrived --payload {\"file\":\"a.csv\"}",
    "backfill reports.daily 2026-11-01 2026-11-03 --dry-run",
    "triggers list --state error --job reports.daily --limit 5",
    "triggers show daily.eu --group a.b",
    "triggers next reports.daily -n 5",
    "triggers paused-groups",
    "calendars list --jsonl",
    "calendars show holidays",
    "history follow --task nightly --status failed --json",
    "events follow --types run.ended,trigger.changed",
    "nodes list --no-header",
    "nodes unassigned",
    "nodes drain a --note upgrade",
    "nodes resume a",
    "locks list",
    "settings show",
    "users list --all",
    "users show ann",
    "users create ann --superuser",
    "users enable ann",
    "users disable ann",
    "users reset-password ann --password-stdin",
    "users delete 7",
    "groups list",
    "groups create operators --permission monitoring --permission operate",
    "groups edit operators --name staff",
    "groups add operators ann",
    "groups remove operators ann",
    "groups delete operators",
    "tokens list --all-users",
    "tokens create deploys --scope edit --expires 30d",
    "tokens revoke 3",
    "sessions list --jsonl",
    "sessions end 3",
    "sessions end-others",
    "audit-log list --actor ann --action user. --since 2d --limit 10",
    "login --username ann",
    "logout",
    "whoami",
    "password",
    "history list --task nightly --status failed --job reports.daily --trigger reports.noon --since 2h --until 1h --node a --sort duration --asc --all",
    "history list --parent 7",
    "history show 7",
    "history tasks",
    "history runs --type import --status failed --started past7days~ --node a",
    "history run 3",
    "skipped list --trigger reports.daily --reason misfire --limit 10 --jsonl",
    "occurrences --from 2h --to 2026-11-21T05:00:00Z --job reports.daily --jsonl",
    "insights --since 30d --until 1d --step day --task nightly --job reports.daily",
    "why reports.daily 2026-11-21T05:00:00Z --json",
];

/// The commands of this module, with their names in full.
fn leaves() -> Vec<(String, Clap)> {
    fn walk(name: &str, command: &Clap, found: &mut Vec<(String, Clap)>) {
        let mut inner = command.get_subcommands().filter(|inner| inner.get_name() != "help").peekable();
        if inner.peek().is_none() {
            found.push((name.to_owned(), command.clone()));
        }
        inner.for_each(|inner| walk(&format!("{name} {}", inner.get_name()), inner, found));
    }
    let mut root = <Command as clap::Subcommand>::augment_subcommands(Clap::new("punctual"));
    root.build();
    let mut found = Vec::new();
    for command in root.get_subcommands().filter(|command| command.get_name() != "help") {
        walk(command.get_name(), command, &mut found);
    }
    found
}

#[test]
fn every_command_has_an_example_that_asks_a_route_of_the_api() {
    let mut without: BTreeSet<String> = leaves().into_iter().map(|(name, _)| name).collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), r#"{"name": "n"}"#).unwrap();
    for example in EXAMPLES {
        let line = example.replace("{file}", file.path().to_str().unwrap());
        let words = ["punctual"].into_iter().chain(line.split(' '));
        let cli = Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{example}: {error}"));
        let crate::Command::Remote(command) = cli.command else { panic!("{example} asks no server") };
        without.retain(|name| *example != name && !example.starts_with(&format!("{name} ")));
        let style = Style::of_stdout(true);
        assert_eq!(*style.zone(), TimeZone::UTC);
        let mut step = command.parts().0.step(Timestamp::UNIX_EPOCH, &style).unwrap();
        while let Step::Prompt(prompt, next) = step {
            step = next(vec!["answer".to_owned(); prompt.questions.len()]).unwrap();
        }
        let Some((method, route)) = step.route() else { continue };
        let is_listed = punctual_api::ROUTES.iter().any(|(of, path, _)| (of, *path) == (method, route));
        assert!(is_listed, "{example}: the API has no {method} {route}");
    }
    assert!(without.is_empty(), "EXAMPLES has no line for {without:?}");
}

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

/// The part of docs/cli.md between two markers is made here: `PUNCTUAL_UPDATE=1 cargo test -p punctual-server` writes it.
#[test]
fn the_reference_lists_every_command() {
    const BEGIN: &str = "<!-- commands:begin -->\n";
    const END: &str = "<!-- commands:end -->";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cli.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (stated, after) = rest.split_once(END).unwrap();
    let made = reference();
    if std::env::var_os("PUNCTUAL_UPDATE").is_some() {
        std::fs::write(path, format!("{before}{BEGIN}{made}{END}{after}")).unwrap();
    } else {
        assert_eq!(stated, made, "docs/cli.md is not what the commands are: see this test");
    }
}

fn reference() -> String {
    let mut text = "\n| command | does |\n| --- | --- |\n".to_owned();
    for (name, command) in leaves() {
        let arguments: String =
            command.get_positionals().map(|arg| format!(" {}", placeholder(arg))).collect();
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let options: Vec<String> = command
            .get_arguments()
            .filter(|arg| !arg.is_positional() && !is_common(arg))
            .map(option)
            .collect();
        let options = if options.is_empty() { String::new() } else { format!("<br>{}", options.join(" ")) };
        writeln!(text, "| `{name}{arguments}` | {about}{options} |").unwrap();
    }
    text.push('\n');
    text
}

/// What every command has is described once.
fn is_common(arg: &Arg) -> bool {
    arg.get_help_heading().is_some() || arg.get_id() == "help"
}

fn placeholder(arg: &Arg) -> String {
    let name = arg.get_value_names().and_then(|names| names.first()).map_or("VALUE", |name| name.as_str());
    let more = if arg.get_num_args().is_some_and(|range| range.max_values() > 1) { "..." } else { "" };
    if arg.is_required_set() { format!("{name}{more}") } else { format!("[{name}{more}]") }
}

fn option(arg: &Arg) -> String {
    let long = arg.get_long().unwrap_or_default();
    if arg.get_action().takes_values() {
        let name =
            arg.get_value_names().and_then(|names| names.first()).map_or("VALUE", |name| name.as_str());
        format!("`--{long} {name}`")
    } else {
        format!("`--{long}`")
    }
}
