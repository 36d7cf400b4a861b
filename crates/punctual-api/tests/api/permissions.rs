//! Every route, for every role.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use punctual_accounts::Settings;
use punctual_api::{ROUTES, Security};
use punctual_core::accounts::NewUser;
use punctual_core::{AccountChange, Permission, Permissions};

use crate::security::World;

/// The least that a route takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Least {
    Nobody,
    /// A session, whatever its user may do, and no token.
    AnySession,
    AnybodySignedIn,
    Monitoring,
    Operate,
    Edit,
    Superuser,
}
use Least::{AnySession, AnybodySignedIn, Edit, Monitoring, Nobody, Operate, Superuser};

/// What was decided about every route. A new one belongs here, too: see it as the question whether it is right.
const EXPECTED: &[(&str, &str, Least)] = &[
    ("POST", "/api/session", Nobody),
    ("GET", "/api/task", Monitoring),
    ("GET", "/api/task/", Monitoring),
    ("GET", "/api/task/info", Monitoring),
    ("GET", "/api/task/runs", Monitoring),
    ("GET", "/api/task/runs/entities", Monitoring),
    ("GET", "/api/task/runs/{id}", Monitoring),
    ("GET", "/api/task/unique-tasks", Monitoring),
    ("GET", "/api/task/{id}", Monitoring),
    ("GET", "/api/v1/audit", Superuser),
    ("GET", "/api/v1/calendars", Monitoring),
    ("GET", "/api/v1/calendars/{name}", Monitoring),
    ("PUT", "/api/v1/calendars/{name}", Edit),
    ("DELETE", "/api/v1/calendars/{name}", Edit),
    ("POST", "/api/v1/events", Operate),
    ("GET", "/api/v1/events/stream", Monitoring),
    ("GET", "/api/v1/groups", Superuser),
    ("POST", "/api/v1/groups", Superuser),
    ("PATCH", "/api/v1/groups/{id}", Superuser),
    ("DELETE", "/api/v1/groups/{id}", Superuser),
    ("GET", "/api/v1/insights", Monitoring),
    ("GET", "/api/v1/jobs", Monitoring),
    ("GET", "/api/v1/jobs/{group}/{name}", Monitoring),
    ("PUT", "/api/v1/jobs/{group}/{name}", Edit),
    ("DELETE", "/api/v1/jobs/{group}/{name}", Edit),
    ("POST", "/api/v1/jobs/{group}/{name}/pause", Operate),
    ("POST", "/api/v1/jobs/{group}/{name}/resume", Operate),
    ("POST", "/api/v1/jobs/{group}/{name}/run", Operate),
    ("GET", "/api/v1/locks", Monitoring),
    ("GET", "/api/v1/me", AnybodySignedIn),
    ("PUT", "/api/v1/me/password", AnybodySignedIn),
    ("GET", "/api/v1/me/sessions", AnySession),
    ("DELETE", "/api/v1/me/sessions", AnySession),
    ("DELETE", "/api/v1/me/sessions/{id}", AnySession),
    ("GET", "/api/v1/nodes", Monitoring),
    ("POST", "/api/v1/nodes/{name}/drain", Operate),
    ("POST", "/api/v1/nodes/{name}/resume", Operate),
    ("GET", "/api/v1/occurrences", Monitoring),
    ("GET", "/api/v1/openapi.json", Monitoring),
    ("GET", "/api/v1/paused-groups", Monitoring),
    ("GET", "/api/v1/runs", Monitoring),
    ("GET", "/api/v1/runs/{id}", Monitoring),
    ("POST", "/api/v1/runs/{id}/cancel", Operate),
    ("POST", "/api/v1/runs/{id}/run-again", Operate),
    ("POST", "/api/v1/schedules/preview", Monitoring),
    ("GET", "/api/v1/settings", Superuser),
    ("GET", "/api/v1/skipped", Monitoring),
    ("GET", "/api/v1/tokens", AnybodySignedIn),
    ("POST", "/api/v1/tokens", AnybodySignedIn),
    ("DELETE", "/api/v1/tokens/{id}", AnybodySignedIn),
    ("POST", "/api/v1/trigger-groups/{group}/pause", Operate),
    ("POST", "/api/v1/trigger-groups/{group}/resume", Operate),
    ("GET", "/api/v1/triggers", Monitoring),
    ("GET", "/api/v1/triggers/{group}/{name}", Monitoring),
    ("PUT", "/api/v1/triggers/{group}/{name}", Edit),
    ("DELETE", "/api/v1/triggers/{group}/{name}", Edit),
    ("POST", "/api/v1/triggers/{group}/{name}/backfill", Operate),
    ("POST", "/api/v1/triggers/{group}/{name}/pause", Operate),
    ("POST", "/api/v1/triggers/{group}/{name}/reset", Operate),
    ("POST", "/api/v1/triggers/{group}/{name}/resume", Operate),
    ("GET", "/api/v1/unassigned", Monitoring),
    ("GET", "/api/v1/users", Superuser),
    ("POST", "/api/v1/users", Superuser),
    ("GET", "/api/v1/users/{id}", Superuser),
    ("PATCH", "/api/v1/users/{id}", Superuser),
    ("DELETE", "/api/v1/users/{id}", Superuser),
    ("PUT", "/api/v1/users/{id}/password", Superuser),
    ("GET", "/api/v1/why", Monitoring),
    ("GET", "/health", Nobody),
    ("GET", "/metrics", Monitoring),
    // Last, since it ends the session of whoever calls.
    ("DELETE", "/api/session", Nobody),
];

struct Role {
    name: &'static str,
    header: Option<(&'static str, String)>,
    has: Least,
}

impl Role {
    fn has_token(&self) -> bool {
        self.header.as_ref().is_some_and(|(name, _)| *name == "authorization")
    }
}

async fn roles(world: &World) -> Vec<Role> {
    let root = world.user("root", true).await;
    world.user("nobody", false).await;
    let mut roles = vec![Role { name: "anonymous", header: None, has: Nobody }];
    let session = |name, id: String, has| Role { name, header: Some(("x-punctual-session", id)), has };
    roles.push(session("root", world.session("root").await, Superuser));
    roles.push(session("nobody", world.session("nobody").await, AnybodySignedIn));
    let groups = [
        ("watcher", Permission::Monitoring, Monitoring),
        ("operator", Permission::Operate, Operate),
        ("editor", Permission::Edit, Edit),
    ];
    for (name, permission, has) in groups {
        let user = world.member(name, permission).await;
        roles.push(session(name, world.session(name).await, has));
        // A token of theirs never does more than they may, whatever its scopes.
        let token = world.token(user, Permissions::superuser()).await;
        roles.push(Role {
            name: "token of a member",
            header: Some(("authorization", format!("Bearer {token}"))),
            has,
        });
    }
    for (permission, has) in Permission::ALL.into_iter().zip([Monitoring, Operate, Edit, Superuser]) {
        let token = world.token(root, permission.into()).await;
        roles.push(Role {
            name: permission.name(),
            header: Some(("authorization", format!("Bearer {token}"))),
            has,
        });
    }
    let token = world.token(root, Permissions::NONE).await;
    let header = Some(("authorization", format!("Bearer {token}")));
    roles.push(Role { name: "token without scopes", header, has: AnybodySignedIn });
    for bad in ["pt_0000", "nonsense", ""] {
        let header = Some(("authorization", format!("Bearer {bad}")));
        roles.push(Role { name: "wrong token", header, has: Nobody });
    }
    roles.push(session("wrong session", "0123".to_owned(), Nobody));
    roles
}

async fn status(world: &World, method: &str, path: &str, role: &Role) -> StatusCode {
    // Nothing has this number; where a group is a name, a name it is.
    let path = path.replace("{id}", "999999").replace("{group}", "g").replace("{name}", "n");
    let headers: Vec<(&str, &str)> =
        role.header.iter().map(|(name, value)| (*name, value.as_str())).collect();
    world.respond(method, &path, &headers, None).await.status()
}

#[test]
fn the_table_of_this_test_names_every_route() {
    let ours: BTreeSet<(String, &str)> =
        EXPECTED.iter().map(|(method, path, _)| ((*method).to_owned(), *path)).collect();
    let theirs: BTreeSet<(String, &str)> =
        ROUTES.iter().map(|(method, path, _)| (method.to_string(), *path)).collect();
    let difference: Vec<_> = ours.symmetric_difference(&theirs).collect();
    assert!(difference.is_empty(), "decide about these routes: {difference:?}");
}

#[tokio::test]
async fn every_route_is_open_to_those_roles_that_may_and_to_no_other() {
    let security = Security { metrics: punctual_api::MetricsAccess::Token, ..Security::default() };
    let world = World::with(Settings::default(), security).await;
    let roles = roles(&world).await;
    for (method, path, least) in EXPECTED {
        for role in &roles {
            let status = status(&world, method, path, role).await;
            let seen = match status {
                StatusCode::UNAUTHORIZED => "not signed in",
                StatusCode::FORBIDDEN => "forbidden",
                _ => "open",
            };
            let expected = match role.has {
                has if has > Nobody && *least == AnySession && role.has_token() => "forbidden",
                has if has >= *least => "open",
                Nobody => "not signed in",
                _ => "forbidden",
            };
            assert_eq!(seen, expected, "{method} {path} as {}: {status}", role.name);
        }
    }
}

#[tokio::test]
async fn without_advanced_permissions_groups_count_for_nothing() {
    let settings = Settings { advanced_permissions: false, ..Settings::default() };
    let world = World::with(settings, Security::default()).await;
    for role in roles(&world).await {
        let open = status(&world, "GET", "/api/task", &role).await == StatusCode::OK;
        // A token of the superuser that may read at least, too.
        let expected = ["root", "monitoring", "operate", "edit", "superuser"].contains(&role.name);
        assert_eq!(open, expected, "{}", role.name);
    }
}

#[tokio::test]
async fn whoever_must_change_their_password_can_do_nothing_else() {
    let world = World::new().await;
    let password = world.accounts.hash("fresh", crate::security::PASSWORD).await.unwrap();
    let new = NewUser { name: "fresh".to_owned(), password, superuser: true, must_change: true };
    world.apply(AccountChange::AddUser(new)).await;
    let header = Some(("x-punctual-session", world.session("fresh").await));
    let role = Role { name: "fresh", header, has: AnybodySignedIn };
    for (method, path, least) in EXPECTED {
        let forbidden = status(&world, method, path, &role).await == StatusCode::FORBIDDEN;
        let works = *least == Nobody || ["/api/v1/me", "/api/v1/me/password"].contains(path);
        assert_eq!(forbidden, !works, "{method} {path}");
    }
}

#[tokio::test]
async fn no_other_method_of_a_path_gets_through() {
    let world = World::new().await;
    let role = roles(&world).await.remove(1);
    let paths: BTreeSet<&str> = EXPECTED.iter().map(|(_, path, _)| *path).collect();
    for path in paths {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"] {
            if EXPECTED.iter().any(|(listed, known, _)| *listed == method && *known == path) {
                continue;
            }
            let status = status(&world, method, path, &role).await;
            assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn refusals_of_task_pages_are_plain_text() {
    let world = World::new().await;
    world.user("nobody", false).await;
    let session = world.session("nobody").await;
    let answer = world.call(&session, "GET", "/api/task", None).await;
    assert_eq!(
        (answer.status, answer.text.as_str()),
        (StatusCode::FORBIDDEN, "You don't have permissions to do that.")
    );
    assert!(answer.headers["content-type"].to_str().unwrap().starts_with("text/plain"));
    let answer = world.send("GET", "/api/task/info", &[], None).await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::UNAUTHORIZED, "You are not signed in."));
    let answer = world.call(&session, "GET", "/api/v1/skipped", None).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::FORBIDDEN, "no-permission"));
    let detail = answer.json()["detail"].to_string();
    assert!(detail.contains("it takes the permission monitoring"), "{detail}");
    let answer = world.send("GET", "/api/v1/skipped", &[], None).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::UNAUTHORIZED, "not-signed-in"));
    assert_eq!(answer.headers["www-authenticate"], "Bearer");
}
