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
        look(self.user.clone(), 0, None, Box::new(next))
    }

    fn set_disabled(&self, disabled: bool) -> Step {
        self.then(move |id, name| {
            let said = format!("User {name} is {}.", if disabled { "disabled" } else { "enabled" });
            let request = at(Request::patch("/api/v1/users/{id}"), id).json(&json!({"disabled": disabled}));
            Ok(request.done(said).into())
        })
    }
}

/// What is done with a user who was found: their number and name.
type Found = dyn FnOnce(i64, &str) -> anyhow::Result<Step>;

/// The most users of one answer.
const PAGE: usize = 1_000;

/// Looks for a user page by page. A name may look like another one's number, so that a number counts only when all names
/// have been seen.
fn look(wanted: String, offset: usize, by_number: Option<Named>, next: Box<Found>) -> Step {
    let request = Request::get("/api/v1/users").query("limit", Some(PAGE));
    Step::After(
        request.query("offset", (offset > 0).then_some(offset)),
        Box::new(move |users| {
            let (by_name, number) = matches(users, &wanted);
            let by_number = by_number.or(number);
            let count = users.get("data").and_then(Value::as_array).map_or(0, Vec::len);
            if by_name.is_none() && count >= PAGE {
                return Ok(look(wanted, offset + count, by_number, next));
            }
            let (id, name) = by_name.or(by_number).ok_or_else(|| missing("user", &wanted))?;
            next(id, &name)
        }),
    )
}

/// A number and a name.
type Named = (i64, String);

/// The rows of a list that have this name, and this number.
fn matches(list: &Value, wanted: &str) -> (Option<Named>, Option<Named>) {
    let rows = list.get("data").and_then(Value::as_array).into_iter().flatten();
    let named = |row: &Value| Some((row.get("id")?.as_i64()?, row.get("name")?.as_str()?.to_owned()));
    let rows: Vec<Named> = rows.filter_map(named).collect();
    let by = |fits: &dyn Fn(&Named) -> bool| rows.iter().find(|row| fits(row)).cloned();
    (by(&|row| row.1 == wanted), by(&|row| row.0.to_string() == wanted))
}

fn missing(what: &str, wanted: &str) -> Failure {
    Failure::missing(format!("no-such-{what}"), format!("there is no {what} {wanted:?}"))
}

/// The row of a whole list that has this name or number.
pub(super) fn find(list: &Value, wanted: &str, what: &str) -> Result<Named, Failure> {
    let (by_name, by_number) = matches(list, wanted);
    by_name.or(by_number).ok_or_else(|| missing(what, wanted))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Whom a name or number finds among these users, and in how many pages.
    fn found(wanted: &str, users: &[(i64, &str)]) -> (Result<String, String>, usize) {
        let mut step = User::new(wanted).then(|id, name| anyhow::bail!("found {id} {name}"));
        let mut asked = 0;
        for page in users.chunks(PAGE).chain([&[][..]]) {
            let Step::After(request, next) = step else { panic!("it asks for a page") };
            let offset = (asked > 0).then(|| ("offset", (asked * PAGE).to_string()));
            assert_eq!(request.queries().get(1).cloned(), offset);
            asked += 1;
            let rows: Vec<Value> = page.iter().map(|(id, name)| json!({"id": id, "name": name})).collect();
            match next(&json!({"data": rows})) {
                Ok(more) => step = more,
                Err(error) => {
                    let said = error.to_string();
                    let found = said.strip_prefix("found ").map(str::to_owned);
                    return (found.ok_or(said), asked);
                }
            }
        }
        panic!("it goes on after the last page")
    }

    #[test]
    fn users_are_found_on_whichever_page_they_are() {
        let names: Vec<String> = (1..=2_000).map(|id| format!("user-{id}")).collect();
        let mut users: Vec<(i64, &str)> = (1..).zip(names.iter().map(String::as_str)).collect();
        users[1_499].1 = "7";
        assert_eq!(found("user-3", &users), (Ok("3 user-3".to_owned()), 1));
        assert_eq!(found("user-1001", &users), (Ok("1001 user-1001".to_owned()), 2));
        assert_eq!(found("7", &users), (Ok("1500 7".to_owned()), 2), "a name goes before a number");
        assert_eq!(found("8", &users), (Ok("8 user-8".to_owned()), 3));
        let (none, asked) = found("nobody", &users);
        assert!(asked == 3 && none.unwrap_err().contains("no user \"nobody\" (no-such-user)"));
        let group = find(&json!({"data": []}), "watchers", "group").unwrap_err().to_string();
        assert!(group.ends_with("(no-such-group)"), "{group}");
    }
}
