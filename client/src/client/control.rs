//! Pause and halt, as the operator.

use serde_json::Value;
use wagglebus_schemas::AgentId;
use wagglebus_schemas::command::ControlAction;

use bytes::Bytes;

use super::{ANSWER_WITHIN, Client};
use crate::error::ClientError;
use crate::exchange::{Answered, Call};
use crate::query::Target;

impl Client {
    /// Pauses or resumes an agent, or without one halts or resumes the hive. The answer is the state after it, or the
    /// command's id and level when nobody has decided it within two seconds. May be repeated: what is so already stays so.
    ///
    /// # Errors
    /// [`ClientError::Refused`] by the sidecar or by the coordinator.
    pub async fn control(
        &self,
        agent: Option<&AgentId>,
        action: ControlAction,
    ) -> Result<Answered<Value>, ClientError> {
        let target = Target::new(match agent {
            Some(agent) => format!("/v1/agents/{agent}/{action}"),
            None => format!("/v1/swarm/{action}"),
        });
        let mut call = Call::post(target, Bytes::new(), ANSWER_WITHIN);
        call.repeatable = true;
        self.exchange.json(&call).await
    }
}
