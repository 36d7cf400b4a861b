//! `punctual login`, `logout`, `whoami`, `password`.

use jiff::Timestamp;
use serde_json::json;

use crate::client::{Column, Format, Prompt, Question, Remote, Request, Step, Style, column};

#[derive(Debug, clap::Args)]
pub(crate) struct Login {
    /// The name of the user; asked for unless given.
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// Read the password from the standard input, which is one line.
    #[arg(long, requires = "username")]
    password_stdin: bool,
}

impl Remote for Login {
    fn step(&self, _: Timestamp, _: &Style) -> anyhow::Result<Step> {
        let known = self.username.clone();
        let name = known.is_none().then_some(Question::Open("Name"));
        let questions = name.into_iter().chain([Question::Secret("Password")]).collect();
        let prompt = Prompt { questions, from_stdin: self.password_stdin };
        Ok(Step::Prompt(
            prompt,
            Box::new(move |answers| {
                let mut answers = known.into_iter().chain(answers);
                let (username, password) = (answers.next(), answers.next());
                let body = json!({"username": username, "password": password});
                Ok(Request::post("/api/session").json(&body).signs_in().into())
            }),
        ))
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Logout {}

impl Remote for Logout {
    fn step(&self, _: Timestamp, _: &Style) -> anyhow::Result<Step> {
        Ok(Request::delete("/api/session").signs_out().into())
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct WhoAmI {}

const ME: &[Column] = &[
    column("NAME", "/name", Format::Text),
    column("KIND", "/kind", Format::Text),
    column("PERMISSIONS", "/permissions", Format::Text),
];

impl Remote for WhoAmI {
    fn step(&self, _: Timestamp, _: &Style) -> anyhow::Result<Step> {
        Ok(Request::get("/api/v1/me").record(ME).into())
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Password {
    /// Read the present and the new password from the standard input, a line each.
    #[arg(long)]
    password_stdin: bool,
}

impl Remote for Password {
    fn step(&self, _: Timestamp, _: &Style) -> anyhow::Result<Step> {
        let questions = vec![Question::Secret("Present password"), Question::NewSecret("New password")];
        let prompt = Prompt { questions, from_stdin: self.password_stdin };
        Ok(Step::Prompt(
            prompt,
            Box::new(|answers| {
                let mut answers = answers.into_iter();
                let body = json!({"current_password": answers.next(), "new_password": answers.next()});
                let request = Request::put("/api/v1/me/password").json(&body);
                Ok(request.done("The password is changed.".to_owned()).into())
            }),
        ))
    }
}
