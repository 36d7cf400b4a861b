//! Start-up tasks of the real binary: which of them run when the server starts again.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::path::Path;
use std::process::Child;

use serde_json::Value;
use support::{eventually, free_ports, get, punctual, signal};

/// A start of the server over the same directory, killed when it is dropped.
struct Start {
    child: Child,
    port: u16,
}

impl Start {
    fn new(directory: &Path, version: &str) -> Self {
        // The node's task comes last, so that those before it are stored when it has run.
        let config = format!(
            "[jobs.a-boot]\nkind = 'command'\ncommand = 'true'\non_start = 'boot'\n\
             [jobs.b-cluster]\nkind = 'command'\ncommand = 'true'\non_start = 'cluster'\nstart_version = '{version}'\n\
             [jobs.c-node]\nkind = 'command'\ncommand = 'true'\non_start = 'node'\n"
        );
        let file = directory.join("punctual.toml");
        std::fs::write(&file, config).unwrap();
        let port = free_ports(1);
        let child = punctual(&["serve", "--listen", &format!("127.0.0.1:{port}")])
            .arg("--config")
            .arg(&file)
            .arg("--data-dir")
            .arg(directory.join("data"))
            .stderr(std::fs::File::create(directory.join("log")).unwrap())
            .spawn()
            .unwrap();
        Self { child, port }
    }

    fn rows(&self, query: &str) -> Option<Vec<Value>> {
        let body = get(self.port, &format!("/api/task?{query}"))?;
        // A chunked body has its lengths around it.
        let (from, to) = (body.find('{')?, body.rfind('}')?);
        let page: Value = serde_json::from_str(&body[from..=to]).ok()?;
        page["data"].as_array().cloned()
    }

    /// How often each task has run, once the node's has run so often and nothing is under way.
    fn runs(&self, of_node: usize) -> [usize; 3] {
        eventually("the end of the start-up tasks", || {
            let done = self.rows("status=success&task=c-node")?.len() >= of_node;
            (done && self.rows("status=started")?.is_empty()).then_some(())
        });
        ["a-boot", "b-cluster", "c-node"].map(|task| {
            let rows = self.rows(&format!("task={task}")).unwrap();
            assert!(
                rows.iter().all(|row| row["status"] == "success" && row["cause"] == "manual"),
                "{rows:?}"
            );
            rows.len()
        })
    }

    fn terminate(mut self) {
        signal(&self.child, "TERM");
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Start {
    fn drop(&mut self) {
        // It has ended already where the test ended it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn each_start_runs_what_is_new_to_it() {
    let directory = tempfile::tempdir().unwrap();
    let first = Start::new(directory.path(), "2026-03");
    assert_eq!(first.runs(1), [1, 1, 1]);
    first.terminate();
    let again = Start::new(directory.path(), "2026-03");
    assert_eq!(again.runs(2), [1, 1, 2], "the machine was not booted, and the version is the same");
    again.terminate();
    let newer = Start::new(directory.path(), "2026-04");
    assert_eq!(newer.runs(3), [1, 2, 3]);
    newer.terminate();
    let older = Start::new(directory.path(), "2026-03");
    assert_eq!(older.runs(4), [1, 2, 4], "an earlier version is nothing new");
}
