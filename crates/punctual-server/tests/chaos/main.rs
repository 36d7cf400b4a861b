//! Real nodes on a real PostgreSQL that are killed, frozen and cut off while they work. What must hold is looked for in
//! the database by the audit, and outside of it in files that jobs write.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cluster;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use punctual_throwaway::Stop;

use cluster::Cluster;
use support::{eventually, has_postgres, pause, punctual};

/// The jobs that do nothing: their number, their keys, and the triggers of each.
const SHAPES: [(usize, &str, usize); 5] = [
    (1, "", 112),
    (12, "concurrent = false", 2),
    (4, "requests_recovery = true", 8),
    (6, "concurrency = { key = 'shared', limit = 2 }\nrequests_recovery = true", 2),
    (9, "concurrent = false\noverlap = 'skip'", 2),
];

/// Jobs whose runs last: one that writes down each instant that it runs for, one that must be alone.
const WITNESSES: usize = 2;

/// Each trigger fires every second: every second one by its interval, the others by cron.
fn config(directory: &Path) -> (String, usize) {
    let mut text = String::new();
    let mut triggers = WITNESSES;
    for (shape, (jobs, keys, each)) in SHAPES.iter().enumerate() {
        for job in 0..*jobs {
            write!(text, "[jobs.shape-{shape}-{job}]\nkind = 'noop'\n{keys}\ntriggers = [\n").unwrap();
            for n in 0..*each {
                let when = [
                    "every = '1s', misfire_threshold = '1s'",
                    "cron = '* * * * * ?', misfire = 'fire_once_now'",
                ];
                writeln!(text, "  {{ {} }},", when[n % 2]).unwrap();
            }
            text.push_str("]\n");
            triggers += each;
        }
    }
    let at = |name: &str| directory.join(name).display().to_string();
    write!(
        text,
        "[jobs.once]\nkind = 'command'\nevery = '1s'\n\
         command = 'echo \"$PUNCTUAL_SCHEDULED_AT\" >> \"{once}\"; sleep 0.2'\n\
         [jobs.alone]\nkind = 'command'\nevery = '1s'\nconcurrent = false\nrequests_recovery = true\n\
         command = 'mkdir \"{lock}\" || {{ echo \"$PUNCTUAL_SCHEDULED_AT\" >> \"{not_alone}\"; exit; }}; sleep 0.3; \
                    rmdir \"{lock}\"'\n",
        once = at("once"),
        lock = at("lock"),
        not_alone = at("not-alone"),
    )
    .unwrap();
    (text, triggers)
}

#[test]
fn every_instant_is_accounted_for_whatever_is_killed() {
    if !has_postgres() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let (config, triggers) = config(directory.path());
    let mut cluster = Cluster::start(directory.path(), &config);
    cluster.all_fire("at first", triggers);
    a_node_is_killed(&mut cluster, triggers);
    a_node_is_frozen(&cluster, triggers);
    the_database_restarts(&mut cluster, triggers);
    connections_are_cut(&cluster, triggers);
    connections_are_used_up(&cluster, triggers);
    cluster.stop();
    assert_eq!(cluster.ask("SELECT count(*) FROM running"), "0", "runs that are open after the end");
    assert_eq!(cluster.ask("SELECT count(*) FROM nodes"), "0", "nodes that are registered after the end");
    audit(&cluster);
    look_at_files(directory.path());
}

fn a_node_is_killed(cluster: &mut Cluster<'_>, triggers: usize) {
    cluster.freeze_at_work(1);
    cluster.signal(1, "KILL");
    cluster.all_fire("without a killed node", triggers);
    eventually("the end of its term", || cluster.terms(1).is_empty().then_some(()));
    cluster.start_again(1);
    cluster.all_fire("with a node started again", triggers);
}

fn a_node_is_frozen(cluster: &Cluster<'_>, triggers: usize) {
    for freeze in [Cluster::freeze_at_work, Cluster::freeze_in_transaction] {
        freeze(cluster, 0);
        cluster.all_fire("beside a frozen node", triggers);
        eventually("the end of its term", || cluster.terms(0).is_empty().then_some(()));
        cluster.signal(0, "CONT");
        eventually("its new term", || (!cluster.terms(0).is_empty()).then_some(()));
        cluster.all_fire("with a node that woke up", triggers);
    }
}

fn the_database_restarts(cluster: &mut Cluster<'_>, triggers: usize) {
    for stop in [Stop::Fast, Stop::Immediate] {
        cluster.postgres.stop(stop).unwrap();
        cluster.postgres.start_again().unwrap();
        cluster.all_fire(&format!("after a restart ({stop:?})"), triggers);
    }
}

fn connections_are_cut(cluster: &Cluster<'_>, triggers: usize) {
    for _ in 0..30 {
        cluster.ask("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'punctual'");
        pause();
    }
    cluster.all_fire("with connections cut", triggers);
}

/// Others cut the nodes off and take all the connections that the server has, for some seconds.
fn connections_are_used_up(cluster: &Cluster<'_>, triggers: usize) {
    let cut =
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'punctual'";
    let greedy = || cluster.postgres.psql(&format!("{cut}; SELECT pg_sleep(4)"));
    let refused = std::thread::scope(|scope| {
        let sessions: Vec<_> = (0..cluster::CONNECTIONS + 10).map(|_| scope.spawn(greedy)).collect();
        sessions.into_iter().filter_map(|session| session.join().unwrap().err()).count()
    });
    assert!(refused > 0, "there was room for all");
    cluster.all_fire("with connections used up", triggers);
}

/// What the program itself finds in the database.
fn audit(cluster: &Cluster<'_>) {
    let output = punctual(&["audit", "--json", "--database", &cluster.postgres.url()]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}\n{}", cluster.logs());
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    for fault in ["unaccounted", "double", "overlaps", "open_without_owner"] {
        assert_eq!(report[fault], 0, "{fault}: {text}");
    }
    let count = |name: &str| report[name].as_u64().unwrap();
    eprintln!("{} instants: {} fires, {} skipped", count("instants"), count("fires"), count("skipped"));
    assert!(count("fires") > 1_000 && count("skipped") > 0, "{text}");
}

/// What the jobs themselves have seen.
fn look_at_files(directory: &Path) {
    let read = |name: &str| std::fs::read_to_string(directory.join(name)).unwrap_or_default();
    let once = read("once");
    let different: BTreeSet<&str> = once.lines().collect();
    assert!(different.len() > 10, "{once}");
    assert_eq!(once.lines().count(), different.len(), "instants that ran twice: {once}");
    assert_eq!(read("not-alone"), "", "runs beside another of a job that is not concurrent");
}
