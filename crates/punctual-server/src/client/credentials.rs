//! The sessions that `punctual login` keeps, by server, in a file that only its owner can read.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use serde::{Deserialize, Serialize};

/// The kept sessions.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Credentials {
    #[serde(default)]
    servers: BTreeMap<String, Session>,
}

/// A session with one server.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Session {
    /// Its id, which lets in.
    pub(super) id: String,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Session(hidden)")
    }
}

impl Credentials {
    /// The session with a server, if one is kept.
    pub(super) fn session(server: &str) -> anyhow::Result<Option<Session>> {
        let Some(path) = path() else { return Ok(None) };
        Ok(Self::read(&path)?.servers.remove(server))
    }

    /// Keeps a session, in place of another with this server.
    pub(super) fn keep(server: &str, id: String) -> anyhow::Result<PathBuf> {
        let path = path().context("there is neither XDG_CONFIG_HOME nor HOME to keep the session under")?;
        let mut all = Self::read(&path)?;
        all.servers.insert(server.to_owned(), Session { id });
        all.write(&path)?;
        Ok(path)
    }

    /// Forgets the session with a server.
    pub(super) fn forget(server: &str) -> anyhow::Result<()> {
        let Some(path) = path() else { return Ok(()) };
        let mut all = Self::read(&path)?;
        if all.servers.remove(server).is_some() { all.write(&path) } else { Ok(()) }
    }

    fn read(path: &Path) -> anyhow::Result<Self> {
        let named = || path.display().to_string();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error).with_context(named),
        };
        let mode = std::fs::metadata(path).with_context(named)?.permissions().mode();
        if mode & 0o077 != 0 {
            bail!("{}: others can read it (mode {:o}): `chmod 600` it", named(), mode & 0o777);
        }
        // The words of the error would show a line, and all lines are secrets.
        toml::from_str(&text).map_err(|_| anyhow!("{} cannot be read: delete it and sign in again", named()))
    }

    fn write(&self, path: &Path) -> anyhow::Result<()> {
        let directory = path.parent().unwrap_or(Path::new("."));
        let named = || path.display().to_string();
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).with_context(named)?;
        // Made with mode 0600 beside the old one, so that no reader finds half of it.
        let mut file = tempfile::NamedTempFile::new_in(directory).with_context(named)?;
        file.write_all(toml::to_string(self)?.as_bytes()).with_context(named)?;
        file.persist(path).with_context(named)?;
        Ok(())
    }
}

fn path() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = variable("XDG_CONFIG_HOME").or_else(|| Some(variable("HOME")?.join(".config")))?;
    Some(config.join("punctual").join("credentials"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_for_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("below").join("credentials");
        let mut all = Credentials::read(&path).unwrap();
        all.servers.insert("http://a/".to_owned(), Session { id: "hush".to_owned() });
        all.write(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Credentials::read(&path).unwrap().servers["http://a/"].id, "hush");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = Credentials::read(&path).err().unwrap().to_string();
        assert!(error.contains("mode 640") && !error.contains("hush"), "{error}");
    }
}
