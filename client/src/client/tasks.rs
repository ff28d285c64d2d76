//! Tasks and alerts: commands, and what the coordinator says of them.

use wagglebus_schemas::alert::{Alert, AlertsRequest};
use wagglebus_schemas::api::Page;
use wagglebus_schemas::command::TaskVerb;
use wagglebus_schemas::id::Id;
use wagglebus_schemas::task_api::{Explanation, TaskAnswer, TasksRequest};
use wagglebus_schemas::{Command, Task, TaskDraft};

use super::{ANSWER_WITHIN, Client};
use crate::error::ClientError;
use crate::exchange::Answered;
use crate::query::Target;

impl Client {
    /// Submits a task. With an `id` in the draft a broken exchange is repeated once, since the same id is never another
    /// task; without one it is not.
    ///
    /// # Errors
    /// [`ClientError::Refused`] by the sidecar or by the coordinator.
    pub async fn submit_task(&self, draft: &TaskDraft) -> Result<Answered<TaskAnswer>, ClientError> {
        let mut call = self.post(Target::new("/v1/tasks"), draft, ANSWER_WITHIN)?;
        call.repeatable = draft.id.is_some();
        call.message = draft.id;
        self.exchange.json(&call).await
    }

    /// Commands something about a task that exists. With an `id` in the command a broken exchange is repeated once, as the
    /// same id is never another command; without one it is not.
    ///
    /// # Errors
    /// [`ClientError::Refused`] by the sidecar or by the coordinator.
    pub async fn command_task(
        &self,
        task: Id,
        verb: TaskVerb,
        command: &Command,
    ) -> Result<Answered<TaskAnswer>, ClientError> {
        let target = Target::new(format!("/v1/tasks/{task}/{verb}"));
        let mut call = self.post(target, command, ANSWER_WITHIN)?;
        call.repeatable = command.id.is_some();
        call.message = command.id;
        self.exchange.json(&call).await
    }

    /// One page of the tasks there are.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn tasks(&self, request: &TasksRequest) -> Result<Answered<Page<Task>>, ClientError> {
        let limit = request.limit.map(|limit| limit.to_string());
        let mut target = Target::new("/v1/tasks");
        for (name, value) in [
            ("limit", limit.as_deref()),
            ("cursor", request.cursor.as_deref()),
            ("state", request.state.map(|state| state.as_str())),
            ("agent", request.agent.as_ref().map(|agent| agent.as_str())),
        ] {
            if let Some(value) = value {
                target = target.with(name, value);
            }
        }
        self.read(target).await
    }

    /// One page of the alerts there are, the latest first.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn alerts(&self, request: &AlertsRequest) -> Result<Answered<Page<Alert>>, ClientError> {
        let limit = request.limit.map(|limit| limit.to_string());
        let mut target = Target::new("/v1/alerts");
        for (name, value) in [
            ("limit", limit.as_deref()),
            ("cursor", request.cursor.as_deref()),
            ("state", request.state.map(|state| state.as_str())),
        ] {
            if let Some(value) = value {
                target = target.with(name, value);
            }
        }
        self.read(target).await
    }

    /// A task as it is now.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `not_found`, or any other.
    pub async fn task(&self, task: Id) -> Result<Answered<Task>, ClientError> {
        self.read(Target::new(format!("/v1/tasks/{task}"))).await
    }

    /// Why a task went to whom.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with `not_found`, or any other.
    pub async fn explain_task(&self, task: Id) -> Result<Answered<Explanation>, ClientError> {
        self.read(Target::new(format!("/v1/tasks/{task}/explanation")))
            .await
    }
}
