//! What every command that talks to a server understands.

use std::path::PathBuf;

use anyhow::{Context, bail};

/// Which server, as whom, and how the answer is shown.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// The server's address.
    #[arg(
        long,
        global = true,
        env = "PUNCTUAL_SERVER",
        value_name = "URL",
        default_value = "http://127.0.0.1:8080",
        help_heading = "Server"
    )]
    pub(super) server: String,
    /// The token to sign in with. Others on this machine can see it while the command runs: prefer the variable or --token-file.
    #[arg(
        long,
        global = true,
        env = "PUNCTUAL_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN",
        help_heading = "Server"
    )]
    token: Option<String>,
    /// A file that holds the token; it goes before PUNCTUAL_TOKEN.
    #[arg(long, global = true, value_name = "FILE", help_heading = "Server")]
    token_file: Option<PathBuf>,
    /// A PEM file of certificate authorities that are trusted beside the system's.
    #[arg(long, global = true, env = "PUNCTUAL_CA_FILE", value_name = "FILE", help_heading = "Server")]
    pub(super) ca_file: Option<PathBuf>,
    /// Send passwords, tokens and sessions to another machine over http, where others can read them.
    #[arg(long, global = true, help_heading = "Server")]
    pub(super) insecure: bool,
    /// Print the server's answer as it is, in JSON.
    #[arg(long, global = true, help_heading = "Output")]
    pub(super) json: bool,
    /// Show times in UTC and not in the local zone.
    #[arg(long, global = true, help_heading = "Output")]
    pub(super) utc: bool,
    /// Leave out the head line of tables.
    #[arg(long, global = true, help_heading = "Output")]
    pub(super) no_header: bool,
}

impl Options {
    /// The token that was given, if one was.
    pub(super) fn token(&self) -> anyhow::Result<Option<String>> {
        let Some(path) = &self.token_file else {
            // A variable that is set to nothing is not set.
            return Ok(self.token.clone().filter(|token| !token.is_empty()));
        };
        let text =
            std::fs::read_to_string(path).with_context(|| format!("--token-file {}", path.display()))?;
        let token = text.trim();
        if token.is_empty() {
            bail!("--token-file {}: the file is empty", path.display());
        }
        Ok(Some(token.to_owned()))
    }
}
