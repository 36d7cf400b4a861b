//! Definitions from files, in JSON or TOML: as they are written by hand, and as `show --json` prints them.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use punctual_core::key::DEFAULT_GROUP;
use serde_json::{Map, Value, json};

use crate::config::hidden;

/// A file with a definition.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct File {
    /// The file: JSON, or TOML where its name ends in .toml; - is the standard input, in JSON.
    file: PathBuf,
    /// Store it also where another version has been stored than the one the file names.
    #[arg(long)]
    force: bool,
}

/// What the server tells about a definition and takes from nobody.
const TOLD: [&str; 14] = [
    "key",
    "created_at",
    "updated_at",
    "state",
    "error",
    "next_fire_at",
    "previous_fire_at",
    "final_fire_at",
    "accounted_from",
    "anchor",
    "fired",
    "skipped",
    "pending",
    "warnings",
];
/// Beside these.
const TOLD_OF_SCHEDULES: [&str; 2] = ["schedule_text", "time_zone"];

/// The members of a definition, without what only the server can say.
#[derive(Debug)]
pub(crate) struct Definition {
    members: Map<String, Value>,
    named: String,
}

impl File {
    pub(crate) fn read(&self) -> anyhow::Result<Definition> {
        let named = self.file.display().to_string();
        let value = read(&self.file).with_context(|| named.clone())?;
        let Value::Object(members) = value else { bail!("{named}: a definition is an object with members") };
        let mut definition = Definition { members, named };
        if self.force {
            definition.members.remove("version");
        }
        Ok(definition)
    }
}

impl Definition {
    /// Takes a member that must be a text.
    pub(crate) fn take_text(&mut self, name: &str) -> anyhow::Result<Option<String>> {
        match self.members.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(anyhow!("{}: {name} must be a text, not {other}", self.named)),
        }
    }

    /// Takes the name.
    pub(crate) fn take_name(&mut self) -> anyhow::Result<String> {
        self.take_text("name")?.with_context(|| format!("{}: the member name is missing", self.named))
    }

    /// Takes group and name.
    pub(crate) fn take_key(&mut self) -> anyhow::Result<(String, String)> {
        let group = self.take_text("group")?.unwrap_or_else(|| DEFAULT_GROUP.to_owned());
        Ok((group, self.take_name()?))
    }

    /// The members of a calendar.
    pub(crate) fn calendar(mut self) -> Value {
        self.members.remove("updated_at");
        Value::Object(self.members)
    }

    /// The members of a job.
    pub(crate) fn job(mut self) -> Value {
        drop_told(&mut self.members);
        let triggers = self.members.get_mut("triggers").and_then(Value::as_array_mut);
        for trigger in triggers.into_iter().flatten().filter_map(Value::as_object_mut) {
            drop_told(trigger);
            trigger.remove("job");
            trigger.remove("version");
        }
        Value::Object(self.members)
    }

    /// The members of a trigger.
    pub(crate) fn trigger(mut self) -> Value {
        drop_told(&mut self.members);
        if let Some(Value::String(key)) = self.members.get("job") {
            let (group, name) = key.split_once('.').unwrap_or((DEFAULT_GROUP, key));
            let key = json!({"group": group, "name": name});
            self.members.insert("job".to_owned(), key);
        }
        Value::Object(self.members)
    }
}

fn drop_told(members: &mut Map<String, Value>) {
    for name in TOLD.iter().chain(&TOLD_OF_SCHEDULES) {
        members.remove(*name);
    }
}

fn read(path: &Path) -> anyhow::Result<Value> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text)?;
        return Ok(serde_json::from_str(&text)?);
    }
    let text = std::fs::read_to_string(path)?;
    if path.extension().is_some_and(|extension| extension == "toml") {
        let table: toml::Table =
            toml::from_str(&text).map_err(|error| hidden::syntax_error(&text, &error))?;
        return Ok(Value::Object(table.into_iter().map(|(name, value)| (name, plain(value))).collect()));
    }
    Ok(serde_json::from_str(&text)?)
}

/// TOML as JSON: dates and times become texts.
fn plain(value: toml::Value) -> Value {
    match value {
        toml::Value::Datetime(at) => at.to_string().into(),
        toml::Value::Array(values) => values.into_iter().map(plain).collect(),
        toml::Value::Table(table) => {
            Value::Object(table.into_iter().map(|(name, value)| (name, plain(value))).collect())
        }
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(yes) => yes.into(),
    }
}

/// An object in JSON, as an argument.
pub(crate) fn object(text: &str) -> anyhow::Result<Map<String, Value>> {
    serde_json::from_str(text).context("give an object in JSON, such as {\"report\": 7}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(name: &str, text: &str, force: bool) -> anyhow::Result<Definition> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(name);
        std::fs::write(&file, text).unwrap();
        File { file, force }.read()
    }

    #[test]
    fn what_is_shown_can_be_stored_again() {
        let shown = r#"{"key": "a.b", "group": "a", "name": "b", "kind": "noop", "version": "7", "created_at": "x",
            "triggers": [{"key": "a.t", "group": "a", "name": "t", "job": "a.b", "version": "8", "fired": 3,
            "schedule": {"type": "cron"}, "schedule_text": "at noon", "state": "waiting"}]}"#;
        let mut job = definition("x.json", shown, false).unwrap();
        assert_eq!(job.take_key().unwrap(), ("a".to_owned(), "b".to_owned()));
        let triggers = json!([{"group": "a", "name": "t", "schedule": {"type": "cron"}}]);
        assert_eq!(job.job(), json!({"kind": "noop", "version": "7", "triggers": triggers}));
        let forced = definition("x.json", shown, true).unwrap().job();
        assert_eq!(forced.get("version"), None);
    }

    #[test]
    fn toml_is_read_with_its_times() {
        let text = "name = 't'\njob = 'a.b'\nstart = 2026-11-21T05:00:00Z\n[schedule]\ntype = 'cron'\n[data]\nn = 1\n";
        let mut trigger = definition("t.toml", text, false).unwrap();
        assert_eq!(trigger.take_key().unwrap(), (DEFAULT_GROUP.to_owned(), "t".to_owned()));
        let stored = json!({
            "job": {"group": "a", "name": "b"}, "start": "2026-11-21T05:00:00Z", "schedule": {"type": "cron"},
            "data": {"n": 1},
        });
        assert_eq!(trigger.trigger(), stored);
    }

    #[test]
    fn what_cannot_be_read_names_the_file() {
        for (name, text) in
            [("a.json", "{"), ("a.json", "[]"), ("a.toml", "a = "), ("a.json", r#"{"name": 1}"#)]
        {
            let read = definition(name, text, false).and_then(|mut definition| definition.take_key());
            let error = format!("{:#}", read.unwrap_err());
            assert!(error.contains(name), "{error}");
        }
        let error = definition("a.json", "{}", false).unwrap().take_name().unwrap_err().to_string();
        assert!(error.contains("name is missing"), "{error}");
    }
}
