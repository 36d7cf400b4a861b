//! Compares the dependency edges of the workspace with the tables in ARCHITECTURE.md.
//!
//! Two tables: which crate of the workspace may use which other one, in its code and in its tests; and which
//! outside crates are kept within which crates. An edge that no row allows fails; a row that allows what nobody
//! uses is noted.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::command::{packages, root};

const EDGES: &str = "edges";
const OUTSIDE: &str = "outside";

/// `crate -> (uses, uses in tests)`.
type Edges = BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)>;

/// Fails with every edge that the tables do not allow.
pub(crate) fn check() -> Result<(), String> {
    let path = root().join("ARCHITECTURE.md");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let packages = packages()?;
    let (actual, allowed) = (edges_of(&packages), allowed_edges(&text)?);
    for note in unused(&actual, &allowed) {
        eprintln!("note: ARCHITECTURE.md: {note}");
    }
    let mut problems = refused(&actual, &allowed);
    problems.extend(outside(&packages, &rows(&text, OUTSIDE)?));
    if problems.is_empty() {
        eprintln!("the dependency edges are those of ARCHITECTURE.md");
        return Ok(());
    }
    Err(format!("the dependency edges differ from ARCHITECTURE.md:\n  {}", problems.join("\n  ")))
}

/// The cells of the rows of the table between `<!-- NAME:begin -->` and `<!-- NAME:end -->`, without back-ticks.
fn rows(text: &str, name: &str) -> Result<Vec<Vec<String>>, String> {
    let (begin, end) = (format!("<!-- {name}:begin -->"), format!("<!-- {name}:end -->"));
    let missing = |marker: &str| format!("ARCHITECTURE.md has no line `{marker}`");
    let (_, after) = text.split_once(&begin).ok_or_else(|| missing(&begin))?;
    let (table, _) = after.split_once(&end).ok_or_else(|| missing(&end))?;
    let lines = table.lines().map(str::trim).filter(|line| line.starts_with('|'));
    let cells = |line: &str| {
        let inner = line.trim_matches('|');
        inner.split('|').map(|cell| cell.trim().replace('`', "")).collect()
    };
    // The heading and the line under it.
    Ok(lines.skip(2).map(cells).collect())
}

fn names(cell: &str) -> BTreeSet<String> {
    let names = cell.split(',').map(str::trim).filter(|name| !name.is_empty() && *name != "-");
    names.map(str::to_owned).collect()
}

fn allowed_edges(text: &str) -> Result<Edges, String> {
    let mut edges = Edges::new();
    for row in rows(text, EDGES)? {
        let [name, uses, in_tests, ..] = row.as_slice() else {
            return Err(format!("ARCHITECTURE.md: a row of the table of edges is too short: {row:?}"));
        };
        edges.insert(name.clone(), (names(uses), names(in_tests)));
    }
    Ok(edges)
}

fn name_of(value: &Value) -> String {
    value["name"].as_str().unwrap_or_default().to_owned()
}

fn dependencies(package: &Value) -> impl Iterator<Item = &Value> {
    package["dependencies"].as_array().into_iter().flatten()
}

fn edges_of(packages: &[Value]) -> Edges {
    let members: BTreeSet<String> = packages.iter().map(name_of).collect();
    let mut edges = Edges::new();
    for package in packages {
        let (uses, in_tests) = edges.entry(name_of(package)).or_default();
        for dependency in dependencies(package) {
            let name = name_of(dependency);
            if members.contains(&name) {
                if dependency["kind"] == "dev" {
                    in_tests.insert(name)
                } else {
                    uses.insert(name)
                };
            }
        }
    }
    edges
}

/// The edges that no row allows.
fn refused(actual: &Edges, allowed: &Edges) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, (uses, in_tests)) in actual {
        let Some((may_use, may_in_tests)) = allowed.get(name) else {
            problems.push(format!("crate {name} has no row"));
            continue;
        };
        problems.extend(uses.difference(may_use).map(|other| format!("{name} may not use {other}")));
        let in_tests =
            in_tests.iter().filter(|other| !may_use.contains(*other) && !may_in_tests.contains(*other));
        problems.extend(in_tests.map(|other| format!("{name} may not use {other}, not even in tests")));
    }
    problems
}

/// What the table allows and nobody does.
fn unused(actual: &Edges, allowed: &Edges) -> Vec<String> {
    let mut notes = Vec::new();
    for (name, (may_use, may_in_tests)) in allowed {
        let Some((uses, in_tests)) = actual.get(name) else {
            notes.push(format!("there is no crate {name}"));
            continue;
        };
        notes.extend(may_use.difference(uses).map(|other| format!("{name} does not use {other}")));
        let in_tests = may_in_tests.difference(in_tests);
        notes.extend(in_tests.map(|other| format!("{name} does not use {other} in tests")));
    }
    notes
}

/// Crates of other people that only some crates may use (outside of tests).
fn outside(packages: &[Value], rows: &[Vec<String>]) -> Vec<String> {
    let mut problems = Vec::new();
    for row in rows {
        let (Some(outside), Some(users)) = (row.first(), row.get(1).map(|cell| names(cell))) else {
            continue;
        };
        for package in packages {
            let uses = |dependency: &Value| dependency["kind"] != "dev" && name_of(dependency) == *outside;
            if dependencies(package).any(uses) && !users.contains(&name_of(package)) {
                problems.push(format!("{} may not use {outside}", name_of(package)));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TEXT: &str = "
# Map
<!-- edges:begin -->
| crate | uses | in tests | what |
| --- | --- | --- | --- |
| `core` | - | - | values |
| `engine` | `core` | `memory` | loops |
| `memory` | `core` | - | store |
<!-- edges:end -->
<!-- outside:begin -->
| outside crate | only in |
| --- | --- |
| `tokio` | `engine` |
<!-- outside:end -->
";

    fn package(name: &str, uses: &[&str], in_tests: &[&str]) -> Value {
        let edge = |kind: Value| move |name: &&str| json!({"name": name, "kind": kind});
        let uses = uses.iter().map(edge(Value::Null));
        let dependencies: Vec<Value> = uses.chain(in_tests.iter().map(edge(json!("dev")))).collect();
        json!({"name": name, "dependencies": dependencies})
    }

    fn problems(packages: &[Value]) -> Vec<String> {
        let mut problems = refused(&edges_of(packages), &allowed_edges(TEXT).unwrap());
        problems.extend(outside(packages, &rows(TEXT, OUTSIDE).unwrap()));
        problems
    }

    fn good() -> Vec<Value> {
        vec![
            package("core", &["serde"], &[]),
            package("engine", &["core", "tokio"], &["memory"]),
            package("memory", &["core"], &["tokio"]),
        ]
    }

    #[test]
    fn a_workspace_that_follows_the_tables_passes() {
        assert_eq!(problems(&good()), Vec::<String>::new());
    }

    #[test]
    fn an_edge_that_no_row_allows_is_named() {
        let mut packages = good();
        packages[0] = package("core", &["memory", "tokio"], &["engine"]);
        assert_eq!(
            problems(&packages),
            [
                "core may not use memory",
                "core may not use engine, not even in tests",
                "core may not use tokio"
            ]
        );
    }

    #[test]
    fn a_table_that_is_wider_than_the_truth_is_noted() {
        let mut packages = good();
        packages[1] = package("engine", &["tokio"], &["memory"]);
        packages.pop();
        assert_eq!(problems(&packages), Vec::<String>::new());
        assert_eq!(
            unused(&edges_of(&packages), &allowed_edges(TEXT).unwrap()),
            ["engine does not use core", "engine does not use memory in tests", "there is no crate memory"]
        );
    }

    #[test]
    fn a_crate_without_a_row_is_named() {
        let mut packages = good();
        packages.push(package("fresh", &[], &[]));
        assert_eq!(problems(&packages), ["crate fresh has no row"]);
    }

    #[test]
    fn a_missing_table_is_named() {
        assert!(rows("# nothing", EDGES).unwrap_err().contains("<!-- edges:begin -->"));
    }
}
