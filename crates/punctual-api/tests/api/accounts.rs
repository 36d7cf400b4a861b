//! Signing in and managing accounts over HTTP.

use axum::http::StatusCode;
use punctual_accounts::Settings;
use punctual_api::{MetricsAccess, Security};
use punctual_core::Permissions;
use serde_json::{Value, json};

use crate::security::{Answer, PASSWORD, World};

async fn sign_in(world: &World, name: &str, password: &str) -> Answer {
    let body = json!({ "username": name, "password": password });
    world.send("POST", "/api/session", &[], Some(&body)).await
}

async fn me(world: &World, headers: &[(&str, &str)]) -> StatusCode {
    world.send("GET", "/api/v1/me", headers, None).await.status
}

#[tokio::test]
async fn a_session_comes_as_an_id_and_as_a_cookie() {
    let world = World::new().await;
    world.user("ann", true).await;
    let answer = sign_in(&world, "ann", PASSWORD).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(answer.json()["must_change_password"], false);
    let cookie = answer.headers["set-cookie"].to_str().unwrap();
    assert_eq!(cookie, format!("punctual-session={id}; Path=/; HttpOnly; SameSite=Strict"));
    assert_eq!(me(&world, &[("cookie", &answer.cookie())]).await, StatusCode::OK);
    let shown = world.call(&id, "GET", "/api/v1/me", None).await.json();
    assert_eq!((&shown["kind"], &shown["name"]), (&json!("user"), &json!("ann")));
    assert_eq!(shown["permissions"], json!(["monitoring", "operate", "edit", "superuser"]));
    let out = world.send("DELETE", "/api/session", &[("x-punctual-session", &id)], None).await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    assert!(out.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(me(&world, &[("x-punctual-session", &id)]).await, StatusCode::UNAUTHORIZED);
    let again = world.send("DELETE", "/api/session", &[("x-punctual-session", &id)], None).await;
    assert_eq!(again.status, StatusCode::NO_CONTENT, "whoever is out is out");
    // The log of changes has both, once.
    let later = world.session("ann").await;
    let log = world.call(&later, "GET", "/api/v1/audit", None).await.json();
    let actions: Vec<&str> =
        log["data"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["session.create", "session.delete", "session.create"]);
    let entry = &log["data"][1];
    assert_eq!((&entry["actor"], &entry["subject"]), (&json!("ann"), &json!("ann")));
    assert!(entry["before"]["id"].is_i64() && entry["before"]["created_at"].is_string(), "{entry}");
    // One that has ended by itself is nobody's doing.
    world.pass(Settings::default().sessions.idle_ms / 1_000).await;
    world.send("DELETE", "/api/session", &[("x-punctual-session", &later)], None).await;
    let last = world.session("ann").await;
    let log = world.call(&last, "GET", "/api/v1/audit?action=session.delete", None).await.json();
    assert_eq!(log["data"].as_array().unwrap().len(), 1, "{log}");
}

#[tokio::test]
async fn over_tls_the_cookie_is_secure_and_belongs_to_this_host_alone() {
    let security = Security { tls: true, ..Security::default() };
    let world = World::with(Settings::default(), security).await;
    world.user("ann", true).await;
    let answer = sign_in(&world, "ann", PASSWORD).await;
    let cookie = answer.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-punctual-session=") && cookie.ends_with("; Secure"), "{cookie}");
    assert_eq!(me(&world, &[("cookie", &answer.cookie())]).await, StatusCode::OK);
    let planted = answer.cookie().replace("__Host-", "");
    assert_eq!(me(&world, &[("cookie", &planted)]).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_id_that_somebody_else_chose_is_never_taken() {
    let world = World::new().await;
    world.user("ann", true).await;
    let chosen = "f".repeat(64);
    let body = json!({ "username": "ann", "password": PASSWORD });
    let planted = format!("punctual-session={chosen}");
    let answer = world.send("POST", "/api/session", &[("cookie", &planted)], Some(&body)).await;
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    assert_ne!(id, chosen);
    assert_eq!(me(&world, &[("cookie", &planted)]).await, StatusCode::UNAUTHORIZED);
    // The session of before ends when another one begins in its place.
    world.send("POST", "/api/session", &[("x-punctual-session", &id)], Some(&body)).await;
    assert_eq!(me(&world, &[("x-punctual-session", &id)]).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_session_ends_by_itself() {
    let world = World::new().await;
    world.user("ann", true).await;
    let id = world.session("ann").await;
    let idle = Settings::default().sessions.idle_ms / 1_000;
    world.pass(idle - 1).await;
    assert_eq!(me(&world, &[("x-punctual-session", &id)]).await, StatusCode::OK);
    world.pass(idle).await;
    assert_eq!(me(&world, &[("x-punctual-session", &id)]).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_wrong_name_and_a_wrong_password_look_the_same_and_get_slow() {
    let world = World::new().await;
    world.user("ann", true).await;
    for (name, password) in [("ann", "wrong horse"), ("nobody", PASSWORD), ("", "")] {
        let answer = sign_in(&world, name, password).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::UNAUTHORIZED, "wrong-credentials"));
        assert!(!answer.headers.contains_key("set-cookie"));
    }
    for _ in 0..5 {
        sign_in(&world, "ann", "wrong horse").await;
    }
    let answer = sign_in(&world, "ann", PASSWORD).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::TOO_MANY_REQUESTS, "too-many-attempts"));
    assert_eq!(
        (&answer.headers["retry-after"], answer.json()["retry_after_ms"].clone()),
        (&"1".parse().unwrap(), json!(1_000))
    );
    world.pass(1).await;
    assert_eq!(sign_in(&world, "ann", PASSWORD).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_page_of_another_origin_changes_nothing() {
    let world = World::new().await;
    world.user("ann", true).await;
    let cookie = sign_in(&world, "ann", PASSWORD).await.cookie();
    let body = json!({ "name": "g" });
    let create = async |headers: &[(&str, &str)]| {
        let mut all = vec![("cookie", cookie.as_str())];
        all.extend(headers);
        world.send("POST", "/api/v1/groups", &all, Some(&body)).await
    };
    for headers in [
        &[("sec-fetch-site", "cross-site")][..],
        &[("sec-fetch-site", "same-site")],
        &[("origin", "http://evil.example")],
        &[("origin", "null")],
        &[],
    ] {
        let answer = create(headers).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::FORBIDDEN, "cross-origin"),
            "{headers:?}"
        );
    }
    assert_eq!(create(&[("sec-fetch-site", "same-origin")]).await.status, StatusCode::CREATED);
    assert_eq!(create(&[("origin", "http://localhost:8080")]).await.status, StatusCode::CONFLICT, "taken");
    // Nobody is signed in by another page either, and reading is up to the browser.
    let login = json!({ "username": "ann", "password": PASSWORD });
    let answer = world.send("POST", "/api/session", &[("sec-fetch-site", "cross-site")], Some(&login)).await;
    assert_eq!(answer.code(), "cross-origin");
    assert_eq!(me(&world, &[("cookie", &cookie), ("sec-fetch-site", "cross-site")]).await, StatusCode::OK);
    let form =
        [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin"), ("content-type", "text/plain")];
    let answer = world.send("POST", "/api/v1/groups", &form, Some(&body)).await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn without_accounts_a_page_of_another_origin_changes_nothing_either() {
    let security = Security::default();
    assert!(security.accounts.is_none());
    let world = crate::support::World::new().await;
    let request = axum::http::Request::post("/api/session")
        .header("host", "localhost:8080")
        .header("sec-fetch-site", "cross-site");
    let answer = world.send(request.body(axum::body::Body::empty()).unwrap()).await;
    assert_eq!(answer.json()["code"], "cross-origin");
    let me = world.json("/api/v1/me").await;
    assert_eq!((&me["kind"], &me["name"]), (&json!("local"), &json!("local")));
    let request = axum::http::Request::delete("/api/session").header("host", "localhost:8080");
    let answer = world.send(request.body(axum::body::Body::empty()).unwrap()).await;
    assert_eq!((answer.status, &answer.json()["code"]), (StatusCode::CONFLICT, &json!("accounts-off")));
}

#[tokio::test]
async fn a_password_is_changed_by_whoever_knows_it() {
    let world = World::new().await;
    let ann = world.user("ann", true).await;
    let (one, other) = (world.session("ann").await, world.session("ann").await);
    let change = async |current: &str, new: &str| {
        let body = json!({ "current_password": current, "new_password": new });
        world.call(&one, "PUT", "/api/v1/me/password", Some(&body)).await
    };
    let new = "another horse battery";
    assert_eq!(change("wrong horse", new).await.code(), "wrong-password");
    assert_eq!(change(PASSWORD, "short").await.code(), "weak-password");
    assert_eq!(change(PASSWORD, PASSWORD).await.code(), "weak-password");
    assert_eq!(change(PASSWORD, new).await.status, StatusCode::NO_CONTENT);
    assert_eq!(me(&world, &[("x-punctual-session", &one)]).await, StatusCode::OK);
    assert_eq!(me(&world, &[("x-punctual-session", &other)]).await, StatusCode::UNAUTHORIZED);
    assert_eq!(sign_in(&world, "ann", PASSWORD).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(sign_in(&world, "ann", new).await.status, StatusCode::OK);
    let token = world.token(ann, Permissions::superuser()).await;
    let bearer = format!("Bearer {token}");
    let body = json!({ "current_password": new, "new_password": PASSWORD });
    let answer = world.send("PUT", "/api/v1/me/password", &[("authorization", &bearer)], Some(&body)).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::FORBIDDEN, "session-required"));
}

#[tokio::test]
async fn whoever_is_signed_in_sees_and_ends_their_sessions() {
    let world = World::new().await;
    let (ann, _) = (world.user("ann", true).await, world.user("bob", false).await);
    let here = sign_in(&world, "ann", PASSWORD).await.json()["id"].as_str().unwrap().to_owned();
    world.pass(60).await;
    let there = world.session("ann").await;
    let of_bob = world.session("bob").await;
    let list = async |id: &str| world.call(id, "GET", "/api/v1/me/sessions", None).await;
    let end = async |id: &str, which: &Value| {
        world.call(id, "DELETE", &format!("/api/v1/me/sessions/{which}"), None).await
    };
    let answer = list(&here).await;
    let mut rows = answer.json()["data"].clone();
    let (first, second) = (rows[0]["id"].take(), rows[1]["id"].take());
    let row = |current, address: Option<&str>, times: [&str; 3]| {
        json!({
            "id": null, "current": current, "address": address,
            "created_at": times[0], "last_seen_at": times[1], "expires_at": times[2],
        })
    };
    let later = "2026-01-01T00:01:00.000Z";
    let expected = json!([
        row(true, Some("192.0.2.1"), ["2026-01-01T00:00:00.000Z", later, "2026-01-01T12:01:00.000Z"]),
        row(false, None, [later, later, "2026-01-01T12:01:00.000Z"]),
    ]);
    assert_eq!(rows, expected);
    // What is shown lets nobody in.
    for secret in [&here, &there] {
        let hash = punctual_accounts::hash_of(secret);
        assert!(!answer.text.contains(secret.as_str()) && !answer.text.contains(hash.as_str()));
    }
    for number in [&first, &second] {
        let number = number.to_string();
        assert_eq!(me(&world, &[("x-punctual-session", &number)]).await, StatusCode::UNAUTHORIZED);
    }

    // Those of others look as though they were not there.
    let refused = end(&of_bob, &second).await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::NOT_FOUND, "no-such-session"));
    assert_eq!(end(&here, &second).await.status, StatusCode::NO_CONTENT);
    assert_eq!(me(&world, &[("x-punctual-session", &there)]).await, StatusCode::UNAUTHORIZED);
    assert_eq!(end(&here, &second).await.code(), "no-such-session");
    assert_eq!(end(&here, &json!("x")).await.status, StatusCode::BAD_REQUEST);

    // All others, those of other people apart.
    let others = [world.session("ann").await, world.session("ann").await];
    let ended = world.call(&here, "DELETE", "/api/v1/me/sessions", None).await;
    assert_eq!(ended.status, StatusCode::NO_CONTENT);
    for id in &others {
        assert_eq!(me(&world, &[("x-punctual-session", id)]).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(list(&here).await.json()["data"].as_array().unwrap().len(), 1);
    assert_eq!(list(&of_bob).await.json()["data"].as_array().unwrap().len(), 1);
    let entries = async |action: &str| {
        let path = format!("/api/v1/audit?action={action}");
        world.call(&here, "GET", &path, None).await.json()["data"].clone()
    };
    let one = entries("session.delete").await;
    assert_eq!((&one[0]["actor"], &one[0]["before"]["id"], &one[1]), (&json!("ann"), &second, &Value::Null));
    let rest = entries("session.delete-others").await;
    assert_eq!(rest[0]["before"]["ids"].as_array().unwrap().len(), 2, "{rest}");

    // A token of theirs can do none of it.
    let bearer = format!("Bearer {}", world.token(ann, Permissions::superuser()).await);
    let headers = [("authorization", bearer.as_str())];
    for (method, path) in [("GET", "/api/v1/me/sessions"), ("DELETE", "/api/v1/me/sessions")] {
        let answer = world.send(method, path, &headers, None).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::FORBIDDEN, "session-required"));
    }
    // One's own ends like signing out, and what has ended by itself is not listed.
    assert_eq!(end(&here, &first).await.status, StatusCode::NO_CONTENT);
    assert_eq!(me(&world, &[("x-punctual-session", &here)]).await, StatusCode::UNAUTHORIZED);
    world.pass(Settings::default().sessions.idle_ms / 1_000).await;
    let late = world.session("bob").await;
    assert_eq!(list(&late).await.json()["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn users_are_added_changed_and_deleted() {
    let world = World::new().await;
    let root = world.user("root", true).await;
    let admin = world.session("root").await;
    let call =
        async |method: &str, path: &str, body: Value| world.call(&admin, method, path, Some(&body)).await;
    let added = call("POST", "/api/v1/users", json!({ "name": "ann" })).await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.text);
    let (id, password) = (added.json()["id"].as_i64().unwrap(), added.json()["one_time_password"].clone());
    let answer = sign_in(&world, "ann", password.as_str().unwrap()).await;
    assert_eq!(answer.json()["must_change_password"], true);
    let session = answer.json()["id"].as_str().unwrap().to_owned();
    let refused = world.call(&session, "GET", "/api/v1/skipped", None).await;
    assert_eq!(refused.code(), "password-change-required");
    let own = json!({ "current_password": password, "new_password": PASSWORD });
    assert_eq!(
        world.call(&session, "PUT", "/api/v1/me/password", Some(&own)).await.status,
        StatusCode::NO_CONTENT
    );

    let path = format!("/api/v1/users/{id}");
    let group =
        call("POST", "/api/v1/groups", json!({ "name": "watch", "permissions": ["monitoring"] })).await;
    let group = group.json()["id"].as_i64().unwrap();
    let changed = call("PATCH", &format!("/api/v1/groups/{group}"), json!({ "members": [id] })).await;
    assert_eq!(changed.json()["members"], json!([id]), "{}", changed.text);
    let listed = world.call(&admin, "GET", "/api/v1/groups", None).await.json();
    for shown in [&changed.json(), &listed["data"][0]] {
        assert_eq!(shown["member_names"], json!(["ann"]), "{shown}");
    }
    assert_eq!(world.call(&session, "GET", "/api/v1/skipped", None).await.status, StatusCode::OK);
    let shown = world.call(&admin, "GET", &path, None).await.json();
    assert_eq!(shown["groups"], json!([{ "id": group, "name": "watch" }]));
    assert_eq!(shown["permissions"], json!(["monitoring"]));
    let listed = world.call(&admin, "GET", "/api/v1/users?limit=1&offset=1", None).await.json();
    assert_eq!((&listed["total"], &listed["data"][0]["name"]), (&json!(2), &json!("ann")));

    let edited = call("PATCH", &path, json!({ "name": "anna", "disabled": true })).await;
    assert_eq!((&edited.json()["name"], &edited.json()["disabled"]), (&json!("anna"), &json!(true)));
    assert_eq!(me(&world, &[("x-punctual-session", &session)]).await, StatusCode::UNAUTHORIZED);
    let reset = call("PUT", &format!("{path}/password"), json!({ "password": "a given password" })).await;
    assert_eq!(reset.json()["one_time_password"], Value::Null, "{}", reset.text);
    assert_eq!(world.call(&admin, "DELETE", &path, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.call(&admin, "DELETE", &path, None).await.code(), "no-such-user");
    for (body, code) in [
        (json!({ "superuser": false }), "last-superuser"),
        (json!({ "name": "" }), "invalid-name"),
        (json!({ "password": "x" }), "invalid-parameters"),
    ] {
        assert_eq!(call("PATCH", &format!("/api/v1/users/{root}"), body).await.code(), code);
    }
    assert_eq!(call("POST", "/api/v1/users", json!({ "name": "ROOT" })).await.code(), "name-taken");
    let all = json!({ "permissions": ["superuser"] });
    assert_eq!(call("PATCH", &format!("/api/v1/groups/{group}"), all).await.code(), "superuser-group");
    assert_eq!(
        world.call(&admin, "DELETE", &format!("/api/v1/groups/{group}"), None).await.status,
        StatusCode::NO_CONTENT
    );
}

#[tokio::test]
async fn a_token_is_shown_once_and_works_until_it_is_revoked() {
    let world = World::new().await;
    let editor = world.member("editor", punctual_core::Permission::Edit).await;
    world.user("root", true).await;
    let (session, admin) = (world.session("editor").await, world.session("root").await);
    let make = async |body: Value| world.call(&session, "POST", "/api/v1/tokens", Some(&body)).await;
    assert_eq!(make(json!({ "name": "ci", "scopes": ["superuser"] })).await.code(), "no-permission");
    let said = make(json!({ "name": "ci", "scopes": ["superuser"] })).await.json()["detail"].to_string();
    assert!(said.contains("which is: monitoring") && !said.contains('['), "{said}");
    let none = make(json!({ "name": "ci", "scopes": [] })).await;
    assert_eq!((none.status, none.code().as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "no-scopes"));
    assert!(none.text.contains("monitoring, operate, edit, superuser"), "{}", none.text);
    let late = json!({ "name": "ci", "scopes": ["operate"], "expires_at": "2000-01-01T00:00:00Z" });
    assert_eq!(make(late).await.code(), "invalid-parameters");
    let made = make(json!({ "name": "ci", "scopes": ["operate"] })).await.json();
    let (id, token) = (made["id"].as_i64().unwrap(), made["token"].as_str().unwrap().to_owned());
    let bearer = format!("Bearer {token}");
    let shown = world.send("GET", "/api/v1/me", &[("authorization", &bearer)], None).await.json();
    assert_eq!((&shown["kind"], &shown["user_id"]), (&json!("token"), &json!(editor)));
    assert_eq!(shown["name"], "editor (token ci)");
    assert_eq!(shown["permissions"], json!(["monitoring", "operate"]));
    let another = json!({ "name": "x", "scopes": [] });
    let answer = world.send("POST", "/api/v1/tokens", &[("authorization", &bearer)], Some(&another)).await;
    assert_eq!(answer.code(), "session-required");
    let listed = world.call(&session, "GET", "/api/v1/tokens", None).await;
    assert_eq!(listed.json()["data"][0]["user"], "editor");
    assert!(listed.json()["data"][0]["name"] == "ci" && !listed.text.contains(&token), "{}", listed.text);
    assert_eq!(world.call(&admin, "GET", "/api/v1/tokens", None).await.json()["data"], json!([]));
    assert_eq!(world.call(&admin, "GET", "/api/v1/tokens?all=true", None).await.json()["data"][0]["id"], id);
    assert_eq!(
        world.call(&session, "GET", "/api/v1/tokens?all=true", None).await.code(),
        "invalid-parameters"
    );
    let other = world.member("other", punctual_core::Permission::Edit).await;
    assert_ne!(other, editor);
    let path = format!("/api/v1/tokens/{id}");
    let thief = world.session("other").await;
    assert_eq!(world.call(&thief, "DELETE", &path, None).await.code(), "no-such-token");
    assert_eq!(world.call(&session, "DELETE", &path, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(me(&world, &[("authorization", &bearer)]).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn every_change_of_an_account_is_in_the_log_and_no_secret_is() {
    let world = World::new().await;
    world.user("root", true).await;
    let admin = sign_in(&world, "root", PASSWORD).await.json()["id"].as_str().unwrap().to_owned();
    let mut secrets = vec![PASSWORD.to_owned(), admin.clone()];
    let call =
        async |method: &str, path: &str, body: Value| world.call(&admin, method, path, Some(&body)).await;
    let user = call("POST", "/api/v1/users", json!({ "name": "ann" })).await.json();
    secrets.push(user["one_time_password"].as_str().unwrap().to_owned());
    let path = format!("/api/v1/users/{}", user["id"]);
    call("PATCH", &path, json!({ "superuser": true })).await;
    let reset = call("PUT", &format!("{path}/password"), json!({})).await.json();
    secrets.push(reset["one_time_password"].as_str().unwrap().to_owned());
    call("DELETE", &path, json!({})).await;
    let group = call("POST", "/api/v1/groups", json!({ "name": "g" })).await.json()["id"].clone();
    call("PATCH", &format!("/api/v1/groups/{group}"), json!({ "permissions": ["edit"] })).await;
    call("DELETE", &format!("/api/v1/groups/{group}"), json!({})).await;
    let token = call("POST", "/api/v1/tokens", json!({ "name": "ci", "scopes": ["edit"] })).await.json();
    secrets.push(token["token"].as_str().unwrap().to_owned());
    call("DELETE", &format!("/api/v1/tokens/{}", token["id"]), json!({})).await;
    let own = json!({ "current_password": PASSWORD, "new_password": "another horse battery" });
    call("PUT", "/api/v1/me/password", own).await;
    secrets.push("another horse battery".to_owned());
    // What is refused leaves no entry.
    call("POST", "/api/v1/users", json!({ "name": "root" })).await;

    let mut actions = Vec::new();
    let mut before = String::new();
    loop {
        let page = world.call(&admin, "GET", &format!("/api/v1/audit?limit=4{before}"), None).await;
        for secret in &secrets {
            assert!(!page.text.contains(secret.as_str()), "{}", page.text);
        }
        let page = page.json();
        for entry in page["data"].as_array().unwrap() {
            assert_eq!(entry["actor"], "root");
            actions.push(entry["action"].as_str().unwrap().to_owned());
        }
        match page["next"].as_i64() {
            Some(next) => before = format!("&before={next}"),
            None => break,
        }
    }
    actions.reverse();
    let expected = [
        "session.create",
        "user.create",
        "user.update",
        "user.reset-password",
        "user.delete",
        "group.create",
        "group.update",
        "group.delete",
        "token.create",
        "token.delete",
        "user.change-password",
    ];
    assert_eq!(actions, expected);
    let edits = world.call(&admin, "GET", "/api/v1/audit?action=user.update", None).await.json();
    let entry = &edits["data"][0];
    assert_eq!((&entry["before"]["superuser"], &entry["after"]["superuser"]), (&json!(false), &json!(true)));
}

#[tokio::test]
async fn metrics_are_open_as_the_operator_decides() {
    for (metrics, forwarded, expected) in [
        (MetricsAccess::Public, true, StatusCode::OK),
        (MetricsAccess::Local, false, StatusCode::UNAUTHORIZED),
        (MetricsAccess::Token, false, StatusCode::UNAUTHORIZED),
    ] {
        let world = World::with(Settings::default(), Security { metrics, ..Security::default() }).await;
        let headers: &[(&str, &str)] = if forwarded { &[("x-forwarded-for", "192.0.2.9")] } else { &[] };
        // The request comes from another machine.
        assert_eq!(world.send("GET", "/metrics", headers, None).await.status, expected, "{metrics:?}");
        assert_eq!(world.send("GET", "/health", headers, None).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn names_of_the_server_are_answered_and_others_are_not() {
    let security = Security { hosts: vec!["jobs.example.com".to_owned()], ..Security::default() };
    let world = World::with(Settings::default(), security).await;
    for (host, expected) in [
        ("jobs.example.com:8443", StatusCode::OK),
        ("192.0.2.10:8080", StatusCode::OK),
        ("[2001:db8::1]:8080", StatusCode::OK),
        ("localhost", StatusCode::OK),
        ("evil.example", StatusCode::FORBIDDEN),
    ] {
        assert_eq!(world.send("GET", "/health", &[("host", host)], None).await.status, expected, "{host}");
    }
}
