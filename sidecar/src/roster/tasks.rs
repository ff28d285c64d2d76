//! What the coordinator says about tasks and alerts. Nothing of it is remembered here.

use serde::Serialize;
use serde_json::Value;
use wagglebus_schemas::Id;
use wagglebus_schemas::alert::AlertsRequest;
use wagglebus_schemas::error::ErrorDetail;
use wagglebus_schemas::subject::ApiMethod;
use wagglebus_schemas::task_api::{TaskRequest, TasksRequest};

use super::{ASK_WITHIN, Roster, shown};

impl Roster {
    /// A page of the tasks there are.
    ///
    /// # Errors
    /// When nobody answers, or the coordinator refuses.
    pub(crate) async fn tasks(&self, request: &TasksRequest) -> Result<Value, ErrorDetail> {
        self.ask_of_tasks(ApiMethod::Tasks, request).await
    }

    /// A task as it is now.
    ///
    /// # Errors
    /// When nobody answers, or nobody knows it.
    pub(crate) async fn task(&self, id: Id) -> Result<Value, ErrorDetail> {
        self.ask_of_tasks(ApiMethod::Task, &TaskRequest { id }).await
    }

    /// Why a task went to whom.
    ///
    /// # Errors
    /// When nobody answers, or nobody knows it.
    pub(crate) async fn explain(&self, id: Id) -> Result<Value, ErrorDetail> {
        self.ask_of_tasks(ApiMethod::Explain, &TaskRequest { id }).await
    }

    /// A page of the alerts there are.
    ///
    /// # Errors
    /// When nobody answers, or the coordinator refuses.
    pub(crate) async fn alerts(&self, request: &AlertsRequest) -> Result<Value, ErrorDetail> {
        self.ask(ApiMethod::Alerts, &shown(request)?, ASK_WITHIN, "alerts")
            .await
    }

    async fn ask_of_tasks(&self, method: ApiMethod, request: &impl Serialize) -> Result<Value, ErrorDetail> {
        self.ask(method, &shown(request)?, ASK_WITHIN, "tasks").await
    }
}
