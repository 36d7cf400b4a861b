//! `punctual groups`: groups of users.

use std::collections::BTreeSet;

use clap::Subcommand;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::users::{User, find};
use crate::client::{Column, Format, Lines, Remote, Request, Step, Style, column};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List groups of users.
    List(Lines),
    /// Add a group.
    Create {
        /// The name.
        name: String,
        #[command(flatten)]
        permissions: Permissions,
    },
    /// Change the name or the permissions of a group.
    Edit {
        #[command(flatten)]
        group: Group,
        /// The new name.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        permissions: Permissions,
    },
    /// Put a user into a group.
    Add(Member),
    /// Take a user out of a group.
    Remove(Member),
    /// Delete a group; its users stay.
    Delete(Group),
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Permissions {
    /// What its users may do: monitoring, operate, edit or superuser. May be given several times.
    #[arg(long = "permission", value_name = "PERMISSION")]
    permissions: Vec<String>,
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Group {
    /// The name of the group, or its number.
    group: String,
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Member {
    #[command(flatten)]
    group: Group,
    /// The name of the user, or their number.
    user: String,
}

const COLUMNS: &[Column] = &[
    column("ID", "/id", Format::Text),
    column("NAME", "/name", Format::Text),
    column("PERMISSIONS", "/permissions", Format::Text),
    column("USERS", "/member_names", Format::Text),
];

impl Remote for Command {
    fn step(&self, _: Timestamp, _: &Style) -> anyhow::Result<Step> {
        Ok(match self {
            Self::List(lines) => Request::get("/api/v1/groups").whole(COLUMNS, lines).into(),
            Self::Create { name, permissions } => {
                let body = json!({"name": name, "permissions": permissions.permissions});
                Request::post("/api/v1/groups").json(&body).done(format!("Group {name} is added.")).into()
            }
            Self::Edit { group, name, permissions } => {
                let mut body = Map::new();
                body.extend(name.as_ref().map(|name| ("name".to_owned(), json!(name))));
                let permissions = &permissions.permissions;
                body.extend(
                    (!permissions.is_empty()).then(|| ("permissions".to_owned(), json!(permissions))),
                );
                if body.is_empty() {
                    anyhow::bail!("give --name or --permission: otherwise nothing changes");
                }
                group.then(move |id, _, _| Ok(change(id, &Value::Object(body))))
            }
            Self::Add(member) => member.then(|members, user| members.insert(user)),
            Self::Remove(member) => member.then(|members, user| members.remove(&user)),
            Self::Delete(group) => group.then(|id, name, _| {
                let request = Request::delete("/api/v1/groups/{id}").at("id", id);
                Ok(request.done(format!("Group {name} is deleted.")).into())
            }),
        })
    }
}

fn change(id: i64, body: &Value) -> Step {
    Request::patch("/api/v1/groups/{id}").at("id", id).json(body).record(COLUMNS).into()
}

impl Group {
    /// Goes on with the number, the name and the members.
    fn then(&self, next: impl FnOnce(i64, &str, BTreeSet<i64>) -> anyhow::Result<Step> + 'static) -> Step {
        let wanted = self.group.clone();
        Step::After(
            Request::get("/api/v1/groups"),
            Box::new(move |groups| {
                let (id, name) = find(groups, &wanted, "group")?;
                let rows = groups.get("data").and_then(Value::as_array).into_iter().flatten();
                let row = rows.filter(|row| row.get("id").and_then(Value::as_i64) == Some(id));
                let members = row.filter_map(|row| row.get("members")?.as_array()).flatten();
                next(id, &name, members.filter_map(Value::as_i64).collect())
            }),
        )
    }
}

impl Member {
    fn then(&self, edit: fn(&mut BTreeSet<i64>, i64) -> bool) -> Step {
        let user = User::new(&self.user);
        self.group.then(move |group, _, mut members| {
            Ok(user.then(move |user, _| {
                edit(&mut members, user);
                Ok(change(group, &json!({"members": members})))
            }))
        })
    }
}
