//! Named locks.

use std::sync::Arc;

use jiff::Timestamp;
use punctual_core::{
    HeldLock, JobStore, LockAnswer, LockGrant, LockHolder, LockMode, LockRequest, LockSet, Term,
};

use crate::factory::{at, together};

type Store = Arc<dyn JobStore>;

use LockMode::{Exclusive, Shared};

const LEASE_MS: u64 = 30_000;

fn request(locks: &[(&str, LockMode)], node: &str, now: Timestamp) -> LockRequest {
    let holder =
        LockHolder { node: node.to_owned(), term: Some(Term(7)), purpose: "re-index: \"all\"".to_owned() };
    LockRequest { locks: LockSet::try_new(locks.iter().copied()).unwrap(), holder, now, lease_ms: LEASE_MS }
}

async fn take(store: &Store, locks: &[(&str, LockMode)], seconds: i64) -> LockAnswer {
    store.lock(&request(locks, "n", at(seconds))).await.unwrap()
}

async fn granted(store: &Store, locks: &[(&str, LockMode)], seconds: i64) -> LockGrant {
    match take(store, locks, seconds).await {
        LockAnswer::Granted(grant) => grant,
        LockAnswer::Busy(held) => panic!("{locks:?} should be free at {seconds} s: {held:?}"),
    }
}

async fn busy(store: &Store, locks: &[(&str, LockMode)], seconds: i64) -> Vec<HeldLock> {
    match take(store, locks, seconds).await {
        LockAnswer::Busy(held) => held,
        LockAnswer::Granted(grant) => panic!("{locks:?} should be held at {seconds} s: {grant:?}"),
    }
}

fn names(held: &[HeldLock]) -> Vec<&str> {
    held.iter().map(|held| held.name.as_str()).collect()
}

async fn held_names(store: &Store, seconds: i64) -> Vec<String> {
    names(&store.locks(at(seconds)).await.unwrap()).into_iter().map(str::to_owned).collect()
}

pub async fn an_exclusive_lock_excludes(store: Store) {
    let first = granted(&store, &[("a", Exclusive)], 0).await;
    for mode in [Exclusive, Shared] {
        let held = busy(&store, &[("a", mode)], 1).await;
        assert_eq!((held.len(), held[0].token, held[0].mode), (1, first.token, Exclusive));
    }
    granted(&store, &[("A", Exclusive)], 1).await;
    assert!(store.unlock(first.token).await.unwrap());
    granted(&store, &[("a", Exclusive)], 2).await;
}

pub async fn shared_locks_are_shared(store: Store) {
    let first = granted(&store, &[("a", Shared)], 0).await;
    let second = granted(&store, &[("a", Shared)], 1).await;
    let held = store.locks(at(2)).await.unwrap();
    let tokens: Vec<_> = held.iter().map(|held| (held.token, held.mode)).collect();
    assert_eq!(tokens, [(first.token, Shared), (second.token, Shared)]);
}

pub async fn a_shared_lock_keeps_an_exclusive_one_out(store: Store) {
    let first = granted(&store, &[("a", Shared)], 0).await;
    let second = granted(&store, &[("a", Shared)], 0).await;
    let held = busy(&store, &[("a", Exclusive)], 1).await;
    assert_eq!(held.iter().map(|held| held.token).collect::<Vec<_>>(), [first.token, second.token]);
    store.unlock(first.token).await.unwrap();
    assert_eq!(busy(&store, &[("a", Exclusive)], 1).await[0].token, second.token);
    store.unlock(second.token).await.unwrap();
    granted(&store, &[("a", Exclusive)], 1).await;
}

pub async fn several_locks_are_granted_all_or_none(store: Store) {
    granted(&store, &[("b", Exclusive)], 0).await;
    granted(&store, &[("d", Shared)], 0).await;
    let held = busy(&store, &[("a", Exclusive), ("b", Shared), ("c", Exclusive), ("d", Exclusive)], 1).await;
    assert_eq!(names(&held), ["b", "d"]);
    assert_eq!(held_names(&store, 1).await, ["b", "d"]);
    let grant = granted(&store, &[("a", Exclusive), ("c", Exclusive), ("d", Shared)], 1).await;
    assert_eq!(grant.names.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["a", "c", "d"]);
    assert_eq!(grant.lease_until, at(31));
    assert_eq!(held_names(&store, 1).await, ["a", "b", "c", "d", "d"]);
    store.unlock(grant.token).await.unwrap();
    assert_eq!(held_names(&store, 1).await, ["b", "d"]);
}

pub async fn the_order_of_names_does_not_matter(store: Store) {
    let one = request(&[("a", Exclusive), ("b", Exclusive), ("b", Shared)], "n", at(0));
    let other = request(&[("b", Shared), ("b", Exclusive), ("a", Exclusive)], "n", at(0));
    assert_eq!(one, other);
    // Many at once, in both orders: some always gets through, and none waits for another.
    let ask = |number: usize| {
        let (store, request) = (Arc::clone(&store), if number < 10 { one.clone() } else { other.clone() });
        async move {
            let LockAnswer::Granted(grant) = store.lock(&request).await.unwrap() else { return 0_u32 };
            assert!(store.unlock(grant.token).await.unwrap());
            1
        }
    };
    let grants: u32 = together((0..20).map(ask)).await.into_iter().sum();
    assert!(grants >= 1);
    assert!(store.locks(at(0)).await.unwrap().is_empty());
}

pub async fn of_many_that_ask_at_once_one_gets_the_lock(store: Store) {
    let asked =
        (0..20).map(|number| request(&[("a", Exclusive), ("b", Shared)], &format!("n{number}"), at(0)));
    let ask = |request: LockRequest| {
        let store = Arc::clone(&store);
        async move { matches!(store.lock(&request).await.unwrap(), LockAnswer::Granted(_)) }
    };
    let grants = together(asked.map(ask)).await.into_iter().filter(|granted| *granted).count();
    assert_eq!(grants, 1);
    assert_eq!(held_names(&store, 0).await, ["a", "b"]);
}

pub async fn a_lease_that_runs_out_frees_the_locks(store: Store) {
    let first = granted(&store, &[("a", Exclusive), ("b", Exclusive)], 0).await;
    busy(&store, &[("a", Exclusive)], 29).await;
    assert_eq!(held_names(&store, 29).await, ["a", "b"]);
    assert!(held_names(&store, 30).await.is_empty());
    let second = granted(&store, &[("a", Exclusive)], 30).await;
    assert_eq!(held_names(&store, 30).await, ["a"]);
    assert!(!store.unlock(first.token).await.unwrap(), "it went with all its locks");
    assert_eq!(busy(&store, &[("a", Exclusive)], 31).await[0].token, second.token);
}

pub async fn renewing_extends_the_lease(store: Store) {
    let grant = granted(&store, &[("a", Exclusive), ("b", Shared)], 0).await;
    assert!(store.renew_lock(grant.token, at(20), LEASE_MS).await.unwrap());
    let held = store.locks(at(49)).await.unwrap();
    assert_eq!(names(&held), ["a", "b"]);
    assert!(held.iter().all(|held| (held.acquired_at, held.lease_until) == (at(0), at(50))));
    busy(&store, &[("b", Exclusive)], 49).await;
    assert!(store.renew_lock(grant.token, at(49), LEASE_MS).await.unwrap());
    busy(&store, &[("a", Exclusive)], 78).await;
    assert!(store.renew_lock(grant.token, at(60), 1_000).await.unwrap());
    busy(&store, &[("a", Exclusive)], 78).await;
    granted(&store, &[("a", Exclusive)], 79).await;
}

pub async fn a_lost_lease_cannot_be_renewed(store: Store) {
    let first = granted(&store, &[("a", Exclusive), ("b", Exclusive)], 0).await;
    assert!(!store.renew_lock(first.token, at(30), LEASE_MS).await.unwrap(), "it has run out");
    granted(&store, &[("a", Exclusive)], 31).await;
    for seconds in [0, 32, 100] {
        assert!(!store.renew_lock(first.token, at(seconds), LEASE_MS).await.unwrap(), "at {seconds} s");
    }
    granted(&store, &[("b", Exclusive)], 33).await;
    assert!(!store.renew_lock(1 << 40, at(33), LEASE_MS).await.unwrap(), "nobody has this token");
}

pub async fn a_lock_is_given_up_by_its_token_alone(store: Store) {
    let mine = granted(&store, &[("a", Shared), ("b", Exclusive)], 0).await;
    let other = granted(&store, &[("a", Shared)], 0).await;
    assert!(!store.unlock(other.token + 1).await.unwrap());
    assert_eq!(held_names(&store, 1).await, ["a", "a", "b"]);
    assert!(store.unlock(mine.token).await.unwrap());
    assert!(!store.unlock(mine.token).await.unwrap(), "it is gone");
    let held = store.locks(at(1)).await.unwrap();
    assert_eq!((held.len(), held[0].token), (1, other.token));
}

pub async fn tokens_grow(store: Store) {
    let mut last = 0;
    for round in 0..5 {
        let grant = granted(&store, &[("a", Exclusive)], round * 60).await;
        assert!(grant.token > last, "{} after {last}", grant.token);
        let other = granted(&store, &[("b", Exclusive)], round * 60).await;
        assert!(other.token > grant.token);
        last = other.token;
        if round % 2 == 0 {
            store.unlock(grant.token).await.unwrap();
            store.unlock(other.token).await.unwrap();
        }
    }
}

pub async fn the_list_shows_who_holds_what_since_when(store: Store) {
    assert!(store.locks(at(0)).await.unwrap().is_empty());
    let asked = request(&[("übung \u{1f512}", Shared), ("a", Exclusive)], "node-1", at(3));
    let LockAnswer::Granted(grant) = store.lock(&asked).await.unwrap() else { panic!("nobody has it") };
    let held = store.locks(at(10)).await.unwrap();
    assert_eq!(names(&held), ["a", "übung \u{1f512}"]);
    for (held, mode) in held.iter().zip([Exclusive, Shared]) {
        assert_eq!((&held.holder, held.token, held.mode), (&asked.holder, grant.token, mode));
        assert_eq!((held.acquired_at, held.lease_until), (at(3), at(33)));
        assert_eq!(held.held_for_ms(at(10)), 7_000);
    }
    assert_eq!(busy(&store, &[("a", Shared)], 10).await, held[..1]);
    let nameless = LockRequest {
        holder: LockHolder { node: "m".to_owned(), term: None, purpose: String::new() },
        ..request(&[("z", Exclusive)], "m", at(10))
    };
    assert!(matches!(store.lock(&nameless).await.unwrap(), LockAnswer::Granted(_)));
    let held = store.locks(at(10)).await.unwrap();
    assert_eq!(names(&held), ["a", "z", "übung \u{1f512}"], "in the order of bytes");
    assert_eq!(held[1].holder, nameless.holder);
}
