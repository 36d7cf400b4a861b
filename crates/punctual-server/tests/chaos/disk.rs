//! A small disk that a test can fill.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Enough for a new cluster and some minutes of work.
const SIZE: &str = "size=224m,mode=755";

/// A file system in memory, which goes when this is dropped.
pub(crate) struct Disk {
    place: TempDir,
}

impl Disk {
    /// A new one; `None` where this process may not mount any, which is said.
    pub(crate) fn mount() -> Option<Self> {
        let place = tempfile::Builder::new().prefix("disk").tempdir().unwrap();
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", SIZE, "punctual-test"])
            .arg(place.path())
            .output();
        match output {
            Ok(output) if output.status.success() => Some(Self { place }),
            Ok(output) => {
                let error = String::from_utf8_lossy(&output.stderr);
                eprintln!("PASSED OVER, nothing was tested: a file system cannot be mounted: {error}");
                None
            }
            Err(error) => {
                eprintln!("PASSED OVER, nothing was tested: mount does not run: {error}");
                None
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.place.path()
    }

    fn ballast(&self) -> PathBuf {
        self.place.path().join("ballast")
    }

    /// Takes all that is free.
    pub(crate) fn fill(&self) {
        let mut file = File::create(self.ballast()).unwrap();
        let block = vec![0; 64 * 1024];
        let mut written = 0_u64;
        while let Ok(count) = file.write(&block) {
            written += count as u64;
        }
        assert!(written > 0, "the disk was full before");
    }

    /// Gives it back.
    pub(crate) fn free(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A server that has not ended yet must not keep it.
        let _ = Command::new("umount").arg("--lazy").arg(self.place.path()).status();
    }
}
