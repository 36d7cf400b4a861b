//! Secrets that are in files of their own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use punctual_jobs::http::secrets::{Secret, Secrets};
use serde::Deserialize;

use super::Fault;

/// `[secrets.NAME]`: a secret that http jobs may send.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    /// Where it is read, at each call.
    file: PathBuf,
    /// The only origin that it is sent to: `https://HOST[:PORT]`.
    origin: String,
    /// What stands before it in the header.
    #[serde(default)]
    prefix: String,
}

/// What is wrong with them.
pub(super) fn faults(sections: &BTreeMap<String, Section>) -> Vec<Fault> {
    let wrong = |(name, Section { file, origin, prefix }): (&String, &Section)| {
        let error = Secret::new(file, origin, prefix).err()?;
        let key = error.split(' ').next().unwrap_or_default();
        Some(Fault::setting(format!("secrets.{name}.{key}"), format!("secrets.{name}.{error}")))
    };
    sections.iter().filter_map(wrong).collect()
}

/// The secrets for the kind `http`.
pub(super) fn secrets(sections: &BTreeMap<String, Section>) -> anyhow::Result<Secrets> {
    let secret = |(name, section): (&String, &Section)| {
        let Section { file, origin, prefix } = section;
        let secret = Secret::new(file, origin, prefix).map_err(|error| anyhow!("secrets.{name}.{error}"))?;
        Ok((name.clone(), secret))
    };
    sections.iter().map(secret).collect::<anyhow::Result<_>>().map(Secrets::new)
}

/// What a file of a setting holds, without a line end at its end.
pub(crate) fn read(setting: &str, path: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{setting}: cannot read {}", path.display()))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        bail!("{setting}: {} is empty", path.display());
    }
    Ok(text.to_owned())
}
