//! A failure, as the OpenAPI document describes it.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

/// Why a request failed (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// The status of the answer.
    status: u16,
    /// The status in words.
    title: String,
    /// What it was, for programs; never changes.
    code: String,
    /// What it was, for people.
    detail: String,
    /// With `invalid-parameters`: what is wrong, by parameter or by member of the body.
    #[schema(nullable = false)]
    errors: Option<BTreeMap<String, String>>,
}
