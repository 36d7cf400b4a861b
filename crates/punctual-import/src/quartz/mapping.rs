//! Which kind of job stands for a class.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value as Json};

/// For classes of Quartz jobs the kinds that do their work here, from a file:
///
/// ```toml
/// [classes."com.example.ReportJob"]
/// kind = "command"
/// data = { command = "report --month ${month}" }
///
/// [classes."com.example.MailJob"]
/// kind = "send-mail"        # a kind of an application; the job keeps its data
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    #[serde(default)]
    classes: BTreeMap<String, Class>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Class {
    kind: String,
    /// The data of the job here. `${name}` stands for a member of the data in Quartz; a text that is nothing else becomes
    /// that member, of whatever type.
    data: Option<Map<String, Json>>,
}

impl Mapping {
    /// Reads a mapping file.
    ///
    /// # Errors
    /// Says where the file is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    pub(super) fn class(&self, name: &str) -> Option<&Class> {
        self.classes.get(name)
    }
}

impl Class {
    pub(super) fn kind(&self) -> &str {
        &self.kind
    }

    pub(super) fn has_template(&self) -> bool {
        self.data.is_some()
    }

    /// The data here, of the data in Quartz.
    pub(super) fn data(&self, quartz: &Map<String, Json>) -> Result<Map<String, Json>, String> {
        match &self.data {
            None => Ok(quartz.clone()),
            Some(template) => members(template, quartz),
        }
    }
}

fn members(template: &Map<String, Json>, data: &Map<String, Json>) -> Result<Map<String, Json>, String> {
    template.iter().map(|(name, value)| Ok((name.clone(), fill(value, data)?))).collect()
}

fn fill(template: &Json, data: &Map<String, Json>) -> Result<Json, String> {
    Ok(match template {
        Json::String(text) => fill_text(text, data)?,
        Json::Array(list) => {
            Json::Array(list.iter().map(|value| fill(value, data)).collect::<Result<_, _>>()?)
        }
        Json::Object(map) => Json::Object(members(map, data)?),
        other => other.clone(),
    })
}

fn fill_text(text: &str, data: &Map<String, Json>) -> Result<Json, String> {
    let member = |name: &str| {
        data.get(name).ok_or_else(|| {
            let known: Vec<&str> = data.keys().map(String::as_str).collect();
            format!("the mapping's {text:?} needs {name:?}, and its data has only: {}", known.join(", "))
        })
    };
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, behind)) = after.split_once('}') else {
            return Err(format!("the mapping's {text:?} has a ${{ without its }}"));
        };
        let value = member(name)?;
        if before.is_empty() && behind.is_empty() && filled.is_empty() {
            return Ok(value.clone());
        }
        filled.push_str(before);
        match value {
            Json::String(value) => filled.push_str(value),
            other => filled.push_str(&other.to_string()),
        }
        rest = behind;
    }
    filled.push_str(rest);
    Ok(Json::String(filled))
}
