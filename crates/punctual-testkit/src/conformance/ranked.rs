//! Pages, totals and insights of a history that keeps changing: each must be what its rows say.

use std::collections::BTreeMap;
use std::sync::Arc;

use punctual_core::insights::{ERROR, Series};
use punctual_core::query::instants::ON_TIME_MS;
use punctual_core::time::plus_millis;
use punctual_core::{
    Change, Data, HistoryQuery, HistorySort, Insight, InsightsQuery, JobKey, JobStore, Outcome, Paging,
    Retention, StoreError, TaskHistory, TaskRecord, TaskStatus, Timestamp, Trigger, TriggerKey,
};
use serde_json::json;

use crate::factory::{Hand, at, every, job, schedule};

type Store = Arc<dyn JobStore>;

/// Numbers that look random and are the same each time.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    pub(super) fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.roll(choices.len() as u64)).unwrap()].clone()
    }

    fn record(&mut self, now: i64) -> TaskRecord {
        use TaskStatus::{Failed, Started, Success, Unknown};
        let status = self.of(&[Success, Success, Success, Failed, Unknown, Started]);
        // Many rows share an instant and a duration, and some lie hours apart.
        let started_at = at(now - i64::try_from(self.roll(4) * 3_000).unwrap());
        let took = self.of(&[0, 1, 1, 15, 16, 40, 1_000, 7_200_000, -5_000_000]);
        let ended = status != Started;
        TaskRecord {
            task: self.of(&["a", "b", "job"]).to_owned(),
            status,
            started_at,
            ended_at: ended.then(|| plus_millis(started_at, took)),
            duration_ms: (status != Unknown && ended).then(|| took.unsigned_abs()),
            details: None,
            db_id: None,
            node: "n".to_owned(),
            term: None,
            parent: None,
            run: None,
            logs: None,
            progress: None,
        }
    }
}

pub(super) async fn all_rows(store: &Store) -> Vec<TaskHistory> {
    let page = store.history(&HistoryQuery::default()).await.unwrap();
    assert_eq!(page.total, page.rows.len() as u64);
    page.rows
}

/// What a query should find, by looking at every row.
fn expected(rows: &[TaskHistory], query: &HistoryQuery) -> (Vec<i64>, u64) {
    let fits = |row: &&TaskHistory| {
        query.task.as_ref().is_none_or(|task| *task == row.task)
            && query.status.is_none_or(|status| status == row.status)
            && query.job.as_ref().is_none_or(|job| row.job.as_ref() == Some(job))
            && query.trigger.as_ref().is_none_or(|trigger| row.trigger.as_ref() == Some(trigger))
            && query.started_from.is_none_or(|from| row.started_at >= from)
            && query.started_before.is_none_or(|before| row.started_at < before)
            && query.node.as_ref().is_none_or(|node| *node == row.node)
            && query.scheduled_from.is_none_or(|from| row.scheduled_at.is_some_and(|at| at >= from))
            && query.scheduled_to.is_none_or(|to| row.scheduled_at.is_some_and(|at| at <= to))
            && query.origin.is_none_or(|origin| row.origin == origin)
    };
    let mut found: Vec<&TaskHistory> = rows.iter().filter(fits).collect();
    let mut total = found.len() as u64;
    found.sort_by(|one, other| query.sort.compare(one, other));
    if query.descending {
        found.reverse();
    }
    let after = |row: &&TaskHistory| {
        let place = query.sort.place(row);
        query.after.is_none_or(|after| if query.descending { place < after } else { place > after })
    };
    let (offset, limit) = (query.paging.offset as usize, query.paging.limit.unwrap() as usize);
    let page = found.into_iter().filter(after).skip(offset).take(limit);
    let ids: Vec<i64> = page.map(|row| row.id.0).collect();
    if query.brief {
        total = ids.len() as u64;
    }
    (ids, total)
}

pub(super) async fn check_page(store: &Store, rows: &[TaskHistory], query: &HistoryQuery) {
    let (ids, total) = expected(rows, query);
    let page = store.history(query).await.unwrap();
    let found: Vec<i64> = page.rows.iter().map(|row| row.id.0).collect();
    assert_eq!((found, page.total), (ids, total), "{query:?}");
}

async fn check_pages(store: &Store, dice: &mut Dice, pages: u64) {
    let rows = all_rows(store).await;
    let some_row = |dice: &mut Dice| match dice.roll(2) {
        0 if !rows.is_empty() => Some(dice.of(&rows)),
        _ => None,
    };
    let some_instant = |dice: &mut Dice| match dice.roll(5) {
        // That of a row or an hour beside it, to the millisecond.
        0 => {
            let beside = dice.of(&[0, 0, -1, 1, ON_TIME_MS, -ON_TIME_MS, ON_TIME_MS + 1]);
            some_row(dice).and_then(|row| row.scheduled_at).map(|at| plus_millis(at, beside))
        }
        _ => None,
    };
    for _ in 0..pages {
        let task = dice.of(&[None, None, Some("a"), Some("t1"), Some("job"), Some("nothing")]);
        let statuses = TaskStatus::ALL.map(Some);
        let started_from = some_row(dice).map(|row| row.started_at);
        let started_before = match dice.roll(4) {
            0 => some_row(dice).map(|row| plus_millis(row.started_at, dice.of(&[0, 1]))),
            // A few rows of many.
            1 => started_from.map(|from| plus_millis(from, dice.of(&[1, 5_000]))),
            _ => None,
        };
        let query = HistoryQuery {
            task: task.map(str::to_owned),
            status: dice.of(&[&[None, None, None], &statuses[..]].concat()),
            job: dice.of(&[None, None, None, Some(JobKey::new("job"))]),
            trigger: dice.of(&[None, None, None, None, Some(TriggerKey::new("t1"))]),
            started_from,
            started_before,
            node: if dice.roll(9) == 0 { some_row(dice).map(|row| row.node) } else { None },
            scheduled_from: some_instant(dice),
            scheduled_to: some_instant(dice),
            origin: if dice.roll(9) == 0 {
                some_row(dice).map(|row| dice.of(&[row.id, row.origin]))
            } else {
                None
            },
            brief: dice.roll(9) == 0,
            sort: dice.of(&HistorySort::ALL),
            descending: dice.roll(2) == 0,
            paging: Paging { limit: Some(dice.roll(30)), offset: dice.roll(rows.len() as u64 + 5) },
            ..HistoryQuery::default()
        };
        check_page(store, &rows, &query).await;
        if !rows.is_empty() {
            let after = Some(query.sort.place(&dice.of(&rows)));
            let paging = Paging { offset: dice.roll(3), ..query.paging };
            let query = HistoryQuery { after, paging, ..query };
            if query.has_no_place() {
                let refused = store.history(&query).await;
                assert!(matches!(refused, Err(StoreError::Other(why)) if why == HistoryQuery::NO_PLACE));
            } else {
                check_page(store, &rows, &query).await;
            }
        }
    }
}

fn percentile(sorted: &[u64], of_hundred: usize) -> Option<u64> {
    sorted.get((sorted.len() * of_hundred).div_ceil(100).max(1) - 1).copied()
}

async fn check_insights(store: &Store, query: &InsightsQuery) {
    let rows = all_rows(store).await;
    let (from, to) = query.hours();
    let mut expected: BTreeMap<(Series, Timestamp), Vec<TaskHistory>> = BTreeMap::new();
    for row in rows {
        let started = row.started_at.as_millisecond();
        let series = Series { task: row.task.clone(), job: row.job.clone() };
        let wanted = query.task.as_ref().is_none_or(|task| *task == row.task)
            && query.job.as_ref().is_none_or(|job| row.job.as_ref() == Some(job));
        if row.status != TaskStatus::Started && wanted && (from..to).contains(&started) {
            let period = Timestamp::from_millisecond(query.period(started)).unwrap();
            expected.entry((series, period)).or_default().push(row);
        }
    }
    let found = store.insights(query).await.unwrap();
    let keys: Vec<_> = found.iter().map(|one| (one.series.clone(), one.from)).collect();
    assert_eq!(keys, expected.keys().cloned().collect::<Vec<_>>(), "{query:?}");
    found.iter().zip(expected.values()).for_each(|(insight, rows)| check_insight(insight, rows));
}

fn check_insight(insight: &Insight, rows: &[TaskHistory]) {
    let count = |status| rows.iter().filter(|row| row.status == status).count() as i64;
    let rollup = &insight.rollup;
    let counts = (rollup.success, rollup.failed, rollup.unknown);
    let by_status = (count(TaskStatus::Success), count(TaskStatus::Failed), count(TaskStatus::Unknown));
    assert_eq!(counts, by_status, "{insight:?}");
    let mut durations: Vec<u64> = rows.iter().filter_map(|row| row.duration_ms).collect();
    durations.sort_unstable();
    assert_eq!(rollup.total_ms.unsigned_abs(), durations.iter().sum::<u64>());
    for of_hundred in [50, 95, 99] {
        let exact = percentile(&durations, of_hundred);
        let found = rollup.durations.percentile(of_hundred as u64);
        assert_eq!(found.is_some(), exact.is_some());
        let (exact, found) = (exact.unwrap_or_default() as f64, found.unwrap_or_default() as f64);
        assert!((found - exact).abs() <= exact * ERROR + 0.5, "p{of_hundred}: {found} for {exact}");
    }
    let longest = insight.longest_ms().unwrap_or_default() as f64;
    let exact = durations.last().copied().unwrap_or_default() as f64;
    assert!(longest >= exact && longest <= exact * (1.0 + 2.0 * ERROR), "{longest} for {exact}");
}

fn insights_of(from: i64, to: i64) -> InsightsQuery {
    InsightsQuery { task: None, job: None, from: at(from), to: at(to), step_hours: None }
}

async fn check_all_insights(store: &Store, now: i64) {
    let long = insights_of(-90_000, now + 100_000);
    check_insights(store, &long).await;
    check_insights(store, &InsightsQuery { step_hours: Some(1), ..long.clone() }).await;
    check_insights(store, &InsightsQuery { step_hours: Some(24), ..insights_of(-86_400, now) }).await;
    check_insights(store, &InsightsQuery { task: Some("job".to_owned()), ..long.clone() }).await;
    check_insights(store, &InsightsQuery { job: Some(JobKey::new("job")), ..long }).await;
}

/// Runs what is due, each with an end of its own; a node that leaves some open is lost.
async fn run_some(store: &Store, dice: &mut Dice, name: &str, now: i64) {
    let node = Hand::register(store, name, at(now)).await;
    for _ in 0..dice.roll(3) {
        // Early, and so late that it is just still on time or just not.
        let late = dice.of(&[-7_200_000, -1, 0, ON_TIME_MS - 1, ON_TIME_MS, ON_TIME_MS + 1, 90_000_000]);
        let scheduled_at = plus_millis(at(now), -late);
        let trigger = dice.of(&[None, Some(TriggerKey::new("t1")), Some(TriggerKey::new("t2"))]);
        let run = Change::RunFor { job: JobKey::new("job"), trigger, scheduled_at, data: Data::empty() };
        store.apply(at(now), &[run]).await.unwrap();
    }
    let claimed = node.claim(at(now), 8).await;
    let mut done = Vec::new();
    for fire in claimed.fires {
        let end = dice.roll(4);
        if end == 0 {
            continue;
        }
        let mut one = node.success(&fire, at(now));
        one.duration_ms = dice.roll(100);
        one.ended_at = plus_millis(fire.fired_at, i64::try_from(one.duration_ms).unwrap());
        if end == 1 {
            one.outcome = Outcome::Failed(json!({"error": "bad"}));
        }
        done.push(one);
    }
    store.complete(at(now), &done).await.unwrap();
    store.retire(at(now), node.term).await.unwrap();
    if dice.roll(2) == 0 {
        store.recover(at(now + 1)).await.unwrap();
    }
}

/// Lists and insights of a store that has rows already.
pub async fn what_is_there_is_listed(store: Store) {
    let mut dice = Dice(3);
    check_pages(&store, &mut dice, 80).await;
    let end = 6_000_000;
    check_insights(&store, &insights_of(-90_000, end)).await;
    check_insights(&store, &InsightsQuery { step_hours: Some(1), ..insights_of(-90_000, end) }).await;
    check_insights(&store, &InsightsQuery { step_hours: Some(24), ..insights_of(0, end) }).await;
}

pub async fn lists_and_insights_are_what_the_rows_say(store: Store) {
    let mut dice = Dice(20_261_121);
    let triggers = (0..4).map(|n| Trigger::new(format!("t{n}").as_str(), "job", every(60))).collect();
    schedule(&store, at(0), job("job"), triggers).await;
    let mut now = 0;
    for step in 0..40 {
        now += 60 + i64::try_from(dice.roll(2_000)).unwrap();
        match dice.roll(6) {
            0 | 1 => {
                let records: Vec<_> = (0..dice.roll(12)).map(|_| dice.record(now)).collect();
                store.record(&records).await.unwrap();
            }
            2 | 3 => run_some(&store, &mut dice, &format!("n{step}"), now).await,
            4 => {
                let (keep, chunk) = (dice.roll(60), 1 + dice.roll(10));
                let by_age = dice.roll(2) == 0;
                let retention = Retention {
                    max_rows: (!by_age).then_some(keep),
                    ended_before: by_age.then(|| at(now - 5_000)),
                    chunk,
                    job: None,
                };
                store.prune(&retention).await.unwrap();
            }
            _ => {
                store.arrange(1 + dice.roll(20)).await.unwrap();
            }
        }
        check_pages(&store, &mut dice, 6).await;
        if step % 5 == 0 {
            check_all_insights(&store, now).await;
        }
    }
    while store.arrange(1_000).await.unwrap() > 0 {}
    check_pages(&store, &mut dice, 60).await;
    check_all_insights(&store, now).await;
    while store
        .prune(&Retention { max_rows: Some(0), ended_before: None, chunk: 50, job: None })
        .await
        .unwrap()
        > 0
    {}
    check_pages(&store, &mut dice, 20).await;
    while store.arrange(1_000).await.unwrap() > 0 {}
    check_pages(&store, &mut dice, 20).await;
    assert!(store.insights(&insights_of(-90_000, now)).await.unwrap().is_empty());
}

pub async fn a_long_list_stays_in_order(store: Store) {
    let mut dice = Dice(7);
    for part in 0..6 {
        let records: Vec<_> = (0..2_000).map(|n| dice.record(part * 400 + n / 5)).collect();
        store.record(&records).await.unwrap();
        let left = store.arrange(1_500).await.unwrap();
        check_pages(&store, &mut dice, 15).await;
        if part % 2 == 0 {
            while left > 0 && store.arrange(100_000).await.unwrap() > 0 {}
        }
    }
    while store.arrange(100_000).await.unwrap() > 0 {}
    check_pages(&store, &mut dice, 60).await;
    store
        .prune(&Retention { max_rows: Some(3_000), ended_before: None, chunk: 5_000, job: None })
        .await
        .unwrap();
    check_pages(&store, &mut dice, 15).await;
    while store.arrange(100_000).await.unwrap() > 0 {}
    check_pages(&store, &mut dice, 30).await;
}
