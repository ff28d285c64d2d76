//! What all requests of the API share.

use std::sync::Arc;

use axum::extract::State;
use wagglebus_schemas::AgentId;

use super::stream::Streams;
use crate::gate::Gate;
use crate::metrics::Metrics;
use crate::shutdown::Shutdown;

/// What all requests share.
pub(super) struct ApiState {
    pub(super) gate: Gate,
    pub(super) agent: AgentId,
    pub(super) metrics: Metrics,
    pub(super) streams: Streams,
    pub(super) shutdown: Shutdown,
}

/// What handlers are lent.
pub(super) type Shared = State<Arc<ApiState>>;
