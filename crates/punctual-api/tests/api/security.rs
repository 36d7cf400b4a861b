//! A router with accounts in front of a scheduler with a hand crank.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::response::Response;
use http_body_util::BodyExt;
use punctual_accounts::{Accounts, Cost, Settings, new_token};
use punctual_api::{ApiState, Live, LiveSettings, Security};
use punctual_core::accounts::{NewToken, NewUser};
use punctual_core::{AccountChange, JobStore, Permission, Permissions};
use punctual_engine::ManualScheduler;
use punctual_memory::MemoryStore;
use punctual_metrics::Metrics;
use punctual_testkit::factory::at;
use serde_json::Value;
use tower::ServiceExt;

pub(crate) const PASSWORD: &str = "correct horse battery";

/// Headers that a request carries.
pub(crate) type Headers<'a> = &'a [(&'a str, &'a str)];

pub(crate) struct World {
    pub(crate) manual: ManualScheduler,
    pub(crate) store: Arc<dyn JobStore>,
    pub(crate) accounts: Arc<Accounts>,
    router: Router,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap().to_owned()
    }

    /// The session cookie as a browser would send it back.
    pub(crate) fn cookie(&self) -> String {
        let cookie = self.headers[header::SET_COOKIE].to_str().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Settings::default(), Security::default()).await
    }

    pub(crate) async fn with(settings: Settings, security: Security) -> Self {
        let store: Arc<dyn JobStore> = Arc::new(MemoryStore::new());
        let metrics = Arc::new(Metrics::new());
        let manual =
            ManualScheduler::new(store.clone(), at(0), |builder| builder.without_log()).await.unwrap();
        let settings = Settings { cost: Cost::Least, ..settings };
        let clock = manual.scheduler().clock().clone();
        let accounts = Arc::new(Accounts::new(store.clone(), clock, settings).unwrap());
        let security = Arc::new(Security { accounts: Some(accounts.clone()), ..security });
        let live = Arc::new(Live::new(LiveSettings::default()));
        let scheduler = manual.scheduler().clone();
        let router =
            punctual_api::router(ApiState { scheduler, metrics, live, security, options: Arc::default() });
        Self { manual, store, accounts, router }
    }

    pub(crate) async fn pass(&self, seconds: u64) {
        self.manual.tick(Duration::from_secs(seconds)).await.unwrap();
    }

    pub(crate) async fn apply(&self, change: AccountChange) -> i64 {
        self.store.apply_accounts(self.accounts.now(), &[change]).await.unwrap()[0]
    }

    pub(crate) async fn user(&self, name: &str, superuser: bool) -> i64 {
        let password = self.accounts.hash(name, PASSWORD).await.unwrap();
        let new = NewUser { name: name.to_owned(), password, superuser, must_change: false };
        self.apply(AccountChange::AddUser(new)).await
    }

    /// A user in a group of their own that may do this.
    pub(crate) async fn member(&self, name: &str, permission: Permission) -> i64 {
        let user = self.user(name, false).await;
        let permissions = permission.into();
        let id = self.apply(AccountChange::AddGroup { name: name.to_owned(), permissions }).await;
        let members = Some([user].into());
        self.apply(AccountChange::EditGroup { id, name: None, permissions: None, members }).await;
        user
    }

    pub(crate) async fn token(&self, user: i64, scopes: Permissions) -> String {
        let (token, hash) = new_token().unwrap();
        let new = NewToken { hash, user, name: "t".to_owned(), scopes, expires_at: None };
        self.apply(AccountChange::AddToken(new)).await;
        token
    }

    /// Signs in from an address of one's own.
    pub(crate) async fn session(&self, name: &str) -> String {
        self.accounts.sign_in(name, PASSWORD, None).await.unwrap().id
    }

    pub(crate) async fn respond(
        &self,
        method: &str,
        path: &str,
        headers: Headers<'_>,
        body: Option<&Value>,
    ) -> Response {
        let mut request = Request::builder().method(method).uri(path);
        let all: HashMap<&str, &str> =
            [("host", "localhost:8080"), ("content-type", "application/json")].into_iter().collect();
        for (name, value) in all.iter().filter(|(name, _)| headers.iter().all(|(given, _)| given != *name)) {
            request = request.header(*name, *value);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let mut request = request.body(body).unwrap();
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([192, 0, 2, 1], 4_000))));
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: Headers<'_>,
        body: Option<&Value>,
    ) -> Answer {
        let (parts, body) = self.respond(method, path, headers, body).await.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Answer { status: parts.status, headers: parts.headers, text }
    }

    /// Sends as whoever has this session.
    pub(crate) async fn call(&self, session: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.send(method, path, &[("x-punctual-session", session)], body).await
    }
}
