//! The machines of tasks, agents and the hive, as the coordinator tells of them.

use wagglebus_schemas::api::Page;
use wagglebus_schemas::fsm_api::{Fsm, FsmRequest, Transition};

use super::Client;
use crate::error::ClientError;
use crate::exchange::Answered;
use crate::query::Target;

impl Client {
    /// Where a machine stands, or with `at` where it stood. Of the other fields only entity and id are asked with.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `not_found` or `unknown_agent`, or any other.
    pub async fn fsm(&self, request: &FsmRequest) -> Result<Answered<Fsm>, ClientError> {
        let mut target = Target::new(path(request));
        if let Some(at) = request.at {
            target = target.with("at", at.as_ref());
        }
        self.read(target).await
    }

    /// What happened to a machine, the latest first.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `not_found` or `unknown_agent`, or any other.
    pub async fn fsm_history(&self, request: &FsmRequest) -> Result<Answered<Page<Transition>>, ClientError> {
        let limit = request.limit.map(|limit| limit.to_string());
        let mut target = Target::new(format!("{}/history", path(request)));
        for (name, value) in [
            ("limit", limit.as_deref()),
            ("cursor", request.cursor.as_deref()),
            ("state", request.state.as_deref()),
        ] {
            if let Some(value) = value {
                target = target.with(name, value);
            }
        }
        self.read(target).await
    }
}

fn path(request: &FsmRequest) -> String {
    format!(
        "/v1/fsm/{}/{}",
        request.entity,
        request.id.as_deref().unwrap_or_default()
    )
}
