//! Live changes: what happens is kept in a bounded ring and handed to everybody who listens.
//!
//! Where it comes from: the scheduler of this node tells at once ([`Live`] is one of its listeners), and what other
//! nodes did is read from the store about once a second ([`watch`]), both only while somebody listens and for a
//! minute after that. What happens in between is not recorded; the numbers of events then begin anew, so that nobody
//! takes the gap for silence.
//!
//! Nobody is waited for: each reader has a bounded queue, and one whose queue is full is cut off. It comes back with the number of
//! the last event that it has read, and gets the rest from the ring or is told to reload.

mod hub;
mod local;
mod stream;
mod watch;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use punctual_core::{Event, StoreError};
use punctual_engine::{Listener, Scheduler};

pub(crate) use stream::stream;

use crate::types::live::{Happening, Kind};
use hub::Hub;
use local::Local;

/// How much is kept for those who listen.
#[derive(Clone, Copy, Debug)]
pub struct LiveSettings {
    /// How many events can be replayed to a reader who comes back.
    pub kept: usize,
    /// How many events wait for a slow reader before it is cut off.
    pub queued: usize,
    /// How many may listen at a time.
    pub readers: usize,
}

impl Default for LiveSettings {
    fn default() -> Self {
        Self { kept: 1_024, queued: 256, readers: 64 }
    }
}

/// Hears what happens on a node (give it to [`punctual_engine::SchedulerBuilder::listener`]) and tells it to those who
/// read `/api/v1/events/stream`.
pub struct Live {
    hub: Mutex<Hub>,
    local: Mutex<Local>,
    /// Held while the first look at the store is taken, so that there is one.
    starting: tokio::sync::Mutex<()>,
}

/// Why nobody can listen just now.
#[derive(Debug)]
pub(crate) enum Refused {
    /// As many listen as may.
    Full,
    /// The server stops.
    Closed,
    /// The store cannot say how things are.
    Store(StoreError),
}

impl Default for Live {
    fn default() -> Self {
        Self::new(LiveSettings::default())
    }
}

impl Live {
    /// Nobody listens yet.
    pub fn new(settings: LiveSettings) -> Self {
        Self {
            hub: Mutex::new(Hub::new(settings)),
            local: Mutex::default(),
            starting: tokio::sync::Mutex::default(),
        }
    }

    /// Ends all streams, for good: the server stops.
    pub fn close(&self) {
        self.hub().close();
    }

    fn hub(&self) -> MutexGuard<'_, Hub> {
        // Nothing between two changes of the hub can panic.
        self.hub.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, happening: &Happening) {
        self.hub().publish(happening);
    }

    /// Makes sure that what other nodes do is followed from now on.
    async fn follow(self: &Arc<Self>, scheduler: &Scheduler) -> Result<(), StoreError> {
        let _one_at_a_time = self.starting.lock().await;
        if self.hub().is_followed() {
            return Ok(());
        }
        // Record first and look then, so that nothing falls in between.
        self.hub().begin();
        match watch::Watch::begin(scheduler).await {
            Ok(watch) => {
                tokio::spawn(watch.follow(Arc::clone(self), scheduler.clone()));
                Ok(())
            }
            Err(error) => {
                self.hub().end();
                Err(error)
            }
        }
    }
}

impl Listener for Live {
    fn on_event(&self, event: &Event) {
        let happenings = {
            let mut local = self.local.lock().unwrap_or_else(PoisonError::into_inner);
            local.note(event);
            if !self.hub().is_followed() {
                return;
            }
            local.happenings(event)
        };
        for happening in &happenings {
            self.publish(happening);
        }
        if matches!(event, Event::StoreChanged) {
            self.hub().note_change();
        }
    }
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").finish_non_exhaustive()
    }
}

/// Which kinds of events a reader wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kinds(u16);

impl Kinds {
    pub(crate) const ALL: Self = Self(u16::MAX);

    /// Reads `run.started,run.ended`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut kinds = 0;
        for word in text.split(',').map(str::trim) {
            let found = Kind::ALL.into_iter().find(|kind| kind.as_str() == word);
            let kind = found.ok_or_else(|| {
                let words = Kind::ALL.map(Kind::as_str).join(", ");
                format!("{word:?} is no type of event: give some of {words}, with commas between them")
            })?;
            kinds |= 1 << kind as u16;
        }
        Ok(Self(kinds))
    }

    fn contains(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u16) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Kinds};

    #[test]
    fn kinds_are_chosen_by_their_names() {
        let some = Kinds::parse("run.ended, changed").unwrap();
        let chosen: Vec<_> = Kind::ALL.into_iter().filter(|kind| some.contains(*kind)).collect();
        assert_eq!(chosen, [Kind::RunEnded, Kind::Changed]);
        assert!(Kind::ALL.into_iter().all(|kind| Kinds::ALL.contains(kind)));
        let error = Kinds::parse("run.ended,nonsense").unwrap_err();
        assert!(error.contains("\"nonsense\"") && error.contains("run.started"), "{error}");
        assert!(Kinds::parse("").is_err());
    }
}
