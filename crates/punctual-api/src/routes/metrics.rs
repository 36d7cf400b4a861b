//! Prometheus.

pub(super) mod get;
