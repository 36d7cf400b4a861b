//! Real nodes on a real PostgreSQL that are killed, frozen and cut off while they work. What must hold is looked for in
//! the database by the audit, and outside of it in files that jobs write.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cluster;
mod disk;
#[path = "../support/mod.rs"]
mod support;
mod wire;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use punctual_throwaway::Stop;

use cluster::{Cluster, NODES, REMOTE};
use disk::Disk;
use support::{eventually, has_postgres, pause};

/// How many connections the server has: enough for the nodes, and a few more.
const CONNECTIONS: usize = 36;

/// The jobs that do nothing: their number, their keys, and the triggers of each.
const SHAPES: [(usize, &str, usize); 5] = [
    (1, "", 112),
    (12, "concurrent = false", 2),
    (4, "requests_recovery = true", 8),
    (6, "concurrency = { key = 'shared', limit = 2 }\nrequests_recovery = true", 2),
    (9, "concurrent = false\noverlap = 'skip'", 2),
];

/// What the system says when a disk is full.
const FULL: &str = "No space left on device";

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
         command = 'exec 9> \"{lock}\"; flock --nonblock 9 || {{ echo \"$PUNCTUAL_SCHEDULED_AT\" >> \"{not_alone}\"; exit; }}; \
                    sleep 0.3'\n",
        once = at("once"),
        // A lock that goes with the last process that holds it.
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
    let few = [("max_connections", &*CONNECTIONS.to_string())];
    let mut cluster = Cluster::start(directory.path(), &config, &few, None);
    cluster.all_fire("at first", triggers);
    a_node_is_killed(&mut cluster, triggers);
    a_node_is_frozen(&cluster, triggers);
    the_database_restarts(&mut cluster, triggers);
    connections_are_cut(&cluster, triggers);
    the_network_is_cut(&cluster, triggers);
    connections_are_used_up(&cluster, triggers);
    nothing_is_left(&mut cluster, directory.path(), 1_000);
}

/// Stops the nodes, and looks at what they and their jobs have left.
fn nothing_is_left(cluster: &mut Cluster<'_>, directory: &Path, fires: u64) {
    cluster.stop();
    for (table, what) in [("running", "open runs"), ("nodes", "registered nodes")] {
        let rows = cluster.ask(&format!("SELECT to_json(r) FROM {table} r"));
        assert_eq!(rows, "", "{what} after the end\n{}", cluster.logs());
    }
    let report = cluster.audit("after the end");
    let count = |name: &str| report[name].as_u64().unwrap();
    eprintln!("{} instants: {} fires, {} skipped", count("instants"), count("fires"), count("skipped"));
    assert!(count("fires") > fires, "{report}");
    look_at_files(directory);
}

/// The disk of the database is filled up by others until nothing can be written, and freed again.
#[test]
fn a_full_disk_loses_nothing() {
    let Some(disk) = has_postgres().then(Disk::mount).flatten() else { return };
    let directory = tempfile::tempdir().unwrap();
    let (config, triggers) = config(directory.path());
    // Small files, so that a small disk is enough.
    let small = [("min_wal_size", "32MB"), ("max_wal_size", "64MB"), ("shared_buffers", "16MB")];
    let mut cluster = Cluster::start(directory.path(), &config, &small, Some(disk.path().join("data")));
    cluster.all_fire("at first", triggers);
    let failures = || cluster.said("the store failed to")[..NODES].to_vec();
    let (full, before) = (cluster.said(FULL), failures());
    disk.fill();
    eventually("the server's complaint", || (cluster.said(FULL)[NODES] > full[NODES]).then_some(()));
    eventually("everybody's complaints", || {
        // Again and again, told with growing gaps: nobody gives up.
        failures().iter().zip(&before).all(|(now, before)| *now > before + 3).then_some(())
    });
    disk.free();
    // It may have needed room for its log meanwhile.
    the_database_is_back(&mut cluster);
    cluster.all_fire("after a full disk", triggers);

    // Without room for its log, the server cannot go on at all.
    disk.fill();
    let log = "INSERT INTO punctual.task_names VALUES (gen_random_uuid()::text) RETURNING pg_switch_wal()";
    eventually("the end of the server", || cluster.postgres.psql(log).is_err().then_some(()));
    eventually("the panic of the server", || (cluster.said("PANIC")[NODES] > 0).then_some(()));
    disk.free();
    the_database_is_back(&mut cluster);
    cluster.all_fire("after a disk without room for the log", triggers);
    nothing_is_left(&mut cluster, directory.path(), 500);
}

/// Starts the server again if it is away.
fn the_database_is_back(cluster: &mut Cluster<'_>) {
    eventually("the server again", || {
        cluster.postgres.start_again().ok()?;
        cluster.postgres.psql("SELECT 1").ok()
    });
}

fn a_node_is_killed(cluster: &mut Cluster<'_>, triggers: usize) {
    cluster.freeze_at_work(1);
    cluster.signal(1, "KILL");
    cluster.all_fire("without a killed node", triggers);
    eventually("the end of its term", || cluster.terms(1).is_empty().then_some(()));
    cluster.start_again(1);
    cluster.all_fire("with a node started again", triggers);
    // One after the other, while the work of the one before is taken up.
    for node in [2, 0, 1, 2, 1, 0] {
        cluster.signal(node, "KILL");
        cluster.start_again(node);
    }
    cluster.all_fire("after kills of all nodes", triggers);
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

/// Nothing of a node arrives for longer than its lease, and then what it had sent does, late.
fn the_network_is_cut(cluster: &Cluster<'_>, triggers: usize) {
    cluster.cut_at_work();
    cluster.all_fire("beside a node that is cut off", triggers);
    eventually("the end of its term", || cluster.terms(REMOTE).is_empty().then_some(()));
    cluster.mend_network();
    eventually("its new term", || (!cluster.terms(REMOTE).is_empty()).then_some(()));
    cluster.all_fire("with a node that is back", triggers);
}

/// Others cut the nodes off and take all the connections that the server has, for some seconds.
fn connections_are_used_up(cluster: &Cluster<'_>, triggers: usize) {
    let cut =
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'punctual'";
    let greedy = || cluster.postgres.psql(&format!("{cut}; SELECT pg_sleep(4)"));
    let refused = std::thread::scope(|scope| {
        let sessions: Vec<_> = (0..CONNECTIONS + 10).map(|_| scope.spawn(greedy)).collect();
        sessions.into_iter().filter_map(|session| session.join().unwrap().err()).count()
    });
    assert!(refused > 0, "there was room for all");
    cluster.all_fire("with connections used up", triggers);
}

/// What the jobs themselves have seen.
fn look_at_files(directory: &Path) {
    let read = |name: &str| std::fs::read_to_string(directory.join(name)).unwrap_or_default();
    let once = read("once");
    let different: BTreeSet<&str> = once.lines().collect();
    assert!(different.len() > 3, "{once}");
    assert_eq!(once.lines().count(), different.len(), "instants that ran twice: {once}");
    assert_eq!(read("not-alone"), "", "runs beside another of a job that is not concurrent");
}
