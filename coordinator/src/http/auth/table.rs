//! The tokens that count, read again whenever their files change.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};
use wagglebus_nats::api_tokens::{self, Role, TokenDigest, TokenError, TokenFiles};

use super::caller::Caller;

/// Time between two looks at the files: a revoked token is refused that much later at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a look before its time may take.
const LOOKED_WITHIN: Duration = Duration::from_millis(250);

/// Every token that counts.
#[derive(Debug, Default)]
pub(super) struct Table(Vec<(TokenDigest, Arc<str>, Role)>);

impl Table {
    fn read(files: &TokenFiles) -> Result<Self, TokenError> {
        let all = files.digests()?.into_iter();
        Ok(Self(
            all.map(|(digest, name, role)| (digest, name.into(), role))
                .collect(),
        ))
    }

    /// Who has the token with this digest. Looks at every token, and takes the same time wherever two differ.
    pub(super) fn find(&self, given: &TokenDigest) -> Option<Caller> {
        let mut found = None;
        for (digest, name, role) in &self.0 {
            if is_equal(digest, given) {
                found = Some((name, role));
            }
        }
        found.map(|(name, role)| Caller {
            name: name.clone(),
            role: role.clone(),
            digest: *given,
        })
    }

    /// What only this user knows: the digest of the operator's token, which stands in no file.
    pub(super) fn secret(&self) -> Option<TokenDigest> {
        let own = self.0.iter().find(|(_, name, _)| &**name == api_tokens::OPERATOR);
        own.map(|(digest, ..)| *digest)
    }

    /// Whether a caller's token counts, and allows what it did.
    pub(super) fn has(&self, caller: &Caller) -> bool {
        self.find(&caller.digest).is_some_and(|now| now == *caller)
    }
}

fn is_equal(one: &TokenDigest, other: &TokenDigest) -> bool {
    let pairs = one.iter().zip(other);
    pairs.fold(0, |difference, (a, b)| black_box(difference | (a ^ b))) == 0
}

/// The tokens as they are, and a way to have them looked at before their time.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) table: watch::Receiver<Arc<Table>>,
    look: Arc<Notify>,
    /// How often the files were looked at.
    looks: watch::Receiver<u64>,
}

impl Followed {
    /// Has the files looked at now: somebody may have just been given a token.
    pub(super) async fn look(&self) {
        let mut looks = self.looks.clone();
        looks.borrow_and_update();
        self.look.notify_one();
        timeout(LOOKED_WITHIN, looks.changed()).await.ok();
    }
}

/// The tokens now and from now on. Makes the operator's token where there is none.
pub(super) fn follow(files: Option<TokenFiles>) -> Followed {
    let look = Arc::new(Notify::new());
    let (counted, looks) = watch::channel(0);
    let Some(files) = files else {
        tracing::warn!(
            "there is no place for tokens, so the API lets nobody in: set HOME, or use --token-file"
        );
        let table = watch::channel(Arc::default()).1;
        return Followed { table, look, looks };
    };
    if let Err(error) = files.ensure_operator() {
        tracing::error!(%error, "the operator's token cannot be made");
    }
    let mut stamp = files.stamp();
    let (tell, table) = watch::channel(Arc::new(read(&files)));
    let asked = look.clone();
    tokio::spawn(async move {
        let mut tick = interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !tell.is_closed() {
            tokio::select! {
                _ = tick.tick() => {}
                () = asked.notified() => {}
            }
            let now = files.stamp();
            if now != stamp {
                stamp = now;
                tell.send_replace(Arc::new(read(&files)));
            }
            counted.send_modify(|looks| *looks += 1);
        }
    });
    Followed { table, look, looks }
}

/// What cannot be read lets nobody in: a token that was revoked might stand in what was read before.
fn read(files: &TokenFiles) -> Table {
    Table::read(files).unwrap_or_else(|error| {
        tracing::error!(%error, "the tokens cannot be read, so the API lets nobody in");
        Table::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use wagglebus_nats::api_tokens::digest;
    use wagglebus_schemas::Timestamp;

    #[tokio::test(start_paused = true)]
    async fn tokens_come_and_go_with_their_files() {
        let dir = tempfile::tempdir().unwrap();
        let files = TokenFiles::with_operator(dir.path().join("keys/coordinator.token"));
        let followed = follow(Some(files.clone()));
        let mut table = followed.table.clone();
        let own = std::fs::read_to_string(files.operator_file()).unwrap();
        let operator = table.borrow().find(&digest(own.trim())).unwrap();
        assert_eq!((&*operator.name, &operator.role), ("operator", &Role::Operator));
        let token = files.add("eyes", Role::Viewer, Timestamp::EPOCH).unwrap();
        table.changed().await.unwrap();
        let viewer = table.borrow().find(&digest(&token)).unwrap();
        assert!(table.borrow().has(&viewer));
        let second = files.add("more", Role::Viewer, Timestamp::EPOCH).unwrap();
        followed.look().await;
        assert!(table.borrow_and_update().find(&digest(&second)).is_some());
        files.revoke("eyes").unwrap();
        table.changed().await.unwrap();
        assert!(!table.borrow().has(&viewer) && table.borrow().has(&operator));
        assert_eq!(table.borrow().find(&digest(&token)), None);
        let others = dir.path().join("keys/api-tokens.json");
        wagglebus_nats::private_file::replace(&others, b"nothing").unwrap();
        table.changed().await.unwrap();
        assert!(!table.borrow().has(&operator));
    }
}
