use super::*;

mod together;

fn read(text: &str) -> anyhow::Result<Vec<Entry>> {
    let read = Config::read_text(Path::new("jobs.toml"), text.to_owned(), std::iter::empty());
    Config::with_entries(read).map(|(_, entries)| entries)
}

fn refused(text: &str) -> String {
    format!("{:#}", read(text).unwrap_err())
}

#[test]
fn the_example_file_is_right() {
    let text = include_str!("../../../../examples/punctual.toml");
    let entries = read(text).unwrap();
    assert_eq!(entries.len(), 3);
    assert!(entries.iter().all(|entry| entry.job.key.group() == FILE_GROUP));
}

const PARTNER: &str =
    "[secrets.partner]\nfile = '/run/secrets/partner'\norigin = 'https://api.example.org'\n";

#[test]
fn a_secret_is_named_by_a_job_and_is_not_read() {
    let job = "[jobs.a]\nkind = 'http'\nevery = '1m'\nurl = 'https://api.example.org/x'\n";
    let entries = read(&format!("{PARTNER}{job}secret_headers = {{ Authorization = 'partner' }}")).unwrap();
    let data = entries[0].job.data.as_str();
    assert!(data.contains(r#""secret_headers":{"Authorization":"partner"}"#), "{data}");
    for (text, words) in [
        (
            format!("{job}secret_headers = {{ X = 'partner' }}"),
            vec!["line 5", "jobs.a.secret_headers.X", "[secrets.partner]"],
        ),
        (
            format!("{PARTNER}{job}secret_headers = {{ X = 'partner' }}\nheaders = {{ x = 'y' }}"),
            vec!["\"X\"", "once"],
        ),
        (PARTNER.replace("api.example.org", "api.example.org/v1"), vec!["secrets.partner.origin", "/v1"]),
        (PARTNER.replace("file", "path"), vec!["line 2", "path"]),
        (
            "[jobs.a]\nkind = 'noop'\nevery = '1m'\nsecret_headers = {}".to_owned(),
            vec!["jobs.a.secret_headers", "noop"],
        ),
    ] {
        let message = refused(&text);
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    }
}

#[test]
fn a_line_that_may_hold_a_password_is_not_shown() {
    const URL: &str = "postgresql://pun:s3cretpw@127.0.0.1:18199/pun";
    let job = "[jobs.a]\nkind = 'http'\nevery = '1m'\n";
    for (text, line) in [
        // Syntax errors.
        (format!("[database]\nurl = \"{URL}\n"), 2),
        (format!("[database]\nurl = \"{URL}\" x\n"), 2),
        ("[database]\nurl = \"postgresql://pun:s3c\"retpw@127.0.0.1/pun\"\n".to_owned(), 2),
        (format!("[database]\nurl = \"\"\"\n{URL}\n\"\"\" x\n"), 4),
        (format!("[database]\nurl = \"\"\"\n\\q {URL}\n\"\"\"\n"), 3),
        (format!("[database]\nurl =\n\"{URL}\"\n"), 2),
        (format!("[database]\nurl = {URL}\n"), 2),
        (format!("{job}headers = {{ Authorization = 'Bearer s3cretpw }}\n"), 4),
        (format!("{job}headers = {{\n  X = 's3cretpw\n}}\n"), 5),
        (format!("{job}[jobs.a.headers]\nX = s3cretpw\n"), 5),
        // A key that does not exist, and values that do not fit.
        ("[database]\npasword = 's3cretpw'\n".to_owned(), 2),
        ("[server]\npasword = 's3cretpw'\nlisten = 1\nadmin_password = 's3cretpw'\n".to_owned(), 2),
        ("[database]\nmax_connections = 's3cretpw'\n".to_owned(), 2),
        (format!("{job}url = 'http://me:s3cretpw@h/'\nheaders = 's3cretpw'\n"), 5),
    ] {
        let message = refused(&text);
        assert!(!message.contains("s3c") && !message.contains("retpw"), "{text}\n{message}");
        let (named, shown) = (format!("jobs.toml, line {line}: "), format!("{line} | (not shown"));
        assert!(message.contains(&named) && message.contains(&shown), "{text}\n{message}");
        assert!(message.contains("| ") && message.contains('^'), "{message}");
    }
    let shown = refused(&format!("{job}repeat = '3\n"));
    assert!(shown.contains("4 | repeat = '3\n"), "{shown}");
}

#[test]
fn a_variable_that_may_hold_a_password_is_not_shown() {
    for (name, value, shown) in [
        ("PUNCTUAL__DATABASE__PASSWORD", "s3cretpw", false),
        ("PUNCTUAL__DATABASE__MAX_CONNECTIONS", "s3cretpw", false),
        ("PUNCTUAL__SERVER__SLOTS", "many", true),
    ] {
        let variables = std::iter::once((name.to_owned(), value.to_owned()));
        let error = Config::from_text(Path::new("jobs.toml"), String::new(), variables).unwrap_err();
        let error = format!("{error:#}");
        assert!(error.contains(name) && error.contains(value) == shown, "{error}");
    }
}

#[test]
fn several_triggers_get_names_of_their_own() {
    let entries = read(
        "[jobs.a]\nkind = 'noop'\n[[jobs.a.triggers]]\nevery = '1m'\n[[jobs.a.triggers]]\nname = 'noon'\ncron = '0 0 \
         12 * * ?'\ndata = { x = 1 }",
    )
    .unwrap();
    let names: Vec<_> = entries[0].triggers.iter().map(|trigger| trigger.key.name().to_owned()).collect();
    assert_eq!(names, ["a-1", "noon"]);
    assert_eq!(entries[0].triggers[1].data.as_str(), r#"{"x":1}"#);
}

#[test]
fn messages_name_the_file_the_line_and_the_key() {
    for (text, words) in [
        ("[server]\nlisten_on = 'x'", vec!["jobs.toml", "line 2", "listen_on", "expected one of"]),
        (
            "[jobs.a]\nkind = 'comand'\nevery = '1s'",
            vec!["jobs.toml, line 2", "jobs.a.kind", "comand", "command, http"],
        ),
        ("[jobs.a]\nkind = 'noop'\n\ncron = '0 61 * * * ?'", vec!["line 4", "jobs.a.cron", "61", "^^"]),
        (
            "[jobs.a]\nkind = 'noop'\ncron = '0 0 12 * * ?'\ntz = 'Europe/Berln'",
            vec!["line 4", "jobs.a.tz", "Berln"],
        ),
        ("[jobs.a]\nkind = 'noop'\nevery = 'often'", vec!["line 3", "often", "10s"]),
        ("[jobs.a]\nkind = 'noop'\nevery = '0s'", vec!["line 3", "jobs.a.every"]),
        ("[jobs.a]\nkind = 'noop'", vec!["jobs.a", "no schedule"]),
        ("[jobs.a]\nkind = 'noop'\non_start = 'always'", vec!["line 3", "always", "node", "cluster", "boot"]),
        (
            "[jobs.a]\nkind = 'noop'\non_start = 'node'\nstart_version = '2'",
            vec!["line 4", "jobs.a.start_version", "cluster"],
        ),
        (
            "[jobs.a]\nkind = 'noop'\non_start = 'cluster'\nstart_version = ' '",
            vec!["line 4", "jobs.a.start_version", "1 to 50"],
        ),
        ("[jobs.a]\nkind = 'noop'\nevent = ''", vec!["jobs.a.event", "1 to 200 characters"]),
        ("[jobs.a]\nkind = 'noop'\nevent = 'e'\nevery = '1s'", vec!["jobs.a", "exactly one"]),
        ("[jobs.a]\nkind = 'noop'\nevery = '1s'\nat = '2026-01-01T00:00:00Z'", vec!["jobs.a", "exactly one"]),
        ("[jobs.a]\nkind = 'noop'\nat = 'noon'", vec!["jobs.a.at", "noon", "offset"]),
        (
            "[jobs.a]\nkind = 'noop'\nevery = '1s'\n[jobs.a]\nkind = 'noop'",
            vec!["jobs.toml", "duplicate", "line 4"],
        ),
        ("[jobs.a]\nkind = 'command'\nevery = '1s'", vec!["jobs.a", "neither command nor program"]),
        (
            "[jobs.a]\nkind = 'command'\ncommand = 'x'\nurl = 'y'\nevery = '1s'",
            vec!["jobs.a.url", "kind command"],
        ),
        (
            "[jobs.a]\nkind = 'http'\nurl = 'ftp://x'\nevery = '1s'",
            vec!["jobs.a", "ftp://x", "http or https"],
        ),
        (
            "[jobs.a]\nkind = 'noop'\nevery = '1s'\nretry = { policy = 'immediate', max_attempts = 0 }",
            vec!["jobs.a.retry", "line 4"],
        ),
        ("[jobs.a]\nkind = 'noop'\nevery = '1s'\nmisfire = 'shrug'", vec!["line 4", "shrug"]),
        ("[jobs.a]\nkind = 'noop'\nevery = '1s'\ntz = 'UTC'", vec!["tz belongs to cron"]),
        ("[jobs.a]\nkind = 'noop'\nevery = '1s'\ndst = 'quartz'", vec!["dst belongs to cron"]),
        (
            "[jobs.a]\nkind = 'noop'\nrrule = 'FREQ=SOMETIMES'",
            vec!["line 3", "jobs.a.rrule", "SECONDLY", "^^^"],
        ),
        ("[jobs.a]\nkind = 'noop'\nrrule = 'FREQ=SECONDLY'", vec!["line 3", "COUNT or UNTIL"]),
        ("[jobs.a]\nkind = 'noop'\ndelay = '0s'", vec!["line 3", "jobs.a.delay", "delay_ms"]),
        (
            "[jobs.a]\nkind = 'noop'\nschedule = { type = 'calendar_interval', interval = 0, unit = 'DAY' }",
            vec!["line 3", "jobs.a.schedule", "interval 0"],
        ),
        (
            "[jobs.a]\nkind = 'noop'\nevery = '1s'\nmisfire = { all = { max_count = 0 } }",
            vec!["line 4", "max_count 0"],
        ),
        ("[calendars.c]\ntype = 'monthly'\ndays = [32]", vec!["jobs.toml", "line 1", "32"]),
        ("[scheduler]\nslots = 0", vec!["[scheduler]", "slots is 0"]),
        (
            "[auth]\nmode = 'off'\n[server]\nlisten = '0.0.0.0:80'",
            vec!["server.listen", "0.0.0.0:80", "auth.mode", "loopback"],
        ),
        ("[server]\ntrusted_proxies = ['10.0.0.0/40']", vec!["server.trusted_proxies", "10.0.0.0/8"]),
        ("[auth]\nsession_idle = '5s'", vec!["auth.session_idle", "minute"]),
        ("[auth]\nmode = 'open'", vec!["open", "accounts"]),
        ("[server]\nlisten = '8080'", vec!["server.listen", "8080", "127.0.0.1:8080"]),
        ("jobs = 3", vec!["jobs.toml", "line 1"]),
        (
            "[jobs.a]\nkind = 'noop'\n[[jobs.a.triggers]]\nname = 't'\nevery = '1s'\n[[jobs.a.triggers]]\nname = 't'\n\
             every = '2s'",
            vec!["line 6", "jobs.a: ", "\"t\"", "of jobs.a in line 3"],
        ),
        (
            "[jobs.b]\nkind = 'noop'\n[[jobs.b.triggers]]\nname = 'a'\nevery = '1s'\n[jobs.a]\nkind = 'noop'\nevery = '1s'",
            vec!["line 3", "jobs.b: ", "\"a\"", "of jobs.a in line 6"],
        ),
        (
            "[jobs.a]\nkind = 'noop'\nevery = '1s'\nconcurrency = { limit = 0 }",
            vec!["line 1", "jobs.a", "concurrency limit 0"],
        ),
        (
            "[jobs.a]\nkind = 'noop'\nevery = '1s'\nconcurrent = false\nconcurrency = { limit = 3 }",
            vec!["line 1", "jobs.a", "contradicts"],
        ),
        ("[log]\nlevel = 'loud'", vec!["\"loud\"", "error, warn, info, debug or trace"]),
        ("[log]\nlevel = 'info,punctual_engine=loud'", vec!["punctual_engine=loud", "error, warn, info"]),
        (
            "[jobs.a]\nkind = 'noop'\nat = '2026-11-25T10:00:00'\ntz = 'Europe/Berlin'",
            vec!["jobs.a", "offset", "+01:00", "leave tz out"],
        ),
        (
            "[jobs.a]\nkind = 'http'\nurl = 'example.org/foo'\nevery = '1s'",
            vec!["jobs.a", "\"https://example.org/foo\""],
        ),
        ("[jobs.a]\nkind = 'noop'\ncron = '30 2 * * *'", vec!["line 3", "write \"0 30 2 * * ?\""]),
        ("[jobs.a]\nkind = 'noop'\ncron = '30 2 * * MON'", vec!["line 3", "write \"0 30 2 ? * MON\""]),
    ] {
        let error = refused(text);
        for word in words {
            assert!(error.contains(word), "{word:?} is missing for {text:?} in\n{error}");
        }
    }
}

#[test]
fn the_environment_overlays_sections() {
    let with = |name: &str, value: &str| {
        let variable = (name.to_owned(), value.to_owned());
        Config::from_text(Path::new("f"), "[scheduler]\nslots = 3".to_owned(), [variable].into_iter())
    };
    assert_eq!(with("PUNCTUAL__SCHEDULER__SLOTS", "7").unwrap().scheduler.slots, Some(7));
    assert_eq!(with("PUNCTUAL__LOG__LEVEL", "debug").unwrap().log.level.as_deref(), Some("debug"));
    for (name, value, word) in [
        ("PUNCTUAL__SCHEDULER__SLOTS", "many", "PUNCTUAL__SCHEDULER__SLOTS=many"),
        ("PUNCTUAL__SCHEDULER__SLOT", "7", "slot"),
        ("PUNCTUAL__SLOTS", "7", "PUNCTUAL__SECTION__KEY"),
    ] {
        let error = format!("{:#}", with(name, value).unwrap_err());
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn every_kind_of_schedule_and_limit_can_be_declared() {
    let text = "
        [calendars.holidays]
        type = 'holiday'
        tz = 'Europe/Berlin'
        days = ['2026-12-25']

        [jobs.a]
        kind = 'noop'
        concurrency = { key = 'db:{database}', limit = 2 }
        overlap = 'cancel'

        [[jobs.a.triggers]]
        rrule = 'FREQ=WEEKLY;BYDAY=MO;BYHOUR=9;BYMINUTE=0;BYSECOND=0'
        tz = 'Europe/Berlin'
        calendar = 'holidays'
        misfire = { all = { max_count = 5, window_ms = 3600000 } }
        data = { database = 1 }

        [[jobs.a.triggers]]
        delay = '30s'
        misfire = 'skip'
        data = { database = 2 }

        [[jobs.a.triggers]]
        schedule = { type = 'calendar_interval', interval = 1, unit = 'MONTH', tz = 'UTC' }
        misfire = { once = 'earliest' }
        data = { database = 3 }
    ";
    let config = Config::from_text(Path::new("jobs.toml"), text.to_owned(), std::iter::empty()).unwrap();
    assert_eq!(config.calendars()["holidays"].kind(), "holiday");
    let entry = config.entries().unwrap().remove(0);
    let kinds: Vec<_> = entry.triggers.iter().map(|trigger| trigger.schedule.kind()).collect();
    assert_eq!(kinds, ["rrule", "fixed_delay", "calendar_interval"]);
    assert_eq!(entry.triggers[0].calendar.as_deref(), Some("holidays"));
    let words: Vec<_> = entry.triggers.iter().map(|trigger| trigger.misfire.as_str()).collect();
    assert_eq!(words, ["all", "skip", "once"]);
    assert!(entry.job.concurrent && entry.job.is_limited());
}

#[test]
fn a_hashed_field_depends_on_the_job_and_stays() {
    let cron = |name: &str| {
        let text = format!("[jobs.{name}]\nkind = 'noop'\ncron = '0 H H(1-4) * * ?'");
        let entry = read(&text).unwrap().remove(0);
        serde_json::to_value(&entry.triggers[0].schedule).unwrap()["expr"].as_str().unwrap().to_owned()
    };
    assert_eq!(cron("a"), cron("a"));
    assert_ne!(cron("a"), cron("b"));
    assert!(!cron("a").contains('H'));
}

#[test]
fn a_job_can_wait_for_an_event() {
    let entry = read("[jobs.a]\nkind = 'noop'\nevent = 'orders.imported'").unwrap().remove(0);
    assert_eq!(entry.triggers[0].schedule.event(), Some("orders.imported"));
}

#[test]
fn a_job_can_run_at_the_start_instead_of_by_a_schedule_or_besides() {
    let text = "
        [jobs.a]
        kind = 'noop'
        on_start = 'node'

        [jobs.b]
        kind = 'noop'
        on_start = 'cluster'
        start_version = '2'
        every = '1h'

        [jobs.c]
        kind = 'noop'
        every = '1h'
    ";
    let config = Config::from_text(Path::new("jobs.toml"), text.to_owned(), std::iter::empty()).unwrap();
    let entries = config.entries().unwrap();
    let triggers: Vec<_> = entries.iter().map(|entry| entry.triggers.len()).collect();
    assert_eq!(triggers, [0, 1, 1]);
    let tasks = config.start_tasks(&entries);
    let names: Vec<_> = tasks.iter().map(|task| task.job().key.to_string()).collect();
    assert_eq!(names, ["config.a", "config.b"]);
    assert!(tasks.iter().zip(&entries).all(|(task, entry)| *task.job() == entry.job), "one definition");
    assert!(config.start_of("b").unwrap().contains("\"2\""));
}

#[test]
fn the_scheduler_is_set_as_the_file_says() {
    let text = "[scheduler]\nunknown_kind = 'skip'\nmax_clock_uncertainty = '250ms'\n\
                retired_kinds = ['fax']\nrenamed_kinds = { mail = 'http' }\n[jobs.a]\nkind = 'noop'\nevery = '1m'\n\
                unknown_kind = 'wait'";
    let config = Config::from_text(Path::new("jobs.toml"), text.to_owned(), std::iter::empty()).unwrap();
    let settings = config.scheduler.settings(true).unwrap();
    assert_eq!(settings.unknown_kind, punctual_core::UnknownKind::Skip);
    assert_eq!(settings.max_clock_uncertainty_ms, 250);
    assert_eq!(config.scheduler.retired_kinds, ["fax"]);
    assert_eq!(config.scheduler.renamed_kinds["mail"], "http");
    assert_eq!(config.entries().unwrap()[0].job.unknown_kind, Some(punctual_core::UnknownKind::Wait));
    let error = refused("[scheduler]\nunknown_kind = 'drop'");
    assert!(error.contains("wait") && error.contains("skip"), "{error}");
}

#[test]
fn limits_for_clients_can_be_kept() {
    let load = |text: &str| {
        let text = format!("[server]\n{text}\n");
        Config::from_text(Path::new("jobs.toml"), text, std::iter::empty())
    };
    load("max_connections = 1\nheader_timeout = '100ms'\nbody_timeout = '24h'").unwrap();
    for (text, name) in [
        ("max_connections = 0", "server.max_connections"),
        ("max_connections = 9223372036854775807", "server.max_connections"),
        ("header_timeout = '0s'", "server.header_timeout"),
        ("body_timeout = '25h'", "server.body_timeout"),
        ("[server.tls]\ncert = 'a'\nkey = 'b'\nreload = '1ms'", "server.tls.reload"),
    ] {
        let error = load(text).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("give"), "{error}");
    }
}

#[test]
fn levels_and_filters_of_the_log_are_read() {
    for level in
        ["error", "WARN", "off", "debug,punctual_engine=trace", "punctual_engine=debug", "[run{id=1}]=trace"]
    {
        let text = format!("[log]\nlevel = '{level}'");
        assert!(Config::from_text(Path::new("f"), text, std::iter::empty()).is_ok(), "{level}");
    }
}
