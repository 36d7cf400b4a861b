//! Where PostgreSQL's programs are.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::ThrowawayError;

/// The oldest major version that is used.
pub(crate) const OLDEST: u32 = 15;

/// Overrides where the programs are looked for.
pub(crate) const VARIABLE: &str = "PUNCTUAL_PG_BIN";

const PROGRAMS: [&str; 4] = ["postgres", "pg_ctl", "initdb", "psql"];

/// The folder with `initdb`, `pg_ctl`, `postgres` and `psql` of PostgreSQL 15 or later: `$PUNCTUAL_PG_BIN` where that
/// is set (and then nothing else is looked at), or else the first of the folders of `$PATH` and of
/// `/usr/lib/postgresql/*/bin`, newest version first.
///
/// # Errors
///
/// [`ThrowawayError::NoBinaries`] with each place that was looked at and what is wrong there.
pub fn binaries() -> Result<PathBuf, ThrowawayError> {
    let (named, path) = (std::env::var_os(VARIABLE), std::env::var_os("PATH"));
    find(named.as_deref(), path.as_deref(), Path::new("/usr/lib/postgresql"))
}

fn find(named: Option<&OsStr>, path: Option<&OsStr>, packaged: &Path) -> Result<PathBuf, ThrowawayError> {
    if let Some(named) = named.filter(|named| !named.is_empty()) {
        return usable(Path::new(named)).map_err(|reason| ThrowawayError::NoBinaries {
            looked: vec![format!("${VARIABLE}: {} ({reason})", named.display())],
        });
    }
    let mut looked = Vec::new();
    let on_path = path.map(std::env::split_paths).into_iter().flatten();
    // Folders of $PATH without a server are not worth a word each.
    for folder in on_path.filter(|folder| folder.join("pg_ctl").exists()) {
        match in_link(&folder) {
            Ok(found) => return Ok(found),
            Err(reason) => looked.push(format!("$PATH: {} ({reason})", folder.display())),
        }
    }
    if looked.is_empty() {
        looked.push("$PATH: no folder of it has `pg_ctl`".to_owned());
    }
    let versions = newest_first(packaged);
    if versions.is_empty() {
        looked.push(format!("{}/*/bin: no such folder", packaged.display()));
    }
    for folder in versions {
        match usable(&folder) {
            Ok(found) => return Ok(found),
            Err(reason) => looked.push(format!("{} ({reason})", folder.display())),
        }
    }
    Err(ThrowawayError::NoBinaries { looked })
}

/// The folder of `$PATH` itself, or the one that its `pg_ctl` is a link into: only some programs may be linked.
fn in_link(folder: &Path) -> Result<PathBuf, String> {
    let target = folder.join("pg_ctl").canonicalize().ok();
    let linked = target.as_deref().and_then(Path::parent).filter(|linked| *linked != folder);
    linked.and_then(|linked| usable(linked).ok()).map_or_else(|| usable(folder), Ok)
}

/// The absolute path of a folder that has all programs in a version that is new enough, or what is wrong with it.
fn usable(folder: &Path) -> Result<PathBuf, String> {
    if !folder.is_dir() {
        return Err("not a folder".to_owned());
    }
    let missing: Vec<_> = PROGRAMS.into_iter().filter(|name| !folder.join(name).is_file()).collect();
    if !missing.is_empty() {
        return Err(format!("without {}", missing.join(", ")));
    }
    let folder = std::path::absolute(folder).map_err(|error| error.to_string())?;
    let output = Command::new(folder.join("postgres"))
        .arg("--version")
        .output()
        .map_err(|error| format!("`postgres --version` does not run: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    match major(&text) {
        Some(version) if version >= OLDEST => Ok(folder),
        Some(version) => Err(format!("PostgreSQL {version}, which is older than {OLDEST}")),
        None => Err(format!("`postgres --version` says {:?}", text.trim())),
    }
}

/// 15 of `postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)`, 18 of `postgres (PostgreSQL) 18beta1`.
fn major(version: &str) -> Option<u32> {
    let number = version.split_once("(PostgreSQL) ")?.1;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// `<packaged>/<version>/bin` for each version, by number and not by text (9 is older than 15).
fn newest_first(packaged: &Path) -> Vec<PathBuf> {
    let names = std::fs::read_dir(packaged).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let number = |name: &OsString| name.to_str()?.split('.').next()?.parse::<u32>().ok();
    let mut versions: Vec<_> = names.filter_map(|name| Some((number(&name)?, name))).collect();
    versions.sort_by(|a, b| b.cmp(a));
    versions.into_iter().map(|(_, name)| packaged.join(name).join("bin")).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// A folder of programs that say that they are this version.
    fn fake(folder: &Path, version: &str) -> PathBuf {
        std::fs::create_dir_all(folder).unwrap();
        for program in PROGRAMS {
            let file = folder.join(program);
            std::fs::write(&file, format!("#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n")).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        folder.to_owned()
    }

    #[test]
    fn a_named_folder_without_the_programs_is_an_error_that_says_so() {
        let temp = tempfile::tempdir().unwrap();
        let good = fake(&temp.path().join("postgresql/16/bin"), "16.1");
        let nonsense = temp.path().join("nonsense");
        let error = find(Some(nonsense.as_os_str()), Some(good.as_os_str()), temp.path()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&format!("$PUNCTUAL_PG_BIN: {} (not a folder)", nonsense.display())), "{text}");
        assert!(
            text.contains("PostgreSQL 15 or later") && text.contains("apt-get install postgresql"),
            "{text}"
        );

        std::fs::create_dir(&nonsense).unwrap();
        let error = find(Some(nonsense.as_os_str()), None, temp.path()).unwrap_err().to_string();
        assert!(error.contains("without postgres, pg_ctl, initdb, psql"), "{error}");
    }

    #[test]
    fn the_newest_packaged_version_is_taken_by_number() {
        let temp = tempfile::tempdir().unwrap();
        for version in ["9.6", "15", "17", "16"] {
            fake(&temp.path().join(version).join("bin"), version);
        }
        std::fs::create_dir(temp.path().join("common")).unwrap();
        assert_eq!(find(None, None, temp.path()).unwrap(), temp.path().join("17/bin"));
        // A version of which only some programs are installed is passed over.
        std::fs::remove_file(temp.path().join("17/bin/initdb")).unwrap();
        assert_eq!(find(None, None, temp.path()).unwrap(), temp.path().join("16/bin"));
    }

    #[test]
    fn path_comes_before_packages_and_links_are_followed() {
        let temp = tempfile::tempdir().unwrap();
        let packaged = temp.path().join("packages");
        fake(&packaged.join("17/bin"), "17.2");
        let real = fake(&temp.path().join("real"), "18beta1");
        let linked = temp.path().join("linked");
        std::fs::create_dir(&linked).unwrap();
        symlink(real.join("pg_ctl"), linked.join("pg_ctl")).unwrap();
        let found = find(None, Some(linked.as_os_str()), &packaged).unwrap();
        assert_eq!(found, real.canonicalize().unwrap());
    }

    #[test]
    fn versions_that_are_too_old_are_named_in_the_error() {
        let temp = tempfile::tempdir().unwrap();
        let old = fake(&temp.path().join("old"), "14.9 (Debian 14.9-1)");
        let packaged = temp.path().join("packages");
        let error = find(None, Some(old.as_os_str()), &packaged).unwrap_err().to_string();
        assert!(error.contains("PostgreSQL 14, which is older than 15"), "{error}");
        assert!(error.contains(&format!("{}/*/bin: no such folder", packaged.display())), "{error}");
    }
}
