//! One reader's stream: the text of server-sent events (WHATWG HTML, section 9.2).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::stream;
use punctual_core::{Clock, SleepFuture};
use punctual_engine::Scheduler;
use tokio::sync::mpsc::Receiver;

use super::{Kinds, Live, Refused};

/// A comment goes out when nothing else did for so long, so that the way between does not take the silence for the end.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// No stream lasts longer, so that the reader is asked again who it is.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// How long a browser waits before it comes back, in milliseconds.
const COMES_BACK_MS: u32 = 2_000;

struct Reading {
    live: Arc<Live>,
    clock: Arc<dyn Clock>,
    first: VecDeque<Bytes>,
    rest: Receiver<Bytes>,
    end: SleepFuture,
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.live.hub().leave();
    }
}

impl Reading {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(text) = self.first.pop_front() {
            return Some(text);
        }
        tokio::select! {
            biased;
            text = self.rest.recv() => text,
            () = &mut self.end => None,
            () = self.clock.sleep_for(HEARTBEAT) => Some(Bytes::from_static(b": still here\n\n")),
        }
    }
}

/// Begins to listen: after the event with this id, or from now on.
pub(crate) async fn stream(
    live: &Arc<Live>,
    scheduler: &Scheduler,
    after: Option<&str>,
    kinds: Kinds,
) -> Result<Body, Refused> {
    live.follow(scheduler).await.map_err(Refused::Store)?;
    let seat = live.hub().join(after, kinds, &scheduler.status().name)?;
    let clock = Arc::clone(scheduler.clock());
    let mut first = seat.first;
    first.push_front(Bytes::from(format!("retry: {COMES_BACK_MS}\n\n")));
    let end = clock.sleep_for(LONGEST);
    let reading = Reading { live: Arc::clone(live), clock, first, rest: seat.rest, end };
    Ok(Body::from_stream(stream::unfold(reading, |mut reading| async move {
        let text = reading.next().await?;
        Some((Ok::<_, std::convert::Infallible>(text), reading))
    })))
}
