//! Further attempts: each needs an attempt before it that failed or was lost.

use super::{Fault, Problem};
use crate::{FireId, TaskHistory, TaskStatus};

/// What is wrong with the attempts of one fire, given all its rows in the history. `complete` says that none of them has
/// been deleted, so that one that is missing never was.
pub fn check(rows: &[TaskHistory], complete: bool) -> Vec<Problem> {
    let mut rows: Vec<&TaskHistory> = rows.iter().collect();
    rows.sort_by_key(|row| (row.attempt, row.id));
    rows.dedup_by_key(|row| row.id);
    let mut problems = Vec::new();
    for row in rows.iter().filter(|row| row.attempt > 1) {
        let before: Vec<&&TaskHistory> =
            rows.iter().filter(|other| other.attempt == row.attempt - 1).collect();
        if before.iter().any(|row| gives_reason(row.status)) || (before.is_empty() && !complete) {
            continue;
        }
        let what = match before.first() {
            Some(before) => format!("the one before it is {} (row {})", before.status, before.id),
            None => "there is none before it".to_owned(),
        };
        problems.push(problem(row, what, before.iter().map(|row| row.id)));
    }
    for same in rows.chunk_by(|one, other| one.attempt == other.attempt) {
        // Twice the first attempt is twice the instant, and found there.
        if let [first, others @ ..] = same
            && first.attempt > 1
        {
            let what = || format!("row {} is the same attempt", first.id);
            problems.extend(others.iter().map(|row| problem(row, what(), [first.id].into_iter())));
        }
    }
    problems
}

/// Whether an attempt that ended so may be followed by another.
pub fn gives_reason(status: TaskStatus) -> bool {
    matches!(status, TaskStatus::Failed | TaskStatus::Unknown)
}

fn problem(row: &TaskHistory, what: String, others: impl Iterator<Item = FireId>) -> Problem {
    let subject = row.trigger.as_ref().map_or_else(|| row.task.clone(), ToString::to_string);
    let text = format!("row {} is attempt {} without a reason: {what}", row.id, row.attempt);
    Problem::new(Fault::Double, subject, text)
        .between(row.scheduled_at, row.scheduled_at)
        .rows(std::iter::once(row.id).chain(others).collect())
}
