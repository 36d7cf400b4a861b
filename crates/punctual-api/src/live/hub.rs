//! The ring and those who read it. Plain data behind a lock: nothing here waits.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::sync::Arc;

use axum::body::Bytes;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::{Kinds, LiveSettings, Refused};
use crate::types::live::{Happening, Kind};

/// So many turns of the watch without a reader, and it ends. The turns are a second apart.
const TURNS_ALONE: u32 = 60;

/// An event as it is sent.
#[derive(Debug)]
struct Entry {
    number: u64,
    kind: Kind,
    text: Bytes,
}

struct Reader {
    kinds: Kinds,
    sender: Sender<Bytes>,
}

/// What a new reader gets.
pub(super) struct Seat {
    /// What it is told first.
    pub(super) first: VecDeque<Bytes>,
    /// What happens from then on. It ends when the reader is cut off or the server stops.
    pub(super) rest: Receiver<Bytes>,
}

pub(super) struct Hub {
    settings: LiveSettings,
    /// Differs for each stretch of recording, here and on all other nodes: an event's id is this and its number.
    stretch: u64,
    next: u64,
    ring: VecDeque<Arc<Entry>>,
    readers: Vec<Reader>,
    /// Readers whose stream has not ended, those that were cut off included.
    seats: usize,
    told: Told,
    followed: bool,
    closed: bool,
    turns_alone: u32,
    change_noted: bool,
}

impl Hub {
    pub(super) fn new(settings: LiveSettings) -> Self {
        Self {
            settings,
            stretch: 0,
            next: 1,
            ring: VecDeque::new(),
            readers: Vec::new(),
            seats: 0,
            told: Told::default(),
            followed: false,
            closed: false,
            turns_alone: 0,
            change_noted: false,
        }
    }

    /// Whether what happens is recorded.
    pub(super) fn is_followed(&self) -> bool {
        self.followed
    }

    /// Begins a stretch of recording.
    pub(super) fn begin(&mut self) {
        // Seeded by the system at random.
        self.stretch = RandomState::new().hash_one(self.stretch) >> 16;
        self.ring.clear();
        self.told = Told::default();
        self.next = 1;
        self.turns_alone = 0;
        self.followed = true;
    }

    /// Ends the stretch; with it the stream of whoever reads still, so that it comes back to a new one.
    pub(super) fn end(&mut self) {
        self.followed = false;
        self.readers.clear();
        self.ring.clear();
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
        self.end();
    }

    /// Takes a seat, and a place in the record: after the event with this id, or from now on.
    pub(super) fn join(&mut self, after: Option<&str>, kinds: Kinds, node: &str) -> Result<Seat, Refused> {
        if self.closed {
            return Err(Refused::Closed);
        }
        self.readers.retain(|reader| !reader.sender.is_closed());
        if self.seats >= self.settings.readers {
            return Err(Refused::Full);
        }
        self.seats += 1;
        self.turns_alone = 0;
        let latest = self.next - 1;
        let missed = after.map(|id| self.since(id));
        let greeting = serde_json::json!({ "node": node }).to_string();
        let mut first = VecDeque::new();
        match missed {
            Some(None) => first.push_back(self.text("reset", latest, &greeting)),
            Some(Some(number)) => {
                first.push_back(self.text("ready", number, &greeting));
                let missed = self.ring.iter().filter(|entry| entry.number > number);
                first.extend(
                    missed.filter(|entry| kinds.contains(entry.kind)).map(|entry| entry.text.clone()),
                );
            }
            None => first.push_back(self.text("ready", latest, &greeting)),
        }
        let (sender, rest) = channel(self.settings.queued.max(1));
        self.readers.push(Reader { kinds, sender });
        Ok(Seat { first, rest })
    }

    /// The number of an event of this stretch after which the ring has everything.
    fn since(&self, id: &str) -> Option<u64> {
        let (stretch, number) = id.split_once('-')?;
        let stretch = u64::from_str_radix(stretch, 16).ok()?;
        let number: u64 = number.parse().ok()?;
        let oldest = self.ring.front().map_or(self.next, |entry| entry.number);
        let complete = stretch == self.stretch && number < self.next && number + 1 >= oldest;
        complete.then_some(number)
    }

    pub(super) fn leave(&mut self) {
        self.seats = self.seats.saturating_sub(1);
    }

    /// Records what happened and tells it to those who want to know, once, whoever finds it first.
    pub(super) fn publish(&mut self, happening: &Happening) {
        if !self.followed || !self.told.is_news(happening) {
            return;
        }
        // What is told consists of words and numbers, which always have a JSON form.
        let Ok(data) = serde_json::to_string(happening) else { return };
        let (number, kind) = (self.next, happening.kind());
        self.next += 1;
        let entry = Arc::new(Entry { number, kind, text: self.text(kind.as_str(), number, &data) });
        // One that cannot take it is too slow, or gone.
        self.readers.retain(|reader| {
            !reader.kinds.contains(kind) || reader.sender.try_send(entry.text.clone()).is_ok()
        });
        self.ring.push_back(entry);
        if self.ring.len() > self.settings.kept {
            self.ring.pop_front();
        }
    }

    /// JSON has no line breaks of its own, so the data is one line.
    fn text(&self, kind: &str, number: u64, data: &str) -> Bytes {
        Bytes::from(format!("id: {:x}-{number}\nevent: {kind}\ndata: {data}\n\n", self.stretch))
    }

    pub(super) fn note_change(&mut self) {
        self.change_noted = true;
    }

    /// Whether another process changed something since this was asked last.
    pub(super) fn take_change(&mut self) -> bool {
        std::mem::take(&mut self.change_noted)
    }

    /// Whether the watch goes on; asked once a turn. If not, the stretch has ended.
    pub(super) fn goes_on(&mut self) -> bool {
        self.readers.retain(|reader| !reader.sender.is_closed());
        self.turns_alone = if self.readers.is_empty() { self.turns_alone + 1 } else { 0 };
        if self.turns_alone >= TURNS_ALONE {
            self.end();
        }
        self.followed
    }
}

/// What was told of late, since the node itself and a look at the store may both find it.
#[derive(Default)]
struct Told {
    order: VecDeque<u64>,
    known: HashSet<u64>,
}

impl Told {
    const KEPT: usize = 4_096;

    fn is_news(&mut self, happening: &Happening) -> bool {
        let mut hasher = DefaultHasher::new();
        match happening {
            Happening::RunStarted(run) => (0, run.id).hash(&mut hasher),
            Happening::RunEnded(run) => (1, run.id).hash(&mut hasher),
            Happening::Skipped(skipped) => (2, format!("{skipped:?}")).hash(&mut hasher),
            _ => return true,
        }
        let hash = hasher.finish();
        if !self.known.insert(hash) {
            return false;
        }
        self.order.push_back(hash);
        if self.order.len() > Self::KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}
