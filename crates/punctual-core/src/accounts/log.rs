//! The log of changes: who changed what, and what it was before.

use jiff::Timestamp;
use serde_json::Value;

use super::redacted;

/// What a change leaves in the log. It is stored in the transaction of the change ([`crate::Change::Audit`],
/// [`super::AccountChange::Audit`]), so that there is no change without its entry and no entry without its change.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    actor: String,
    actor_id: Option<i64>,
    action: String,
    subject: String,
    before: Option<Value>,
    after: Option<Value>,
    note: Option<String>,
}

impl AuditEntry {
    /// An entry: who did it, what they did (`job.delete`), and to what (`DEFAULT.report`).
    pub fn new(actor: impl Into<String>, action: impl Into<String>, subject: impl Into<String>) -> Self {
        Self {
            actor: actor.into(),
            actor_id: None,
            action: action.into(),
            subject: subject.into(),
            before: None,
            after: None,
            note: None,
        }
    }

    /// The number of the user who did it.
    #[must_use]
    pub fn by(mut self, user: Option<i64>) -> Self {
        self.actor_id = user;
        self
    }

    /// What was there before. Secrets are left out ([`redacted`]).
    #[must_use]
    pub fn before(mut self, value: Value) -> Self {
        self.before = Some(redacted(value));
        self
    }

    /// What is there now. Secrets are left out ([`redacted`]).
    #[must_use]
    pub fn after(mut self, value: Value) -> Self {
        self.after = Some(redacted(value));
        self
    }

    /// Why, in the words of whoever did it.
    #[must_use]
    pub fn note(mut self, note: Option<String>) -> Self {
        self.note = note.filter(|note| !note.trim().is_empty());
        self
    }
}

/// What a store reads and writes.
impl AuditEntry {
    /// Who did it.
    pub fn actor(&self) -> &str {
        &self.actor
    }

    /// The number of the user who did it, if it was one.
    pub fn actor_id(&self) -> Option<i64> {
        self.actor_id
    }

    /// What they did.
    pub fn action(&self) -> &str {
        &self.action
    }

    /// To what.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// What was there before.
    pub fn before_value(&self) -> Option<&Value> {
        self.before.as_ref()
    }

    /// What is there since.
    pub fn after_value(&self) -> Option<&Value> {
        self.after.as_ref()
    }

    /// Why.
    pub fn note_text(&self) -> Option<&str> {
        self.note.as_deref()
    }
}

/// An entry as a store holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditRow {
    /// The number; later entries have larger ones.
    pub id: i64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub entry: AuditEntry,
}

/// Which entries, newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AuditQuery {
    /// Only by this actor.
    pub actor: Option<String>,
    /// Only this action, or with a dot at the end all that begin with it (`job.`).
    pub action: Option<String>,
    /// Only to this subject.
    pub subject: Option<String>,
    /// Only from here on.
    pub from: Option<Timestamp>,
    /// Only up to here (exclusive).
    pub to: Option<Timestamp>,
    /// Only entries older than this one: the last of the page before.
    pub before_id: Option<i64>,
    /// At most so many.
    pub limit: u64,
}

impl AuditQuery {
    /// What comes right after all actions that begin with the wanted one, where that is a prefix: for stores that compare.
    pub fn after_prefix(&self) -> Option<String> {
        // The character after the dot.
        self.action.as_ref()?.strip_suffix('.').map(|start| format!("{start}/"))
    }

    /// Whether it asks for an entry.
    pub fn matches(&self, row: &AuditRow) -> bool {
        let action = |wanted: &String| match wanted.ends_with('.') {
            true => row.entry.action.starts_with(wanted.as_str()),
            false => row.entry.action == *wanted,
        };
        self.actor.as_ref().is_none_or(|actor| row.entry.actor == *actor)
            && self.action.as_ref().is_none_or(action)
            && self.subject.as_ref().is_none_or(|subject| row.entry.subject == *subject)
            && self.from.is_none_or(|from| row.at >= from)
            && self.to.is_none_or(|to| row.at < to)
            && self.before_id.is_none_or(|id| row.id < id)
    }
}
