//! Cron schedules in the dialect of Quartz.

mod expression;
mod field;
mod parse;
mod search;
mod zoned;

pub use expression::CronExpression;
pub(crate) use field::{DayRule, Fields, Years};
pub use zoned::{CronSchedule, DstPolicy};
