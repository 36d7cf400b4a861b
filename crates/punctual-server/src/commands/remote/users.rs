//! `punctual users`.

use clap::Subcommand;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::client::{
    Column, Extent, Failure, Format, Prompt, Question, Remote, Request, Step, Style, column, plain,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List users.
    List(Extent),
    /// Show a user with their groups and permissions.
    Show(User),
    /// Add a user. A random password is printed, which they have to change when they sign in.
    Create {
        /// The name.
        name: String,
        /// They may do everything.
        #[arg(long)]
        superuser: bool,
        #[command(flatten)]
        password: Chosen,
    },
    /// Let a user in again.
    Enable(User),
    /// Keep a user out, and end their sessions.
    Disable(User),
    /// Give a user another password, which they have to change when they sign in.
    ResetPassword {
        #[command(flatten)]
        user: User,
        #[command(flatten)]
        password: Chosen,
    },
    /// Delete a user with their sessions and tokens.
    Delete(User),
}

/// Which user.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct User {
    /// The name of the user, or their number.
    user: String,
}

#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Chosen {
    /// Read the password from the standard input, which is one line; a random one is made unless given.
    #[arg(long)]
    password_stdin: bool,
}

const COLUMNS: &[Column] = &[
    column("ID", "/id", Format::Text),
    column("NAME", "/name", Format::Text),
    column("SUPERUSER", "/superuser", Format::Text),
    column("DISABLED", "/disabled", Format::Text),
    column("LAST LOGIN", "/last_login_at", Format::Instant),
    column("CREATED", "/created_at", Format::Instant),
];

impl Remote for Command {
    fn step(&self, _: Timestamp, _: &Style) -> anyhow::Result<Step> {
        Ok(match self {
            Self::List(extent) => Request::get("/api/v1/users").rows(COLUMNS, extent).into(),
            Self::Show(user) => {
                user.then(|id, _| Ok(at(Request::get("/api/v1/users/{id}"), id).record(COLUMNS).into()))
            }
            Self::Create { name, superuser, password } => {
                let body = json!({"name": name, "superuser": superuser});
                password.then(Request::post("/api/v1/users"), body)
            }
            Self::Enable(user) => user.set_disabled(false),
            Self::Disable(user) => user.set_disabled(true),
            Self::ResetPassword { user, password } => {
                let password = *password;
                user.then(move |id, _| {
                    Ok(password.then(at(Request::put("/api/v1/users/{id}/password"), id), json!({})))
                })
            }
            Self::Delete(user) => user.then(|id, name| {
                Ok(at(Request::delete("/api/v1/users/{id}"), id)
                    .done(format!("User {name} is deleted."))
                    .into())
            }),
        })
    }
}

fn at(request: Request, id: i64) -> Request {
    request.at("id", id)
}

impl User {
    pub(super) fn new(user: &str) -> Self {
        Self { user: user.to_owned() }
    }

    /// Goes on with the number and the name.
    pub(super) fn then(&self, next: impl FnOnce(i64, &str) -> anyhow::Result<Step> + 'static) -> Step {
        // The API knows numbers; people know names.
        let wanted = self.user.clone();
        let request = Request::get("/api/v1/users").query("limit", Some(1_000));
        Step::After(
            request,
            Box::new(move |users| {
                let (id, name) = find(users, &wanted, "user")?;
                next(id, &name)
            }),
        )
    }

    fn set_disabled(&self, disabled: bool) -> Step {
        self.then(move |id, name| {
            let said = format!("User {name} is {}.", if disabled { "disabled" } else { "enabled" });
            let request = at(Request::patch("/api/v1/users/{id}"), id).json(&json!({"disabled": disabled}));
            Ok(request.done(said).into())
        })
    }
}

/// The row of a list that has this name or number.
pub(super) fn find(list: &Value, wanted: &str, what: &str) -> Result<(i64, String), Failure> {
    let rows = || list.get("data").and_then(Value::as_array).into_iter().flatten();
    let name = |row: &Value| row.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |row: &Value| row.get("id").and_then(Value::as_i64);
    let by_name = rows().find(|row| name(row) == wanted);
    let found = by_name.or_else(|| rows().find(|row| number(row).is_some_and(|id| id.to_string() == wanted)));
    let found = found.and_then(|row| Some((number(row)?, name(row))));
    found.ok_or_else(|| Failure::missing(format!("there is no {what} {wanted:?}")))
}

impl Chosen {
    fn then(self, request: Request, mut body: Value) -> Step {
        if !self.password_stdin {
            return request.json(&body).words(one_time).into();
        }
        let prompt = Prompt { questions: vec![Question::NewSecret("Password")], from_stdin: true };
        Step::Prompt(
            prompt,
            Box::new(move |answers| {
                body["password"] = answers.into_iter().next().into();
                Ok(request.json(&body).words(one_time).into())
            }),
        )
    }
}

fn one_time(answer: &Value, _: &Style) -> (String, bool) {
    let id = answer.get("id").and_then(Value::as_i64).unwrap_or_default();
    let said = match answer.get("one_time_password").and_then(Value::as_str) {
        Some(password) => format!("User {id}. Password, shown once: {}", plain(password)),
        None => format!("User {id}."),
    };
    (said, true)
}
