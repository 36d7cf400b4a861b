//! A plan for people.

use std::io::{self, Write};

use punctual_core::Timestamp;
use serde_json::Value;

use super::{Action, Field, Item, Object, Plan};

/// Prints what differs, and how much does not.
pub(crate) fn show(plan: &Plan, out: &mut impl Write) -> io::Result<()> {
    for item in &plan.items {
        let shown = !matches!(item.action, Action::Unchanged | Action::Keep) || item.next.is_some();
        if shown {
            show_item(item, out)?;
        }
    }
    for problem in &plan.problems {
        writeln!(out, "problem: {problem}")?;
    }
    let counts = plan.counts;
    if counts.keep > 0 {
        writeln!(
            out,
            "{} definition(s) are not of the file and are left alone; --prune deletes jobs and unused calendars among \
             them",
            counts.keep
        )?;
    }
    if plan.differs() {
        writeln!(
            out,
            "{} to create, {} to change, {} to delete; {} unchanged",
            counts.create, counts.change, counts.delete, counts.unchanged
        )
    } else {
        writeln!(out, "no difference: {} definition(s) are as the file says", counts.unchanged)
    }
}

fn show_item(item: &Item, out: &mut impl Write) -> io::Result<()> {
    let (sign, object) = (sign(item.action), object(item.object));
    let indent = if item.object == Object::Trigger { "  " } else { "" };
    writeln!(out, "{indent}{sign} {object} {}", item.key)?;
    let width = item.fields.iter().map(|field| field.name.chars().count()).max().unwrap_or(0);
    for field in &item.fields {
        writeln!(out, "{indent}    {:width$}  {}", field.name, change(field))?;
    }
    if let Some(next) = &item.next {
        if item.action != Action::Create {
            writeln!(out, "{indent}    fires before: {}", times(&next.before, next.event_before.as_deref()))?;
        }
        if item.action != Action::Delete {
            writeln!(out, "{indent}    fires after:  {}", times(&next.after, next.event_after.as_deref()))?;
        }
    }
    for note in &item.notes {
        writeln!(out, "{indent}    note: {note}")?;
    }
    Ok(())
}

fn sign(action: Action) -> char {
    match action {
        Action::Create => '+',
        Action::Change => '~',
        Action::Delete => '-',
        Action::Unchanged | Action::Keep => ' ',
    }
}

fn object(object: Object) -> &'static str {
    match object {
        Object::Calendar => "calendar",
        Object::Job => "job",
        Object::Trigger => "trigger",
    }
}

fn change(field: &Field) -> String {
    if field.hidden {
        let what = match (&field.old, &field.new) {
            (None, _) => "is new",
            (_, None) => "goes",
            _ => "changes",
        };
        return format!("{what} (the value is not shown)");
    }
    let text =
        |value: &Option<Value>| value.as_ref().map_or_else(|| "(not set)".to_owned(), ToString::to_string);
    format!("{} -> {}", text(&field.old), text(&field.new))
}

fn times(instants: &[Timestamp], event: Option<&str>) -> String {
    let texts: Vec<String> = instants.iter().map(ToString::to_string).collect();
    match event {
        Some(event) => format!("when the event {event:?} is emitted"),
        None if texts.is_empty() => "never".to_owned(),
        None => texts.join(", "),
    }
}
