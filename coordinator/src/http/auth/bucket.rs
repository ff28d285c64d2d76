//! How many requests a token may send: a bucket of drops for each, filled at a steady rate.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Instant;

use wagglebus_schemas::error::{ErrorCode, ErrorDetail};

use super::caller::Caller;

/// Requests that each token may send in a second; as many at once after a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate(pub(crate) NonZeroU32);

/// The bucket of each token that was used.
#[derive(Debug)]
pub(super) struct Buckets {
    rate: f64,
    buckets: BTreeMap<Arc<str>, Bucket>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    drops: f64,
    at: Instant,
}

impl Buckets {
    pub(super) fn new(Rate(rate): Rate) -> Self {
        Self {
            rate: f64::from(rate.get()),
            buckets: BTreeMap::new(),
        }
    }

    /// Takes one drop for a request.
    pub(super) fn take(&mut self, caller: &Caller, now: Instant) -> Result<(), ErrorDetail> {
        let rate = self.rate;
        if let Some(bucket) = self.buckets.get_mut(&caller.name) {
            let gained = now.saturating_duration_since(bucket.at).as_secs_f64() * rate;
            *bucket = Bucket {
                drops: (bucket.drops + gained).min(rate),
                at: now,
            };
            if bucket.drops >= 1.0 {
                bucket.drops -= 1.0;
                return Ok(());
            }
            let wait_ms = ((1.0 - bucket.drops) / rate * 1_000.0).ceil();
            return Err(refusal(caller, rate, wait_ms));
        }
        // Names come from the file of tokens alone; of those that are gone none stays full of use.
        self.buckets
            .retain(|_, bucket| now.saturating_duration_since(bucket.at).as_secs_f64() < 1.0);
        self.buckets.insert(
            caller.name.clone(),
            Bucket {
                drops: rate - 1.0,
                at: now,
            },
        );
        Ok(())
    }
}

fn refusal(caller: &Caller, rate: f64, wait_ms: f64) -> ErrorDetail {
    let message = format!(
        "token {} sends more than {rate} requests in a second",
        caller.name
    );
    // At most one second: a bucket gains a drop in less.
    let wait_ms = (1..=1_000)
        .find(|ms| f64::from(*ms) >= wait_ms)
        .unwrap_or(1_000_u32);
    ErrorDetail::new(ErrorCode::RateLimited, message)
        .hint("wait as long as Retry-After says, or start the coordinator with a higher --rate")
        .retry_after_ms(wait_ms.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use wagglebus_nats::api_tokens::{Role, digest};

    #[test]
    fn a_bucket_runs_dry_and_fills_again() {
        let caller = |name: &str| Caller {
            name: name.into(),
            role: Role::Viewer,
            digest: digest(name),
        };
        let (one, other) = (caller("one"), caller("other"));
        let mut buckets = Buckets::new(Rate(NonZeroU32::new(4).unwrap()));
        let now = Instant::now();
        for _ in 0..4 {
            assert!(buckets.take(&one, now).is_ok());
        }
        let refused = buckets.take(&one, now).unwrap_err();
        assert_eq!(
            (refused.code, refused.retry_after_ms),
            (ErrorCode::RateLimited, Some(250))
        );
        assert!(buckets.take(&other, now).is_ok(), "each has its own");
        let later = now + Duration::from_millis(260);
        assert!(buckets.take(&one, later).is_ok());
        assert!(buckets.take(&one, later).is_err());
        let rested = later + Duration::from_secs(60);
        for _ in 0..4 {
            assert!(buckets.take(&one, rested).is_ok());
        }
        assert!(buckets.take(&one, rested).is_err(), "no more than it holds");
    }
}
