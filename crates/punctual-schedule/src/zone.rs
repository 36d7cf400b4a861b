//! Time zones: finding one by its IANA name, and a table of its offsets made for fast lookups.

mod name;
mod table;

pub use name::zone;
pub(crate) use name::{name_of, utc};
pub(crate) use table::{Resolved, Segment, ZoneTable};
