//! The equation: scheduled instants = fires + skipped, for any schedule, policy, threshold and rhythm of claims.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use punctual_core::firing::{self, FiringPlan};
use punctual_core::schedule::misfire::{CatchUp, Keep};
use punctual_core::schedule::{CronSchedule, Occurrences, Repeat, SimpleSchedule, Window};
use punctual_core::time::plus_millis;
use punctual_core::{MisfirePolicy, Schedule, SkipReason, StoredTrigger, Timestamp, Trigger, TriggerState};

fn start() -> Timestamp {
    // A day before the change to summer time in Berlin.
    "2026-03-28T12:00:00Z".parse().unwrap()
}

fn schedules() -> impl Strategy<Value = Schedule> {
    let cron = prop::sample::select(vec![
        ("*/10 * * * * ?", "UTC"),
        ("0 */7 * * * ?", "Europe/Berlin"),
        ("0 30 2 * * ?", "Europe/Berlin"),
        ("0 0/30 1-3 * * ?", "America/New_York"),
        ("0 0 0 L * ?", "Asia/Kolkata"),
    ]);
    let cron = cron.prop_map(|(text, tz)| Schedule::Cron(CronSchedule::parse(text, tz).unwrap()));
    let simple = (1_u64..5_000_000, prop::option::of(0_u32..40)).prop_map(|(millis, repeat)| {
        let repeat = repeat.map_or(Repeat::Forever, Repeat::Times);
        Schedule::Simple(SimpleSchedule::new(Duration::from_millis(millis), repeat).unwrap())
    });
    prop_oneof![Just(Schedule::Once), cron, simple]
}

fn bounds() -> impl Strategy<Value = CatchUp> {
    (prop::option::of(1_u64..100_000_000), 1_u32..50, 0_u64..10_000)
        .prop_map(|(window, count, spacing)| CatchUp::new(window, count, spacing).unwrap())
}

fn trigger(schedule: Schedule, policy: MisfirePolicy, threshold_ms: u64) -> StoredTrigger {
    let window = Window { start: start(), end: None };
    let first = Occurrences::new(&schedule, window).first().unwrap();
    let definition = Trigger::new("t", "j", schedule).misfire(policy).misfire_threshold_ms(threshold_ms);
    StoredTrigger {
        id: 1,
        job_id: 1,
        definition,
        lane: None,
        state: TriggerState::Waiting,
        anchor: start(),
        rebased: None,
        next_fire_at: Some(first),
        previous_fire_at: None,
        fired: 0,
        skipped: 0,
        accounted_from: first,
        pending: None,
        error: None,
        readable: true,
        created_at: start(),
        updated_at: start(),
    }
}

/// What happened to the instants of the schedule in force.
#[derive(Default)]
struct Ledger {
    fired: BTreeSet<Timestamp>,
    skipped: Vec<(Timestamp, Timestamp, u64)>,
}

impl Ledger {
    fn enter(&mut self, trigger: &mut StoredTrigger, plan: &FiringPlan, now: Timestamp) {
        let due = trigger.next_fire_at.unwrap();
        if let Some(at) = plan.fire {
            assert!(at >= due && at <= now, "fired for {at}, due {due}, at {now}");
            assert!(self.fired.insert(at), "{at} was fired twice");
        }
        for later in &plan.later {
            assert!(later.scheduled_at >= due && later.scheduled_at <= now && later.due_at >= now);
            assert!(self.fired.insert(later.scheduled_at), "{} was fired twice", later.scheduled_at);
        }
        for skip in &plan.skipped {
            assert!(skip.first >= due && skip.last <= now && skip.first <= skip.last && skip.count > 0);
            if skip.reason == SkipReason::Coalesced {
                assert!(
                    plan.fire.is_some_and(|at| at < skip.first || skip.last < at),
                    "coalesced into another"
                );
            }
            self.skipped.push((skip.first, skip.last, skip.count));
        }
        firing::advance(trigger, plan);
        if plan.rebase.is_some() {
            *self = Self::default();
        }
    }

    /// Each instant up to the next fire time was fired or lies in one range, and the counters agree.
    fn check(&self, trigger: &StoredTrigger) {
        let occurrences = trigger.occurrences(None);
        let from = trigger.accounted_from;
        let upto = match trigger.next_fire_at {
            Some(next) => plus_millis(next, -1),
            None => occurrences.last().unwrap(),
        };
        let due = if upto < from { 0 } else { occurrences.count(from, upto).count };
        assert_eq!(due, trigger.fired + trigger.skipped, "instants from {from} to {upto}");
        assert_eq!(self.fired.len() as u64, trigger.fired);
        assert_eq!(self.skipped.iter().map(|(_, _, count)| count).sum::<u64>(), trigger.skipped);
        for (first, last, count) in &self.skipped {
            assert_eq!(occurrences.count(*first, *last).count, *count);
            assert_eq!(self.fired.range(first..=last).next(), None, "fired and skipped");
        }
        assert!(self.fired.iter().all(|at| occurrences.contains(*at)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_instant_is_fired_or_skipped_once(
        schedule in schedules(),
        pick in any::<prop::sample::Index>(),
        threshold_ms in 0_u64..200_000,
        bounds in prop::option::of(bounds()),
        steps in prop::collection::vec((0_i64..90_000_000, 0_u8..10), 1..40),
    ) {
        let mut policies = MisfirePolicy::allowed(&schedule).to_vec();
        policies.push(MisfirePolicy::Skip);
        policies.extend([Keep::Earliest, Keep::Latest].map(MisfirePolicy::Once));
        policies.extend(bounds.map(MisfirePolicy::All));
        let mut trigger = trigger(schedule.clone(), policies[pick.index(policies.len())], threshold_ms);
        let mut ledger = Ledger::default();
        let mut now = start();
        for (wait, what) in steps {
            now = plus_millis(now, if what < 5 { wait % 30_000 } else { wait });
            if trigger.next_fire_at.is_none_or(|next| next > now) {
                prop_assert_eq!(firing::plan(&trigger, None, now).fire, None);
                continue;
            }
            // Mostly a claim; sometimes a busy job that skips, or the end of a pause.
            let plan = match what {
                0 => firing::plan_overlap(&trigger, None, now),
                1 => firing::plan_resume(&trigger, None, now),
                _ => firing::plan(&trigger, None, now),
            };
            ledger.enter(&mut trigger, &plan, now);
            ledger.check(&trigger);
        }
    }

    #[test]
    fn a_plan_for_a_time_before_the_next_fire_changes_nothing(
        schedule in schedules(),
        early_ms in 1_i64..1_000_000,
    ) {
        let trigger = trigger(schedule, MisfirePolicy::Smart, 60_000);
        let next = trigger.next_fire_at.unwrap();
        let plan = firing::plan(&trigger, None, plus_millis(next, -early_ms));
        prop_assert_eq!(plan.fire, None);
        prop_assert_eq!(plan.next_fire_at, Some(next));
        prop_assert!(plan.skipped.is_empty() && plan.rebase.is_none());
    }
}
