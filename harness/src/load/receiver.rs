//! A receiver over HTTP: takes by long poll and mostly acks; some messages it gives back, puts off, or forgets.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use wagglebus_client::{Client, ClientError, Take};
use wagglebus_schemas::api::{AckRequest, InboxItem, NakRequest};
use wagglebus_schemas::{AgentId, Id};

use super::sender::RETRY_AFTER;
use crate::ledger::{Ledger, Op, Settle, Show};
use crate::rng::Rng;

/// Longest long poll.
const POLL: Duration = Duration::from_secs(2);
/// A lease that is meant to be kept: longer than any fault.
const LEASE: Duration = Duration::from_secs(120);
/// The shortest lease that there is, for messages that are forgotten.
const LEASE_MIN: Duration = Duration::from_secs(5);
/// Attempts to have an ack confirmed: a sidecar that is killed is back long before.
const SETTLE_TRIES: u32 = 500;

/// How a receiver behaves. It misbehaves only at the first hand-over of a message, so none dies of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Habits {
    /// Most messages of one long poll, 1 to 32.
    pub max: u32,
    /// Of 1000 messages: given back without delay.
    pub give_back: u64,
    /// Of 1000 messages: given back with a delay.
    pub put_off: u64,
    /// Of 1000 long polls: all that it brings is forgotten, until the shortest lease has run out.
    pub forget: u64,
}

/// One receiver.
#[derive(Debug)]
pub struct Receiver {
    /// Who.
    pub agent: AgentId,
    /// Its sidecar.
    pub client: Client,
    /// Where it writes down what it sees.
    pub ledger: Arc<Ledger>,
    /// How it behaves.
    pub habits: Habits,
    /// Chance.
    pub rng: Rng,
}

impl Receiver {
    /// Takes messages until `closing` is true and a long poll stays empty.
    pub async fn receive(mut self, closing: watch::Receiver<bool>) {
        loop {
            let last = *closing.borrow();
            let forget = !last && self.rng.below(1_000) < self.habits.forget;
            let take = Take {
                max: u32::try_from(self.rng.below(u64::from(self.habits.max))).map_or(1, |max| max + 1),
                timeout: POLL,
                lease: if forget { LEASE_MIN } else { LEASE },
            };
            let items = match self.client.inbox(take).await {
                Ok(answer) => answer.value.messages,
                // Whatever was handed over comes again.
                Err(_) => {
                    sleep(RETRY_AFTER).await;
                    continue;
                }
            };
            if items.is_empty() && last {
                return;
            }
            for item in &items {
                let show = Show::new(&self.agent, &item.message, item.delivery, item.redelivered);
                self.ledger.record(Op::Shown(show));
            }
            for item in items {
                self.settle(item, forget).await;
            }
        }
    }

    async fn settle(&mut self, item: InboxItem, forget: bool) {
        let id = item.message.id;
        if item.delivery > 1 {
            return self.ack(id, item.lease).await;
        }
        if forget {
            let after_ms = u64::try_from(LEASE_MIN.as_millis()).unwrap_or(u64::MAX);
            return self.settled(id, Settle::Expired { after_ms }, true);
        }
        let chance = self.rng.below(1_000);
        if chance < self.habits.give_back {
            self.nak(id, item.lease, 0).await;
        } else if chance < self.habits.give_back + self.habits.put_off {
            let delay_ms = 1 + self.rng.below(1_000);
            self.nak(id, item.lease, delay_ms).await;
        } else {
            self.ack(id, item.lease).await;
        }
    }

    async fn ack(&self, id: Id, lease: String) {
        let request = AckRequest { lease, done: true };
        for _ in 0..SETTLE_TRIES {
            match self.client.ack(id, &request).await {
                Ok(_) => return self.settled(id, Settle::Done, true),
                // The lease went with a former life of the sidecar: the message comes again.
                Err(ClientError::Refused { status, .. }) if status < 500 => break,
                Err(_) => sleep(RETRY_AFTER).await,
            }
        }
        self.settled(id, Settle::Done, false);
    }

    async fn nak(&self, id: Id, lease: String, delay_ms: u64) {
        let how = if delay_ms == 0 {
            Settle::GaveBack
        } else {
            Settle::PutOff
        };
        let request = NakRequest {
            lease,
            delay_ms,
            reason: None,
        };
        // Without an answer it is not repeated: the lease would be another one by then.
        let confirmed = self.client.nak(id, &request).await.is_ok();
        self.settled(id, how, confirmed);
    }

    fn settled(&self, id: Id, how: Settle, confirmed: bool) {
        self.ledger.record(Op::Settled {
            by: self.agent.clone(),
            id,
            how,
            confirmed,
        });
    }
}
