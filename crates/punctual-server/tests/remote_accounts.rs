//! The commands for accounts, against a real server that has them switched on.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;
use support::{Done, Server, typed};

const FIRST: &str = "the-first-one-of-all-7319";
const CHOSEN: &str = "the-one-that-was-chosen-8420";
const OF_ANN: &str = "the-one-that-ann-took-9531";

/// Somebody at a shell: a home, where the session is kept.
struct Shell {
    address: String,
    home: tempfile::TempDir,
}

impl Shell {
    fn new(server: &Server) -> Self {
        Self { address: server.address(), home: tempfile::tempdir().unwrap() }
    }

    fn typed(&self, args: &[&str], input: &str) -> Done {
        typed(&self.address, self.home.path(), args, input)
    }

    /// A command that is done; what it printed.
    fn done(&self, args: &[&str], input: &str) -> String {
        let done = self.typed(args, input);
        assert_eq!(done.code, 0, "{args:?}: {done:?}");
        done.out
    }

    /// A command that ends with this code and says this.
    fn refused(&self, args: &[&str], code: i32, said: &str) {
        let done = self.typed(args, "");
        assert!(done.code == code && done.err.contains(said) && done.out.is_empty(), "{args:?}: {done:?}");
    }

    fn sign_in(&self, name: &str, password: &str) -> String {
        self.done(&["login", "--username", name, "--password-stdin"], &format!("{password}\n"))
    }

    fn change_password(&self, from: &str, to: &str) {
        let said = self.done(&["password", "--password-stdin"], &format!("{from}\n{to}\n"));
        assert_eq!(said, "The password is changed.\n");
    }
}

fn start(directory: &Path) -> Server {
    Server::start_as(directory, "[jobs.often]\nkind = 'noop'\nevery = '7h'\n", |command| {
        command.env_remove("PUNCTUAL__AUTH__MODE").env("PUNCTUAL_ADMIN_PASSWORD", FIRST);
    })
}

/// The administrator with a password of their own.
fn administrator(server: &Server) -> Shell {
    let admin = Shell::new(server);
    admin.refused(&["jobs", "list"], 2, "punctual login");
    let said = admin.sign_in("admin", FIRST);
    assert!(said.contains("punctual password") && !said.contains(FIRST), "{said}");
    admin.refused(&["jobs", "list"], 2, "`punctual password` changes it (password-change-required)");
    admin.refused(&["sessions", "list"], 2, "password-change-required");
    admin.change_password(FIRST, CHOSEN);
    let me = admin.done(&["whoami"], "");
    assert!(me.starts_with("name: admin\nkind: user\npermissions: ") && me.contains("superuser"), "{me}");
    admin
}

#[test]
fn users_groups_and_tokens_are_kept_from_the_command_line() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path());
    let admin = administrator(&server);

    // A user who may look, and nothing else.
    let made = admin.done(&["users", "create", "ann"], "");
    let one_time = made.trim().rsplit(' ').next().unwrap().to_owned();
    admin.done(&["groups", "create", "watchers", "--permission", "monitoring"], "");
    let group = admin.done(&["groups", "add", "watchers", "ann"], "");
    assert!(group.contains("name: watchers\npermissions: monitoring\nmember_names: ann\n"), "{group}");
    admin.refused(&["groups", "add", "watchers", "nobody"], 1, "no user \"nobody\" (no-such-user)");
    admin.refused(&["groups", "add", "nobody", "ann"], 1, "no group \"nobody\" (no-such-group)");
    let ann = Shell::new(&server);
    ann.sign_in("ann", &one_time);
    ann.change_password(&one_time, OF_ANN);
    assert!(ann.done(&["jobs", "list"], "").contains("config.often"));
    ann.refused(&["jobs", "run", "config.often"], 2, "it takes the permission operate (no-permission)");
    ann.refused(&["users", "list"], 2, "it takes the permission superuser (no-permission)");
    ann.refused(&["tokens", "create", "ci", "--scope", "edit"], 2, "which is: monitoring (no-permission)");
    admin.done(&["groups", "edit", "watchers", "--permission", "operate"], "");
    assert!(ann.done(&["jobs", "run", "config.often"], "").contains("The run is stored"));

    // A token does no more than its scope, and nothing once it is revoked.
    let token = admin.done(&["tokens", "create", "ci", "--scope", "monitoring", "--expires", "1d"], "");
    let token = token.trim();
    let program = Shell::new(&server);
    let file = directory.path().join("token");
    std::fs::write(&file, token).unwrap();
    let given = ["--token-file", file.to_str().unwrap()];
    let with_token = |args: &[&'static str]| [args, &given].concat();
    assert!(program.done(&with_token(&["whoami"]), "").contains("kind: token\npermissions: monitoring\n"));
    program.refused(&with_token(&["jobs", "run", "config.often"]), 2, "no-permission");
    let table = admin.done(&["tokens", "list", "--no-header"], "");
    assert!(table.split_whitespace().any(|word| word == "admin"), "{table}");
    let listed: Value = serde_json::from_str(&admin.done(&["tokens", "list", "--json"], "")).unwrap();
    let id = listed["data"][0]["id"].to_string();
    admin.done(&["tokens", "revoke", &id], "");
    program.refused(&with_token(&["whoami"]), 2, "login");

    // Where one is signed in, and an end to all but this.
    let elsewhere = Shell::new(&server);
    elsewhere.sign_in("ann", OF_ANN);
    let sessions: Value = serde_json::from_str(&ann.done(&["sessions", "list", "--json"], "")).unwrap();
    assert_eq!(sessions["data"].as_array().unwrap().len(), 2, "{sessions}");
    let other = sessions["data"].as_array().unwrap().iter().find(|row| row["current"] == false).unwrap();
    ann.done(&["sessions", "end", &other["id"].to_string()], "");
    elsewhere.refused(&["whoami"], 2, "login");
    ann.refused(&["sessions", "end", &other["id"].to_string()], 1, "no session");
    elsewhere.sign_in("ann", OF_ANN);
    assert_eq!(ann.done(&["sessions", "end-others"], ""), "Your other sessions have ended.\n");
    elsewhere.refused(&["whoami"], 2, "login");

    // Who is disabled is out at once.
    admin.done(&["users", "disable", "ann"], "");
    ann.refused(&["whoami"], 2, "login");
    assert!(ann.typed(&["login", "--username", "ann", "--password-stdin"], OF_ANN).code == 2);
    admin.done(&["groups", "remove", "watchers", "ann"], "");
    assert!(admin.done(&["users", "show", "ann"], "").contains("disabled: yes"));

    let audit = admin.done(&["audit-log", "list", "--all", "--json"], "");
    for action in [
        "user.change-password",
        "user.create",
        "group.create",
        "group.update",
        "job.run",
        "token.create",
        "token.delete",
        "session.delete",
        "session.delete-others",
        "user.update",
    ] {
        assert!(audit.contains(&format!("\"{action}\"")), "{action}: {audit}");
    }
    for secret in [FIRST, CHOSEN, OF_ANN, &one_time, token] {
        assert!(!audit.contains(secret), "{secret}: {audit}");
    }
    admin.done(&["logout"], "");
    admin.refused(&["whoami"], 2, "login");
}

#[test]
fn a_token_and_a_kept_session_do_not_cross_the_wire_for_all_to_read() {
    let home = tempfile::tempdir().unwrap();
    let remote = "http://192.0.2.1:1";
    let file = home.path().join("token");
    std::fs::write(&file, "pt_0123").unwrap();
    let with_token = ["whoami", "--token-file", file.to_str().unwrap()];
    let kept = home.path().join("punctual/credentials");
    std::fs::create_dir_all(kept.parent().unwrap()).unwrap();
    let sessions = format!("[servers.\"{remote}/\"]\nid = \"hush\"\n");
    std::fs::write(&kept, sessions).unwrap();
    std::fs::set_permissions(&kept, std::fs::Permissions::from_mode(0o600)).unwrap();
    for (args, secret) in [(&with_token[..], "the token"), (&["whoami"], "the session")] {
        let refused = typed(remote, home.path(), args, "");
        let says = refused.err.contains(secret) && refused.err.contains("--insecure");
        assert!(refused.code == 2 && says && !refused.err.contains("hush"), "{refused:?}");
    }
    // Nobody can overhear these, or it was insisted, or there is nothing to hear.
    for (address, args) in [
        ("http://127.0.0.1:1", &with_token[..]),
        ("https://localhost:1", &with_token),
        ("http://punctual.invalid:1", &[&with_token[..], &["--insecure"]].concat()),
        ("http://punctual.invalid:1", &["whoami"]),
    ] {
        let asked = typed(address, home.path(), args, "");
        assert!(asked.code == 2 && asked.err.contains("no answer from"), "{address}: {asked:?}");
    }
}

#[test]
fn a_password_does_not_cross_the_wire_for_all_to_read() {
    let home = tempfile::tempdir().unwrap();
    let login = ["login", "--username", "ann", "--password-stdin"];
    // Port 1 of an address that is kept for documentation (RFC 5737): nobody is there.
    let refused = typed("http://192.0.2.1:1", home.path(), &login, OF_ANN);
    assert!(refused.code == 2 && refused.err.contains("--insecure"), "{refused:?}");
    let password = typed("http://192.0.2.1:1", home.path(), &["password", "--password-stdin"], "");
    assert!(password.code == 2 && password.err.contains("--insecure"), "{password:?}");
    for (address, args) in [
        ("http://127.0.0.1:1", &login[..]),
        ("https://localhost:1", &login),
        ("http://punctual.invalid:1", &[&login[..], &["--insecure"]].concat()),
    ] {
        let asked = typed(address, home.path(), args, OF_ANN);
        assert!(asked.code == 2 && asked.err.contains("no answer from"), "{address}: {asked:?}");
    }
}
