//! Keys of requests.

use async_trait::async_trait;
use jiff::Timestamp;
use punctual_core::{Keyed, KeyedRequest, LAPSED_CHUNK, RequestStore, StoreError};

use crate::MemoryStore;
use crate::state::State;

fn forget_lapsed(state: &mut State, now: Timestamp) {
    let lapsed = state.requests.iter().filter(|(_, taken)| taken.expires_at <= now);
    let lapsed: Vec<String> = lapsed.take(LAPSED_CHUNK as usize).map(|(key, _)| key.clone()).collect();
    for key in lapsed {
        state.requests.remove(&key);
    }
}

#[async_trait]
impl RequestStore for MemoryStore {
    async fn take_key(&self, request: &KeyedRequest) -> Result<Keyed, StoreError> {
        let mut state = self.state();
        let keyed = request.decide(state.requests.get(&request.key).cloned());
        if keyed == Keyed::First {
            state.requests.insert(request.key.clone(), request.taken());
            forget_lapsed(&mut state, request.now);
        }
        Ok(keyed)
    }

    async fn answer_key(&self, key: &str, request: &str, answer: &str) -> Result<bool, StoreError> {
        let mut state = self.state();
        let open = |taken: &&mut punctual_core::TakenKey| taken.request == request && taken.answer.is_none();
        let taken = state.requests.get_mut(key).filter(open);
        Ok(taken.map(|taken| taken.answer = Some(answer.to_owned())).is_some())
    }

    async fn release_key(&self, key: &str, request: &str) -> Result<bool, StoreError> {
        let mut state = self.state();
        let open = state.requests.get(key).is_some_and(|it| it.request == request && it.answer.is_none());
        Ok(open && state.requests.remove(key).is_some())
    }
}
