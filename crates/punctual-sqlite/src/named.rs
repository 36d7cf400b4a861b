//! Whether the file that is open is still the one that its path names.
//!
//! A file that was removed or replaced can be written as long as it is open, and all of it is lost at the end. Another
//! process may even use the new one beside this one.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use punctual_core::StoreError;

/// The name of an open file, and what it named when the file was opened.
#[derive(Debug)]
pub(crate) struct Named {
    path: PathBuf,
    /// `None` where that cannot be told, and nothing is ever noticed.
    opened: Option<Identity>,
    /// What is wrong since it was noticed. A file that comes back may have been another process's meanwhile.
    gone: OnceLock<String>,
}

impl Named {
    /// To be made while the file is open.
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), opened: identity(path).ok().flatten(), gone: OnceLock::new() }
    }

    /// A file that may lose its name.
    pub(crate) fn nameless(path: &Path) -> Self {
        Self { path: path.to_owned(), opened: None, gone: OnceLock::new() }
    }

    /// Whether nothing wrong has been noticed.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        self.gone.get().map_or(Ok(()), |text| Err(StoreError::Gone(text.clone())))
    }

    /// Looks whether the path names the open file.
    pub(crate) fn look(&self) -> Result<(), StoreError> {
        let what = match (self.opened, identity(&self.path)) {
            (Some(opened), Ok(Some(now))) if now != opened => "replaced by another file",
            (Some(_), Err(error)) if error.kind() == std::io::ErrorKind::NotFound => "removed",
            // What cannot be looked at says nothing about the open file.
            _ => return self.check(),
        };
        self.gone.get_or_init(|| {
            format!(
                "the database file {} was {what} while this process used it, so all that is written from now on is lost: put \
                 the file that is wanted in its place, and start again",
                self.path.display()
            )
        });
        self.check()
    }
}

/// What makes a file the same under whatever name: its device and its number there.
#[cfg(unix)]
type Identity = (u64, u64);

#[cfg(unix)]
fn identity(path: &Path) -> std::io::Result<Option<Identity>> {
    use std::os::unix::fs::MetadataExt;
    // Not by opening it: to close a second handle would end the locks that SQLite holds on the file.
    std::fs::metadata(path).map(|file| Some((file.dev(), file.ino())))
}

#[cfg(not(unix))]
type Identity = ();

#[cfg(not(unix))]
fn identity(_: &Path) -> std::io::Result<Option<Identity>> {
    Ok(None)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_what_it_is_and_not_by_what_it_is_called() {
        let folder = tempfile::tempdir().unwrap();
        let [path, aside, link] = ["jobs.db", "aside.db", "link.db"].map(|name| folder.path().join(name));
        std::fs::write(&path, "one").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let (named, linked) = (Named::new(&path), Named::new(&link));
        // What is in it does not matter.
        std::fs::write(&path, "another text").unwrap();
        named.look().unwrap();
        std::fs::rename(&path, &aside).unwrap();
        let said = named.look().unwrap_err().to_string();
        assert!(said.contains("jobs.db was removed") && said.contains("lost"), "{said}");
        std::fs::write(&path, "one").unwrap();
        let said = linked.look().unwrap_err().to_string();
        assert!(said.contains("link.db was replaced"), "{said}");
        // It is not to be trusted any more, though it came back.
        std::fs::rename(&aside, &path).unwrap();
        named.look().unwrap_err();
        named.check().unwrap_err();
        Named::new(&path).look().unwrap();
        let nameless = Named::nameless(&path);
        std::fs::remove_file(&path).unwrap();
        nameless.look().unwrap();
    }
}
