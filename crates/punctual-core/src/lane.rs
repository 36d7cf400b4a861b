//! Lanes: which runs may not overlap.
//!
//! A trigger of a job with a limit stands in a lane. All runs of a lane count against the limit, whichever job or
//! trigger they belong to. A non-concurrent job has a lane of its own with the limit 1; a concurrency key makes a lane
//! that triggers and jobs share. The lane's number is derived from the key, so that no table of keys has to be kept.

use punctual_schedule::stable_hash;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Data, JobDetail, Overlap};

/// How many runs may be under way at a time, in the whole cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Concurrency {
    /// What the limit counts: all runs whose key is the same, of this job and of others. `{name}` stands for that member
    /// of the run's data (the job's with the trigger's laid over it), so that `db:{database}` counts each database by
    /// itself. `None` counts the runs of this job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// A run of this job starts only while fewer than this many are under way; 1 to 10,000.
    #[serde(default = "one")]
    pub limit: u32,
}

fn one() -> u32 {
    1
}

const MAX_LIMIT: u32 = 10_000;

impl Concurrency {
    /// At most `limit` runs of the job.
    pub fn limit(limit: u32) -> Self {
        Self { key: None, limit }
    }

    /// One run at a time among all whose key is the same.
    pub fn key(key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), limit: 1 }
    }

    /// The same with another limit.
    #[must_use]
    pub fn at_most(self, limit: u32) -> Self {
        Self { limit, ..self }
    }

    /// What is wrong with it, if anything.
    pub(crate) fn check(&self, concurrent: bool) -> Result<(), String> {
        if !(1..=MAX_LIMIT).contains(&self.limit) {
            return Err(format!("concurrency limit {} is not 1 to {MAX_LIMIT}", self.limit));
        }
        if !concurrent && self.limit > 1 {
            return Err(format!(
                "concurrency limit {} contradicts \"concurrent\": false, which means 1: leave one of them out",
                self.limit
            ));
        }
        self.key.as_deref().map_or(Ok(()), |key| pieces(key).map(drop))
    }
}

/// The place of a trigger's runs among those that count against the same limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lane {
    /// The lane's number: the job's own for a lane of one job, a negative one for a concurrency key.
    pub id: i64,
    /// A run of the trigger starts only while fewer than this many are open in the lane.
    pub limit: u32,
    /// What the trigger does when it is due meanwhile.
    pub overlap: Overlap,
}

impl Lane {
    /// The lane of a job's trigger; `None` where runs may overlap freely.
    ///
    /// # Errors
    /// Says which member of the data the key asks for and does not find.
    pub fn of(job_id: i64, job: &JobDetail, trigger_data: &Data) -> Result<Option<Self>, String> {
        let overlap = job.overlap;
        let Some(concurrency) = &job.concurrency else {
            return Ok((!job.concurrent).then_some(Self { id: job_id, limit: 1, overlap }));
        };
        let limit = concurrency.limit;
        let Some(template) = &concurrency.key else { return Ok(Some(Self { id: job_id, limit, overlap })) };
        let key = resolve(template, job, trigger_data)?;
        Ok(Some(Self { id: number(&key), limit, overlap }))
    }

    /// Whether `open` runs leave room for one more.
    pub fn has_room(&self, open: u64) -> bool {
        open < u64::from(self.limit)
    }
}

/// Literal text and `{name}` in turn: even places are text.
fn pieces(key: &str) -> Result<Vec<&str>, String> {
    let pieces: Vec<&str> = key.split(['{', '}']).collect();
    let opens = key.matches('{').count();
    let alternate = key.chars().filter(|c| matches!(c, '{' | '}')).eq("{}".chars().cycle().take(opens * 2));
    if key.is_empty() || !alternate || pieces.iter().skip(1).step_by(2).any(|name| name.is_empty()) {
        return Err(format!(
            "concurrency key {key:?} is not understood: write text and names of data members in braces, as in \
             \"db:{{database}}\""
        ));
    }
    Ok(pieces)
}

fn resolve(template: &str, job: &JobDetail, trigger_data: &Data) -> Result<String, String> {
    let pieces = pieces(template)?;
    if pieces.len() == 1 {
        return Ok(template.to_owned());
    }
    let data = job.data.merged(trigger_data).and_then(|data| data.to_map());
    let data = data.map_err(|error| format!("its data is unreadable: {error}"))?;
    let mut key = String::new();
    for (place, piece) in pieces.into_iter().enumerate() {
        if place % 2 == 0 {
            key.push_str(piece);
            continue;
        }
        match data.get(piece) {
            Some(Value::String(text)) => key.push_str(text),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => key.push_str(&value.to_string()),
            found => {
                let found = if found.is_some() { "is no text, number or boolean" } else { "is missing" };
                return Err(format!(
                    "concurrency key {template:?} asks for {piece:?}, which {found} in the data"
                ));
            }
        }
    }
    Ok(key)
}

/// A negative number below 2^53 that depends on the key alone; nodes of every version must agree on it.
fn number(key: &str) -> i64 {
    -1 - (stable_hash(key.bytes()) >> 12) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(key: &str) -> JobDetail {
        let mut job = JobDetail::new("sync", "sync").data(Data::stored(r#"{"database":1}"#));
        job.concurrency = Some(Concurrency::key(key).at_most(3));
        job
    }

    #[test]
    fn a_key_takes_members_of_the_data() {
        let lane = |data: &str| Lane::of(7, &job("db:{database}"), &Data::stored(data)).unwrap().unwrap();
        assert_eq!(lane("{}"), lane(r#"{"database":1}"#));
        assert_eq!(lane("{}"), lane(r#"{"database":"1"}"#));
        assert_ne!(lane("{}").id, lane(r#"{"database":2}"#).id);
        assert!(lane("{}").id < 0);
        assert_eq!(lane("{}").limit, 3);
    }

    #[test]
    fn numbers_of_keys_never_change() {
        assert_eq!(number(""), -1 - (0xf52a_15e9_a9b5_e89b_u64 >> 12) as i64);
    }

    #[test]
    fn malformed_keys_and_missing_members_are_refused() {
        for key in ["", "db:{", "db:}", "db:{}", "a{b}c}", "{a{b}}"] {
            assert!(Concurrency::key(key).check(true).unwrap_err().contains("not understood"), "{key}");
        }
        let missing = Lane::of(7, &job("{nobody}"), &Data::empty()).unwrap_err();
        assert!(missing.contains("\"nobody\", which is missing"), "{missing}");
        assert!(Concurrency::limit(0).check(true).is_err());
        assert!(Concurrency::limit(2).check(false).is_err());
    }
}
