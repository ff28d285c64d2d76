//! What the coordinator says about the machines of tasks, agents and the hive. Nothing of it is remembered here.

use serde_json::Value;
use wagglebus_schemas::error::ErrorDetail;
use wagglebus_schemas::fsm_api::FsmRequest;
use wagglebus_schemas::subject::ApiMethod;

use super::{ASK_WITHIN, Roster, shown};

impl Roster {
    /// Where a machine stands or stood, or what happened to it.
    ///
    /// # Errors
    /// When nobody answers, or the coordinator refuses.
    pub(crate) async fn fsm(&self, request: &FsmRequest) -> Result<Value, ErrorDetail> {
        self.ask(ApiMethod::Fsm, &shown(request)?, ASK_WITHIN, "machines")
            .await
    }
}
