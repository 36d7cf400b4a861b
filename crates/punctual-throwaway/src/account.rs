//! The user that the server runs as: PostgreSQL refuses to run as root.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::ThrowawayError;

/// The user and group to run as where it is not the present one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account(Option<(u32, u32)>);

impl Account {
    /// The present user, or `postgres` or else `nobody` where that is root.
    pub(crate) fn choose() -> Result<Self, ThrowawayError> {
        let output =
            Command::new("id").arg("-u").output().map_err(ThrowawayError::io("ask `id -u` for the user"))?;
        if String::from_utf8_lossy(&output.stdout).trim() != "0" {
            return Ok(Self(None));
        }
        let passwd =
            std::fs::read_to_string("/etc/passwd").map_err(ThrowawayError::io("read /etc/passwd"))?;
        let ids = ids_of(&passwd, "postgres").or_else(|| ids_of(&passwd, "nobody"));
        ids.map(|ids| Self(Some(ids))).ok_or(ThrowawayError::NoUser)
    }

    /// A command that runs as this user, in `folder` (the present one may be closed to it), with nothing on standard
    /// input and without the variables that steer PostgreSQL's programs.
    pub(crate) fn command(self, program: &Path, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(folder).stdin(Stdio::null());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PG")) {
            command.env_remove(name);
        }
        // Messages are read: they must not be translated.
        command.env("LC_ALL", "C");
        if let Some((user, group)) = self.0 {
            command.uid(user).gid(group);
        }
        command
    }

    /// Gives a file or folder to this user.
    pub(crate) fn own(self, path: &Path) -> Result<(), ThrowawayError> {
        let Some((user, group)) = self.0 else { return Ok(()) };
        std::os::unix::fs::chown(path, Some(user), Some(group))
            .map_err(ThrowawayError::io(format!("give {} to user {user}", path.display())))
    }
}

/// User and group number of a user other than root.
fn ids_of(passwd: &str, name: &str) -> Option<(u32, u32)> {
    let mut fields =
        passwd.lines().map(|line| line.split(':')).find(|fields| fields.clone().next() == Some(name))?;
    let (user, group) = (fields.nth(2)?.parse().ok()?, fields.next()?.parse().ok()?);
    (user != 0).then_some((user, group))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_read_from_the_password_file() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\n\nbroken\npostgres2:x:1:1::/:\npostgres:x:101:104:A,,:/var:/bin/sh\n";
        assert_eq!(ids_of(passwd, "postgres"), Some((101, 104)));
        assert_eq!(ids_of(passwd, "nobody"), None);
        assert_eq!(ids_of(passwd, "broken"), None);
        assert_eq!(ids_of(passwd, "root"), None);
    }
}
