use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::JobKey;
use crate::insights::Series;

const SPACING: Spacing = Spacing { full: 12, cut: 6, look: 1 };

/// A history of two triggers and three series as a store keeps it, with the fences of the first trigger.
struct Model {
    rows: BTreeMap<i64, (Run, bool)>,
    open: Vec<Place>,
    noted: Vec<Noted>,
    deleted: Deleted,
    fences: BTreeMap<Place, BTreeMap<(i64, i16), u64>>,
    upto: Place,
    next: i64,
}

fn trigger(first: bool) -> TriggerKey {
    TriggerKey::new(if first { "first" } else { "second" })
}

fn noted(run: &Run, gone: bool) -> Noted {
    Noted {
        id: run.place.id,
        series: run.series,
        status: TaskStatus::from_code(run.status.into()),
        started_at: run.place.value,
        ended_at: None,
        duration_ms: None,
        gone,
    }
}

impl Model {
    fn new() -> Self {
        Self {
            rows: BTreeMap::new(),
            open: Vec::new(),
            noted: Vec::new(),
            deleted: Deleted::new(),
            fences: BTreeMap::new(),
            upto: Place::FIRST,
            next: 1,
        }
    }

    fn end(&mut self, value: i64, series: i64, status: i16, first: bool) {
        let run = Run { place: Place { value, id: self.next }, series, status };
        self.next += 1;
        self.noted.push(noted(&run, false));
        self.rows.insert(run.place.id, (run, first));
    }

    fn delete(&mut self, number: usize) {
        let Some(id) = self.rows.keys().nth(number % self.rows.len().max(1)).copied() else { return };
        let (run, first) = self.rows.remove(&id).unwrap();
        self.noted.push(noted(&run, true));
        self.deleted.insert(id, trigger(first));
    }

    fn in_index(&self, from: Place, to: Place) -> Vec<Run> {
        let within = |run: &Run| from <= run.place && run.place < to;
        let mut found: Vec<Run> =
            self.rows.values().filter(|(run, first)| *first && within(run)).map(|(run, _)| *run).collect();
        found.sort_unstable_by_key(|run| run.place);
        found
    }

    fn put(&mut self, from: Place, to: Place, found: Vec<Run>) {
        let rows = arranged(found, (from, to), &trigger(true), &self.noted, &self.deleted);
        self.fences.remove(&from);
        for fence in fences_of(from, rows, SPACING) {
            self.fences.entry(fence.first).or_default().insert((fence.series, fence.status), fence.rows);
        }
    }

    fn arrange(&mut self, at_most: usize) {
        let batch: Vec<Noted> = self.noted.drain(..at_most.min(self.noted.len())).collect();
        for (row, change) in changes(&batch) {
            let of_first =
                self.rows.get(&row.id).map_or(self.deleted.get(&row.id) == Some(&trigger(true)), |row| row.1);
            let run = Run::of(row);
            if !of_first || !run.is_counted(self.upto) {
                continue;
            }
            let first = self.fences.range(..=run.place).next_back().map_or(Place::FIRST, |(first, _)| *first);
            let rows = self.fences.entry(first).or_default().entry((run.series, run.status)).or_default();
            *rows = rows.checked_add_signed(change).expect("no fence counts fewer than no rows");
        }
        self.fences.values_mut().for_each(|rows| rows.retain(|_, rows| *rows > 0));
        self.fences.retain(|_, rows| !rows.is_empty());
        let full = |(first, rows): (&Place, &BTreeMap<_, u64>)| {
            (rows.values().sum::<u64>() > SPACING.full).then_some(*first)
        };
        for first in self.fences.iter().filter_map(full).collect::<Vec<_>>() {
            let next = self.fences.range(first..).nth(1).map_or(self.upto, |(next, _)| *next);
            self.put(first, next, self.in_index(first, next));
        }
    }

    fn build(&mut self) {
        let limit = SPACING.stretch() as usize;
        let mut found = self.in_index(self.upto, Place::END);
        let end = match found.get(limit - 1) {
            Some(last) => Place { id: last.place.id + 1, ..last.place },
            None => Place::END,
        };
        found.truncate(limit);
        let from = std::mem::replace(&mut self.upto, end);
        self.put(from, end, found);
    }

    /// The total by fences, and that by looking at each row.
    fn totals(&self, query: &HistoryQuery, in_index: bool) -> (u64, u64) {
        let fence = |(first, rows): (&Place, &BTreeMap<(i64, i16), u64>)| {
            let first = *first;
            let fence = move |((series, status), rows): (&(i64, i16), &u64)| TriggerFence {
                first,
                series: *series,
                status: *status,
                rows: *rows,
            };
            rows.iter().map(fence).collect::<Vec<_>>()
        };
        let fences = Fences { upto: self.upto, fences: self.fences.iter().flat_map(fence).collect() };
        let series = |number: i64| Series {
            task: format!("task{number}"),
            job: Some(JobKey::stored("DEFAULT", format!("task{number}"))),
        };
        let wants = |number| query.wants(&series(number));
        let counting = Counting::new(query, wants, &fences, (&self.noted, &self.deleted), SPACING);
        let status = query.status.map(|status| i16::try_from(status.code()).unwrap());
        let fits = |run: &Run| {
            status.is_none_or(|status| status == run.status)
                && wants(run.series)
                && query.starts_within(run.place.value)
        };
        let of_trigger = |id: &&i64| self.rows.get(*id).is_some_and(|row| row.1);
        let looked = counting.looked.iter().filter(of_trigger).count() as u64;
        let open: &[Place] = if wants(1) { &self.open } else { &[] };
        let mut spans = 0;
        for (from, to) in &counting.spans {
            spans += self.in_index(*from, *to).iter().filter(|run| fits(run)).count() as u64;
            if in_index && query.wants_open() {
                spans += open.iter().filter(|place| from <= *place && *place < to).count() as u64;
            }
        }
        let by_fences = counting.total(looked, spans, counting.open(open, in_index));
        let open = open.iter().filter(|place| query.wants_open() && query.starts_within(place.value));
        let ended = self.in_index(Place::FIRST, Place::END).iter().filter(|run| fits(run)).count();
        (by_fences, (ended + open.count()) as u64)
    }
}

fn query(task: Option<i64>, status: Option<TaskStatus>, [from, before]: [Option<i64>; 2]) -> HistoryQuery {
    let instant = |ms| Timestamp::from_millisecond(ms).unwrap();
    HistoryQuery {
        trigger: Some(trigger(true)),
        task: task.map(|task| format!("task{task}")),
        status,
        started_from: from.map(instant),
        started_before: before.map(instant),
        ..HistoryQuery::default()
    }
}

proptest! {
    #[test]
    fn a_total_is_the_number_of_rows(
        steps in prop::collection::vec((0_u8..12, 0_i64..60, 0_usize..40), 1..300),
        open in prop::collection::vec(0_i64..60, 0..3),
    ) {
        let mut model = Model::new();
        model.open = (-9..).zip(open).map(|(id, value)| Place { value, id }).collect();
        for (what, value, number) in steps {
            match what {
                // Most rows start later than those before them.
                0..6 => {
                    let value = if what < 4 { model.next + value % 4 } else { value };
                    let status = [1, 1, 1, 2, 3][number % 5];
                    model.end(value, 1 + (number / 20) as i64, status, number % 7 > 0);
                }
                6..8 => model.delete(number),
                8..11 => model.arrange(number),
                _ if model.upto < Place::END => model.build(),
                _ => {}
            }
            let statuses = [None, Some(TaskStatus::Started), Some(TaskStatus::Success), Some(TaskStatus::Failed)];
            let task = [None, None, Some(1), Some(2)][number % 4];
            let from = (value % 3 > 0).then_some(value * 3);
            let before = (number % 3 > 0).then_some(i64::try_from(number).unwrap() * 6);
            let query = query(task, statuses[(value % 4) as usize], [from, before]);
            for in_index in [false, true] {
                let (found, expected) = model.totals(&query, in_index);
                prop_assert_eq!(found, expected, "{:?}", query);
            }
        }
    }
}

#[test]
fn what_is_arranged_is_not_looked_for_in_the_index() {
    let mut model = Model::new();
    (0..200).for_each(|value| model.end(value, 1, 1, true));
    model.arrange(200);
    while model.upto < Place::END {
        model.build();
    }
    let fences: Vec<TriggerFence> = model
        .fences
        .iter()
        .flat_map(|(first, rows)| rows.iter().map(|(list, rows)| (*first, *list, *rows)))
        .map(|(first, (series, status), rows)| TriggerFence { first, series, status, rows })
        .collect();
    assert!(fences.iter().all(|fence| fence.rows <= SPACING.full), "{fences:?}");
    assert_eq!(fences[0].first, Place::FIRST);
    let fences = Fences { upto: model.upto, fences };
    let counting =
        Counting::new(&query(None, None, [None; 2]), |_| true, &fences, (&[], &Deleted::new()), SPACING);
    assert!(counting.spans.is_empty() && counting.looked.is_empty(), "{counting:?}");
    // Of a window, only what lies before its first fence.
    let bounded = query(None, None, [Some(100), None]);
    let counting = Counting::new(&bounded, |_| true, &fences, (&[], &Deleted::new()), SPACING);
    let [(from, to)] = counting.spans[..] else { panic!("{counting:?}") };
    assert!(from.value == 100 && to.value < 107, "{counting:?}");
    // And what comes after its last one.
    let bounded = query(None, None, [None, Some(100)]);
    let counting = Counting::new(&bounded, |_| true, &fences, (&[], &Deleted::new()), SPACING);
    let [(from, to)] = counting.spans[..] else { panic!("{counting:?}") };
    assert!(from.value > 93 && (to.value, to.id) == (100, i64::MIN), "{counting:?}");
}

#[test]
fn what_is_not_built_yet_is_counted_in_the_index_alone() {
    let upto = Place { value: 5, id: 3 };
    let fence = TriggerFence { first: Place::FIRST, series: 1, status: 1, rows: 7 };
    let row = |id| noted(&Run { place: Place { value: 5, id }, series: 1, status: 1 }, false);
    let fences = Fences { upto, fences: vec![fence] };
    let rows = [row(2), row(3)];
    let counting = Counting::new(
        &query(None, None, [None; 2]),
        |_| true,
        &fences,
        (&rows, &Deleted::new()),
        Spacing::WIDE,
    );
    assert_eq!((&counting.looked[..], &counting.spans[..]), (&[2][..], &[(upto, Place::END)][..]));
    assert_eq!(counting.total(1, 20, 0), 28);
}

#[test]
fn triggers_that_take_turns_have_samples_all() {
    let spacing = Spacing::WIDE;
    for first in 0..64 {
        let samples = (0..2_048).filter(|turn| spacing.is_sample(first + 64 * turn)).count();
        assert!((8..100).contains(&samples), "{samples} samples of trigger {first}");
    }
}
