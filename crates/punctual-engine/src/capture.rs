//! Takes the messages of a run from `tracing`.
//!
//! Each run and recorded task has a span. The layer hangs the sheet of the work on that span, and an event goes to the sheet
//! of the nearest span around it, so that what a job's own threads log in its span is kept too.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use punctual_core::LogLevel;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Span, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::sheet::Sheet;

thread_local! {
    /// The sheet of the span that is just being made on this thread.
    static MAKING: RefCell<Option<Arc<Sheet>>> = const { RefCell::new(None) };
}

/// Makes the span of a piece of work.
pub(crate) fn span_of(sheet: &Arc<Sheet>, make: impl FnOnce() -> Span) -> Span {
    MAKING.set(Some(Arc::clone(sheet)));
    let span = make();
    MAKING.take();
    span
}

/// Keeps the messages of runs and recorded tasks; made by [`capture_layer`].
#[derive(Debug)]
pub struct CaptureLayer(());

/// A layer for an application's subscriber that keeps the messages of runs and recorded tasks in the task history: errors,
/// warnings and information, the newest 100 of each run. Other layers go on as before; give those that are to see less
/// filters of their own, since a filter for the whole subscriber also filters this.
pub fn capture_layer<S: Subscriber + for<'a> LookupSpan<'a>>() -> impl Layer<S> + Send + Sync {
    CaptureLayer(()).with_filter(LevelFilter::INFO)
}

struct Attached(Arc<Sheet>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for CaptureLayer {
    fn on_new_span(&self, _: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        let Some(sheet) = MAKING.take() else { return };
        if let Some(span) = ctx.span(id) {
            span.extensions_mut().insert(Attached(sheet));
        }
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let level = match *event.metadata().level() {
            Level::ERROR => LogLevel::Error,
            Level::WARN => LogLevel::Warn,
            Level::INFO => LogLevel::Info,
            _ => return,
        };
        let sheet = ctx.event_scope(event).and_then(|mut spans| {
            spans.find_map(|span| span.extensions().get::<Attached>().map(|found| Arc::clone(&found.0)))
        });
        let Some(sheet) = sheet else { return };
        let mut text = Text::default();
        event.record(&mut text);
        sheet.log(level, event.metadata().target(), text.message + &text.fields, text.error);
    }
}

/// An event as text: its message, then its fields.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
    error: Vec<String>,
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message.push_str(value),
            name => self.add(name, format_args!("{value:?}")),
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.add(field.name(), format_args!("{value}"));
        let mut next = Some(value);
        // A chain of causes has an end, but nothing says so.
        for _ in 0..20 {
            let Some(error) = next else { break };
            self.error.push(error.to_string());
            next = error.source();
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.add_message(format_args!("{value:?}")),
            name => self.add(name, format_args!("{value:?}")),
        }
    }
}

impl Text {
    // Writing to a string cannot fail.
    fn add(&mut self, name: &str, value: fmt::Arguments<'_>) {
        let _ = write!(self.fields, " {name}={value}");
    }

    fn add_message(&mut self, value: fmt::Arguments<'_>) {
        let _ = self.message.write_fmt(value);
    }
}
