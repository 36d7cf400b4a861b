//! The jobs, triggers and calendars of a simulated cluster, and the edits of them.

use punctual_core::schedule::misfire::{CatchUp, Keep};
use punctual_core::schedule::{CronExpression, EventSchedule, FixedDelay, Repeat, zone};
use punctual_core::{
    Applied, Calendar, Change, Concurrency, Data, HistoryQuery, JobDetail, JobKey, MisfirePolicy, Overlap,
    Schedule, StoreError, TaskStatus, Trigger, TriggerKey, UnknownKind,
};

use super::{World, block_on};
use crate::factory::{cron, every, every_times};

impl World {
    pub(super) fn define_jobs(&mut self) {
        let change = self.calendar();
        self.apply(change);
        for number in 0..2 + self.random.below(4) {
            let name = format!("job-{number}");
            let mut job = JobDetail::new(name.as_str(), self.some_kind()).durable();
            job.unknown_kind = match self.random.below(4) {
                0 => Some(UnknownKind::Skip),
                1 => Some(UnknownKind::Wait),
                _ => None,
            };
            job.concurrency = match self.random.below(10) {
                0 => Some(Concurrency::limit(2)),
                1 => Some(Concurrency::key("shared").at_most(1 + self.random.below(2) as u32)),
                2 => Some(Concurrency::key("part:{part}")),
                _ => None,
            };
            if job.concurrency.is_none() && self.random.chance(40) {
                job = job.non_concurrent();
            }
            if job.is_limited() && self.random.chance(60) {
                job = job.overlap(if self.random.chance(50) { Overlap::Skip } else { Overlap::Cancel });
            }
            job = job.data(Data::stored(r#"{"part":0}"#));
            if self.random.chance(50) {
                job = job.requests_recovery();
            }
            let triggers = (0..1 + self.random.below(3)).map(|n| self.trigger(&job.key, n)).collect();
            self.jobs.insert(job.key.clone(), job.clone());
            self.apply(Change::Schedule { job, triggers });
        }
    }

    /// The calendar, excluding other minutes of the hour than before.
    pub(super) fn calendar(&mut self) -> Change {
        let first = self.random.below(50);
        let expression =
            CronExpression::parse(&format!("* {first}-{} * * * ?", first + self.random.below(9)));
        let calendar = Calendar::cron(expression.unwrap(), zone("UTC").unwrap());
        Change::PutCalendar { name: "sim".to_owned(), calendar }
    }

    pub(super) fn policy(&mut self, schedule: &Schedule) -> MisfirePolicy {
        match self.random.below(8) {
            _ if schedule.event().is_some() => MisfirePolicy::Smart,
            0 => MisfirePolicy::IgnoreMisfires,
            1 if schedule.kind() == "cron" => MisfirePolicy::DoNothing,
            2 => MisfirePolicy::Skip,
            3 => MisfirePolicy::Once(if self.random.chance(50) { Keep::Earliest } else { Keep::Latest }),
            4 => {
                let window = self.random.chance(50).then(|| 1 + self.random.below(600_000));
                let (count, spacing) = (1 + self.random.below(6) as u32, self.random.below(3) * 1_500);
                MisfirePolicy::All(CatchUp::new(window, count, spacing).unwrap())
            }
            _ => MisfirePolicy::Smart,
        }
    }

    pub(super) fn trigger(&mut self, job: &JobKey, number: u64) -> Trigger {
        let schedule = match self.random.below(7) {
            6 => Schedule::Event(EventSchedule::new(self.event_name()).unwrap()),
            4 => Schedule::FixedDelay(
                FixedDelay::from_millis(1 + self.random.below(40_000), Repeat::Forever).unwrap(),
            ),
            5 => {
                let times = Repeat::Times(self.random.below(4) as u32);
                Schedule::FixedDelay(FixedDelay::from_millis(1 + self.random.below(20_000), times).unwrap())
            }
            0 => cron("0 * * * * ?"),
            1 => cron("*/20 * * * * ?"),
            2 => every(7 + self.random.below(40)),
            _ => every_times(5 + self.random.below(30), self.random.below(6) as u32),
        };
        let policy = self.policy(&schedule);
        let key = TriggerKey::stored("sim", format!("{}-{number}", job.name()));
        let trigger = Trigger::new(key, job.clone(), schedule)
            .misfire(policy)
            .misfire_threshold_ms(1_000 * self.random.below(90))
            .data(Data::stored(format!(r#"{{"n":{number},"part":{}}}"#, number % 2)));
        if self.random.chance(25) { trigger.calendar("sim") } else { trigger }
    }

    pub(super) fn apply(&mut self, change: Change) -> Option<Applied> {
        match block_on(self.store.apply(self.time.now(), &[change])) {
            Ok(mut applied) => applied.pop(),
            // A schedule that has ended, or a job that is gone, is refused; that is an answer like any other.
            Err(StoreError::Change(_)) => None,
            Err(error) => self.fail(&format!("an edit failed: {error}")),
        }
    }

    pub(super) fn edit(&mut self) {
        let jobs: Vec<JobDetail> = self.jobs.values().cloned().collect();
        let job = jobs[self.random.below(jobs.len() as u64) as usize].clone();
        let number = self.random.below(3);
        let key = TriggerKey::stored("sim", format!("{}-{number}", job.key.name()));
        let change = match self.random.below(12) {
            10 => return self.rename_kind(&job),
            11 if self.random.chance(20) => return self.retire_job(job.key),
            8 => self.calendar(),
            9 => return self.cancel_something(),
            0 => Change::PauseTrigger(key),
            1 | 2 => Change::ResumeTrigger(key),
            3 => Change::PauseJob(job.key),
            4 => Change::ResumeJob(job.key),
            5 => Change::TriggerNow { job: job.key, data: Data::empty() },
            6 => Change::DeleteTrigger(key),
            // A trigger of a key that existed before would make old rows look like its own.
            _ => {
                let fresh = 1_000 + self.random.below(1_000_000);
                Change::PutTrigger(self.trigger(&job.key, fresh))
            }
        };
        self.apply(change);
    }

    /// Somebody asks a run to stop.
    pub(super) fn cancel_something(&mut self) {
        let open = HistoryQuery { status: Some(TaskStatus::Started), ..HistoryQuery::default() };
        let rows = block_on(self.store.history(&open)).unwrap().rows;
        if let Some(row) = rows.first()
            && !block_on(self.store.request_cancel(row.id, "simulated")).unwrap()
        {
            self.fail(&format!("run {} is open and could not be asked to stop", row.id));
        }
    }
}
