//! Each setting as it counts now, with its origin and what it would be without.

use serde::Serialize;
use wagglebus_client::discovery;
use wagglebus_nats::config::{Config, Said};
use wagglebus_nats::connect::{Credentials, JETSTREAM_API};
use wagglebus_nats::context::{BusOptions, Environment, Named, Part};
use wagglebus_schemas::{AgentId, Hive};

use crate::failure::Failure;
use crate::sender;
use crate::session::Session;

/// Who says so when nobody else does.
const BUILT_IN: &str = "built in";
/// Who says so when the own bus is meant.
const RUNNING_UP: &str = "running `wagglebus up`";

/// A setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Setting {
    /// Its name, as in a configuration file.
    pub(super) key: &'static str,
    /// What counts; `None`: nothing.
    pub(super) value: Option<String>,
    /// Who says so.
    pub(super) origin: String,
    /// What would count if nobody said anything.
    pub(super) default: Option<String>,
}

impl Setting {
    /// Whether somebody asked for something else than would count anyhow.
    pub(super) fn differs(&self) -> bool {
        self.origin != BUILT_IN && self.value != self.default
    }
}

/// All of them, as `config` and what beats it say. Secrets are named, never shown.
///
/// # Errors
/// When what is said cannot be used.
pub(super) fn settings(session: &Session, config: &Config) -> Result<Vec<Setting>, Failure> {
    let places = session.places();
    let hive = if session.hive_given() {
        (places.hive().to_string(), "--hive or WAGGLEBUS_HIVE".to_owned())
    } else {
        said(config.hive(), &Hive::default())
    };
    let agent = session.sender()?;
    let spoken = std::env::var_os(sender::VARIABLE).is_some_and(|value| !value.is_empty());
    let agent_origin = if session.sender_given() {
        "--as"
    } else if spoken {
        sender::VARIABLE
    } else {
        BUILT_IN
    };
    let contexts = places.nats_context_dir();
    let read = |path: &std::path::Path| std::fs::read_to_string(path);
    let environment = Environment::of_process(contexts, config.clone());
    let named = BusOptions::default().named(&environment, &read)?;
    let mut settings = vec![
        setting("hive", hive, Some(Hive::default().to_string())),
        setting(
            "agent",
            (agent.to_string(), agent_origin.to_owned()),
            Some(AgentId::operator().to_string()),
        ),
    ];
    let running = discovery::bus(places).ok().map(|bus| bus.url);
    settings.extend(bus(named, running));
    settings.extend([
        setting(
            "sidecar.slots",
            said(config.sidecar_slots(), &1),
            Some("1".to_owned()),
        ),
        optional("sidecar.listen", config.sidecar_listen(), None),
        optional(
            "coordinator.listen",
            config.coordinator_listen(),
            Some("127.0.0.1:0"),
        ),
    ]);
    settings.extend(alerts(config));
    Ok(settings)
}

/// Who hears of alerts. An address may be a secret.
fn alerts(config: &Config) -> [Setting; 3] {
    let said = config.alerts();
    let webhook = said.webhook.map(|said| Said {
        value: "set (not shown)".to_owned(),
        origin: said.origin,
    });
    let command = said.command.map(|said| Said {
        value: said.value.join(" "),
        origin: said.origin,
    });
    [
        optional("alerts.webhook", webhook, None),
        optional("alerts.command", command, None),
        optional("alerts.message", said.message, Some("false")),
    ]
}

/// The bus: the one that is named, else the running one of this user.
fn bus(named: Option<Named>, running: Option<String>) -> [Setting; 3] {
    const KEYS: [&str; 3] = ["bus.server", "bus.credentials", "bus.api_prefix"];
    let Some(named) = named else {
        let own = |key, value: Option<String>| Setting {
            key,
            default: value.clone(),
            origin: if value.is_some() { RUNNING_UP } else { BUILT_IN }.to_owned(),
            value,
        };
        let credentials = running.as_ref().map(|_| "key that `up` made".to_owned());
        return [
            own(KEYS[0], running),
            own(KEYS[1], credentials),
            own(KEYS[2], None),
        ];
    };
    let who = |part| {
        named
            .origins
            .get(&part)
            .cloned()
            .unwrap_or_else(|| BUILT_IN.to_owned())
    };
    let part = |key, value: Option<String>, part, default: Option<&str>| Setting {
        key,
        value,
        origin: who(part),
        default: default.map(str::to_owned),
    };
    let said = &named.settings;
    let connection = said.clone().connection("wagglebus");
    let credentials = match &said.credentials {
        Credentials::None => None,
        Credentials::NkeyFile(path) => Some(format!("nkey {}", path.display())),
        Credentials::CredsFile(path) => Some(format!("creds {}", path.display())),
        Credentials::Jwt { .. } => Some("JWT (not shown)".to_owned()),
        Credentials::User { name, .. } => Some(format!("user {name}")),
        Credentials::Token(_) => Some("token (not shown)".to_owned()),
    };
    [
        part(KEYS[0], Some(without_secrets(&connection.urls)), Part::Urls, None),
        part(KEYS[1], credentials, Part::Credentials, None),
        part(
            KEYS[2],
            Some(connection.api_prefix),
            Part::ApiPrefix,
            Some(JETSTREAM_API),
        ),
    ]
}

/// Addresses without the user and password that one may bring.
fn without_secrets(urls: &[String]) -> String {
    let bare = |url: &String| match url.rsplit_once('@') {
        Some((before, host)) => {
            let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
            format!("{scheme}{}***@{host}", if scheme.is_empty() { "" } else { "://" })
        }
        None => url.clone(),
    };
    urls.iter().map(bare).collect::<Vec<_>>().join(",")
}

fn setting(key: &'static str, (value, origin): (String, String), default: Option<String>) -> Setting {
    Setting {
        key,
        value: Some(value),
        origin,
        default,
    }
}

fn said<T: ToString>(said: Option<Said<T>>, default: &T) -> (String, String) {
    match said {
        Some(said) => (said.value.to_string(), said.origin.to_string()),
        None => (default.to_string(), BUILT_IN.to_owned()),
    }
}

fn optional<T: ToString>(key: &'static str, said: Option<Said<T>>, default: Option<&str>) -> Setting {
    let default = default.map(str::to_owned);
    Setting {
        key,
        origin: said
            .as_ref()
            .map_or_else(|| BUILT_IN.to_owned(), |said| said.origin.to_string()),
        value: said.map_or_else(|| default.clone(), |said| Some(said.value.to_string())),
        default,
    }
}

#[cfg(test)]
mod tests {
    use wagglebus_nats::context::StockSettings;

    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let user = Credentials::User {
            name: "bob".to_owned(),
            password: "hush".to_owned(),
        };
        let jwt = Credentials::Jwt {
            jwt: "hush".to_owned(),
            seed: Some("hush".to_owned()),
        };
        for credentials in [user, jwt, Credentials::Token("hush".to_owned())] {
            let settings = StockSettings {
                credentials,
                ..StockSettings::default()
            };
            let shown = bus(
                Some(Named {
                    settings,
                    ..Named::default()
                }),
                None,
            );
            assert!(
                shown[1].value.is_some() && !format!("{shown:?}").contains("hush"),
                "{shown:?}"
            );
        }
    }

    #[test]
    fn a_password_in_an_address_is_not_shown_either() {
        for (url, shown) in [
            ("nats://me:hush@h:1", "nats://***@h:1"),
            ("hush@h:1", "***@h:1"),
            ("nats://h:1", "nats://h:1"),
        ] {
            assert_eq!(without_secrets(&[url.to_owned()]), shown);
        }
    }

    #[test]
    fn only_what_somebody_asked_for_differs() {
        let [server, ..] = bus(None, Some("nats://127.0.0.1:1".to_owned()));
        assert!(!server.differs(), "{server:?}");
        let urls = vec!["nats://a:1".to_owned()];
        let settings = StockSettings {
            urls,
            ..StockSettings::default()
        };
        let origins = [(Part::Urls, "options".to_owned())].into();
        let [server, credentials, prefix] = bus(Some(Named { settings, origins }), None);
        assert!(server.differs() && !credentials.differs() && !prefix.differs());
    }
}
