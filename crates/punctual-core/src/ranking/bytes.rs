//! Noted rows as bytes, for stores that keep what one transaction noted in one value.
//!
//! A row is its status, whether and how it says that it was deleted, and five numbers. A deleted row of a trigger ends with the
//! trigger's group and name, each after its length; older versions of the program did not write these.

use super::Noted;
use crate::{TaskStatus, TriggerKey};

const WIDTH: usize = 42;
/// How a row says whether it was deleted.
const ENDED: u8 = 0;
const GONE: u8 = 1;
const GONE_WITH_TRIGGER: u8 = 2;

impl Noted {
    /// Appends it, with its trigger where it was deleted and had one.
    pub fn write(&self, trigger: Option<&TriggerKey>, bytes: &mut Vec<u8>) {
        let trigger = trigger.filter(|_| self.gone);
        bytes.push(u8::try_from(self.status.code()).unwrap_or(u8::MAX));
        bytes.push(match trigger {
            Some(_) => GONE_WITH_TRIGGER,
            None if self.gone => GONE,
            None => ENDED,
        });
        let (ended, duration) = (self.ended_at.unwrap_or(i64::MAX), self.duration_ms.unwrap_or(i64::MAX));
        for number in [self.id, self.series, self.started_at, ended, duration] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        for text in trigger.iter().flat_map(|key| [key.group(), key.name()]) {
            bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
    }

    /// From the bytes of [`Noted::write`].
    pub fn read_all(bytes: &[u8]) -> impl Iterator<Item = Self> + '_ {
        Self::read_each(bytes).map(|(row, _)| row)
    }

    /// From the bytes of [`Noted::write`], with the triggers of deleted rows.
    pub fn read_each(bytes: &[u8]) -> impl Iterator<Item = (Self, Option<TriggerKey>)> + '_ {
        let mut rest = bytes;
        std::iter::from_fn(move || {
            let row;
            (row, rest) = rest.split_at_checked(WIDTH)?;
            let trigger = if row[1] == GONE_WITH_TRIGGER {
                let (group, name) = (text(&mut rest)?, text(&mut rest)?);
                Some(TriggerKey::stored(group, name))
            } else {
                None
            };
            let number = |at: usize| eight(&row[2 + at * 8..10 + at * 8]);
            let maybe = |at| Some(number(at)).filter(|number| *number != i64::MAX);
            let row = Self {
                id: number(0),
                series: number(1),
                status: TaskStatus::from_code(i64::from(row[0])),
                started_at: number(2),
                ended_at: maybe(3),
                duration_ms: maybe(4),
                gone: row[1] != ENDED,
            };
            Some((row, trigger))
        })
    }
}

fn eight(bytes: &[u8]) -> i64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(bytes);
    i64::from_le_bytes(eight)
}

/// Takes a text that stands after its length.
fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let (length, after) = rest.split_at_checked(8)?;
    let (text, after) = after.split_at_checked(usize::try_from(eight(length)).ok()?)?;
    *rest = after;
    std::str::from_utf8(text).ok()
}
