//! Rows, as the tables hold them.

/// What was read from the tables of one scheduler.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// `JOB_DETAILS`.
    pub jobs: Vec<JobRow>,
    /// `TRIGGERS`, each with the row of its kind.
    pub triggers: Vec<TriggerRow>,
    /// `CALENDARS`.
    pub calendars: Vec<CalendarRow>,
    /// `PAUSED_TRIGGER_GRPS`.
    pub paused_groups: Vec<String>,
    /// How many rows `FIRED_TRIGGERS` has.
    pub fired: u64,
}

/// A row of `JOB_DETAILS`.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the names are those of the columns")]
pub struct JobRow {
    pub name: String,
    pub group: String,
    pub description: Option<String>,
    pub class: String,
    pub durable: bool,
    pub non_concurrent: bool,
    pub update_data: bool,
    pub requests_recovery: bool,
    pub data: Option<Vec<u8>>,
}

/// A row of `TRIGGERS`. Times are milliseconds since 1970.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the names are those of the columns")]
pub struct TriggerRow {
    pub name: String,
    pub group: String,
    pub job_name: String,
    pub job_group: String,
    pub description: Option<String>,
    /// -1 for none.
    pub next_fire_time: Option<i64>,
    /// -1 for none.
    pub prev_fire_time: Option<i64>,
    pub priority: Option<i32>,
    pub state: String,
    pub start_time: i64,
    /// 0 for none.
    pub end_time: Option<i64>,
    pub calendar: Option<String>,
    pub misfire: Option<i16>,
    pub data: Option<Vec<u8>>,
    /// `TRIGGER_TYPE`: `CRON`, `SIMPLE`, `CAL_INT`, `DAILY_I`, `BLOB`.
    pub kind: String,
    pub schedule: Schedule,
}

impl TriggerRow {
    pub(super) fn place(&self) -> String {
        format!("trigger {}.{}", self.group, self.name)
    }
}

/// What the table of a trigger's kind says.
#[derive(Clone, Debug, Default)]
pub enum Schedule {
    /// `CRON_TRIGGERS`.
    Cron {
        /// The expression.
        expression: String,
        /// The zone's name.
        tz: Option<String>,
    },
    /// `SIMPLE_TRIGGERS`.
    Simple {
        /// Repeats after the first firing, -1 for ever.
        repeat_count: i64,
        /// Milliseconds.
        repeat_interval: i64,
    },
    /// `SIMPROP_TRIGGERS`.
    Properties(Properties),
    /// There is no such row, or only the trigger as a serialised object.
    #[default]
    None,
}

/// A row of `SIMPROP_TRIGGERS`; what the columns mean depends on the trigger's kind.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the names are those of the columns")]
pub struct Properties {
    pub text: [Option<String>; 3],
    pub ints: [Option<i32>; 2],
    pub longs: [Option<i64>; 2],
    pub bools: [Option<bool>; 2],
}

/// A row of `CALENDARS`.
#[derive(Clone, Debug, Default)]
pub struct CalendarRow {
    /// Its name.
    pub name: String,
    /// The serialised calendar.
    pub bytes: Vec<u8>,
}
