//! What cleans up when the owner of a server ends without doing so.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Stdio};

use crate::ThrowawayError;
use crate::account::Account;

/// `$1` pg_ctl, `$2` the data folder, `$3` the temporary folder. A line says that the owner has cleaned up; the end of
/// the input without one says that it is gone.
const SCRIPT: &str =
    r#"read -r line && exit 0; "$1" stop -D "$2" -m immediate -w -t 20; cd / && rm -rf -- "$3""#;

/// A shell that waits for the end of this process, however that comes about: even SIGKILL closes its pipes.
#[derive(Debug)]
pub(crate) struct Guard(Child);

impl Guard {
    pub(crate) fn start(
        account: Account,
        bin: &Path,
        data: &Path,
        temp: &Path,
    ) -> Result<Self, ThrowawayError> {
        let mut command = account.command(Path::new("/bin/sh"), temp);
        command.args(["-c", SCRIPT, "sh"]).arg(bin.join("pg_ctl")).args([data, temp]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // A group of its own, so that Ctrl-C and runners that kill a whole group leave it to its work.
        command.process_group(0);
        command.spawn().map(Self).map_err(ThrowawayError::io(format!("run /bin/sh in {}", temp.display())))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // If the guard is gone there is nothing to call off.
        if let Some(mut input) = self.0.stdin.take() {
            let _ = input.write_all(b"\n");
        }
        let _ = self.0.wait();
    }
}
