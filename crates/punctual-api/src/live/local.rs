//! What the scheduler of this node tells, in the words of the stream.

use punctual_core::{Change, Event, Term};

use crate::types::live::{Happening, Run, Skipped};

/// What is known of this node.
#[derive(Default)]
pub(super) struct Local {
    node: String,
    term: Option<Term>,
    state: Option<&'static str>,
}

impl Local {
    /// Remembers what later events leave out.
    pub(super) fn note(&mut self, event: &Event) {
        match event {
            Event::NodeStarted { name, term } => (self.node, self.term) = (name.clone(), Some(*term)),
            Event::LeaseLost { new, .. } => self.term = Some(*new),
            Event::NodeStateChanged { name, state } => {
                self.node.clone_from(name);
                self.state = Some(state.as_str());
            }
            _ => {}
        }
    }

    pub(super) fn happenings(&self, event: &Event) -> Vec<Happening> {
        match event {
            Event::JobStarted { fire } => vec![Happening::RunStarted(Run::of_fire(fire, &self.node))],
            Event::RunStored { fire, status, ended_at, duration_ms } => {
                let mut run = Run::of_fire(fire, &self.node);
                run.status = status.as_str();
                run.ended_at = Some((*ended_at).into());
                run.duration_ms = Some(*duration_ms);
                vec![Happening::RunEnded(run)]
            }
            Event::InstantsSkipped { trigger, skip } => {
                vec![Happening::Skipped(Skipped::new(trigger, skip))]
            }
            Event::TriggerFailed { trigger, .. } => vec![of_trigger(trigger, "failed")],
            Event::Repaired(_) => vec![Happening::Changed { what: vec!["definitions"] }],
            Event::DefinitionsChanged { changes } => changes.iter().flat_map(edited).collect(),
            Event::NodeStateChanged { .. } => vec![self.own(self.term, self.state.unwrap_or("starting"))],
            Event::NodeStopped { .. } => vec![self.own(self.term, "stopped")],
            Event::LeaseLost { old, new } => {
                vec![self.own(Some(*old), "lost"), self.own(Some(*new), self.state.unwrap_or("starting"))]
            }
            _ => Vec::new(),
        }
    }

    fn own(&self, term: Option<Term>, state: &'static str) -> Happening {
        Happening::Node { node: self.node.clone(), term: term.map(|term| term.0), state }
    }
}

fn of_trigger(key: &punctual_core::TriggerKey, action: &'static str) -> Happening {
    Happening::Trigger { trigger: key.to_string(), action }
}

fn of_job(key: &punctual_core::JobKey, action: &'static str) -> Happening {
    Happening::Job { job: key.to_string(), action }
}

fn edited(change: &Change) -> Vec<Happening> {
    let one = match change {
        Change::Declare(declaration) => return edited(&declaration.what.edit()),
        Change::Schedule { job, triggers } => {
            let triggers = triggers.iter().map(|trigger| of_trigger(&trigger.key, "stored"));
            return std::iter::once(of_job(&job.key, "stored")).chain(triggers).collect();
        }
        Change::PutJob(job) => of_job(&job.key, "stored"),
        Change::PutTrigger(trigger) | Change::AddTrigger(trigger) => of_trigger(&trigger.key, "stored"),
        Change::DeleteTrigger(key) => of_trigger(key, "deleted"),
        Change::DeleteTriggersOf(job) => of_job(job, "triggers_deleted"),
        Change::DeleteJob(job) => of_job(job, "deleted"),
        Change::PauseTrigger(key) => of_trigger(key, "paused"),
        Change::ResumeTrigger(key) => of_trigger(key, "resumed"),
        Change::PauseJob(job) => of_job(job, "paused"),
        Change::ResumeJob(job) => of_job(job, "resumed"),
        Change::PauseGroup(group) => Happening::Group { group: group.clone(), action: "paused" },
        Change::ResumeGroup(group) => Happening::Group { group: group.clone(), action: "resumed" },
        Change::TriggerNow { job, .. } => of_job(job, "triggered"),
        Change::ResetTrigger(key) => of_trigger(key, "reset"),
        Change::PutCalendar { name, .. } => Happening::Calendar { calendar: name.clone(), action: "stored" },
        Change::DeleteCalendar(name) => Happening::Calendar { calendar: name.clone(), action: "deleted" },
        // The runs that an event makes are told as they start.
        Change::Emit { .. } => return Vec::new(),
        _ => Happening::Changed { what: vec!["definitions"] },
    };
    vec![one]
}
