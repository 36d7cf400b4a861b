//! `docs/job-file.md` has every key that the program reads, and no other; its examples are right.

use std::collections::BTreeSet;
use std::path::Path;

use super::Config;

const PAGE: &str = include_str!("../../../../docs/job-file.md");

fn read(text: &str) -> anyhow::Result<Config> {
    Config::from_text(Path::new("page.toml"), text.to_owned(), std::iter::empty())
}

/// The keys of a table, as the message about an unknown one lists them.
fn keys(header: &str) -> BTreeSet<String> {
    let error = read(&format!("{header}\nnothing_like_it = 1\n")).unwrap_err().to_string();
    let (_, list) = error.split_once("expected ").unwrap_or_else(|| panic!("{header}: {error}"));
    list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The keys that a section of the page has rows for.
fn documented(heading: &str) -> BTreeSet<String> {
    let (_, rest) = PAGE.split_once(&format!("\n## `{heading}`\n")).unwrap_or_else(|| panic!("no {heading}"));
    let section = rest.split("\n## ").next().unwrap();
    let rows: Vec<&str> = section.lines().filter_map(|line| line.strip_prefix("| `")).collect();
    let keys: BTreeSet<String> = rows.iter().map(|row| row.split('`').next().unwrap().to_owned()).collect();
    assert_eq!(keys.len(), rows.len(), "{heading} has a key twice");
    keys
}

#[test]
fn each_section_of_the_page_has_the_keys_of_the_program() {
    for section in [
        "server",
        "server.tls",
        "api",
        "database",
        "scheduler",
        "history",
        "log",
        "auth",
        "calendars.NAME",
        "secrets.NAME",
    ] {
        let header = format!("[{section}]");
        assert_eq!(documented(&header), keys(&header), "{header}");
    }
    let triggers = documented("[[jobs.NAME.triggers]]");
    assert_eq!(triggers, keys("[[jobs.NAME.triggers]]"));
    let beside = triggers.into_iter().filter(|key| key != "name" && key != "data");
    let jobs: BTreeSet<String> = documented("[jobs.NAME]").into_iter().chain(beside).collect();
    assert_eq!(jobs, keys("[jobs.NAME]"));
    for section in keys("") {
        assert!(
            PAGE.contains(&format!("## `[{section}")) || PAGE.contains(&format!("## `[[{section}")),
            "{section}"
        );
    }
}

#[test]
fn the_examples_of_the_page_are_right() {
    let blocks: Vec<&str> =
        PAGE.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() > 2);
    for block in blocks {
        read(block).unwrap().entries().unwrap();
    }
}

/// The keys of a section with the examples of their rows.
fn examples(heading: &str) -> Vec<(&'static str, &'static str)> {
    let (_, rest) = PAGE.split_once(&format!("\n## `{heading}`\n")).unwrap();
    let rows = rest.split("\n## ").next().unwrap().lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| {
        let example = row.strip_suffix("` |")?.rsplit_once("| `")?.1;
        Some((row.split('`').next()?, example))
    })
    .collect()
}

#[test]
fn the_example_of_each_key_is_right() {
    let check = |text: String| {
        let text = text.replace("\\|", "|");
        if let Err(error) = read(&text).and_then(|config| config.entries()) {
            panic!("{text}: {error:#}");
        }
    };
    for heading in ["server", "api", "scheduler", "history", "log", "auth"] {
        // This one is for PostgreSQL only.
        let rows = examples(&format!("[{heading}]"));
        let rest = if heading == "scheduler" { "[database]\nurl = 'postgresql://u@h/d'\n" } else { "" };
        rows.into_iter().for_each(|(_, example)| check(format!("[{heading}]\n{example}\n{rest}")));
    }
    for (key, example) in examples("[jobs.NAME]") {
        let rest = match key {
            "kind" => "every = '1s'",
            "command" | "program" => "kind = 'command'\nevery = '1s'",
            "args" | "working_dir" | "env" | "clear_env" | "success_exit_codes" | "max_output_bytes" => {
                "kind = 'command'\nprogram = 'x'\nevery = '1s'"
            }
            "url" => "kind = 'http'\nevery = '1s'",
            "method" | "headers" | "secret_headers" | "body" | "expected_status" | "request_timeout"
            | "ca_file" | "max_body_bytes" => "kind = 'http'\nurl = 'http://x'\nevery = '1s'",
            "start_version" => "kind = 'noop'\non_start = 'cluster'",
            _ => "kind = 'noop'\nevery = '1s'",
        };
        let secret = "[secrets.partner]\nfile = 'f'\norigin = 'https://example.org'";
        check(format!("[jobs.a]\n{example}\n{rest}\n{secret}\n"));
    }
    for (key, example) in examples("[[jobs.NAME.triggers]]") {
        let rest = match key {
            "cron" | "rrule" | "every" | "delay" | "at" | "event" | "schedule" => "",
            "tz" | "dst" => "cron = '0 0 3 * * ?'",
            _ => "every = '1s'",
        };
        check(format!("[jobs.a]\nkind = 'noop'\n[[jobs.a.triggers]]\n{example}\n{rest}\n"));
    }
}
