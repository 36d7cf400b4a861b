//! Users, groups, sessions, tokens, and the log of changes.

use std::collections::BTreeSet;
use std::sync::Arc;

use punctual_core::accounts::rules::{Failures, LoginLimit};
use punctual_core::accounts::{
    AccountError, FailedLogin, NewSession, NewToken, NewUser, PasswordHash, SecretHash, User, UserEdit,
};
use punctual_core::{
    AccountChange, AccountRetention, AuditEntry, AuditQuery, Change, Data, JobKey, JobStore, Paging,
    Permission, Permissions, PrunedAccounts, StoreError, Timestamp,
};
use serde_json::json;

use crate::factory::{at, job};

type Store = Arc<dyn JobStore>;

const ALL: AuditQuery = AuditQuery {
    actor: None,
    action: None,
    subject: None,
    from: None,
    to: None,
    before_id: None,
    limit: 1_000,
};

fn new_user(name: &str, superuser: bool) -> AccountChange {
    let password = PasswordHash::new("$argon2id$one");
    AccountChange::AddUser(NewUser { name: name.to_owned(), password, superuser, must_change: false })
}

async fn one(store: &Store, now: Timestamp, change: AccountChange) -> Result<i64, StoreError> {
    Ok(store.apply_accounts(now, &[change]).await?[0])
}

async fn user(store: &Store, name: &str) -> i64 {
    one(store, at(0), new_user(name, false)).await.unwrap()
}

async fn refused(store: &Store, change: AccountChange) -> AccountError {
    match one(store, at(9), change).await {
        Err(StoreError::Account(error)) => error,
        other => panic!("not refused as an account: {other:?}"),
    }
}

fn session(user: i64, hash: &str) -> AccountChange {
    let address = Some("192.0.2.7".to_owned());
    AccountChange::AddSession(NewSession { hash: SecretHash::new(hash), user, address })
}

fn token(user: i64, hash: &str, expires_at: Option<Timestamp>) -> AccountChange {
    let (hash, name) = (SecretHash::new(hash), "ci".to_owned());
    AccountChange::AddToken(NewToken { hash, user, name, scopes: Permission::Operate.into(), expires_at })
}

fn entry(action: &str) -> AuditEntry {
    AuditEntry::new("ann", action, "DEFAULT.job")
}

fn edit(id: i64, edit: UserEdit) -> AccountChange {
    AccountChange::EditUser(id, edit)
}

pub async fn a_user_is_stored_and_found_in_any_case(store: Store) {
    let id = one(&store, at(1), new_user("Änne", true)).await.unwrap();
    let expected = User {
        id,
        name: "Änne".to_owned(),
        password: PasswordHash::new("$argon2id$one"),
        superuser: true,
        disabled: false,
        must_change: false,
        created_at: at(1),
        updated_at: at(1),
        last_login_at: None,
    };
    let account = store.account_by_name("ÄNNE").await.unwrap().unwrap();
    assert_eq!((&account.user, account.granted), (&expected, Permissions::NONE));
    assert_eq!(store.account(id).await.unwrap().unwrap(), account);
    assert_eq!(store.account(id + 1).await.unwrap(), None);
    assert_eq!(store.account_by_name("Anne").await.unwrap(), None);
    let second = user(&store, "bob").await;
    let page = store.users(Paging { limit: Some(1), offset: 1 }).await.unwrap();
    assert_eq!((page.rows.len(), page.rows[0].id, page.total), (1, second, 2));
    let name = Some("Bert".to_owned());
    one(&store, at(5), edit(second, UserEdit { name, ..UserEdit::default() })).await.unwrap();
    let bert = store.account_by_name("bert").await.unwrap().unwrap().user;
    assert_eq!((bert.id, bert.created_at, bert.updated_at), (second, at(0), at(5)));
    assert_eq!(store.account_by_name("bob").await.unwrap(), None);
}

pub async fn a_taken_or_unusable_name_is_refused(store: Store) {
    let ann = user(&store, "ann").await;
    user(&store, "bob").await;
    assert_eq!(refused(&store, new_user("Ann", false)).await, AccountError::NameTaken("Ann".to_owned()));
    let name = Some("BOB".to_owned());
    let taken = refused(&store, edit(ann, UserEdit { name, ..UserEdit::default() })).await;
    assert_eq!(taken, AccountError::NameTaken("BOB".to_owned()));
    // The own name in another case is free.
    let name = Some("ANN".to_owned());
    one(&store, at(1), edit(ann, UserEdit { name, ..UserEdit::default() })).await.unwrap();
    for name in ["", " ann2", "a\nb", &"x".repeat(101)] {
        assert_eq!(refused(&store, new_user(name, false)).await, AccountError::InvalidName(name.to_owned()));
    }
    let group =
        |name: &str| AccountChange::AddGroup { name: name.to_owned(), permissions: Permissions::NONE };
    one(&store, at(0), group("ann")).await.unwrap();
    assert_eq!(refused(&store, group("Ann")).await, AccountError::NameTaken("Ann".to_owned()));
}

pub async fn the_last_superuser_stays(store: Store) {
    let root = one(&store, at(0), new_user("root", true)).await.unwrap();
    let last = AccountError::LastSuperuser("root".to_owned());
    let demoted = || edit(root, UserEdit { superuser: Some(false), ..UserEdit::default() });
    let disabled = |id| edit(id, UserEdit { disabled: Some(true), ..UserEdit::default() });
    assert_eq!(refused(&store, demoted()).await, last);
    assert_eq!(refused(&store, disabled(root)).await, last);
    assert_eq!(refused(&store, AccountChange::DeleteUser(root)).await, last);
    let other = one(&store, at(0), new_user("other", true)).await.unwrap();
    one(&store, at(0), disabled(other)).await.unwrap();
    assert_eq!(refused(&store, demoted()).await, last, "a disabled one does not count");
    let enabled = edit(other, UserEdit { disabled: Some(false), ..UserEdit::default() });
    store.apply_accounts(at(0), &[enabled, demoted()]).await.unwrap();
    assert_eq!(refused(&store, disabled(other)).await, AccountError::LastSuperuser("other".to_owned()));
}

pub async fn groups_grant_to_their_members(store: Store) {
    let (ann, bob) = (user(&store, "ann").await, user(&store, "bob").await);
    let add = |name: &str, permission: Permission| AccountChange::AddGroup {
        name: name.to_owned(),
        permissions: permission.into(),
    };
    let changes = [add("watch", Permission::Monitoring), add("run", Permission::Edit)];
    let ids = store.apply_accounts(at(0), &changes).await.unwrap();
    let members = |id, members: &[i64]| AccountChange::EditGroup {
        id,
        name: None,
        permissions: None,
        members: Some(members.iter().copied().collect()),
    };
    let both = [members(ids[0], &[ann, bob]), members(ids[1], &[bob])];
    store.apply_accounts(at(2), &both).await.unwrap();
    let granted = async |user| store.account(user).await.unwrap().unwrap().granted;
    assert_eq!(granted(ann).await, Permission::Monitoring.into());
    assert_eq!(granted(bob).await, Permission::Edit.into());
    let groups = store.groups().await.unwrap();
    let shown: Vec<_> = groups.iter().map(|group| (group.name.as_str(), group.members.clone())).collect();
    assert_eq!(shown, [("watch", BTreeSet::from([ann, bob])), ("run", BTreeSet::from([bob]))]);
    assert_eq!((groups[0].created_at, groups[0].updated_at), (at(0), at(2)));
    let permissions = Some(Permission::Operate.into());
    let name = Some("do".to_owned());
    one(&store, at(3), AccountChange::EditGroup { id: ids[1], name, permissions, members: None })
        .await
        .unwrap();
    assert_eq!(granted(bob).await, Permission::Operate.into(), "its members stay");
    one(&store, at(4), AccountChange::DeleteGroup(ids[1])).await.unwrap();
    assert_eq!(granted(bob).await, Permission::Monitoring.into());
    assert_eq!(refused(&store, AccountChange::DeleteGroup(ids[1])).await, AccountError::NoSuchGroup(ids[1]));
    assert_eq!(refused(&store, members(ids[0], &[bob + 900])).await, AccountError::NoSuchUser(bob + 900));
    assert_eq!(store.groups().await.unwrap()[0].members.len(), 2);
}

pub async fn a_group_cannot_make_superusers(store: Store) {
    let permissions = Permission::Superuser.into();
    let group = AccountChange::AddGroup { name: "all".to_owned(), permissions };
    assert_eq!(refused(&store, group).await, AccountError::SuperuserGroup);
    let group = AccountChange::AddGroup { name: "all".to_owned(), permissions: Permissions::NONE };
    let id = one(&store, at(0), group).await.unwrap();
    let permissions = Some(permissions);
    let more = AccountChange::EditGroup { id, name: None, permissions, members: None };
    assert_eq!(refused(&store, more).await, AccountError::SuperuserGroup);
}

pub async fn a_deleted_user_leaves_nothing_behind(store: Store) {
    let (ann, bob) = (user(&store, "ann").await, user(&store, "bob").await);
    let group = AccountChange::AddGroup { name: "g".to_owned(), permissions: Permission::Edit.into() };
    let id = one(&store, at(0), group).await.unwrap();
    let members = AccountChange::EditGroup {
        id,
        name: None,
        permissions: None,
        members: Some(BTreeSet::from([ann, bob])),
    };
    let owned =
        [members, session(ann, "a1"), token(ann, "a2", None), session(bob, "b1"), token(bob, "b2", None)];
    store.apply_accounts(at(0), &owned).await.unwrap();
    one(&store, at(1), AccountChange::DeleteUser(ann)).await.unwrap();
    assert_eq!(store.account(ann).await.unwrap(), None);
    assert_eq!(store.session(&SecretHash::new("a1")).await.unwrap(), None);
    assert_eq!(store.token(&SecretHash::new("a2")).await.unwrap(), None);
    assert_eq!(store.groups().await.unwrap()[0].members, BTreeSet::from([bob]));
    assert!(store.session(&SecretHash::new("b1")).await.unwrap().is_some());
    assert_eq!(store.tokens(None).await.unwrap().len(), 1);
    assert_eq!(refused(&store, AccountChange::DeleteUser(ann)).await, AccountError::NoSuchUser(ann));
    assert_eq!(refused(&store, session(ann, "a3")).await, AccountError::NoSuchUser(ann));
}

pub async fn a_session_is_found_by_its_hash_and_ends(store: Store) {
    let ann = user(&store, "ann").await;
    let id = one(&store, at(3), session(ann, "aa")).await.unwrap();
    let (found, account) = store.session(&SecretHash::new("aa")).await.unwrap().unwrap();
    assert_eq!((found.id, found.user, found.created_at, found.seen_at), (id, ann, at(3), at(3)));
    assert_eq!(found.address.as_deref(), Some("192.0.2.7"));
    assert_eq!((account.user.name.as_str(), account.user.last_login_at), ("ann", Some(at(3))));
    one(&store, at(70), AccountChange::SeeSession(id)).await.unwrap();
    assert_eq!(store.sessions(ann).await.unwrap()[0].seen_at, at(70));
    assert_eq!(store.session(&SecretHash::new("ab")).await.unwrap(), None);
    one(&store, at(71), AccountChange::EndSession(id)).await.unwrap();
    assert_eq!(store.session(&SecretHash::new("aa")).await.unwrap(), None);
    one(&store, at(71), AccountChange::EndSession(id)).await.unwrap();
    let bob = user(&store, "bob").await;
    let more = [session(ann, "b"), session(ann, "c"), session(bob, "d")];
    let ids = store.apply_accounts(at(80), &more).await.unwrap();
    assert_eq!(store.sessions(ann).await.unwrap().len(), 2);
    one(&store, at(81), AccountChange::EndSessionsOf { user: ann, keep: Some(ids[1]) }).await.unwrap();
    let left: Vec<_> = store.sessions(ann).await.unwrap().iter().map(|session| session.id).collect();
    assert_eq!(left, [ids[1]]);
    one(&store, at(82), AccountChange::EndSessionsOf { user: ann, keep: None }).await.unwrap();
    assert_eq!(store.sessions(ann).await.unwrap(), []);
    assert_eq!(store.sessions(bob).await.unwrap().len(), 1);
}

pub async fn a_new_password_ends_the_other_sessions(store: Store) {
    let (ann, bob) = (user(&store, "ann").await, user(&store, "bob").await);
    let sessions = [session(ann, "a"), session(ann, "b"), session(bob, "c")];
    let ids = store.apply_accounts(at(0), &sessions).await.unwrap();
    let set = |keep, must_change| AccountChange::SetPassword {
        user: ann,
        hash: PasswordHash::new("$argon2id$two"),
        must_change,
        keep,
    };
    one(&store, at(1), set(Some(ids[1]), false)).await.unwrap();
    let left: Vec<_> = store.sessions(ann).await.unwrap().iter().map(|session| session.id).collect();
    assert_eq!(left, [ids[1]]);
    assert_eq!(store.account(ann).await.unwrap().unwrap().user.password.as_str(), "$argon2id$two");
    one(&store, at(2), set(None, true)).await.unwrap();
    assert!(store.sessions(ann).await.unwrap().is_empty());
    assert!(store.account(ann).await.unwrap().unwrap().user.must_change);
    assert_eq!(store.sessions(bob).await.unwrap().len(), 1);
}

pub async fn a_disabled_user_loses_their_sessions(store: Store) {
    let ann = user(&store, "ann").await;
    store.apply_accounts(at(0), &[session(ann, "a"), token(ann, "t", None)]).await.unwrap();
    one(&store, at(1), edit(ann, UserEdit { disabled: Some(true), ..UserEdit::default() })).await.unwrap();
    assert!(store.sessions(ann).await.unwrap().is_empty());
    let (_, account) = store.token(&SecretHash::new("t")).await.unwrap().unwrap();
    assert!(account.user.disabled, "the token stays, and its user is kept out");
}

pub async fn a_use_never_goes_back_in_time(store: Store) {
    let ann = user(&store, "ann").await;
    let ids = store.apply_accounts(at(100), &[session(ann, "a"), token(ann, "t", None)]).await.unwrap();
    let uses = [AccountChange::SeeSession(ids[0]), AccountChange::UseToken(ids[1])];
    store.apply_accounts(at(300), &uses).await.unwrap();
    store.apply_accounts(at(200), &uses).await.unwrap();
    assert_eq!(store.sessions(ann).await.unwrap()[0].seen_at, at(300));
    assert_eq!(store.tokens(Some(ann)).await.unwrap()[0].last_used_at, Some(at(300)));
}

fn failed(key: &str, most: u64) -> AccountChange {
    let limit = LoginLimit { free: 2, longest_ms: 5_000, forget_ms: 60_000 };
    AccountChange::CountFailure(FailedLogin { key: key.to_owned(), limit, most })
}

/// How many failures are counted under each of these keys.
async fn counts(store: &Store, keys: &[&str]) -> Vec<u32> {
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    let known = store.login_failures(&keys).await.unwrap();
    keys.iter().map(|key| known.get(key).map_or(0, |failures| failures.count)).collect()
}

pub async fn failed_attempts_are_counted_by_key_and_forgotten(store: Store) {
    assert_eq!(counts(&store, &["a", "b"]).await, [0, 0]);
    store.apply_accounts(at(1), &[failed("a", 9), failed("b", 9)]).await.unwrap();
    one(&store, at(2), failed("a", 9)).await.unwrap();
    assert_eq!(counts(&store, &["a", "b", "c"]).await, [2, 1, 0]);
    let known = store.login_failures(&["a".to_owned()]).await.unwrap();
    assert_eq!(known["a"], Failures { count: 2, last: at(2) });
    assert!(store.login_failures(&[]).await.unwrap().is_empty());
    // None for a minute, and it begins anew.
    one(&store, at(62), failed("a", 9)).await.unwrap();
    assert_eq!(counts(&store, &["a"]).await, [1]);
    one(&store, at(63), AccountChange::ForgetFailures("a".to_owned())).await.unwrap();
    one(&store, at(63), AccountChange::ForgetFailures("a".to_owned())).await.unwrap();
    assert_eq!(counts(&store, &["a", "b"]).await, [0, 1]);
}

pub async fn failed_attempts_under_ever_new_keys_fill_no_store(store: Store) {
    let fail = async |second, key: &str| one(&store, at(second), failed(key, 20)).await.unwrap();
    for _ in 0..3 {
        fail(0, "victim").await;
    }
    let keys: Vec<String> = (0..100).map(|number| format!("{number}")).collect();
    for (second, key) in (1..).zip(&keys) {
        // All within the minute, so that none is forgotten by itself.
        fail(second / 2, key).await;
    }
    let known = store.login_failures(&keys).await.unwrap();
    assert!((10..20).contains(&known.len()), "{known:?}");
    assert!(known.contains_key("99") && !known.contains_key("0"), "the oldest go first: {known:?}");
    assert_eq!(counts(&store, &["victim"]).await, [3], "whoever is being guessed stays");
    // What counts no more goes by itself.
    fail(200, "late").await;
    assert!(store.login_failures(&keys).await.unwrap().is_empty());
}

pub async fn a_token_is_found_by_its_hash_and_revoked(store: Store) {
    let (ann, bob) = (user(&store, "ann").await, user(&store, "bob").await);
    let id = one(&store, at(4), token(ann, "t", Some(at(1_000)))).await.unwrap();
    one(&store, at(5), token(bob, "u", None)).await.unwrap();
    let (found, account) = store.token(&SecretHash::new("t")).await.unwrap().unwrap();
    assert_eq!((found.id, found.name.as_str(), account.user.id), (id, "ci", ann));
    assert_eq!((found.scopes, found.created_at), (Permission::Operate.into(), at(4)));
    assert_eq!((found.expires_at, found.last_used_at), (Some(at(1_000)), None));
    assert_eq!(store.tokens(Some(ann)).await.unwrap(), [found]);
    assert_eq!(store.tokens(None).await.unwrap().len(), 2);
    one(&store, at(6), AccountChange::DeleteToken(id)).await.unwrap();
    assert_eq!(store.token(&SecretHash::new("t")).await.unwrap(), None);
    assert_eq!(refused(&store, AccountChange::DeleteToken(id)).await, AccountError::NoSuchToken(id));
}

pub async fn changes_of_accounts_are_all_or_none(store: Store) {
    let ann = user(&store, "ann").await;
    let changes = [
        new_user("bob", false),
        session(ann, "a"),
        AccountChange::Audit(entry("user.create")),
        new_user("ANN", false),
    ];
    assert!(store.apply_accounts(at(1), &changes).await.is_err());
    assert_eq!(store.users(Paging::ALL).await.unwrap().total, 1);
    assert!(store.sessions(ann).await.unwrap().is_empty());
    assert_eq!(store.account(ann).await.unwrap().unwrap().user.last_login_at, None);
    assert!(store.audit_log(&ALL).await.unwrap().is_empty());
}

pub async fn an_entry_is_written_with_its_change_or_not_at_all(store: Store) {
    let entry = AuditEntry::new("ann", "user.create", "bob")
        .by(Some(7))
        .before(json!({"a": [1, null]}))
        .after(json!({"b": "ü"}))
        .note(Some("as asked".to_owned()));
    let changes = [new_user("bob", false), AccountChange::Audit(entry.clone())];
    let ids = store.apply_accounts(at(3), &changes).await.unwrap();
    let rows = store.audit_log(&ALL).await.unwrap();
    assert_eq!((rows.len(), rows[0].id, rows[0].at), (1, ids[1], at(3)));
    assert_eq!(rows[0].entry, entry);
    assert!(store.apply_accounts(at(3), &changes).await.is_err());
    assert_eq!(store.audit_log(&ALL).await.unwrap().len(), 1);
}

pub async fn an_entry_of_a_definition_is_written_with_its_change_or_not_at_all(store: Store) {
    let put = Change::PutJob(job("job").durable());
    let applied = store.apply(at(3), &[put, Change::Audit(entry("job.create"))]).await.unwrap();
    assert!(!applied[1].found(), "{applied:?}");
    let rows = store.audit_log(&ALL).await.unwrap();
    assert_eq!((rows.len(), rows[0].at, &rows[0].entry), (1, at(3), &entry("job.create")));
    // The entry comes first, and goes with what is refused after it.
    let refused = Change::TriggerNow { job: JobKey::new("other"), data: Data::empty() };
    assert!(store.apply(at(4), &[Change::Audit(entry("job.update")), refused]).await.is_err());
    assert_eq!(store.audit_log(&ALL).await.unwrap(), rows);
}

pub async fn the_log_is_filtered_and_paged_newest_first(store: Store) {
    let entries = [
        ("ann", "job.create", "a"),
        ("ann", "job.delete", "a"),
        ("bob", "jobless", "b"),
        ("bob", "user.create", "a"),
        ("ann", "job.create", "c"),
    ];
    for (index, (actor, action, subject)) in entries.into_iter().enumerate() {
        let entry = AuditEntry::new(actor, action, subject);
        store.apply(at(index as i64), &[Change::Audit(entry)]).await.unwrap();
    }
    let seconds = async |query: AuditQuery| -> Vec<usize> {
        let rows = store.audit_log(&query).await.unwrap();
        (rows.iter()).map(|row| (0..5).find(|index| at(*index as i64) == row.at).unwrap()).collect()
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(seconds(ALL).await, [4, 3, 2, 1, 0]);
    assert_eq!(seconds(AuditQuery { actor: text("ann"), ..ALL }).await, [4, 1, 0]);
    assert_eq!(seconds(AuditQuery { action: text("job.create"), ..ALL }).await, [4, 0]);
    assert_eq!(seconds(AuditQuery { action: text("job."), ..ALL }).await, [4, 1, 0]);
    assert_eq!(seconds(AuditQuery { action: text("job%."), ..ALL }).await, [0_usize; 0]);
    assert_eq!(seconds(AuditQuery { subject: text("a"), actor: text("bob"), ..ALL }).await, [3]);
    assert_eq!(seconds(AuditQuery { from: Some(at(1)), to: Some(at(3)), ..ALL }).await, [2, 1]);
    let first = store.audit_log(&AuditQuery { limit: 2, ..ALL }).await.unwrap();
    assert_eq!(first.len(), 2);
    let before_id = Some(first[1].id);
    assert_eq!(seconds(AuditQuery { before_id, limit: 2, ..ALL }).await, [2, 1]);
}

pub async fn secrets_never_reach_the_log(store: Store) {
    let entry = AuditEntry::new("ann", "job.update", "a")
        .before(json!({"data": {"api_token": "hunter2"}}))
        .after(json!({"url": "https://me:hunter2@host/"}));
    store.apply(at(0), &[Change::Audit(entry)]).await.unwrap();
    let rows = format!("{:?}", store.audit_log(&ALL).await.unwrap());
    assert!(rows.contains("api_token") && !rows.contains("hunter2"), "{rows}");
}

pub async fn pruning_takes_what_has_ended(store: Store) {
    let ann = user(&store, "ann").await;
    let ids = store.apply_accounts(at(0), &[session(ann, "old"), session(ann, "used")]).await.unwrap();
    let later = [session(ann, "new"), AccountChange::SeeSession(ids[1])];
    store.apply_accounts(at(100), &later).await.unwrap();
    let tokens = [token(ann, "t", Some(at(50))), token(ann, "u", Some(at(500))), token(ann, "v", None)];
    store.apply_accounts(at(0), &tokens).await.unwrap();
    for second in [10, 60] {
        store.apply(at(second), &[Change::Audit(entry("job.create"))]).await.unwrap();
    }
    // These count for a minute.
    store.apply_accounts(at(0), &[failed("old", 9)]).await.unwrap();
    store.apply_accounts(at(1), &[failed("new", 9)]).await.unwrap();
    let pruned = async |retention| store.prune_accounts(&retention).await.unwrap();
    assert_eq!(pruned(AccountRetention::default()).await, PrunedAccounts::default());
    let limit = Some(at(50));
    let all = AccountRetention {
        sessions_seen_before: limit,
        sessions_created_before: None,
        tokens_expired_before: Some(at(51)),
        failures_until: Some(at(60)),
        audit_before: limit,
    };
    assert_eq!(pruned(all).await, PrunedAccounts { sessions: 1, tokens: 1, failures: 1, audit: 1 });
    assert_eq!(pruned(all).await, PrunedAccounts::default());
    let sessions_created_before = limit;
    let old = AccountRetention { sessions_created_before, ..AccountRetention::default() };
    assert_eq!(pruned(old).await.sessions, 1);
    assert!(store.session(&SecretHash::new("new")).await.unwrap().is_some());
    assert_eq!(store.tokens(None).await.unwrap().len(), 2);
    assert_eq!(store.audit_log(&ALL).await.unwrap()[0].at, at(60));
}
