//! What `punctual bench` does to a database on a server.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Output, Stdio};

use punctual_throwaway::{Options, Postgres};
use support::{eventually, has_postgres, punctual, signal};

mod support;

const SCHEMAS: &str = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'punctual_bench%'";

fn bench(server: &Postgres, args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        punctual(&["bench"]).args(args).args(["--database", &server.url()]).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn a_measurement_has_its_schemas_alone_and_leaves_none() {
    if !has_postgres() {
        return;
    }
    let server = Postgres::start(Options::for_tests(60)).unwrap();
    let drain = ["drain", "--n", "50", "--plain", "--json"];
    let (code, out, err) = bench(&server, &drain);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("compared"), "{out}");
    assert_eq!(server.psql(SCHEMAS).unwrap(), "0");

    // What is in the way and not its own.
    for (table, advice) in [
        (
            "CREATE TABLE punctual_bench.customers ()",
            "has the table customers, which is none of a measurement",
        ),
        ("CREATE TABLE punctual_bench.jobs ()", "no schema_version"),
        (
            "CREATE SCHEMA punctual_bench_plain; CREATE TABLE punctual_bench_plain.jobs ()",
            "punctual_bench_plain",
        ),
    ] {
        server.psql(&format!("CREATE SCHEMA punctual_bench; {table}")).unwrap();
        let (code, _, err) = bench(&server, &drain);
        assert_eq!(code, Some(2), "{err}");
        assert!(err.contains(advice) && err.contains("another database"), "{err}");
        let left = "SELECT count(*) FROM pg_tables WHERE schemaname LIKE 'punctual_bench%'";
        assert_eq!(server.psql(left).unwrap(), "1");
        server
            .psql("DROP SCHEMA IF EXISTS punctual_bench CASCADE; DROP SCHEMA IF EXISTS punctual_bench_plain CASCADE")
            .unwrap();
    }

    // One that lasts, and another beside it.
    let first =
        punctual(&["bench", "lateness", "--rate", "1", "--seconds", "200", "--database", &server.url()])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
    let stored =
        "SELECT count(*) FROM pg_tables WHERE schemaname = 'punctual_bench' AND tablename = 'triggers'";
    eventually("the store of the measurement", || (server.psql(stored).ok()? == "1").then_some(()));
    let (code, _, err) = bench(&server, &drain);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("another measurement"), "{err}");
    assert_eq!(server.psql(stored).unwrap(), "1");
    signal(&first, "INT");
    let ended = first.wait_with_output().unwrap();
    let err = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(2), "{err}");
    assert!(err.contains("for 200 s: 203 s in all") && err.contains("SIGINT"), "{err}");
    assert_eq!(server.psql(SCHEMAS).unwrap(), "0");
}

#[test]
fn a_filled_history_is_kept_where_that_is_asked_for() {
    if !has_postgres() {
        return;
    }
    let server = Postgres::start(Options::for_tests(60)).unwrap();
    for (args, left) in [(&[][..], "0"), (&["--keep"], "1"), (&["--filled"], "1")] {
        let history = ["history", "--rows", "20000", "--questions", "1", "--json"];
        let (code, out, err) = bench(&server, &[&history, args].concat());
        assert_eq!(code, Some(0), "{err}");
        assert!(out.contains(r#""rows":20000"#), "{out}");
        assert!(err.contains("asking for pages"), "{err}");
        assert_eq!(server.psql(SCHEMAS).unwrap(), left);
    }
}
