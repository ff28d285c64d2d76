//! Load: seeded senders and receivers that behave like careful programs, each move written into the [ledger](crate::ledger).

pub mod pipe;
pub mod receiver;
pub mod sender;
pub mod traffic;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::ledger::Ledger;
use receiver::Receiver;

/// A run of senders and receivers.
#[derive(Debug)]
pub struct Load {
    ledger: Arc<Ledger>,
    senders: JoinSet<()>,
    receivers: JoinSet<()>,
    closing: watch::Sender<bool>,
}

impl Load {
    /// A run without anybody yet.
    #[must_use]
    pub fn new(ledger: Arc<Ledger>) -> Self {
        Self {
            ledger,
            senders: JoinSet::new(),
            receivers: JoinSet::new(),
            closing: watch::Sender::new(false),
        }
    }

    /// A sender begins; it ends by itself.
    pub fn sender(&mut self, sending: impl Future<Output = ()> + Send + 'static) {
        self.senders.spawn(sending);
    }

    /// A receiver begins.
    pub fn receiver(&mut self, receiver: Receiver) {
        self.receivers.spawn(receiver.receive(self.closing.subscribe()));
    }

    /// Waits until all is sent and all is done.
    ///
    /// # Errors
    /// When the senders do not end `within` this time. What is not done by then is no error here: the checker finds it.
    pub async fn done(&mut self, within: Duration) -> Result<()> {
        let sent = timeout(within, join(&mut self.senders)).await;
        sent.context("the senders did not end")??;
        self.ledger
            .until(within, |counts| counts.done >= counts.accepted)
            .await;
        Ok(())
    }

    /// Waits until every receiver has seen an empty inbox once more: whatever is shown after done is seen, too.
    ///
    /// # Errors
    /// When a receiver fails, or does not end `within` this time.
    pub async fn close(mut self, within: Duration) -> Result<()> {
        self.closing.send_replace(true);
        let seen = timeout(within, join(&mut self.receivers)).await;
        seen.context("the inboxes did not become empty")?
    }
}

async fn join(tasks: &mut JoinSet<()>) -> Result<()> {
    while let Some(ended) = tasks.join_next().await {
        ended?;
    }
    Ok(())
}
