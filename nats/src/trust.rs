//! How far a bus can be trusted to say who sent what (DESIGN 7), as far as a client can find out (ADR 0029).
//!
//! | what is seen | trust |
//! |---|---|
//! | the bus of our own `up`, or its API prefix: the way in is an account that only imports services | `isolated` |
//! | credentials, and JetStream in the same account | `shared` |
//! | no credentials | `open` |
//!
//! A server does not tell which rights other users have. So nothing here says that a named bus keeps its senders apart;
//! [`may_send_as_others`] only finds out about the user that asks.

use std::time::Duration;

use bytes::Bytes;
use wagglebus_schemas::Hive;
use wagglebus_schemas::places::Trust;
use wagglebus_schemas::subject::agent_api_prefix;

use crate::connect::{Credentials, Session, Settings};
use crate::error::NoAnswer;
use crate::request::request;

/// A method that nobody serves, asked in a name that nobody can have.
const PROBE: &str = "api.probe.anonymous";
/// A refusal comes at once; so does "nobody answers".
const PROBE_WITHIN: Duration = Duration::from_secs(2);

/// The trust of the bus that these settings lead to.
pub fn trust(settings: &Settings, hive: &Hive) -> Trust {
    if settings.api_prefix == agent_api_prefix(hive) {
        return Trust::Isolated;
    }
    let in_address = |url: &String| url.contains('@');
    let proves = match settings.credentials {
        Credentials::None => settings.urls.iter().any(in_address) || settings.tls.identity.is_some(),
        Credentials::NkeyFile(_)
        | Credentials::CredsFile(_)
        | Credentials::User { .. }
        | Credentials::Token(_)
        | Credentials::Jwt { .. } => true,
    };
    if proves { Trust::Shared } else { Trust::Open }
}

/// What it means, for people.
pub const fn meaning(trust: Trust) -> &'static str {
    match trust {
        Trust::Isolated => {
            "the server vouches for who sent what; agents of one user can read each other's keys"
        }
        Trust::Shared => "somebody else's account: who sent what is claimed, not proven",
        Trust::Open => "no credentials: whoever reaches the server can send as anybody",
    }
}

/// Whether the user of this session may send under a name that is not its own; `None` when the server does not say.
///
/// It asks a method that does not exist as `anonymous`, an id that no agent can have: nobody hears it.
pub async fn may_send_as_others(session: &Session, hive: &Hive) -> Option<bool> {
    match request(
        session,
        &format!("{hive}.{PROBE}"),
        None,
        Bytes::new(),
        PROBE_WITHIN,
    )
    .await
    {
        Ok(_) | Err(NoAnswer::NoResponders) => Some(true),
        Err(NoAnswer::PermissionDenied) => Some(false),
        Err(NoAnswer::Timeout | NoAnswer::Disconnected) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_in_decides() {
        let hive = Hive::default();
        let open = Settings::new("nats://127.0.0.1:4222", "test");
        let named = |credentials| Settings {
            credentials,
            ..open.clone()
        };
        assert_eq!(trust(&open, &hive), Trust::Open);
        assert_eq!(
            trust(&Settings::new("nats://u:p@127.0.0.1", "test"), &hive),
            Trust::Shared
        );
        assert_eq!(
            trust(&named(Credentials::Token("x".into())), &hive),
            Trust::Shared
        );
        let key = named(Credentials::NkeyFile("a.nk".into()));
        assert_eq!(trust(&key, &hive), Trust::Shared);
        let behind = |prefix: &str| Settings {
            api_prefix: prefix.into(),
            ..key.clone()
        };
        assert_eq!(trust(&behind("wb.js"), &hive), Trust::Isolated);
        assert_eq!(trust(&behind("$JS.hub.API"), &hive), Trust::Shared);
        assert_eq!(trust(&behind("other.js"), &hive), Trust::Shared);
    }
}
