//! Signing in, in virtual time.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use punctual_accounts::{Accounts, AccountsError, By, Cost, Settings, new_token};
use punctual_core::accounts::rules::SessionRules;
use punctual_core::accounts::{NewToken, NewUser, UserEdit};
use punctual_core::{
    AccountChange, AccountStore, AuditQuery, Clock, JobStore, Paging, Permission, Permissions,
};
use punctual_engine::ManualClock;
use punctual_memory::MemoryStore;
use punctual_testkit::factory::at;

const PASSWORD: &str = "correct horse battery";
const WRONG: &str = "wrong horse battery";

struct World {
    clock: Arc<ManualClock>,
    store: Arc<MemoryStore>,
    accounts: Accounts,
}

impl World {
    fn new() -> Self {
        Self::over(Arc::new(ManualClock::new(at(0))), Arc::new(MemoryStore::new()))
    }

    fn over(clock: Arc<ManualClock>, store: Arc<MemoryStore>) -> Self {
        let settings = Settings { cost: Cost::Least, ..Settings::default() };
        let (port, time): (Arc<dyn JobStore>, Arc<dyn Clock>) = (store.clone(), clock.clone());
        let accounts = Accounts::new(port, time, settings).unwrap();
        Self { clock, store, accounts }
    }

    async fn apply(&self, change: AccountChange) -> i64 {
        self.store.apply_accounts(self.clock.now(), &[change]).await.unwrap()[0]
    }

    async fn user(&self, name: &str, superuser: bool) -> i64 {
        let password = self.accounts.hash(name, PASSWORD).await.unwrap();
        let new = NewUser { name: name.to_owned(), password, superuser, must_change: false };
        self.apply(AccountChange::AddUser(new)).await
    }

    async fn sign_in(&self, name: &str, password: &str, address: u8) -> Result<String, AccountsError> {
        let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, address));
        Ok(self.accounts.sign_in(name, password, Some(address)).await?.id)
    }

    async fn is_in(&self, id: &str) -> bool {
        self.accounts.by_session(id).await.unwrap().is_some()
    }

    /// Another node of the cluster.
    fn node(&self) -> Self {
        Self::over(Arc::clone(&self.clock), Arc::clone(&self.store))
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

fn wait(result: &Result<String, AccountsError>) -> Option<i64> {
    match result {
        Err(AccountsError::Wait(millis)) => Some(*millis),
        _ => None,
    }
}

fn wrong(result: &Result<String, AccountsError>) -> bool {
    matches!(result, Err(AccountsError::Wrong))
}

#[tokio::test]
async fn whoever_signs_in_gets_a_session_of_their_own() {
    let world = World::new();
    let ann = world.user("Ann", true).await;
    let (one, two) =
        (world.sign_in("ann", PASSWORD, 1).await.unwrap(), world.sign_in("ANN", PASSWORD, 1).await.unwrap());
    assert_ne!(one, two);
    let caller = world.accounts.by_session(&one).await.unwrap().unwrap();
    assert_eq!((caller.account.user.id, caller.permissions), (ann, Permissions::superuser()));
    assert!(matches!(caller.by, By::Session(_)));
    assert!(wrong(&world.sign_in("ann", WRONG, 1).await) && wrong(&world.sign_in("bob", PASSWORD, 1).await));
    let stored = format!("{:?}", world.store.sessions(ann).await.unwrap());
    assert!(!stored.contains(&one) && !world.is_in("").await && !world.is_in(&one[1..]).await);
    // What is stored does not let anybody in.
    let hash = punctual_accounts::hash_of(&one);
    assert!(!world.is_in(hash.as_str()).await);
    world.accounts.sign_out(&one).await.unwrap();
    assert!(!world.is_in(&one).await && world.is_in(&two).await);
}

#[tokio::test]
async fn a_session_lives_while_it_is_used_and_not_for_ever() {
    let world = World::new();
    let ann = world.user("ann", false).await;
    let rules = SessionRules::default();
    let (idle, max) = (rules.idle_ms / 1_000, rules.max_ms / 1_000);
    let id = world.sign_in("ann", PASSWORD, 1).await.unwrap();
    let mut age = 0;
    while age + idle - 1 < max {
        world.pass(idle - 1);
        age += idle - 1;
        assert!(world.is_in(&id).await, "used in time, {age} s old");
    }
    world.pass(max - age);
    assert!(!world.is_in(&id).await, "too old");
    let id = world.sign_in("ann", PASSWORD, 1).await.unwrap();
    world.pass(idle);
    assert!(!world.is_in(&id).await, "not used");
    assert_eq!(world.store.sessions(ann).await.unwrap().len(), 2, "the clean-up deletes them");
}

#[tokio::test]
async fn a_use_is_written_once_a_minute() {
    let world = World::new();
    let ann = world.user("ann", false).await;
    let id = world.sign_in("ann", PASSWORD, 1).await.unwrap();
    let seen = async || world.store.sessions(ann).await.unwrap()[0].seen_at;
    world.pass(59);
    assert!(world.is_in(&id).await);
    assert_eq!(seen().await, at(0));
    world.pass(1);
    assert!(world.is_in(&id).await);
    assert_eq!(seen().await, at(60));
}

#[tokio::test]
async fn a_disabled_or_deleted_user_is_out_at_once() {
    let world = World::new();
    let ann = world.user("ann", false).await;
    let id = world.sign_in("ann", PASSWORD, 1).await.unwrap();
    let disabled =
        |disabled| AccountChange::EditUser(ann, UserEdit { disabled: Some(disabled), ..UserEdit::default() });
    world.apply(disabled(true)).await;
    assert!(!world.is_in(&id).await && wrong(&world.sign_in("ann", PASSWORD, 1).await));
    world.apply(disabled(false)).await;
    assert!(!world.is_in(&id).await, "an ended session does not come back");
    let id = world.sign_in("ann", PASSWORD, 1).await.unwrap();
    world.apply(AccountChange::DeleteUser(ann)).await;
    assert!(!world.is_in(&id).await);
}

#[tokio::test]
async fn a_token_may_do_what_its_scopes_and_its_user_may_both_do() {
    let world = World::new();
    let ann = world.user("ann", true).await;
    world.user("root", true).await;
    let (token, hash) = new_token().unwrap();
    let new = NewToken {
        hash,
        user: ann,
        name: "ci".to_owned(),
        scopes: Permission::Operate.into(),
        expires_at: Some(at(3_600)),
    };
    let id = world.apply(AccountChange::AddToken(new)).await;
    let permissions =
        async || world.accounts.by_token(&token).await.unwrap().map(|caller| caller.permissions);
    assert_eq!(permissions().await, Some(Permission::Operate.into()));
    let edit = UserEdit { superuser: Some(false), ..UserEdit::default() };
    world.apply(AccountChange::EditUser(ann, edit)).await;
    assert_eq!(permissions().await, Some(Permissions::NONE));
    assert_eq!(world.store.tokens(None).await.unwrap()[0].last_used_at, Some(at(0)));
    assert!(!world.is_in(&token).await, "a token is no session");
    world.pass(3_600);
    assert_eq!(permissions().await, None, "it has ended");
    world.apply(AccountChange::DeleteToken(id)).await;
    assert_eq!(permissions().await, None);
    assert!(world.accounts.by_token("pt_").await.unwrap().is_none());
}

#[tokio::test]
async fn guessing_one_name_gets_slow_and_never_locks_its_owner_out_for_long() {
    let world = World::new();
    world.user("ann", false).await;
    for guess in 0..6 {
        // From another address each time, in other cases.
        let name = if guess % 2 == 0 { "ann" } else { "ANN" };
        assert!(wrong(&world.sign_in(name, WRONG, guess).await), "{guess}");
    }
    assert_eq!(wait(&world.sign_in("ann", PASSWORD, 9).await), Some(1_000), "even the right password waits");
    world.sign_in("bob", PASSWORD, 9).await.unwrap_err();
    world.pass(1);
    assert!(wrong(&world.sign_in("ann", WRONG, 9).await));
    assert_eq!(wait(&world.sign_in("ann", PASSWORD, 9).await), Some(2_000));
    for _ in 0..20 {
        world.pass(60);
        assert!(wrong(&world.sign_in("ann", WRONG, 10).await) || world.is_slow().await);
    }
    world.pass(60);
    world.sign_in("ann", PASSWORD, 11).await.unwrap();
    // All is forgotten.
    assert!(wrong(&world.sign_in("ann", WRONG, 12).await));
    world.sign_in("ann", PASSWORD, 12).await.unwrap();
}

impl World {
    /// Whether the address that guesses has to wait by itself.
    async fn is_slow(&self) -> bool {
        wait(&self.sign_in("somebody else", WRONG, 10).await).is_some()
    }
}

#[tokio::test]
async fn guesses_count_for_all_nodes() {
    let one = World::new();
    let ann = one.user("ann", false).await;
    let (two, three) = (one.node(), one.node());
    for guess in 0..3 {
        assert!(wrong(&one.sign_in("ann", WRONG, guess).await) && wrong(&two.sign_in("ANN", WRONG, 9).await));
    }
    for node in [&one, &two, &three] {
        assert_eq!(wait(&node.sign_in("ann", PASSWORD, 30).await), Some(1_000));
    }
    let account = one.store.account(ann).await.unwrap().unwrap();
    let confirmed = three.accounts.confirm(&account, PASSWORD).await;
    assert!(matches!(confirmed, Err(AccountsError::Wait(1_000))), "{confirmed:?}");
    one.pass(1);
    // A wrong present password counts as a wrong one at signing in.
    assert!(matches!(three.accounts.confirm(&account, WRONG).await, Err(AccountsError::Wrong)));
    assert_eq!(wait(&two.sign_in("ann", PASSWORD, 30).await), Some(2_000));
    one.pass(2);
    two.sign_in("ann", PASSWORD, 30).await.unwrap();
    // Forgotten by those who have not counted themselves, too.
    assert!(wrong(&three.sign_in("ann", WRONG, 31).await));
    three.accounts.confirm(&account, PASSWORD).await.unwrap();
    for guess in 0..21 {
        let node = [&one, &two, &three][guess % 3];
        assert!(wrong(&node.sign_in(&format!("user{guess}"), WRONG, 40).await), "{guess}");
    }
    assert_eq!(wait(&three.sign_in("ann", PASSWORD, 40).await), Some(1_000), "the address");
}

#[tokio::test]
async fn whoever_is_right_at_once_writes_no_count() {
    let world = World::new();
    world.user("ann", false).await;
    let counted = async || {
        let all = punctual_core::AccountRetention { failures_until: Some(at(1 << 30)), ..Default::default() };
        world.store.prune_accounts(&all).await.unwrap().failures
    };
    world.sign_in("ann", PASSWORD, 1).await.unwrap();
    assert_eq!(counted().await, 0);
    world.sign_in("ann", WRONG, 1).await.unwrap_err();
    assert_eq!(counted().await, 2, "the name and the address");
    world.sign_in("ann", WRONG, 1).await.unwrap_err();
    world.sign_in("ann", PASSWORD, 1).await.unwrap();
    assert_eq!(counted().await, 0, "all is forgotten");
}

#[tokio::test]
async fn an_unknown_name_is_answered_like_a_known_one() {
    let world = World::new();
    world.user("ann", false).await;
    let mut answers: Vec<Vec<String>> = Vec::new();
    for (name, address) in [("ann", 1), ("nobody", 2)] {
        let mut all = Vec::new();
        for _ in 0..8 {
            all.push(world.sign_in(name, WRONG, address).await.unwrap_err().to_string());
        }
        answers.push(all);
    }
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn an_address_that_guesses_many_names_gets_slow() {
    let world = World::new();
    world.user("ann", false).await;
    for guess in 0..21 {
        assert!(wrong(&world.sign_in(&format!("user{guess}"), WRONG, 1).await), "{guess}");
    }
    assert!(wait(&world.sign_in("ann", PASSWORD, 1).await).is_some());
    world.sign_in("ann", PASSWORD, 2).await.unwrap();
    world.pass(3_600);
    world.sign_in("ann", PASSWORD, 1).await.unwrap();
}

#[tokio::test]
async fn attempts_at_the_same_time_count_each() {
    let world = Arc::new(World::new());
    world.user("ann", false).await;
    let attempts: Vec<_> = (0..30)
        .map(|address| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.sign_in("ann", WRONG, address).await })
        })
        .collect();
    let mut looked_at = 0;
    for attempt in attempts {
        looked_at += u32::from(wrong(&attempt.await.unwrap()));
    }
    assert_eq!(looked_at, 6);
}

#[tokio::test]
async fn an_empty_database_gets_one_first_user() {
    let world = World::new();
    let first = world.accounts.first_user(None).await.unwrap().unwrap();
    let password = first.password.unwrap();
    assert!(world.accounts.first_user(None).await.unwrap().is_none());
    assert_eq!(world.store.users(Paging::ALL).await.unwrap().total, 1);
    let id = world.sign_in(first.name, &password, 1).await.unwrap();
    let caller = world.accounts.by_session(&id).await.unwrap().unwrap();
    assert!(caller.account.user.must_change && caller.permissions == Permissions::NONE);
    let log = format!("{:?}", world.store.audit_log(&AuditQuery { limit: 9, ..AuditQuery::default() }).await);
    assert!(log.contains("user.create") && !log.contains(&password), "{log}");

    let world = World::new();
    assert!(matches!(world.accounts.first_user(Some("short")).await, Err(AccountsError::Weak(_))));
    let first = world.accounts.first_user(Some(PASSWORD)).await.unwrap().unwrap();
    assert!(first.password.is_none());
    world.sign_in("admin", PASSWORD, 1).await.unwrap();
}

#[tokio::test]
async fn a_lost_password_is_replaced() {
    let world = World::new();
    let ann = world.user("ann", true).await;
    world.user("root", true).await;
    let id = world.sign_in("ann", PASSWORD, 1).await.unwrap();
    let edit = UserEdit { disabled: Some(true), ..UserEdit::default() };
    world.apply(AccountChange::EditUser(ann, edit)).await;
    let password = world.accounts.recover("ANN").await.unwrap();
    assert!(!world.is_in(&id).await && wrong(&world.sign_in("ann", PASSWORD, 1).await));
    let id = world.sign_in("ann", &password, 1).await.unwrap();
    assert!(world.accounts.by_session(&id).await.unwrap().unwrap().account.user.must_change);
    assert!(matches!(world.accounts.recover("nobody").await, Err(AccountsError::Wrong)));
}
