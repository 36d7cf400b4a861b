//! Schedules as pure arithmetic.
