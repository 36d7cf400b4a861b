//! What became of a change.

use punctual_core::{Applied, StoreError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::ApiError;

/// How many definitions a change touched.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Changed {
    created: u64,
    updated: u64,
    /// Those that were already as asked.
    unchanged: u64,
    deleted: u64,
}

impl From<&Applied> for Changed {
    fn from(applied: &Applied) -> Self {
        Self {
            created: applied.created,
            updated: applied.updated,
            unchanged: applied.unchanged,
            deleted: applied.deleted,
        }
    }
}

/// A run that is stored, and happens even if this node is lost.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Stored {
    /// The key of the trigger that stands for it until it starts.
    trigger: String,
}

impl Stored {
    pub(crate) fn from(applied: Applied) -> Result<Self, ApiError> {
        match applied.pending {
            Some(key) => Ok(Self { trigger: key.to_string() }),
            None => Err(StoreError::Other(
                "the store named no pending run for a run asked for by hand".to_owned(),
            )
            .into()),
        }
    }
}
