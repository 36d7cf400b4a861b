//! The tables of Quartz 2 (`QRTZ_JOB_DETAILS`, `QRTZ_TRIGGERS` and so on), read into definitions that go on where Quartz
//! left them.
//!
//! | Quartz | here |
//! | --- | --- |
//! | job class | the kind that a [`Mapping`] names, or the class's own name |
//! | `JOB_DATA` | data as JSON: strings, numbers, booleans, dates (as UTC instants), lists, maps |
//! | cron, simple, calendar interval, daily time interval | the schedule of the same name, cron with `dst = "quartz"` |
//! | a simple trigger without repeats | a single instant |
//! | `NEXT_FIRE_TIME`, `PREV_FIRE_TIME`, repeats left | [`Arrival`] |
//! | misfire instruction, priority, start, end, description | the same |
//! | calendars, with their base | calendars |
//! | paused triggers and groups | paused triggers and groups |

mod calendar;
mod data;
mod mapping;
mod tables;
#[cfg(test)]
mod tests;
mod trigger;

use std::collections::BTreeMap;

use punctual_core::schedule::{Occurrences, Window, zone};
use punctual_core::{Arrival, Calendar, Change, Data, JobDetail, JobKey, Timestamp};
use serde_json::{Map, Value as Json};

use crate::Finding;
pub use mapping::Mapping;
pub use tables::{CalendarRow, JobRow, Properties, Schedule, Tables, TriggerRow};

/// The name under which Quartz stores that all groups are paused.
const ALL_PAUSED: &str = "_$_ALL_GROUPS_PAUSED_$_";
/// The key group that belongs to the file of a server, which deletes what the file does not name.
const FILE_GROUP: &str = "config";

/// What the tables hold, in Punctual's terms.
#[derive(Clone, Debug, Default)]
pub struct Import {
    /// Calendars by name.
    pub calendars: BTreeMap<String, Calendar>,
    /// Jobs with their triggers.
    pub jobs: Vec<Imported>,
    /// Groups of triggers that are paused.
    pub paused_groups: Vec<String>,
    /// What is not carried over as it is.
    pub findings: Vec<Finding>,
}

/// A job with its triggers.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// The job.
    pub job: JobDetail,
    /// The class that Quartz ran.
    pub class: String,
    /// The triggers.
    pub triggers: Vec<Arrival>,
}

impl Import {
    /// The edits that store it all, for one transaction.
    pub fn changes(&self) -> Vec<Change> {
        let calendars = self
            .calendars
            .iter()
            .map(|(name, calendar)| Change::PutCalendar { name: name.clone(), calendar: calendar.clone() });
        let groups = self.paused_groups.iter().map(|group| Change::PauseGroup(group.clone()));
        let jobs = self.jobs.iter().map(|imported| Change::Import {
            job: imported.job.clone(),
            triggers: imported.triggers.clone(),
        });
        calendars.chain(groups).chain(jobs).collect()
    }
}

/// Reads the tables. `tz` is the zone of the Java program, in which Quartz reads what names none.
///
/// # Errors
/// Says that `tz` is no zone.
pub fn read(tables: &Tables, mapping: &Mapping, tz: &str) -> Result<Import, String> {
    zone(tz).map_err(|error| error.to_string())?;
    let mut reader = Reader { tables, mapping, tz, import: Import::default() };
    reader.calendars();
    reader.paused_groups();
    for job in &tables.jobs {
        reader.job(job);
    }
    reader.strays();
    if tables.fired > 0 {
        reader.import.findings.push(Finding::differs(
            "FIRED_TRIGGERS",
            format!(
                "{} run(s) are under way or reserved: stop Quartz before the import, or they may run twice",
                tables.fired
            ),
        ));
    }
    Ok(reader.import)
}

/// Reads a serialised calendar, as `CALENDARS` holds it; `tz` is the zone of one that names none.
///
/// # Errors
/// Says what it is that cannot be read.
pub fn read_calendar(bytes: &[u8], tz: &str) -> Result<Calendar, String> {
    calendar::read(bytes, tz)
}

struct Reader<'a> {
    tables: &'a Tables,
    mapping: &'a Mapping,
    tz: &'a str,
    import: Import,
}

impl Reader<'_> {
    fn lost(&mut self, place: &str, text: impl Into<String>) {
        self.import.findings.push(Finding::lost(place, text));
    }

    fn differs(&mut self, place: &str, text: impl Into<String>) {
        self.import.findings.push(Finding::differs(place, text));
    }

    fn calendars(&mut self) {
        for row in &self.tables.calendars {
            match calendar::read(&row.bytes, self.tz) {
                Ok(calendar) => drop(self.import.calendars.insert(row.name.clone(), calendar)),
                Err(problem) => self.lost(&format!("calendar {}", row.name), problem),
            }
        }
    }

    fn paused_groups(&mut self) {
        let mut groups = self.tables.paused_groups.clone();
        if let Some(all) = groups.iter().position(|group| group == ALL_PAUSED) {
            groups.remove(all);
            groups.extend(self.tables.triggers.iter().map(|trigger| trigger.group.clone()));
            let text = "all groups were paused: those that have triggers are; groups that come later are not";
            self.differs("PAUSED_TRIGGER_GRPS", text);
        }
        groups.sort();
        groups.dedup();
        self.import.paused_groups = groups;
    }

    fn job(&mut self, row: &JobRow) {
        let place = format!("job {}.{}", row.group, row.name);
        let triggers: Vec<&TriggerRow> = self
            .tables
            .triggers
            .iter()
            .filter(|trigger| (&trigger.job_group, &trigger.job_name) == (&row.group, &row.name))
            .collect();
        let detail = match self.detail(row, &place) {
            Ok(detail) => detail,
            Err(problem) => {
                self.lost(&place, problem);
                for trigger in triggers {
                    self.lost(&trigger.place(), "its job is not carried over");
                }
                return;
            }
        };
        let own_data = self.data(&place, row.data.as_deref());
        let mut arrivals = Vec::new();
        for trigger in triggers {
            match self.trigger(trigger, row, &detail, &own_data) {
                Ok(arrival) => arrivals.push(arrival),
                Err(problem) => self.lost(&trigger.place(), problem),
            }
        }
        if arrivals.is_empty() && !detail.durable {
            return self.lost(&place, "it is not durable, and none of its triggers is carried over");
        }
        self.import.jobs.push(Imported { job: detail, class: row.class.clone(), triggers: arrivals });
    }

    fn detail(&mut self, row: &JobRow, place: &str) -> Result<JobDetail, String> {
        if row.group == FILE_GROUP {
            return Err(format!(
                "the group {FILE_GROUP} belongs to the file of a server: give it another group first"
            ));
        }
        let key =
            JobKey::try_new(row.group.as_str(), row.name.as_str()).map_err(|error| error.to_string())?;
        let data = self.data(place, row.data.as_deref());
        let (kind, data) = match self.mapping.class(&row.class) {
            Some(class) => (class.kind(), class.data(&data)?),
            None => {
                let text =
                    format!("no mapping names class {}: a node has to know a kind of this name", row.class);
                self.differs(place, text);
                (row.class.as_str(), data)
            }
        };
        let mut detail = JobDetail::new(key, kind).data(Data::from_map(&data));
        detail.description.clone_from(&row.description);
        detail.durable = row.durable;
        detail.concurrent = !row.non_concurrent;
        detail.requests_recovery = row.requests_recovery;
        if row.update_data {
            let text = "Quartz stores its data again after each run (PersistJobDataAfterExecution); here data stays as it is";
            self.differs(place, text);
        }
        Ok(detail)
    }

    /// Data as JSON; what cannot be read is listed. (A job's is read twice and listed once.)
    fn data(&mut self, place: &str, bytes: Option<&[u8]>) -> Map<String, Json> {
        let (map, problems) = data::read(bytes.unwrap_or_default());
        for problem in problems {
            let finding = Finding::lost(place, problem);
            if !self.import.findings.contains(&finding) {
                self.import.findings.push(finding);
            }
        }
        map
    }

    fn trigger(
        &mut self,
        row: &TriggerRow,
        job: &JobRow,
        detail: &JobDetail,
        job_data: &Map<String, Json>,
    ) -> Result<Arrival, String> {
        let place = row.place();
        let mut arrival = trigger::read(row, detail, self.tz)?;
        let own = self.data(&place, row.data.as_deref());
        if !own.is_empty() {
            let mut all = job_data.clone();
            all.extend(own.clone());
            let data = match self.mapping.class(&job.class).filter(|class| class.has_template()) {
                Some(class) => class.data(&all)?,
                None => own,
            };
            arrival.trigger.data = Data::from_map(&data);
        }
        if let Some(name) = &row.calendar
            && !self.import.calendars.contains_key(name)
        {
            return Err(format!("its calendar {name:?} is not carried over"));
        }
        match row.state.as_str() {
            "WAITING" | "PAUSED" => {}
            "PAUSED_BLOCKED" | "ACQUIRED" | "BLOCKED" | "EXECUTING" => {
                self.differs(&place, format!("its state is {}: Quartz was at work", row.state));
            }
            "ERROR" => self.differs(&place, "it was in the error state of Quartz: it comes paused"),
            "COMPLETE" => return Err("it has no further fire time".to_owned()),
            other => self.differs(&place, format!("its state {other:?} is unknown: it comes waiting")),
        }
        self.compare(&place, &mut arrival)?;
        Ok(arrival)
    }

    /// Lets it go on at the very instant that Quartz has stored, where the schedule knows it.
    fn compare(&mut self, place: &str, arrival: &mut Arrival) -> Result<(), String> {
        let next = arrival.next_fire_at;
        if trigger::may_drift(&arrival.trigger) && self.goes_on_at(arrival) != Some(next) {
            // Quartz steps from firing to firing, so that a day that a month lacks is left for good.
            arrival.trigger.start = Some(next);
            self.differs(place, format!("Quartz has left the day of its start: its start is now {next}"));
        }
        if trigger::may_drift(&arrival.trigger) {
            self.differs(
                place,
                "its start is a day that not every month has: Quartz keeps the last day of a shorter month from then on, \
                 here only that month differs",
            );
        }
        match self.goes_on_at(arrival) {
            Some(here) if here == next => {}
            Some(here) => {
                self.differs(place, format!("Quartz fires it next at {next}, here it fires at {here}"))
            }
            None => return Err(format!("Quartz fires it next at {next}, here it would never fire again")),
        }
        Ok(())
    }

    /// When a trigger fires next here.
    fn goes_on_at(&self, arrival: &Arrival) -> Option<Timestamp> {
        let trigger = &arrival.trigger;
        let calendar = trigger.calendar.as_ref().and_then(|name| self.import.calendars.get(name));
        let start = if arrival.repeats_left.is_some() { arrival.next_fire_at } else { trigger.start? };
        let occurrences = Occurrences::new(&trigger.schedule, Window { start, end: trigger.end });
        occurrences.with_calendar(calendar).at_or_after(arrival.next_fire_at)
    }

    /// Triggers of jobs that are not there.
    fn strays(&mut self) {
        for trigger in &self.tables.triggers {
            let is_its = |job: &JobRow| (&job.group, &job.name) == (&trigger.job_group, &trigger.job_name);
            if !self.tables.jobs.iter().any(is_its) {
                let text =
                    format!("its job {}.{} is not in JOB_DETAILS", trigger.job_group, trigger.job_name);
                self.lost(&trigger.place(), text);
            }
        }
    }
}
