//! Each kind of fault, seeded and found; what is right gives zeros.

use std::sync::Arc;
use std::time::Duration;

use punctual_schedule::{Repeat, Schedule, SimpleSchedule};

use super::lanes::{Place, place};
use super::*;
use crate::time::plus_millis;
use crate::{
    Cause, Concurrency, Data, JobDetail, JobKey, Lane, NodeState, Overlap, Skip, SkipReason, SkippedRange,
    StoredJob, StoredTrigger, Term, Trigger, TriggerKey, TriggerState,
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + seconds).unwrap()
}

/// Every ten seconds from 0; 0 to 90 are accounted for: seven fires, and 30 to 50 skipped.
fn trigger() -> StoredTrigger {
    let schedule = SimpleSchedule::new(Duration::from_secs(10), Repeat::Forever).unwrap();
    StoredTrigger {
        id: 1,
        job_id: 1,
        definition: Trigger::new("t", "job", Schedule::Simple(schedule)),
        lane: None,
        state: TriggerState::Waiting,
        anchor: at(0),
        rebased: None,
        next_fire_at: Some(at(100)),
        previous_fire_at: Some(at(90)),
        fired: 7,
        skipped: 3,
        accounted_from: at(0),
        pending: None,
        error: None,
        readable: true,
        created_at: at(-5),
        updated_at: at(-5),
    }
}

fn first(seconds: i64, id: i64) -> First {
    First { at: at(seconds), id: FireId(id), started_at: at(seconds), ended_at: Some(at(seconds + 1)) }
}

fn firsts() -> Vec<First> {
    [0, 10, 20, 60, 70, 80, 90].into_iter().map(|seconds| first(seconds, seconds + 1)).collect()
}

fn range(first: i64, last: i64, count: u64) -> SkippedRange {
    let skip = Skip { first: at(first), last: at(last), count, reason: SkipReason::Paused };
    let (trigger, job) = (TriggerKey::new("t"), JobKey::new("job"));
    SkippedRange { id: first, trigger, job, skip, recorded_at: at(55), fire: None }
}

fn check(trigger: &StoredTrigger, firsts: &[First], ranges: &[SkippedRange], kept: Kept) -> Accounted {
    Account { trigger, calendar: None, firsts, waiting: &[], ranges, kept, from: None }.check()
}

fn wrong(found: &Accounted) -> (u64, u64) {
    assert_eq!(found.is_clean(), found.problems.is_empty(), "{found:?}");
    (found.unaccounted, found.double)
}

#[test]
fn a_right_account_gives_zeros() {
    let found = check(&trigger(), &firsts(), &[range(30, 50, 3)], Kept::All);
    assert_eq!(wrong(&found), (0, 0));
    assert_eq!((found.instants, found.fires, found.skipped), (10, 7, 3));
    assert_eq!((found.checked_from, found.partly), (Some(at(0)), false));
    let mut ended = trigger();
    ended.next_fire_at = None;
    ended.definition.end = Some(at(91));
    assert_eq!(wrong(&check(&ended, &firsts(), &[range(30, 50, 3)], Kept::All)), (0, 0));
    let fresh = StoredTrigger { next_fire_at: Some(at(0)), fired: 0, skipped: 0, ..trigger() };
    assert_eq!(wrong(&check(&fresh, &[], &[], Kept::All)), (0, 0));
}

/// Three fires and a skipped instant of a delay, and the next one ahead.
fn delayed() -> StoredTrigger {
    let delay = punctual_schedule::FixedDelay::from_millis(10_000, Repeat::Forever).unwrap();
    let definition = Trigger::new("t", "job", Schedule::FixedDelay(delay));
    StoredTrigger { definition, anchor: at(100), fired: 3, skipped: 1, ..trigger() }
}

#[test]
fn a_fixed_delay_is_checked_by_what_became_of_each_instant() {
    let firsts = [first(0, 1), first(13, 2), first(50, 3)];
    let ranges = [range(30, 30, 1)];
    let found = check(&delayed(), &firsts, &ranges, Kept::All);
    assert_eq!(wrong(&found), (0, 0));
    assert_eq!((found.instants, found.fires, found.skipped, found.partly), (4, 3, 1, false));
    assert_eq!(wrong(&check(&delayed(), &firsts[..2], &ranges, Kept::All)), (1, 0), "a row is missing");
    assert_eq!(wrong(&check(&delayed(), &firsts, &[], Kept::All)), (1, 0), "a range is missing");
    let more = [first(0, 1), first(13, 2), first(50, 3), first(70, 4)];
    assert_eq!(wrong(&check(&delayed(), &more, &ranges, Kept::All)), (1, 0), "a row too many");
    let met = [first(0, 1), first(13, 2), first(30, 3)];
    assert_eq!(wrong(&check(&delayed(), &met, &ranges, Kept::All)), (0, 1), "fired and skipped");
    let part = check(&delayed(), &firsts[2..], &ranges, Kept::From(at(40)));
    assert_eq!((wrong(&part), part.partly, part.checked_from), ((0, 0), true, None));
    assert_eq!(wrong(&check(&delayed(), &more, &ranges, Kept::From(at(40)))), (1, 0));
}

#[test]
fn an_instant_that_waits_is_accounted_for() {
    let (trigger, ranges) = (trigger(), [range(30, 50, 3)]);
    let account = Account {
        trigger: &trigger,
        calendar: None,
        firsts: &firsts()[..6],
        waiting: &[at(90)],
        ranges: &ranges,
        kept: Kept::All,
        from: None,
    };
    assert_eq!(wrong(&account.check()), (0, 0));
    assert_eq!(wrong(&Account { waiting: &[], ..account }.check()), (1, 0));
}

#[test]
fn a_missing_row_is_unaccounted() {
    let mut rows = firsts();
    rows.remove(4);
    let found = check(&trigger(), &rows, &[range(30, 50, 3)], Kept::All);
    assert_eq!(wrong(&found), (1, 0));
    assert_eq!((found.problems[0].first, found.problems[0].last), (Some(at(70)), Some(at(70))));
    assert!(found.problems[0].text.contains("neither fired nor skipped"), "{found:?}");
}

#[test]
fn a_missing_range_is_unaccounted() {
    let found = check(&trigger(), &firsts(), &[], Kept::All);
    assert_eq!(wrong(&found), (3, 0));
    assert!(found.problems.iter().any(|problem| problem.text.contains("the ranges hold 0")), "{found:?}");
    assert!(found.problems.iter().any(|problem| problem.first == Some(at(30)) && problem.count == 3));
}

#[test]
fn a_range_that_says_another_number_is_unaccounted() {
    assert_eq!(wrong(&check(&trigger(), &firsts(), &[range(30, 40, 3)], Kept::All)), (1, 0));
    assert_eq!(wrong(&check(&trigger(), &firsts(), &[range(30, 50, 2)], Kept::All)), (1, 0));
}

#[test]
fn counters_that_disagree_are_unaccounted() {
    let lost = StoredTrigger { fired: 5, ..trigger() };
    assert_eq!(wrong(&check(&lost, &firsts(), &[range(30, 50, 3)], Kept::All)), (2, 0));
    let moved = StoredTrigger { next_fire_at: Some(at(140)), ..trigger() };
    assert_eq!(wrong(&check(&moved, &firsts(), &[range(30, 50, 3)], Kept::All)), (4, 0));
    let fresh = StoredTrigger { next_fire_at: Some(at(0)), ..trigger() };
    assert_eq!(wrong(&check(&fresh, &[], &[], Kept::All)), (10, 0));
}

#[test]
fn a_fire_for_no_instant_is_unaccounted() {
    let mut rows = firsts();
    rows.push(first(75, 200));
    let found = check(&trigger(), &rows, &[range(30, 50, 3)], Kept::All);
    assert_eq!(wrong(&found), (1, 0));
    assert!(found.problems[0].text.contains("no instant of its schedule"), "{found:?}");
}

#[test]
fn two_first_attempts_are_double() {
    let mut rows = firsts();
    rows.push(First { id: FireId(200), started_at: at(75), ..rows[4] });
    let found = check(&trigger(), &rows, &[range(30, 50, 3)], Kept::All);
    assert_eq!(wrong(&found), (0, 1));
    assert_eq!(found.problems[0].rows, [FireId(71), FireId(200)]);
    rows.push(rows[4]);
    assert_eq!(
        wrong(&check(&trigger(), &rows, &[range(30, 50, 3)], Kept::All)),
        (0, 1),
        "a row read twice is one"
    );
}

#[test]
fn an_instant_that_was_fired_and_skipped_is_double() {
    let mut rows = firsts();
    rows.push(first(40, 200));
    let found = check(&trigger(), &rows, &[range(30, 50, 3)], Kept::All);
    assert_eq!(wrong(&found), (0, 1));
    assert!(found.problems[0].text.contains("both fired and skipped"), "{found:?}");
    let ranges = [range(30, 50, 3), SkippedRange { id: 9, ..range(40, 40, 1) }];
    assert_eq!(wrong(&check(&trigger(), &firsts(), &ranges, Kept::All)).1, 1);
}

#[test]
fn deleted_rows_are_excused_as_far_as_the_rows_reach() {
    let rows = &firsts()[4..];
    let found = check(&trigger(), rows, &[range(30, 50, 3)], Kept::From(at(70)));
    assert_eq!(wrong(&found), (0, 0));
    assert_eq!((found.checked_from, found.partly), (Some(at(70)), true));
    assert_eq!(wrong(&check(&trigger(), rows, &[range(30, 50, 3)], Kept::From(at(60)))), (1, 0));
    let found = check(&trigger(), &firsts(), &[range(30, 50, 3)], Kept::From(at(70)));
    assert_eq!(found.checked_from, Some(at(0)), "as many rows as were counted: none was deleted");
    let found = check(&trigger(), &[], &[range(30, 50, 3)], Kept::Nothing);
    assert_eq!((wrong(&found), found.checked_from), ((0, 0), None));
    assert_eq!(wrong(&check(&trigger(), &[], &[], Kept::Nothing)), (3, 0), "ranges are never deleted");
}

#[test]
fn a_later_beginning_leaves_out_what_was_before() {
    let trigger = trigger();
    let ranges = [range(30, 50, 3)];
    let account = Account {
        trigger: &trigger,
        calendar: None,
        firsts: &firsts()[3..],
        waiting: &[],
        ranges: &ranges,
        kept: Kept::All,
        from: Some(at(40)),
    };
    assert_eq!(wrong(&account.check()), (0, 0));
    assert_eq!(wrong(&Account { firsts: &firsts()[4..], ..account }.check()), (1, 0));
}

#[test]
fn rows_of_an_earlier_trigger_of_the_same_key_are_not_its_own() {
    let reborn = StoredTrigger { created_at: at(55), updated_at: at(55), ..trigger() };
    let mut rows: Vec<First> =
        firsts().into_iter().map(|first| First { started_at: first.at.max(at(56)), ..first }).collect();
    rows.push(first(20, 200));
    assert_eq!(wrong(&check(&reborn, &rows, &[range(30, 50, 3)], Kept::All)), (0, 0));
}

#[test]
fn a_node_whose_clock_is_a_little_behind_writes_rows_all_the_same() {
    let reborn = StoredTrigger { created_at: at(55), updated_at: at(55), ..trigger() };
    let just_before = plus_millis(at(55), -20);
    let rows: Vec<First> =
        firsts().into_iter().map(|first| First { started_at: first.at.max(just_before), ..first }).collect();
    let skipped = SkippedRange { recorded_at: just_before, ..range(30, 50, 3) };
    assert_eq!(wrong(&check(&reborn, &rows, &[skipped], Kept::All)), (0, 0));
}

#[test]
fn of_a_trigger_that_is_gone_only_overlapping_attempts_are_certainly_double() {
    let key = TriggerKey::new("once");
    let again = First { id: FireId(2), started_at: at(5), ended_at: Some(at(6)), ..first(0, 1) };
    let (problems, others) = account::check_gone(&key, &mut vec![again, first(0, 1)]);
    assert_eq!((problems.len(), others), (0, 1));
    let early = First { started_at: plus_millis(at(0), 500), ..again };
    let (problems, others) = account::check_gone(&key, &mut vec![early, first(0, 1), first(10, 3)]);
    assert_eq!((problems.len(), others), (1, 0));
    assert_eq!(problems[0].rows, [FireId(1), FireId(2)]);
}

fn row(id: i64, attempt: u32, status: TaskStatus) -> TaskHistory {
    TaskHistory {
        id: FireId(id),
        task: "job".to_owned(),
        status,
        started_at: at(id),
        ended_at: (status != TaskStatus::Started).then(|| at(id + 1)),
        duration_ms: None,
        details: None,
        db_id: None,
        job: Some(JobKey::new("job")),
        trigger: Some(TriggerKey::new("t")),
        scheduled_at: Some(at(0)),
        node: "n".to_owned(),
        term: Some(Term(3)),
        attempt,
        origin: FireId(1),
        cause: if attempt == 1 { Cause::Schedule } else { Cause::Retry },
        parent: None,
        run: None,
        logs: None,
        progress: None,
    }
}

#[test]
fn further_attempts_need_a_reason() {
    use TaskStatus::{Failed, Started, Success, Unknown};
    let wrong = |statuses: &[TaskStatus]| {
        let rows: Vec<_> =
            statuses.iter().zip(1..).map(|(status, n)| row(n, u32::try_from(n).unwrap(), *status)).collect();
        let problems = attempts::check(&rows, true);
        assert!(problems.iter().all(|problem| problem.fault == Fault::Double && problem.count == 1));
        problems.len()
    };
    assert_eq!(wrong(&[Failed, Unknown, Success]), 0);
    assert_eq!(wrong(&[Success]), 0);
    assert_eq!(wrong(&[Success, Success]), 1);
    assert_eq!(wrong(&[Started, Started]), 1);
    assert_eq!(wrong(&[Failed, Success, Failed]), 1);
    let lonely = [row(2, 2, Success)];
    assert_eq!(attempts::check(&lonely, true).len(), 1);
    assert!(attempts::check(&lonely, false).is_empty(), "the one before it may have been deleted");
    let same = [row(1, 1, Failed), row(2, 2, Failed), row(3, 2, Success)];
    assert_eq!(attempts::check(&same, true)[0].rows, [FireId(3), FireId(2)]);
}

fn run(id: i64, from: i64, to: Option<i64>) -> Run {
    let (started_at, ended_at) = (plus_millis(at(0), from), to.map(|to| plus_millis(at(0), to)));
    Run { id: FireId(id), subject: "t".to_owned(), started_at, ended_at }
}

fn overlaps(limit: u32, tolerance_ms: u32, runs: &[(i64, Option<i64>)]) -> usize {
    let lane = Lane { id: 1, limit, overlap: Overlap::Queue };
    let mut sweep = Sweep::new(tolerance_ms);
    let runs = runs.iter().zip(1..).map(|((from, to), id)| run(id, *from, *to));
    runs.filter_map(|run| sweep.start(lane, run)).count()
}

#[test]
fn runs_of_a_lane_may_touch_and_not_overlap() {
    assert_eq!(overlaps(1, 0, &[(0, Some(10)), (10, Some(20)), (20, None)]), 0);
    assert_eq!(overlaps(1, 0, &[(0, Some(11)), (10, Some(20))]), 1);
    assert_eq!(overlaps(1, 1, &[(0, Some(11)), (10, Some(20))]), 0, "within the tolerance");
    assert_eq!(overlaps(1, 1, &[(0, Some(12)), (10, Some(20))]), 1, "beyond the tolerance");
    assert_eq!(overlaps(1, 3, &[(0, Some(90)), (2, Some(5))]), 0, "the second may have run before the first");
    assert_eq!(overlaps(1, 0, &[(0, None), (10, Some(10))]), 1);
    assert_eq!(overlaps(1, 0, &[(0, Some(0)), (0, Some(5)), (5, Some(5)), (5, Some(5))]), 0);
    assert_eq!(overlaps(2, 0, &[(0, Some(10)), (2, Some(8)), (8, Some(9))]), 0);
    assert_eq!(overlaps(2, 0, &[(0, Some(10)), (2, Some(8)), (7, Some(9)), (8, Some(9))]), 2);
}

#[test]
fn what_the_tolerance_lets_pass_is_counted() {
    let lane = Lane { id: 1, limit: 1, overlap: Overlap::Queue };
    let mut sweep = Sweep::new(5);
    for (id, from, to) in [(1, 0, 10), (2, 8, 20), (3, 20, 30)] {
        assert!(sweep.start(lane, run(id, from, Some(to))).is_none());
    }
    assert_eq!(sweep.within_tolerance(), 1);
}

#[test]
fn jobs_of_different_limits_share_a_lane() {
    let lane = |limit| Lane { id: 1, limit, overlap: Overlap::Queue };
    let problems = |tolerance, runs: [(u32, i64); 2]| {
        let mut sweep = Sweep::new(tolerance);
        let runs = runs.into_iter().zip(1..);
        runs.filter_map(|((limit, from), id)| sweep.start(lane(limit), run(id, from, None))).count()
    };
    assert_eq!(problems(0, [(1, 0), (2, 3)]), 0);
    assert_eq!(problems(0, [(2, 0), (1, 3)]), 1);
    assert_eq!(problems(5, [(2, 0), (1, 3)]), 0, "the first may have been the second");
    assert_eq!(problems(5, [(1, 0), (1, 3)]), 1);
}

#[test]
fn other_lanes_do_not_count() {
    let lane = |id| Lane { id, limit: 1, overlap: Overlap::Queue };
    let mut sweep = Sweep::new(0);
    assert!(sweep.start(lane(1), run(1, 0, None)).is_none());
    assert!(sweep.start(lane(2), run(2, 0, None)).is_none());
    let problem = sweep.start(lane(1), run(3, 5, None)).unwrap();
    assert_eq!((problem.fault, &problem.rows[..]), (Fault::Overlaps, &[FireId(3), FireId(1)][..]));
}

#[test]
fn a_lane_follows_from_the_present_definitions() {
    let stored = |detail: JobDetail| StoredJob {
        id: 7,
        detail: Arc::new(detail),
        version: 1,
        created_at: at(0),
        updated_at: at(5),
    };
    let row = |started| TaskHistory { started_at: at(started), ..row(1, 1, TaskStatus::Success) };
    let solo = stored(JobDetail::new("job", "k").non_concurrent());
    assert!(matches!(place(&row(5), &solo, None), Place::In(Lane { id: 7, limit: 1, .. })));
    assert_eq!(place(&row(4), &solo, None), Place::Earlier);
    assert_eq!(place(&row(5), &stored(JobDetail::new("job", "k")), None), Place::Free);
    let keyed = stored(JobDetail::new("job", "k").concurrency(Concurrency::key("db:{database}")));
    assert_eq!(place(&row(5), &keyed, None), Place::NotKnown);
    let mut trigger = trigger();
    trigger.definition.data = Data::stored(r#"{"database":1}"#);
    assert!(matches!(place(&row(5), &keyed, Some(&trigger)), Place::In(lane) if lane.id < 0));
    trigger.updated_at = at(6);
    assert_eq!(place(&row(5), &keyed, Some(&trigger)), Place::Earlier);
}

#[test]
fn an_open_row_needs_a_live_node_of_its_term() {
    let node = |term, lease| Node {
        name: "n".to_owned(),
        term: Term(term),
        version: "1".to_owned(),
        state: NodeState::Running,
        kinds: Vec::new(),
        slots: None,
        draining: false,
        started_at: at(0),
        seen_at: at(0),
        lease_until: at(lease),
        clock_offset_ms: 0,
        clock_uncertainty_ms: 0,
    };
    let open = row(1, 1, TaskStatus::Started);
    assert!(has_owner(&open, &[node(2, 9), node(3, 9)], at(8)));
    assert!(!has_owner(&open, &[node(3, 9)], at(9)), "its lease has run out");
    assert!(!has_owner(&open, &[node(2, 9)], at(8)), "another life of the node");
    assert!(has_owner(&row(1, 1, TaskStatus::Success), &[], at(8)));
    assert!(has_owner(&TaskHistory { job: None, term: None, ..open.clone() }, &[], at(8)));
    let problem = orphan(&open, at(8));
    assert_eq!((problem.fault, &problem.rows[..]), (Fault::OpenWithoutOwner, &[FireId(1)][..]));
}

#[test]
fn a_report_adds_up_and_is_bounded() {
    let mut report = Report::default();
    report.add_account(&check(&trigger(), &firsts(), &[range(30, 50, 3)], Kept::All), 2);
    assert!(report.is_clean());
    assert_eq!((report.triggers, report.instants, report.fires, report.skipped), (1, 10, 7, 3));
    for id in 1..=5 {
        report.add(&orphan(&row(id, 1, TaskStatus::Started), at(8)), 2);
    }
    report.add_account(&check(&trigger(), &firsts(), &[], Kept::All), 2);
    assert_eq!((report.open_without_owner, report.unaccounted), (5, 3));
    assert_eq!(report.problems.len(), 4);
    assert!(!report.is_clean());
}
