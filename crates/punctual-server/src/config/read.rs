//! Reading a text into a configuration as far as it can be read, with everything that is wrong with it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::Config;
use super::faults::{Fault, Source};
use super::hidden;

/// What a text says: every part of it that is right.
pub(super) struct Read {
    pub(super) config: Config,
    pub(super) source: Source,
    pub(super) faults: Vec<Fault>,
}

/// Reads the text of `source` and lays variables over it.
pub(super) fn read(mut source: Source, variables: impl Iterator<Item = (String, String)>) -> Read {
    let text = source.text.clone();
    let (mut table, errors) = DeTable::parse_recoverable(&text);
    let mut faults: Vec<Fault> = Vec::new();
    let mut lines = BTreeSet::new();
    for error in errors {
        let span = error.span().unwrap_or(text.len()..text.len());
        // What follows in the same line is a consequence.
        if lines.insert(source.line_of(span.start)) {
            faults.push(Fault::at(span, error.message()));
        }
    }
    if !faults.is_empty() {
        return Read { config: Config::default(), source, faults };
    }
    source.settings = settings(table.get_ref());
    let mut config = fitting(&mut table, &mut source.unread, &mut faults);
    let overlay: Vec<_> = variables.filter(|(name, _)| name.starts_with("PUNCTUAL__")).collect();
    if !overlay.is_empty() {
        let jobs = std::mem::take(&mut config.jobs);
        let calendars = std::mem::take(&mut config.calendars);
        let mut sections: toml::Table = toml::from_str(&text).unwrap_or_default();
        sections.remove("jobs");
        sections.remove("calendars");
        source.unread.iter().for_each(|path| remove_plain(&mut sections, path));
        config = overlaid(sections, &overlay, &mut source, &mut faults);
        (config.jobs, config.calendars) = (jobs, calendars);
    }
    Read { config, source, faults }
}

/// The configuration, without the keys that do not fit: each of them is a fault.
fn fitting(
    table: &mut Spanned<DeTable<'_>>,
    unread: &mut BTreeSet<Vec<String>>,
    faults: &mut Vec<Fault>,
) -> Config {
    loop {
        let error = match Config::deserialize(Deserializer::from(table.clone())) {
            Ok(config) => return config,
            Err(error) => error,
        };
        let path = error.span().and_then(|span| place_in(table.get_ref(), &span));
        let Some(path) = path else {
            let fault = error
                .span()
                .map_or_else(|| Fault::anywhere(error.message()), |span| Fault::at(span, error.message()));
            faults.push(fault);
            return Config::default();
        };
        let problem = format!("{}: {}", dotted(&path), error.message());
        faults.push(Fault::at(error.span().unwrap_or_default(), problem));
        remove(table.get_mut(), &path);
        unread.insert(path);
    }
}

/// `jobs.a.triggers[1].every`
fn dotted(path: &[String]) -> String {
    let step = |(depth, key): (usize, &String)| match key.parse::<usize>() {
        Ok(_) if depth > 2 => format!("[{key}]"),
        _ if depth == 0 => key.clone(),
        _ => format!(".{key}"),
    };
    path.iter().enumerate().map(step).collect()
}

/// The keys of the innermost place that has these bytes.
fn place_in(table: &DeTable<'_>, at: &Range<usize>) -> Option<Vec<String>> {
    let covers = |span: Range<usize>| span.start <= at.start && at.end <= span.end;
    let within = table.iter().find_map(|(key, value)| {
        let mut path = place_within(value.get_ref(), at)?;
        path.insert(0, key.get_ref().to_string());
        Some(path)
    });
    within.or_else(|| {
        let (key, _) = table.iter().find(|(key, value)| covers(key.span()) || covers(value.span()))?;
        Some(vec![key.get_ref().to_string()])
    })
}

fn place_within(value: &DeValue<'_>, at: &Range<usize>) -> Option<Vec<String>> {
    match value {
        DeValue::Table(table) => place_in(table, at),
        DeValue::Array(array) => array.iter().enumerate().find_map(|(position, element)| {
            let mut path = place_within(element.get_ref(), at)?;
            path.insert(0, position.to_string());
            Some(path)
        }),
        _ => None,
    }
}

fn remove(table: &mut DeTable<'_>, path: &[String]) {
    match path {
        [] => {}
        [key] => drop(table.remove(key.as_str())),
        [key, rest @ ..] => {
            if let Some(value) = table.get_mut(key.as_str()) {
                remove_within(value.get_mut(), rest);
            }
        }
    }
}

fn remove_within(value: &mut DeValue<'_>, path: &[String]) {
    match (value, path) {
        (DeValue::Table(table), path) => remove(table, path),
        (DeValue::Array(array), [position, rest @ ..]) => {
            let element = position.parse().ok().and_then(|at: usize| array.get_mut(at));
            if let Some(element) = element {
                remove_within(element.get_mut(), rest);
            }
        }
        _ => {}
    }
}

fn remove_plain(table: &mut toml::Table, path: &[String]) {
    match path {
        [] => {}
        [key] => drop(table.remove(key)),
        [key, rest @ ..] => {
            if let Some(table) = table.get_mut(key).and_then(toml::Value::as_table_mut) {
                remove_plain(table, rest);
            }
        }
    }
}

/// Where each `section.key` stands, and each key of a table in a section.
fn settings(table: &DeTable<'_>) -> BTreeMap<String, Range<usize>> {
    fn walk(prefix: &str, table: &DeTable<'_>, settings: &mut BTreeMap<String, Range<usize>>) {
        for (key, value) in table.iter() {
            let path = match prefix {
                "" => key.get_ref().to_string(),
                _ => format!("{prefix}.{}", key.get_ref()),
            };
            if let DeValue::Table(table) = value.get_ref() {
                walk(&path, table, settings);
            }
            settings.insert(path, value.span());
        }
    }
    let mut settings = BTreeMap::new();
    walk("", table, &mut settings);
    settings
}

/// The sections (not jobs and calendars) with variables laid over them, without those that do not fit.
fn overlaid(
    mut table: toml::Table,
    overlay: &[(String, String)],
    source: &mut Source,
    faults: &mut Vec<Fault>,
) -> Config {
    for (name, value) in overlay {
        match with_variable(&table, name, value) {
            Ok((with, setting)) => {
                table = with;
                source.variables.insert(setting, name.clone());
            }
            Err(problem) => faults.push(Fault::of_environment(problem)),
        }
    }
    table.try_into().unwrap_or_default()
}

/// The sections with one variable more, and the setting that it sets.
fn with_variable(table: &toml::Table, name: &str, value: &str) -> Result<(toml::Table, String), String> {
    let path: Vec<String> = name["PUNCTUAL__".len()..].split("__").map(str::to_lowercase).collect();
    let [section, key] = path.as_slice() else {
        return Err(format!("environment variable {name}: its form is PUNCTUAL__SECTION__KEY"));
    };
    // Numbers and booleans are read as such, anything else as text.
    let parsed = match (value.parse::<i64>(), value.parse::<bool>()) {
        (Ok(number), _) => toml::Value::Integer(number),
        (_, Ok(flag)) => toml::Value::Boolean(flag),
        _ => toml::Value::String(value.to_owned()),
    };
    let mut table = table.clone();
    let slot = table.entry(section.clone()).or_insert_with(|| toml::Value::Table(toml::Table::new()));
    let Some(slot) = slot.as_table_mut() else {
        return Err(format!("environment variable {name}: {section} is no section"));
    };
    slot.insert(key.clone(), parsed);
    let probe: Result<Config, _> = table.clone().try_into();
    probe.map_err(|error| {
        let message = error.message();
        if hidden::tells(key) || hidden::tells(section) {
            // It may hold a password.
            let message = if value.is_empty() { message.to_owned() } else { message.replace(value, "...") };
            format!("environment variable {name}: {message}")
        } else {
            format!("environment variable {name}={value}: {message}")
        }
    })?;
    Ok((table, format!("{section}.{key}")))
}
