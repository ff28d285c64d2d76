//! What all requests of the API share.

use std::sync::Arc;

use axum::extract::State;
use tokio::sync::watch;
use wagglebus_nats::jetstream::JetStream;
use wagglebus_schemas::Hive;

use super::auth::Auth;
use super::past::Past;
use crate::feed::Hub;
use crate::gate::Gate;
use crate::health::Health;
use crate::metrics::Metrics;

/// What all requests share.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) hive: Hive,
    /// Questions to the machine.
    pub(crate) gate: Gate,
    /// Where commands and messages are stored.
    pub(crate) bus: JetStream,
    pub(crate) auth: Auth,
    /// What was written in the fleet.
    pub(crate) past: Past,
    /// What happens in the fleet.
    pub(crate) feed: Arc<Hub>,
    pub(crate) health: watch::Receiver<Health>,
    pub(crate) metrics: Arc<Metrics>,
}

/// What handlers are lent.
pub(crate) type Shared = State<Arc<Api>>;
