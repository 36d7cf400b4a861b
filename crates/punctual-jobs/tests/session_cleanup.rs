//! The clean-up of sessions, in virtual time.

use std::sync::Arc;
use std::time::Duration;

use punctual_core::accounts::{NewSession, NewToken, NewUser, PasswordHash, SecretHash};
use punctual_core::{
    AccountChange, AccountStore, AuditEntry, AuditQuery, HistoryQuery, HistoryStore, Permissions, TaskStatus,
    Timestamp,
};
use punctual_engine::{JobRegistry, ManualScheduler};
use punctual_jobs::history_cleanup::SchedulerSlot;
use punctual_jobs::session_cleanup::{SessionCleanupData, entry};
use punctual_memory::MemoryStore;

#[tokio::test]
async fn at_two_in_the_morning_what_has_ended_is_deleted() {
    let start: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
    let store = Arc::new(MemoryStore::new());
    let slot = SchedulerSlot::default();
    let mut registry = JobRegistry::new();
    punctual_jobs::register_all(
        &mut registry,
        &slot,
        punctual_jobs::command::Command::default(),
        punctual_jobs::http::Http::new(),
    );
    let data = SessionCleanupData { idle_ms: 3_600_000, max_ms: 7_200_000, audit_keep_days: Some(1) };
    let entry = entry(&data, "UTC").unwrap();
    let manual = ManualScheduler::new(store.clone(), start, |builder| {
        builder.registry(registry).entries([entry]).without_log()
    });
    let manual = manual.await.unwrap();
    slot.fill(manual.scheduler().clone());

    let password = PasswordHash::new("-");
    let new = NewUser { name: "ann".to_owned(), password, superuser: true, must_change: false };
    let user = store.apply_accounts(start, &[AccountChange::AddUser(new)]).await.unwrap()[0];
    let session = |hash: &str| {
        AccountChange::AddSession(NewSession { hash: SecretHash::new(hash), user, address: None })
    };
    let token = AccountChange::AddToken(NewToken {
        hash: SecretHash::new("t"),
        user,
        name: "ci".to_owned(),
        scopes: Permissions::NONE,
        expires_at: Some("2026-11-21T01:00:00Z".parse().unwrap()),
    });
    let audit = || AccountChange::Audit(AuditEntry::new("ann", "user.create", "ann"));
    let before: Timestamp = "2026-11-20T01:59:59Z".parse().unwrap();
    store.apply_accounts(before, &[audit()]).await.unwrap();
    store.apply_accounts(start, &[session("idle"), token, audit()]).await.unwrap();
    let later: Timestamp = "2026-11-21T01:30:00Z".parse().unwrap();
    store.apply_accounts(later, &[session("fresh")]).await.unwrap();

    manual.tick(Duration::from_secs(2 * 3_600 - 1)).await.unwrap();
    assert_eq!(store.sessions(user).await.unwrap().len(), 2, "not before two");
    manual.tick(Duration::from_secs(1)).await.unwrap();
    let left = store.sessions(user).await.unwrap();
    assert_eq!(left.iter().map(|session| session.hash.as_str()).collect::<Vec<_>>(), ["fresh"]);
    assert!(store.tokens(None).await.unwrap().is_empty());
    let log = store.audit_log(&AuditQuery { limit: 9, ..AuditQuery::default() }).await.unwrap();
    let left = log.iter().map(|row| (row.at, row.entry.action()));
    assert_eq!(
        left.collect::<Vec<_>>(),
        [(start, "user.create"), (start, "job.put")],
        "the latter of the registration"
    );
    let rows = store.history(&HistoryQuery::default()).await.unwrap().rows;
    let details = rows[0].details.as_ref().unwrap();
    assert_eq!((rows.len(), rows[0].status), (1, TaskStatus::Success));
    assert_eq!((&details["deleted_sessions"], &details["deleted_audit_entries"]), (&1.into(), &1.into()));
}
