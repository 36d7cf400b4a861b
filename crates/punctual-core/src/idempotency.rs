//! Requests that carry a key, so that a client which heard no answer can ask again and nothing happens twice.
//!
//! A key is taken before its request is carried out, and its answer is stored after that. Keys and requests come as hashes
//! made by the caller of the store, which learns neither.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::StoreError;
use crate::time::plus_millis;

/// A request that carries a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyedRequest {
    /// A hash of the key and of who sent it.
    pub key: String,
    /// A hash of all that makes this request differ from others.
    pub request: String,
    /// The present instant.
    pub now: Timestamp,
    /// How long the request may take until it counts as lost, in milliseconds.
    pub limit_ms: u64,
    /// How long the key is kept, in milliseconds.
    pub keep_ms: u64,
}

/// A key as a store holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenKey {
    /// [`KeyedRequest::request`] of the request that took it.
    pub request: String,
    /// Until when that request counts as under way.
    pub busy_until: Timestamp,
    /// Until when the key is kept.
    pub expires_at: Timestamp,
    /// The answer, once there is one.
    pub answer: Option<String>,
}

/// What is to be done with a request that carries a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keyed {
    /// It has the key now: carry it out.
    First,
    /// It was carried out: this was the answer.
    Answered(String),
    /// It is being carried out.
    Busy,
    /// The key belongs to another request.
    Reused,
}

impl KeyedRequest {
    /// What is to be done, by what is known of the key. A request that was lost (its node died, say) gives the key up to
    /// the same request alone: whether it was carried out is not known, and another one must not take its place.
    pub fn decide(&self, known: Option<TakenKey>) -> Keyed {
        match known.filter(|known| self.now < known.expires_at) {
            None => Keyed::First,
            Some(known) if known.request != self.request => Keyed::Reused,
            Some(TakenKey { answer: Some(answer), .. }) => Keyed::Answered(answer),
            Some(known) if self.now < known.busy_until => Keyed::Busy,
            Some(_) => Keyed::First,
        }
    }

    /// What is stored when this request takes the key.
    pub fn taken(&self) -> TakenKey {
        let after = |millis| plus_millis(self.now, i64::try_from(millis).unwrap_or(i64::MAX));
        TakenKey {
            request: self.request.clone(),
            busy_until: after(self.limit_ms),
            expires_at: after(self.keep_ms.max(self.limit_ms)),
            answer: None,
        }
    }
}

/// How many keys that nobody can use any more go with each one that is taken, at most.
pub const LAPSED_CHUNK: u64 = 16;

/// The keys of requests.
#[async_trait]
pub trait RequestStore: Send + Sync {
    /// Takes a key if [`KeyedRequest::decide`] says so; of several at once, one. Deletes some that have expired, at most
    /// [`LAPSED_CHUNK`].
    async fn take_key(&self, request: &KeyedRequest) -> Result<Keyed, StoreError>;

    /// Stores the answer of a request that took its key, unless it has one or another request has the key; whether it did.
    async fn answer_key(&self, key: &str, request: &str, answer: &str) -> Result<bool, StoreError>;

    /// Gives up a key whose request has no answer: it was not carried out. Whether it was there.
    async fn release_key(&self, key: &str, request: &str) -> Result<bool, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(name: &str, seconds: i64) -> KeyedRequest {
        KeyedRequest {
            key: "key".to_owned(),
            request: name.to_owned(),
            now: Timestamp::from_second(seconds).unwrap(),
            limit_ms: 60_000,
            keep_ms: 3_600_000,
        }
    }

    #[test]
    fn a_key_belongs_to_one_request_until_it_expires() {
        let busy = Some(request("one", 0).taken());
        let answered = Some(TakenKey { answer: Some("done".to_owned()), ..request("one", 0).taken() });
        assert_eq!(request("one", 0).decide(None), Keyed::First);
        assert_eq!(request("one", 59).decide(busy.clone()), Keyed::Busy);
        assert_eq!(request("one", 60).decide(busy.clone()), Keyed::First);
        for seconds in [0, 59, 60, 3_599] {
            assert_eq!(request("two", seconds).decide(busy.clone()), Keyed::Reused, "{seconds}");
            assert_eq!(request("two", seconds).decide(answered.clone()), Keyed::Reused, "{seconds}");
            let again = request("one", seconds).decide(answered.clone());
            assert_eq!(again, Keyed::Answered("done".to_owned()), "{seconds}");
        }
        for known in [busy, answered] {
            assert_eq!(request("two", 3_600).decide(known.clone()), Keyed::First);
            assert_eq!(request("one", 3_600).decide(known), Keyed::First);
        }
    }

    #[test]
    fn a_key_is_kept_at_least_as_long_as_its_request_may_take() {
        let request = KeyedRequest { keep_ms: 1, ..request("one", 0) };
        assert_eq!(request.taken().expires_at, request.taken().busy_until);
    }
}
