//! Keys of requests.

use std::sync::Arc;

use punctual_core::{JobStore, Keyed, KeyedRequest, LAPSED_CHUNK};

use crate::factory::{at, together};

type Store = Arc<dyn JobStore>;

fn request(key: &str, request: &str, seconds: i64) -> KeyedRequest {
    KeyedRequest {
        key: key.to_owned(),
        request: request.to_owned(),
        now: at(seconds),
        limit_ms: 60_000,
        keep_ms: 3_600_000,
    }
}

async fn take(store: &Store, key: &str, name: &str, seconds: i64) -> Keyed {
    store.take_key(&request(key, name, seconds)).await.unwrap()
}

/// A request with a key is carried out once, and its answer is given again.
pub async fn a_request_with_a_key_is_carried_out_once(store: Store) {
    assert_eq!(take(&store, "key", "one", 0).await, Keyed::First);
    assert_eq!(take(&store, "key", "one", 1).await, Keyed::Busy);
    let answer = "{\"text\": \"grüezi \\u0000\"}";
    assert!(store.answer_key("key", "one", answer).await.unwrap());
    for seconds in [2, 60, 3_599] {
        assert_eq!(take(&store, "key", "one", seconds).await, Keyed::Answered(answer.to_owned()));
    }
    assert!(!store.answer_key("key", "one", "another").await.unwrap(), "the first answer stays");
    assert_eq!(take(&store, "other", "one", 2).await, Keyed::First);
}

/// A key belongs to one request, answered or not.
pub async fn a_key_of_another_request_is_refused(store: Store) {
    assert_eq!(take(&store, "key", "one", 0).await, Keyed::First);
    assert_eq!(take(&store, "key", "two", 1).await, Keyed::Reused);
    assert!(!store.answer_key("key", "two", "no").await.unwrap());
    assert!(!store.release_key("key", "two").await.unwrap());
    assert!(store.answer_key("key", "one", "yes").await.unwrap());
    assert_eq!(take(&store, "key", "two", 2).await, Keyed::Reused);
}

/// A request that was not carried out gives its key up at once; one that was lost, after its limit.
pub async fn a_key_is_given_up_when_its_request_was_not_carried_out(store: Store) {
    assert_eq!(take(&store, "key", "one", 0).await, Keyed::First);
    assert!(store.release_key("key", "one").await.unwrap());
    assert!(!store.release_key("key", "one").await.unwrap());
    assert_eq!(take(&store, "key", "two", 1).await, Keyed::First);
    assert_eq!(take(&store, "key", "two", 60).await, Keyed::Busy);
    assert_eq!(take(&store, "key", "two", 61).await, Keyed::First, "it was lost");
    assert_eq!(take(&store, "key", "two", 62).await, Keyed::Busy);
    assert!(store.answer_key("key", "two", "done").await.unwrap());
    assert!(!store.release_key("key", "two").await.unwrap(), "what was carried out keeps its key");
}

/// Keys expire, and go.
pub async fn keys_expire(store: Store) {
    let many = LAPSED_CHUNK as usize + 4;
    for number in 0..many {
        take(&store, &format!("old {number}"), "one", 0).await;
        assert!(store.answer_key(&format!("old {number}"), "one", "done").await.unwrap());
    }
    assert_eq!(take(&store, "old 0", "one", 3_599).await, Keyed::Answered("done".to_owned()));
    assert_eq!(take(&store, "old 0", "two", 3_600).await, Keyed::First, "it has expired");
    assert!(!store.answer_key("old 0", "one", "late").await.unwrap());
    take(&store, "new", "one", 3_600).await;
    let mut left = 0;
    for number in 1..many {
        let key = format!("old {number}");
        // What has gone takes no answer and has none to give up; what is there is answered already.
        let known = take(&store, &key, "one", 0).await;
        left += usize::from(known == Keyed::Answered("done".to_owned()));
    }
    assert_eq!(left, 0, "all that had expired went with two keys that were taken");
}

/// Of several at once one is carried out.
pub async fn of_many_at_once_one_is_first(store: Store) {
    for round in 0..5 {
        let key = format!("key {round}");
        let all = together((0..8).map(|_| {
            let (store, request) = (Arc::clone(&store), request(&key, "one", round));
            async move { store.take_key(&request).await.unwrap() }
        }));
        let all = all.await;
        assert_eq!(all.iter().filter(|keyed| **keyed == Keyed::First).count(), 1, "{all:?}");
        assert_eq!(all.iter().filter(|keyed| **keyed == Keyed::Busy).count(), 7, "{all:?}");
    }
}
