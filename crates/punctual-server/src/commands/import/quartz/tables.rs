//! The rows of Quartz's tables.

use anyhow::{Context, bail};
use punctual_import::quartz::{CalendarRow, JobRow, Properties, Schedule, Tables, TriggerRow};
use punctual_postgres::tokio_postgres::{Client, Row};

/// Reads the tables of one scheduler, all as they were at one moment. The name of the scheduler may be left out where there is
/// one only.
pub(super) async fn read(client: &Client, prefix: &str, scheduler: Option<&str>) -> anyhow::Result<Tables> {
    if prefix.is_empty() || !prefix.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.')) {
        bail!(
            "--prefix {prefix:?}: a prefix has letters, digits and _, and may begin with a schema and a dot"
        );
    }
    client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let reading = Reading { client, prefix };
    let scheduler = reading.scheduler(scheduler).await?;
    let tables = reading.tables(&scheduler).await?;
    client.batch_execute("COMMIT").await?;
    Ok(tables)
}

struct Reading<'a> {
    client: &'a Client,
    prefix: &'a str,
}

impl Reading<'_> {
    async fn scheduler(&self, asked: Option<&str>) -> anyhow::Result<String> {
        let prefix = self.prefix;
        let sql = format!(
            "SELECT sched_name::text FROM {prefix}JOB_DETAILS UNION SELECT sched_name::text FROM {prefix}CALENDARS ORDER BY 1"
        );
        let rows = self.client.query(&sql, &[]).await.with_context(|| {
            format!("cannot read {prefix}JOB_DETAILS: are these the tables of Quartz? (--prefix)")
        })?;
        let names: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        match (asked, names.as_slice()) {
            (Some(name), _) if names.iter().any(|known| known == name) => Ok(name.to_owned()),
            (None, [only]) => Ok(only.clone()),
            (Some(name), _) => {
                bail!("there is no scheduler {name:?} in the tables; there is: {}", names.join(", "))
            }
            (None, []) => bail!("the tables {prefix}... are empty"),
            (None, _) => {
                bail!("the tables hold several schedulers, name one (--sched-name): {}", names.join(", "))
            }
        }
    }

    async fn rows(&self, sql: &str, scheduler: &str) -> anyhow::Result<Vec<Row>> {
        let sql = sql.replace("QRTZ_", self.prefix);
        self.client
            .query(&sql, &[&scheduler])
            .await
            .with_context(|| format!("cannot read Quartz's tables ({sql})"))
    }

    async fn tables(&self, scheduler: &str) -> anyhow::Result<Tables> {
        let jobs = "SELECT job_name::text, job_group::text, description::text, job_class_name::text, is_durable, \
                    is_nonconcurrent, is_update_data, requests_recovery, job_data FROM QRTZ_JOB_DETAILS WHERE sched_name = $1 \
                    ORDER BY job_group, job_name";
        let triggers = "SELECT t.trigger_name::text, t.trigger_group::text, t.job_name::text, t.job_group::text, \
                        t.description::text, t.next_fire_time, t.prev_fire_time, t.priority, t.trigger_state::text, \
                        t.start_time, t.end_time, t.calendar_name::text, t.misfire_instr, t.job_data, t.trigger_type::text, \
                        c.cron_expression::text, c.time_zone_id::text, s.repeat_count, s.repeat_interval, \
                        p.str_prop_1::text, p.str_prop_2::text, p.str_prop_3::text, p.int_prop_1, p.int_prop_2, \
                        p.long_prop_1, p.long_prop_2, p.bool_prop_1, p.bool_prop_2, p.trigger_name IS NOT NULL \
                        FROM QRTZ_TRIGGERS t \
                        LEFT JOIN QRTZ_CRON_TRIGGERS c USING (sched_name, trigger_name, trigger_group) \
                        LEFT JOIN QRTZ_SIMPLE_TRIGGERS s USING (sched_name, trigger_name, trigger_group) \
                        LEFT JOIN QRTZ_SIMPROP_TRIGGERS p USING (sched_name, trigger_name, trigger_group) \
                        WHERE sched_name = $1 ORDER BY t.trigger_group, t.trigger_name";
        let calendars =
            "SELECT calendar_name::text, calendar FROM QRTZ_CALENDARS WHERE sched_name = $1 ORDER BY 1";
        let paused =
            "SELECT trigger_group::text FROM QRTZ_PAUSED_TRIGGER_GRPS WHERE sched_name = $1 ORDER BY 1";
        let fired = "SELECT count(*) FROM QRTZ_FIRED_TRIGGERS WHERE sched_name = $1";
        let fired: i64 = self.rows(fired, scheduler).await?.first().map_or(Ok(0), |row| row.try_get(0))?;
        Ok(Tables {
            jobs: collect(self.rows(jobs, scheduler).await?, job)?,
            triggers: collect(self.rows(triggers, scheduler).await?, trigger)?,
            calendars: collect(self.rows(calendars, scheduler).await?, |row| {
                Ok(CalendarRow { name: row.try_get(0)?, bytes: row.try_get(1)? })
            })?,
            paused_groups: collect(self.rows(paused, scheduler).await?, |row| Ok(row.try_get(0)?))?,
            fired: fired.unsigned_abs(),
        })
    }
}

fn collect<T>(rows: Vec<Row>, read: impl Fn(&Row) -> anyhow::Result<T>) -> anyhow::Result<Vec<T>> {
    rows.iter()
        .map(read)
        .collect::<anyhow::Result<_>>()
        .context("the tables of Quartz have other columns than expected")
}

fn job(row: &Row) -> anyhow::Result<JobRow> {
    Ok(JobRow {
        name: row.try_get(0)?,
        group: row.try_get(1)?,
        description: row.try_get(2)?,
        class: row.try_get(3)?,
        durable: row.try_get(4)?,
        non_concurrent: row.try_get(5)?,
        update_data: row.try_get(6)?,
        requests_recovery: row.try_get(7)?,
        data: row.try_get(8)?,
    })
}

fn trigger(row: &Row) -> anyhow::Result<TriggerRow> {
    Ok(TriggerRow {
        name: row.try_get(0)?,
        group: row.try_get(1)?,
        job_name: row.try_get(2)?,
        job_group: row.try_get(3)?,
        description: row.try_get(4)?,
        next_fire_time: row.try_get(5)?,
        prev_fire_time: row.try_get(6)?,
        priority: row.try_get(7)?,
        state: row.try_get(8)?,
        start_time: row.try_get(9)?,
        end_time: row.try_get(10)?,
        calendar: row.try_get(11)?,
        misfire: row.try_get(12)?,
        data: row.try_get(13)?,
        kind: row.try_get(14)?,
        schedule: schedule(row)?,
    })
}

fn schedule(row: &Row) -> anyhow::Result<Schedule> {
    if let Some(expression) = row.try_get(15)? {
        return Ok(Schedule::Cron { expression, tz: row.try_get(16)? });
    }
    if let (Some(repeat_count), Some(repeat_interval)) = (row.try_get(17)?, row.try_get(18)?) {
        return Ok(Schedule::Simple { repeat_count, repeat_interval });
    }
    if row.try_get(28)? {
        return Ok(Schedule::Properties(Properties {
            text: [row.try_get(19)?, row.try_get(20)?, row.try_get(21)?],
            ints: [row.try_get(22)?, row.try_get(23)?],
            longs: [row.try_get(24)?, row.try_get(25)?],
            bools: [row.try_get(26)?, row.try_get(27)?],
        }));
    }
    Ok(Schedule::None)
}
