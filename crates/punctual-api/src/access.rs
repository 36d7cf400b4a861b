//! Who may call what: one table of all routes, and the middleware that asks it.
//!
//! It is closed by default: a route that the table does not name is refused, whatever it does, and a test fails as long
//! as the table and the router differ.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, MatchedPath, NestedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use punctual_accounts::{Accounts, By, Caller};
use punctual_core::{AuditEntry, Permission, Permissions};

use crate::ApiState;
use crate::error::{ApiError, Problem, method_not_allowed, problem};
use crate::security::{Client, Credentials, is_foreign};

/// What it takes to call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Nothing: health, signing in, and what a page is made of.
    Public,
    /// Being signed in, as whoever.
    SignedIn,
    /// Reading everything about jobs, triggers, runs and nodes.
    Monitoring,
    /// Pause, resume, run now, cancel, run again, emit events, drain nodes.
    Operate,
    /// Create, change and delete definitions.
    Edit,
    /// Accounts, settings and the audit log.
    Superuser,
}

impl Access {
    /// The permission that it takes, if it takes one.
    pub fn permission(self) -> Option<Permission> {
        match self {
            Self::Public | Self::SignedIn => None,
            Self::Monitoring => Some(Permission::Monitoring),
            Self::Operate => Some(Permission::Operate),
            Self::Edit => Some(Permission::Edit),
            Self::Superuser => Some(Permission::Superuser),
        }
    }
}

/// Every route, with what it takes to call it. `GET` stands for `HEAD`, too.
pub const ROUTES: &[(Method, &str, Access)] = &[
    (Method::POST, "/api/session", Access::Public),
    (Method::DELETE, "/api/session", Access::Public),
    (Method::GET, "/api/task", Access::Monitoring),
    (Method::GET, "/api/task/", Access::Monitoring),
    (Method::GET, "/api/task/info", Access::Monitoring),
    (Method::GET, "/api/task/runs", Access::Monitoring),
    (Method::GET, "/api/task/runs/entities", Access::Monitoring),
    (Method::GET, "/api/task/runs/{id}", Access::Monitoring),
    (Method::GET, "/api/task/unique-tasks", Access::Monitoring),
    (Method::GET, "/api/task/{id}", Access::Monitoring),
    (Method::GET, "/api/v1/audit", Access::Superuser),
    (Method::GET, "/api/v1/calendars", Access::Monitoring),
    (Method::GET, "/api/v1/calendars/{name}", Access::Monitoring),
    (Method::PUT, "/api/v1/calendars/{name}", Access::Edit),
    (Method::DELETE, "/api/v1/calendars/{name}", Access::Edit),
    (Method::POST, "/api/v1/events", Access::Operate),
    (Method::GET, "/api/v1/events/stream", Access::Monitoring),
    (Method::GET, "/api/v1/groups", Access::Superuser),
    (Method::POST, "/api/v1/groups", Access::Superuser),
    (Method::PATCH, "/api/v1/groups/{id}", Access::Superuser),
    (Method::DELETE, "/api/v1/groups/{id}", Access::Superuser),
    (Method::GET, "/api/v1/insights", Access::Monitoring),
    (Method::GET, "/api/v1/jobs", Access::Monitoring),
    (Method::GET, "/api/v1/jobs/{group}/{name}", Access::Monitoring),
    (Method::PUT, "/api/v1/jobs/{group}/{name}", Access::Edit),
    (Method::DELETE, "/api/v1/jobs/{group}/{name}", Access::Edit),
    (Method::POST, "/api/v1/jobs/{group}/{name}/pause", Access::Operate),
    (Method::POST, "/api/v1/jobs/{group}/{name}/resume", Access::Operate),
    (Method::POST, "/api/v1/jobs/{group}/{name}/run", Access::Operate),
    (Method::GET, "/api/v1/locks", Access::Monitoring),
    (Method::GET, "/api/v1/me", Access::SignedIn),
    (Method::PUT, "/api/v1/me/password", Access::SignedIn),
    (Method::GET, "/api/v1/me/sessions", Access::SignedIn),
    (Method::DELETE, "/api/v1/me/sessions", Access::SignedIn),
    (Method::DELETE, "/api/v1/me/sessions/{id}", Access::SignedIn),
    (Method::GET, "/api/v1/nodes", Access::Monitoring),
    (Method::POST, "/api/v1/nodes/{name}/drain", Access::Operate),
    (Method::POST, "/api/v1/nodes/{name}/resume", Access::Operate),
    (Method::GET, "/api/v1/occurrences", Access::Monitoring),
    (Method::GET, "/api/v1/openapi.json", Access::Monitoring),
    (Method::GET, "/api/v1/paused-groups", Access::Monitoring),
    (Method::GET, "/api/v1/runs", Access::Monitoring),
    (Method::GET, "/api/v1/runs/{id}", Access::Monitoring),
    (Method::POST, "/api/v1/runs/{id}/cancel", Access::Operate),
    (Method::POST, "/api/v1/runs/{id}/run-again", Access::Operate),
    (Method::POST, "/api/v1/schedules/preview", Access::Monitoring),
    (Method::GET, "/api/v1/settings", Access::Superuser),
    (Method::GET, "/api/v1/skipped", Access::Monitoring),
    (Method::GET, "/api/v1/tokens", Access::SignedIn),
    (Method::POST, "/api/v1/tokens", Access::SignedIn),
    (Method::DELETE, "/api/v1/tokens/{id}", Access::SignedIn),
    (Method::POST, "/api/v1/trigger-groups/{group}/pause", Access::Operate),
    (Method::POST, "/api/v1/trigger-groups/{group}/resume", Access::Operate),
    (Method::GET, "/api/v1/triggers", Access::Monitoring),
    (Method::GET, "/api/v1/triggers/{group}/{name}", Access::Monitoring),
    (Method::PUT, "/api/v1/triggers/{group}/{name}", Access::Edit),
    (Method::DELETE, "/api/v1/triggers/{group}/{name}", Access::Edit),
    (Method::POST, "/api/v1/triggers/{group}/{name}/backfill", Access::Operate),
    (Method::POST, "/api/v1/triggers/{group}/{name}/pause", Access::Operate),
    (Method::POST, "/api/v1/triggers/{group}/{name}/reset", Access::Operate),
    (Method::POST, "/api/v1/triggers/{group}/{name}/resume", Access::Operate),
    (Method::GET, "/api/v1/unassigned", Access::Monitoring),
    (Method::GET, "/api/v1/users", Access::Superuser),
    (Method::POST, "/api/v1/users", Access::Superuser),
    (Method::GET, "/api/v1/users/{id}", Access::Superuser),
    (Method::PATCH, "/api/v1/users/{id}", Access::Superuser),
    (Method::DELETE, "/api/v1/users/{id}", Access::Superuser),
    (Method::PUT, "/api/v1/users/{id}/password", Access::Superuser),
    (Method::GET, "/api/v1/why", Access::Monitoring),
    (Method::GET, "/health", Access::Public),
    (Method::GET, "/metrics", Access::Monitoring),
];

/// Who calls. Handlers can take it as an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// What they are.
    pub who: Who,
    /// The name for people: in messages and in the audit log.
    pub name: String,
    /// What they may do.
    pub permissions: Permissions,
}

/// What calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Nobody in particular.
    Anonymous,
    /// Whoever reaches this machine's loopback address, where accounts are off.
    Local,
    /// A user who has signed in.
    User {
        /// The user's number.
        id: i64,
        /// The session's number.
        session: i64,
    },
    /// A program with a token.
    Token {
        /// The token's number.
        id: i64,
        /// The number of the user as whom it acts.
        user: i64,
    },
}

impl Identity {
    /// Nobody in particular, who may do nothing.
    pub fn anonymous() -> Self {
        Self { who: Who::Anonymous, name: "anonymous".to_owned(), permissions: Permissions::NONE }
    }

    /// The user of this machine, where accounts are off.
    pub fn local() -> Self {
        Self { who: Who::Local, name: "local".to_owned(), permissions: Permissions::superuser() }
    }

    /// Tells callers apart, and stays the same for each.
    pub(crate) fn caller(&self) -> String {
        match self.who {
            Who::Anonymous => "anonymous".to_owned(),
            Who::Local => "local".to_owned(),
            Who::User { id, .. } => format!("user {id}"),
            Who::Token { id, .. } => format!("token {id}"),
        }
    }

    /// Who has this session or token.
    fn of(caller: Caller) -> Self {
        let user = caller.account.user;
        let (who, name) = match caller.by {
            By::Session(session) => (Who::User { id: user.id, session }, user.name),
            By::Token(id, token) => {
                (Who::Token { id, user: user.id }, format!("{} (token {token})", user.name))
            }
        };
        Self { who, name, permissions: caller.permissions }
    }

    /// The number of the user who calls, or as whom a token acts.
    pub fn user(&self) -> Option<i64> {
        match self.who {
            Who::Anonymous | Who::Local => None,
            Who::User { id, .. } => Some(id),
            Who::Token { user, .. } => Some(user),
        }
    }

    /// The numbers of the user who has signed in and of their session. `what` is what a token cannot do.
    pub(crate) fn own_session(&self, what: &str) -> Result<(i64, i64), ApiError> {
        match self.who {
            Who::User { id, session } => Ok((id, session)),
            _ => {
                let detail = format!("a token cannot {what}: sign in");
                Err(Problem::new(StatusCode::FORBIDDEN, "session-required", detail).into())
            }
        }
    }

    /// An entry of the log of changes that says that they did it; see [`punctual_core::Change::Audit`].
    pub fn audit(&self, action: &str, subject: impl Into<String>) -> AuditEntry {
        AuditEntry::new(&self.name, action, subject).by(self.user())
    }

    /// Whether they may do what takes this.
    pub fn may(&self, access: Access) -> bool {
        match access.permission() {
            None => access == Access::Public || self.who != Who::Anonymous,
            Some(permission) => self.permissions.allows(permission),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Identity {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_else(Self::anonymous))
    }
}

/// Lets a request through to its route when the table says that its identity may.
pub(crate) async fn check(State(state): State<ApiState>, mut request: Request, next: Next) -> Response {
    // Without a matched path there is no route, and the answer is that there is none.
    let Some(path) = route_of(&request) else { return next.run(request).await };
    let client = Client::of(&request, &state.security);
    let access = match wanted(&path, request.method()) {
        Wanted::Access(_) if path == "/metrics" && state.security.shows_metrics_to(&client) => Access::Public,
        Wanted::Access(access) => access,
        Wanted::OtherMethod => {
            return method_not_allowed(request.method().clone(), request.uri().clone()).await;
        }
        Wanted::Unlisted => return forbidden(&path, "no-permission", "this route is not open to anybody"),
    };
    let writes = ![Method::GET, Method::HEAD].contains(request.method());
    let foreign = is_foreign(request.headers());
    if writes && foreign == Some(true) {
        return forbidden(&path, "cross-origin", "a page of another origin must not change anything here");
    }
    let credentials = Credentials::of(request.headers(), client.is_https);
    if writes
        && foreign.is_none()
        && access != Access::Public
        && matches!(credentials, Credentials::Cookie(_))
    {
        let detail =
            "nothing says which page sent this: send the session in X-Punctual-Session instead of a cookie";
        return forbidden(&path, "cross-origin", detail);
    }
    let found = match (&state.security.accounts, access) {
        (None, _) => Ok(Found::new(Identity::local())),
        (Some(_), Access::Public) => Ok(Found::new(Identity::anonymous())),
        (Some(accounts), _) => identify(accounts, credentials).await,
    };
    let found = match found {
        Ok(found) => found,
        Err(error) => return error.into_response(),
    };
    let is_of_user = matches!(found.identity.who, Who::User { .. });
    if found.must_change && is_of_user && !BEFORE_THE_PASSWORD.contains(&path.as_str()) {
        let detail = "choose a password of your own first: PUT /api/v1/me/password";
        return forbidden(&path, "password-change-required", detail);
    }
    if found.identity.may(access) {
        request.extensions_mut().insert(client);
        request.extensions_mut().insert(found.identity);
        return next.run(request).await;
    }
    if found.identity.who == Who::Anonymous {
        return not_signed_in(&path);
    }
    match access.permission().filter(|_| !is_plain(&path)) {
        Some(permission) => {
            let detail =
                format!("you don't have permissions to do that: it takes the permission {permission}");
            forbidden(&path, "no-permission", &detail)
        }
        None => forbidden(&path, "no-permission", NO_PERMISSION),
    }
}

/// What works while a user has to change their password, beside signing in and out.
const BEFORE_THE_PASSWORD: [&str; 2] = ["/api/v1/me", "/api/v1/me/password"];

struct Found {
    identity: Identity,
    must_change: bool,
}

impl Found {
    fn new(identity: Identity) -> Self {
        Self { identity, must_change: false }
    }
}

async fn identify(accounts: &Accounts, credentials: Credentials) -> Result<Found, ApiError> {
    let caller = match credentials {
        Credentials::None => None,
        Credentials::Token(token) => accounts.by_token(&token).await?,
        Credentials::Session(id) | Credentials::Cookie(id) => accounts.by_session(&id).await?,
    };
    Ok(caller.map_or_else(
        || Found::new(Identity::anonymous()),
        |caller| Found { must_change: caller.account.user.must_change, identity: Identity::of(caller) },
    ))
}

const NO_PERMISSION: &str = "You don't have permissions to do that.";

/// These paths answer in plain text, as those that call them expect.
fn is_plain(path: &str) -> bool {
    path.starts_with("/api/task")
}

fn forbidden(path: &str, code: &'static str, detail: &str) -> Response {
    if is_plain(path) {
        return (StatusCode::FORBIDDEN, detail.to_owned()).into_response();
    }
    problem(StatusCode::FORBIDDEN, code, detail)
}

fn not_signed_in(path: &str) -> Response {
    const DETAIL: &str = "You are not signed in.";
    let mut response = match is_plain(path) {
        true => (StatusCode::UNAUTHORIZED, DETAIL).into_response(),
        false => problem(StatusCode::UNAUTHORIZED, "not-signed-in", DETAIL),
    };
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// The pattern of the route that a request matches, as the table has it, also where the router is nested in another.
fn route_of(request: &Request) -> Option<String> {
    let matched = request.extensions().get::<MatchedPath>()?.as_str();
    let nested = request.extensions().get::<NestedPath>().map_or("", |path| path.as_str());
    Some(matched.strip_prefix(nested.trim_end_matches('/')).unwrap_or(matched).to_owned())
}

enum Wanted {
    Access(Access),
    OtherMethod,
    Unlisted,
}

fn wanted(path: &str, method: &Method) -> Wanted {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    let mut listed = ROUTES.iter().filter(|(_, listed, _)| *listed == path).peekable();
    if listed.peek().is_none() {
        return Wanted::Unlisted;
    }
    listed
        .find(|(listed, ..)| listed == method)
        .map_or(Wanted::OtherMethod, |(.., access)| Wanted::Access(*access))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Access, Identity, ROUTES};
    use crate::routes;

    #[test]
    fn the_table_names_the_routes_of_the_router_and_no_others() {
        let table: Vec<(String, String)> =
            ROUTES.iter().map(|(method, path, _)| (method.to_string(), (*path).to_owned())).collect();
        let set: BTreeSet<_> = table.iter().cloned().collect();
        assert_eq!(set.len(), table.len(), "a route is listed twice");
        let routed: BTreeSet<_> =
            routes::all().listed().map(|(method, path)| (method.to_string(), path)).collect();
        assert_eq!(set, routed);
    }

    #[test]
    fn an_identity_may_do_what_its_permissions_allow() {
        let anonymous = Identity::anonymous();
        assert!(anonymous.may(Access::Public) && !anonymous.may(Access::SignedIn));
        assert!(!anonymous.may(Access::Monitoring));
        let local = Identity::local();
        for (.., access) in ROUTES {
            assert!(local.may(*access));
        }
        assert!(local.may(Access::Superuser));
    }
}
