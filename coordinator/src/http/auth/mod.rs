//! Who speaks, and what that one may do: tokens, tickets, and how fast.

mod bucket;
mod caller;
mod table;
mod ticket;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::http::HeaderMap;
use wagglebus_http::head::bearer;
use wagglebus_nats::api_tokens::{TokenFiles, digest};
use wagglebus_schemas::error::{ErrorCode, ErrorDetail};
use wagglebus_schemas::{AgentId, Id};

pub(crate) use bucket::Rate;
pub(crate) use caller::Caller;

use bucket::Buckets;
use table::Followed;
pub(super) use ticket::TICKET_LIVES;
use ticket::Tickets;

/// Decides who a caller is.
#[derive(Debug)]
pub(crate) struct Auth {
    tokens: Followed,
    tickets: Mutex<Tickets>,
    buckets: Mutex<Buckets>,
}

impl Auth {
    /// Knows the tokens in these files, and what becomes of them from then on. Without files nobody is let in.
    pub(crate) fn new(files: Option<TokenFiles>, rate: Rate) -> Self {
        Self {
            tokens: table::follow(files),
            tickets: Mutex::default(),
            buckets: Mutex::new(Buckets::new(rate)),
        }
    }

    /// Who sends a request with these headers.
    ///
    /// # Errors
    /// When it has no token that counts, or sends more than it may.
    pub(super) async fn by_token(&self, headers: &HeaderMap) -> Result<Caller, ErrorDetail> {
        let token = bearer(headers).ok_or_else(|| unauthorized("no bearer token"))?;
        let digest = digest(token);
        let mut known = self.tokens.table.borrow().find(&digest);
        if known.is_none() {
            // It may be new: whoever was just given one shall not have to wait.
            self.tokens.look().await;
            known = self.tokens.table.borrow().find(&digest);
        }
        let caller = known.ok_or_else(|| unauthorized("this token is not known here"))?;
        lock(&self.buckets).take(&caller, Instant::now())?;
        Ok(caller)
    }

    /// Who got this ticket. It counts once.
    ///
    /// # Errors
    /// When it is unknown, used, or too old; or its owner's token was revoked, or sends more than it may.
    pub(super) fn by_ticket(&self, ticket: &str) -> Result<Caller, ErrorDetail> {
        let owner = lock(&self.tickets).take(ticket, Instant::now());
        let caller = owner
            .filter(|caller| self.counts(caller))
            .ok_or_else(|| unauthorized("this ticket was used, is over 30 s old, or was never given"))?;
        lock(&self.buckets).take(&caller, Instant::now())?;
        Ok(caller)
    }

    /// Counts one request more of a caller that was let in.
    ///
    /// # Errors
    /// When it sends more than it may.
    pub(super) fn admit(&self, caller: &Caller) -> Result<(), ErrorDetail> {
        lock(&self.buckets).take(caller, Instant::now())
    }

    /// A ticket for a caller; `None` while too many are out.
    pub(super) fn ticket(&self, caller: &Caller) -> Option<String> {
        lock(&self.tickets).give(caller, Instant::now())
    }

    /// The id that a caller's key stands for; `None` while there is no secret to make it from.
    pub(super) fn id_of_key(&self, from: &AgentId, key: &str) -> Option<Id> {
        let secret = self.tokens.table.borrow().secret()?;
        let secret = secret.map(|byte| format!("{byte:02x}")).concat();
        let mut bytes = [0_u8; 16];
        for (to, of) in bytes.iter_mut().zip(digest(&format!("{secret} {from} {key}"))) {
            *to = of;
        }
        Some(Id::from_uuid(uuid::Builder::from_custom_bytes(bytes).into_uuid()))
    }

    /// Whether a caller's token counts still.
    pub(super) fn counts(&self, caller: &Caller) -> bool {
        self.tokens.table.borrow().has(caller)
    }

    /// Resolves once a caller's token counts no more: whatever still runs for it has to end. Cancel-safe.
    pub(crate) async fn revoked(&self, caller: &Caller) {
        let mut table = self.tokens.table.clone();
        // Whoever follows the files lives as long as we do.
        table.wait_for(|table| !table.has(caller)).await.ok();
    }
}

fn unauthorized(why: &str) -> ErrorDetail {
    ErrorDetail::new(ErrorCode::Unauthorized, why).hint(
        "send Authorization: Bearer with the text of token_file in <run folder>/<hive>/bus.json, \
         or a token of `wagglebus auth token add`",
    )
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is left half done in there.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
