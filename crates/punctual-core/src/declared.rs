//! Edits by which a file or a program makes the stored definitions be as it says.

use punctual_schedule::Calendar;

use crate::{Change, JobDetail, JobKey, Trigger};

/// An edit that leaves an entry in the log of changes, with what was there before and what is there now, if it changed
/// something; what is as declared already leaves none.
#[derive(Clone, Debug, PartialEq)]
pub struct Declaration {
    /// Who declares it.
    pub by: String,
    /// Where, or why.
    pub note: Option<String>,
    /// What.
    pub what: Declared,
}

/// What is declared.
#[derive(Clone, Debug, PartialEq)]
pub enum Declared {
    /// As [`Change::Schedule`].
    Job {
        /// The job.
        job: JobDetail,
        /// All its triggers.
        triggers: Vec<Trigger>,
    },
    /// As [`Change::DeleteJob`].
    NoJob(JobKey),
    /// As [`Change::PutCalendar`].
    Calendar {
        /// The name by which triggers refer to it.
        name: String,
        /// What it excludes.
        calendar: Calendar,
    },
    /// As [`Change::DeleteCalendar`].
    NoCalendar(String),
}

impl Declared {
    /// The same edit without an entry.
    pub fn edit(&self) -> Change {
        match self.clone() {
            Self::Job { job, triggers } => Change::Schedule { job, triggers },
            Self::NoJob(key) => Change::DeleteJob(key),
            Self::Calendar { name, calendar } => Change::PutCalendar { name, calendar },
            Self::NoCalendar(name) => Change::DeleteCalendar(name),
        }
    }

    /// The edit with its entry.
    pub fn by(self, who: impl Into<String>, note: Option<String>) -> Change {
        Change::Declare(Declaration { by: who.into(), note, what: self })
    }
}
