//! Events for `tracing`, beside the log: messages as they are, decisions with their numbers as fields.

use std::fmt;

use aura_aimd::Phase;

use crate::decisions::DecisionRecord;
use crate::log::Level;

/// A message of the library (errors of rings, the end of an engine), or of its user through it.
pub(crate) fn message(level: Level, message: fmt::Arguments<'_>) {
    // The level of an event is part of its place in the program, so there are four places.
    match level {
        Level::Error => tracing::error!(target: "aura", "{message}"),
        Level::Warning => tracing::warn!(target: "aura", "{message}"),
        Level::Notice | Level::Info => tracing::info!(target: "aura", "{message}"),
        Level::Debug => tracing::debug!(target: "aura", "{message}"),
    }
}

/// A decision of the controller.
pub(crate) fn decision(record: &DecisionRecord) {
    let DecisionRecord { limit_before, limit, reason, in_flight, .. } = record;
    tracing::debug!(
        target: "aura::controller",
        limit_before,
        limit,
        reason,
        in_flight,
        phase = Phase::from_i32(record.phase).map_or("UNKNOWN", Phase::name),
        p99_seconds = record.p99_ns as f64 / 1e9,
        operations_per_second = record.operations_per_second,
        "decision"
    );
}
