//! A draft that was handed over, and waiting for what became of it.

use wagglebus_schemas::api::SendAnswer;
use wagglebus_schemas::error::ErrorDetail;
use wagglebus_sidecar_core::effect::Answer;

use super::{Asked, unexpected};

/// A draft that was handed over.
pub(crate) struct Submitted {
    pub(super) asked: Asked,
    /// Its recipient was chosen by what is remembered.
    pub(super) stale: bool,
}

impl Submitted {
    /// Waits for the answer.
    ///
    /// # Errors
    /// The refusal, as it is to be shown.
    pub(crate) async fn answer(self) -> Result<SendAnswer, ErrorDetail> {
        let Answer::Sent(answer) = self.asked.answer().await? else {
            return Err(unexpected());
        };
        let stale = self.stale;
        Ok(SendAnswer { stale, ..answer })
    }
}
