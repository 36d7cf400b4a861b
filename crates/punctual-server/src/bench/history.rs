//! How long lists and insights of a long history take.

use std::time::Duration;

use anyhow::{bail, ensure};
use punctual_core::ranking::Place as RankedPlace;
use punctual_core::time::{from_millis, to_millis};
use punctual_core::{
    Cause, Clock, FireId, HistoryQuery, HistorySort, InsightsQuery, JobKey, Paging, TaskHistory, TaskStatus,
    Timestamp, TriggerKey,
};
use punctual_engine::SystemClock;
use serde_json::{Map, json};

use super::StoreArgs;
use super::world::{Opened, Place};
use crate::output::{note, say};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) store: StoreArgs,
    /// How many rows the history has.
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// How many questions of each kind are asked.
    #[arg(long, default_value_t = 100)]
    questions: u32,
    /// Ask a database that was filled before, and leave it.
    #[arg(long)]
    pub(super) filled: bool,
    /// Leave what is filled in the schema of a PostgreSQL server, for `--filled`; a SQLite file at a path is always left.
    #[arg(long)]
    pub(super) keep: bool,
}

/// Rows in one transaction while it is filled.
const CHUNK: u64 = 10_000;
/// Tasks; the first is the most frequent.
const TASKS: u64 = 50;
/// Triggers of each task.
const TRIGGERS: u64 = 40;
/// The rows lie in so many days.
const DAYS: i64 = 90;
const DAY_MS: i64 = 86_400_000;
/// A fixed end, 2026-06-01T00:00:00Z: the same rows each time. It is the beginning of a day.
const END_MS: i64 = 20_605 * DAY_MS;

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, end: u64) -> u64 {
        ((self.unit() * end as f64) as u64).min(end.saturating_sub(1))
    }

    /// Normally distributed (Box and Muller).
    fn normal(&mut self) -> f64 {
        let (radius, angle) = (self.unit().max(1e-12), self.unit());
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }
}

/// Task `n` has 1/(n + 1) as many rows as the first.
fn task(dice: &mut Dice, sums: &[f64]) -> u64 {
    let at = dice.unit() * sums.last().copied().unwrap_or_default();
    sums.partition_point(|sum| *sum < at) as u64
}

fn trigger(task: &str, number: u64) -> TriggerKey {
    TriggerKey::stored("bench", format!("{task}-{number:02}"))
}

fn row(dice: &mut Dice, sums: &[f64], started_at: i64) -> TaskHistory {
    let number = task(dice, sums);
    // The middle of the durations is 20 ms to 20 s, by task; one in forty takes seven times as long or longer.
    let middle = 20.0 * 1_000_f64.powf((number * 7 % TASKS) as f64 / TASKS as f64);
    let took = (middle * dice.normal().exp()) as i64;
    let (status, known) = match dice.below(100) {
        0..97 => (TaskStatus::Success, true),
        97..99 => (TaskStatus::Failed, true),
        _ => (TaskStatus::Unknown, false),
    };
    let name = format!("task-{number:02}");
    let trigger = trigger(&name, dice.below(TRIGGERS));
    let job = JobKey::stored("bench", name.clone());
    TaskHistory {
        id: FireId(0),
        task: name.clone(),
        status,
        started_at: from_millis(started_at),
        ended_at: Some(from_millis(started_at + took)),
        duration_ms: known.then_some(took.unsigned_abs()),
        details: None,
        db_id: None,
        job: Some(job),
        trigger: Some(trigger),
        scheduled_at: Some(from_millis(started_at)),
        node: "bench-1".to_owned(),
        term: None,
        attempt: 1,
        origin: FireId(0),
        cause: Cause::Schedule,
        parent: None,
        run: None,
        logs: None,
        progress: None,
    }
}

async fn fill(filled: &Opened, rows: u64, end: Timestamp) -> anyhow::Result<()> {
    let mut dice = Dice(11);
    let sums: Vec<f64> = (0..TASKS)
        .scan(0.0, |sum, n| {
            *sum += 1.0 / (n + 1) as f64;
            Some(*sum)
        })
        .collect();
    let first = to_millis(end) - DAYS * DAY_MS;
    let mut written = 0;
    while written < rows {
        let chunk = CHUNK.min(rows - written);
        let at = |n: u64| first + ((written + n) as f64 / rows as f64 * (DAYS * DAY_MS) as f64) as i64;
        let some: Vec<TaskHistory> = (0..chunk).map(|n| row(&mut dice, &sums, at(n))).collect();
        filled.put_history(some).await?;
        filled.store().arrange(chunk).await?;
        written += chunk;
        if written.is_multiple_of(1_000_000) {
            note!("{written} rows written");
        }
    }
    Ok(())
}

/// What is asked: a name, and how to make the next question.
type Kind = (&'static str, fn(&mut Dice, u64) -> HistoryQuery);

fn some_task(dice: &mut Dice) -> Option<String> {
    Some(format!("task-{:02}", dice.below(TASKS)))
}

fn some_trigger(dice: &mut Dice) -> Option<TriggerKey> {
    let task = some_task(dice)?;
    Some(trigger(&task, dice.below(TRIGGERS)))
}

fn some_fire(dice: &mut Dice, rows: u64) -> FireId {
    FireId(i64::try_from(dice.below(rows)).unwrap_or_default())
}

fn anywhere(rows: u64, dice: &mut Dice) -> Paging {
    Paging { limit: Some(50), offset: dice.below(rows) }
}

/// The beginning of a window up to the end, and which share of the rows lies in it.
fn window(dice: &mut Dice) -> (Option<Timestamp>, f64) {
    // From one in 10,000 rows to all.
    let share = 10_f64.powf(-4.0 * dice.unit());
    (Some(from_millis(END_MS - (share * (DAYS * DAY_MS) as f64) as i64)), share)
}

fn first_of_window(dice: &mut Dice, sort: HistorySort) -> HistoryQuery {
    let (started_from, descending) = (window(dice).0, dice.below(2) == 0);
    HistoryQuery { sort, descending, started_from, paging: Paging::first(50), ..HistoryQuery::default() }
}

/// The page after some place in the order of a window.
fn next_of_window(dice: &mut Dice, sort: HistorySort) -> HistoryQuery {
    let value = match sort {
        HistorySort::Duration => (20.0 * 1_000_f64.powf(dice.unit()) * dice.normal().exp()) as i64,
        _ => END_MS - (window(dice).1 * (DAYS * DAY_MS) as f64) as i64,
    };
    HistoryQuery { after: Some(RankedPlace { value, id: 0 }), ..first_of_window(dice, sort) }
}

fn sorted(dice: &mut Dice, query: HistoryQuery) -> HistoryQuery {
    let sorts = HistorySort::LISTED;
    let sort = sorts[usize::try_from(dice.below(3)).unwrap_or_default()];
    HistoryQuery { sort, descending: dice.below(2) == 0, ..query }
}

const KINDS: &[Kind] = &[
    ("first page, newest first", |_, _| HistoryQuery {
        paging: Paging::first(50),
        ..HistoryQuery::default()
    }),
    ("first page of a task, any order", |dice, _| {
        let query =
            HistoryQuery { task: some_task(dice), paging: Paging::first(50), ..HistoryQuery::default() };
        sorted(dice, query)
    }),
    ("any page by start", |dice, rows| HistoryQuery {
        descending: dice.below(2) == 0,
        paging: anywhere(rows, dice),
        ..HistoryQuery::default()
    }),
    ("any page by end", |dice, rows| HistoryQuery {
        sort: HistorySort::EndedAt,
        descending: dice.below(2) == 0,
        paging: anywhere(rows, dice),
        ..HistoryQuery::default()
    }),
    ("any page by duration", |dice, rows| HistoryQuery {
        sort: HistorySort::Duration,
        descending: dice.below(2) == 0,
        paging: anywhere(rows, dice),
        ..HistoryQuery::default()
    }),
    ("any page of a task, any order", |dice, rows| {
        let paging = anywhere(rows / 60, dice);
        let query = HistoryQuery { task: some_task(dice), paging, ..HistoryQuery::default() };
        sorted(dice, query)
    }),
    ("any page of a job, any order", |dice, rows| {
        let paging = anywhere(rows / 60, dice);
        let job = some_task(dice).map(|name| JobKey::stored("bench", name));
        sorted(dice, HistoryQuery { job, paging, ..HistoryQuery::default() })
    }),
    ("any page of a status, any order", |dice, rows| {
        let statuses = [(TaskStatus::Success, 97), (TaskStatus::Failed, 2), (TaskStatus::Unknown, 1)];
        let (status, percent) = statuses[usize::try_from(dice.below(3)).unwrap_or_default()];
        let paging = anywhere(rows * percent / 100, dice);
        sorted(dice, HistoryQuery { status: Some(status), paging, ..HistoryQuery::default() })
    }),
    ("any page of a task and status, any order", |dice, rows| {
        let paging = anywhere(rows / 6_000, dice);
        let (task, status) = (some_task(dice), Some(TaskStatus::Failed));
        sorted(dice, HistoryQuery { task, status, paging, ..HistoryQuery::default() })
    }),
    ("any page by task", |dice, rows| HistoryQuery {
        sort: HistorySort::Task,
        descending: dice.below(2) == 0,
        paging: anywhere(rows, dice),
        ..HistoryQuery::default()
    }),
    ("any page by status", |dice, rows| HistoryQuery {
        sort: HistorySort::Status,
        descending: dice.below(2) == 0,
        paging: anywhere(rows, dice),
        ..HistoryQuery::default()
    }),
    ("any page by start of a window", |dice, rows| {
        let (started_from, share) = window(dice);
        let paging = anywhere((rows as f64 * share) as u64, dice);
        let descending = dice.below(2) == 0;
        HistoryQuery { started_from, descending, paging, ..HistoryQuery::default() }
    }),
    ("any page by start of a window, task and status", |dice, rows| {
        let (task, status, (started_from, _)) = (some_task(dice), Some(TaskStatus::Failed), window(dice));
        let paging = anywhere(rows / 12_000, dice);
        HistoryQuery { task, status, started_from, paging, ..HistoryQuery::default() }
    }),
    ("first page by task of a window", |dice, _| first_of_window(dice, HistorySort::Task)),
    ("first page by status of a window", |dice, _| first_of_window(dice, HistorySort::Status)),
    ("first page by end of a window", |dice, _| first_of_window(dice, HistorySort::EndedAt)),
    ("first page by duration of a window", |dice, _| first_of_window(dice, HistorySort::Duration)),
    ("first page of a trigger, newest first", |dice, _| HistoryQuery {
        trigger: some_trigger(dice),
        paging: Paging::first(50),
        ..HistoryQuery::default()
    }),
    ("any page of a trigger by start", |dice, rows| HistoryQuery {
        trigger: some_trigger(dice),
        descending: dice.below(2) == 0,
        paging: anywhere(rows / 60 / TRIGGERS, dice),
        ..HistoryQuery::default()
    }),
    ("first page of a trigger and status", |dice, _| HistoryQuery {
        trigger: some_trigger(dice),
        status: Some(TaskStatus::Failed),
        paging: Paging::first(50),
        ..HistoryQuery::default()
    }),
    ("first page of a trigger by end or duration", |dice, _| {
        let sort = [HistorySort::EndedAt, HistorySort::Duration][usize::from(dice.below(2) == 0)];
        let (trigger, descending) = (some_trigger(dice), dice.below(2) == 0);
        HistoryQuery { trigger, sort, descending, paging: Paging::first(50), ..HistoryQuery::default() }
    }),
    ("first page of a trigger and status by duration", |dice, _| HistoryQuery {
        trigger: some_trigger(dice),
        status: Some(TaskStatus::Failed),
        sort: HistorySort::Duration,
        descending: dice.below(2) == 0,
        paging: Paging::first(50),
        ..HistoryQuery::default()
    }),
    ("first page of a trigger and job in a window", |dice, _| {
        let (task, started_from) = (some_task(dice), window(dice).0);
        let trigger = task.as_deref().map(|task| trigger(task, dice.below(TRIGGERS)));
        let job = task.map(|task| JobKey::stored("bench", task));
        let descending = dice.below(2) == 0;
        HistoryQuery {
            trigger,
            job,
            started_from,
            descending,
            paging: Paging::first(50),
            ..HistoryQuery::default()
        }
    }),
    ("one instant of a trigger", |dice, rows| {
        let at = Some(from_millis(END_MS - DAYS * DAY_MS + dice.below(rows) as i64));
        let trigger = some_trigger(dice);
        HistoryQuery { trigger, scheduled_from: at, scheduled_to: at, ..HistoryQuery::default() }
    }),
    ("attempts of a fire", |dice, rows| HistoryQuery {
        origin: Some(some_fire(dice, rows)),
        paging: Paging::first(50),
        ..HistoryQuery::default()
    }),
    ("children of a row", |dice, rows| HistoryQuery {
        parent: Some(some_fire(dice, rows)),
        paging: Paging::first(50),
        ..HistoryQuery::default()
    }),
    ("first page by duration of a window and task", |dice, _| HistoryQuery {
        task: some_task(dice),
        ..first_of_window(dice, HistorySort::Duration)
    }),
    ("next page by end of a window", |dice, _| next_of_window(dice, HistorySort::EndedAt)),
    ("next page by duration of a window", |dice, _| next_of_window(dice, HistorySort::Duration)),
];

fn insights(number: usize, dice: &mut Dice, end: Timestamp) -> InsightsQuery {
    let days = [90, 7, 90][number];
    let task = if number == 0 { None } else { some_task(dice) };
    InsightsQuery {
        task,
        job: None,
        from: from_millis(to_millis(end) - days * DAY_MS),
        to: end,
        step_hours: [Some(24), Some(1), None][number],
    }
}

const INSIGHTS: [&str; 3] = [
    "insights of all tasks, 90 days by day",
    "insights of a task, 7 days by hour",
    "insights of a task, 90 days",
];

pub(crate) async fn run(args: &Args) -> anyhow::Result<()> {
    ensure!(args.rows > 0 && args.questions > 0, "--rows and --questions must be at least 1");
    let place = Place::of(&args.store)?;
    let asked = "then asking for pages and insights";
    if args.filled {
        note!("bringing what is filled in order, {asked}: it takes seconds to minutes");
    } else {
        note!("filling a history with {} rows, {asked}: each million takes a minute or two", args.rows);
    }
    let filled = place.open_filled(args.filled).await?;
    let clock = SystemClock::new();
    let end = from_millis(END_MS);
    if !args.filled {
        let started = clock.monotonic();
        fill(&filled, args.rows, end).await?;
        note!("filled in {:.0} s", (clock.monotonic() - started).as_secs_f64());
    }
    while filled.store().arrange(CHUNK).await? > 0 {}
    filled.settle().await?;
    let store = filled.store();
    let all = HistoryQuery { paging: Paging::first(1), ..HistoryQuery::default() };
    let found = store.history(&all).await?.total;
    ensure!(found == args.rows, "{found} rows in the history instead of {}: no figure", args.rows);
    let mut dice = Dice(5);
    let mut results = Map::new();
    for (name, make) in KINDS.iter().copied() {
        let mut times = Vec::new();
        for _ in 0..args.questions {
            let query = make(&mut dice, args.rows);
            let started = clock.monotonic();
            let page = store.history(&query).await?;
            times.push(clock.monotonic() - started);
            check(&query, page.rows, page.total)?;
        }
        report(args, name, times, &mut results)?;
    }
    for (number, name) in INSIGHTS.into_iter().enumerate() {
        let mut times = Vec::new();
        for _ in 0..args.questions {
            let query = insights(number, &mut dice, end);
            let started = clock.monotonic();
            let found = store.insights(&query).await?;
            times.push(clock.monotonic() - started);
            ensure!(!found.is_empty(), "no insights: no figure");
        }
        report(args, name, times, &mut results)?;
    }
    if args.store.json {
        say!("{}", json!({ "rows": args.rows, "questions": args.questions, "ms": results }))?;
    }
    Ok(())
}

/// A page must be full, match, and be in order; the tests compare pages with all rows.
fn check(query: &HistoryQuery, rows: Vec<TaskHistory>, total: u64) -> anyhow::Result<()> {
    let wanted = total.saturating_sub(query.paging.offset).min(query.paging.limit.unwrap_or(u64::MAX));
    let found = rows.len() as u64;
    ensure!(found == wanted || query.after.is_some(), "{found} rows instead of {wanted} of {query:?}");
    let is_beyond = |place: RankedPlace, after| if query.descending { place < after } else { place > after };
    let fits = |row| query.after.is_none_or(|after| is_beyond(query.sort.place(row), after));
    ensure!(rows.iter().all(fits), "a row is not after the place of {query:?}");
    for pair in rows.windows(2) {
        if query.sort.compare(&pair[0], &pair[1]).is_lt() == query.descending {
            bail!("{} comes before {} in {query:?}", pair[0].id, pair[1].id);
        }
    }
    let fits = |row: &TaskHistory| {
        query.task.as_ref().is_none_or(|task| *task == row.task)
            && query.status.is_none_or(|status| status == row.status)
            && query.job.as_ref().is_none_or(|job| row.job.as_ref() == Some(job))
            && query.trigger.as_ref().is_none_or(|trigger| row.trigger.as_ref() == Some(trigger))
            && query.started_from.is_none_or(|from| row.started_at >= from)
    };
    ensure!(rows.iter().all(fits), "a row does not match {query:?}");
    Ok(())
}

fn report(
    args: &Args,
    name: &str,
    mut times: Vec<Duration>,
    results: &mut Map<String, serde_json::Value>,
) -> anyhow::Result<()> {
    times.sort_unstable();
    let at = |of_hundred: usize| {
        let index = (times.len() * of_hundred).div_ceil(100).max(1) - 1;
        times.get(index).map_or(0.0, |time| (time.as_secs_f64() * 100_000.0).round() / 100.0)
    };
    let (p50, p99, max) = (at(50), at(99), at(100));
    if args.store.json {
        results.insert(name.to_owned(), json!({ "p50": p50, "p99": p99, "max": max }));
    } else {
        say!("{name}: p50 {p50:.2} ms, p99 {p99:.2} ms, max {max:.2} ms")?;
    }
    Ok(())
}
