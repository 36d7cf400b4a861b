//! How runs went, in numbers.

use punctual_core::time::from_millis;
use punctual_core::{Insight, InsightsQuery, insights};
use serde::Serialize;
use utoipa::ToSchema;

use super::Instant;

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Insights {
    /// By how much a percentile of the durations may differ from the exact one, as a share of it.
    error: f64,
    data: Vec<Period>,
}

/// The ended runs of one task that started in one period.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Period {
    task: String,
    /// The job; null for work recorded outside of jobs.
    job: Option<String>,
    from: Instant,
    /// The end of the period, exclusive.
    to: Instant,
    success: i64,
    failed: i64,
    unknown: i64,
    /// The share of failed and unknown runs among all of them, from 0 to 1.
    failure_rate: f64,
    duration_ms: Durations,
}

/// Durations in milliseconds; null where no run has one.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Durations {
    mean: Option<f64>,
    p50: Option<u64>,
    p95: Option<u64>,
    p99: Option<u64>,
    /// At least the longest duration, and at most 1/16 more.
    max: Option<u64>,
}

impl Insights {
    pub(crate) fn new(query: &InsightsQuery, found: Vec<Insight>) -> Self {
        let data = found.into_iter().map(|insight| Period::new(query, insight)).collect();
        Self { error: insights::ERROR, data }
    }
}

impl Period {
    fn new(query: &InsightsQuery, insight: Insight) -> Self {
        let durations = &insight.rollup.durations;
        let rows = durations.rows();
        let duration_ms = Durations {
            mean: (rows > 0).then(|| insight.rollup.total_ms as f64 / rows as f64),
            p50: durations.percentile(50),
            p95: durations.percentile(95),
            p99: durations.percentile(99),
            max: insight.longest_ms(),
        };
        Self {
            failure_rate: insight.failure_rate(),
            task: insight.series.task,
            job: insight.series.job.map(|job| job.to_string()),
            from: insight.from.into(),
            to: from_millis(query.period_end(insight.from)).into(),
            success: insight.rollup.success,
            failed: insight.rollup.failed,
            unknown: insight.rollup.unknown,
            duration_ms,
        }
    }
}
