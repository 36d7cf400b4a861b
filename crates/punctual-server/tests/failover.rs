//! `punctual bench failover`.

use support::{has_postgres, punctual};

mod support;

#[test]
fn the_work_of_a_killed_node_runs_again_on_another() {
    if !has_postgres() {
        return;
    }
    let output = punctual(&["bench", "failover", "--rounds", "1", "--runs", "3", "--json"]).output().unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{text}");
    let figures: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(figures["max_ms"].as_u64().unwrap() > 0, "{text}");
    assert_eq!((&figures["rounds"], &figures["runs"]), (&1.into(), &3.into()));
}

#[test]
fn only_a_database_that_nodes_share_can_be_measured() {
    let output = punctual(&["bench", "failover", "--database", "sqlite://a.db"]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("sqlite://a.db") && text.contains("PostgreSQL"), "{text}");
}
