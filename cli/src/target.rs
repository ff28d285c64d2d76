//! Which bus a verb speaks to that goes through no sidecar: the one that was named, else the running `up`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wagglebus_client::discovery;
use wagglebus_nats::connect::{Connection, Credentials, Settings, connect};
use wagglebus_nats::context::{ContextError, StockSettings};
use wagglebus_nats::keys::BusUser;
use wagglebus_schemas::places::Places;

use crate::failure::Failure;
use crate::session::Session;

/// Names a bus. A context that is merely selected in the stock CLI is never used.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct BusArgs {
    /// Addresses of NATS, separated by commas; else --context, NATS_URL, NATS_CONTEXT, the running `up`
    #[arg(long, value_name = "URL", env = "WAGGLEBUS_SERVER", hide_env_values = true)]
    server: Option<String>,
    /// A context of the stock `nats` CLI, by its name
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

/// Where settings come from that name a bus.
struct Source<'a> {
    variables: BTreeMap<String, String>,
    contexts: &'a Path,
    home: Option<PathBuf>,
}

impl BusArgs {
    /// Connects to it: with the credentials that were named with it, or as `user` of the running `up`.
    ///
    /// # Errors
    /// When no bus is named and none runs, or the named one cannot be used.
    pub(crate) async fn connect(&self, session: &Session, user: BusUser) -> Result<Connection, Failure> {
        let places = session.places();
        let contexts = places.nats_context_dir();
        let source = Source {
            variables: std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .filter(|(name, _)| name.starts_with("NATS_"))
                .collect(),
            contexts: &contexts,
            home: std::env::var_os("HOME").map(PathBuf::from),
        };
        let read = |path: &Path| std::fs::read_to_string(path);
        let named = named(self, &source, &read)?;
        let settings = match named {
            Some(settings) => settings.connection("wagglebus"),
            None => own(places, user)?,
        };
        let (connection, _) = connect(settings).await?;
        Ok(connection)
    }
}

/// What was named: flags, with `NATS_*` for what they leave open, else `NATS_*` alone.
fn named(
    args: &BusArgs,
    source: &Source<'_>,
    read: &dyn Fn(&Path) -> std::io::Result<String>,
) -> Result<Option<StockSettings>, ContextError> {
    let home = source.home.as_deref();
    let server = StockSettings {
        urls: args
            .server
            .iter()
            .flat_map(|urls| urls.split(','))
            .map(|url| url.trim().to_owned())
            .filter(|url| !url.is_empty())
            .collect(),
        ..StockSettings::default()
    };
    // A named context brings its own credentials: those of the environment belong to another bus.
    if let Some(name) = &args.context {
        let context = StockSettings::from_context(source.contexts, name, home, read)?;
        return Ok(Some(server.over(context)));
    }
    let environment = StockSettings::from_environment(&source.variables, source.contexts, home, read)?;
    Ok(match (server.urls.is_empty(), environment) {
        (true, environment) => environment,
        (false, environment) => Some(server.over(environment.unwrap_or_default())),
    })
}

/// The running `up` of this user.
fn own(places: &Places, user: BusUser) -> Result<Settings, Failure> {
    let bus = discovery::bus(places).map_err(|error| {
        Failure::from(error)
            .fix("start one: wagglebus up --detach; or name one: --context NAME, --server URL, NATS_URL")
    })?;
    let mut settings = Settings::new(bus.url, "wagglebus");
    settings.credentials = Credentials::NkeyFile(user.seed_file(places));
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTEXT: &str = r#"{"url":"nats://context:1","nkey":"a.nk"}"#;

    fn urls_and_credentials(
        server: Option<&str>,
        context: Option<&str>,
        variables: &[(&str, &str)],
    ) -> Option<(String, Credentials)> {
        let args = BusArgs {
            server: server.map(str::to_owned),
            context: context.map(str::to_owned),
        };
        let pairs = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let source = Source {
            variables: pairs.collect(),
            contexts: Path::new("c"),
            home: None,
        };
        let read = |path: &Path| match path.to_str() {
            Some("c/mine.json") => Ok(CONTEXT.to_owned()),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        };
        let settings = named(&args, &source, &read).unwrap()?;
        Some((settings.urls.join(" "), settings.credentials))
    }

    #[test]
    fn flags_come_before_variables_and_those_before_the_running_bus() {
        let nkey = Credentials::NkeyFile("a.nk".into());
        let token = Credentials::Token("t".into());
        let environment = [("NATS_URL", "nats://var:2"), ("NATS_TOKEN", "t")];
        let named_context = [("NATS_CONTEXT", "mine")];
        for (server, context, variables, expected) in [
            (None, None, &[][..], None),
            (
                None,
                None,
                &environment[..],
                Some(("nats://var:2", token.clone())),
            ),
            (
                None,
                None,
                &named_context,
                Some(("nats://context:1", nkey.clone())),
            ),
            (
                None,
                Some("mine"),
                &environment,
                Some(("nats://context:1", nkey.clone())),
            ),
            (
                Some("nats://a:1, nats://b:2"),
                None,
                &[],
                Some(("nats://a:1 nats://b:2", Credentials::None)),
            ),
            (
                Some("nats://a:1"),
                None,
                &environment,
                Some(("nats://a:1", token)),
            ),
            (Some("nats://a:1"), Some("mine"), &[], Some(("nats://a:1", nkey))),
        ] {
            let expected = expected.map(|(urls, credentials)| (urls.to_owned(), credentials));
            assert_eq!(
                urls_and_credentials(server, context, variables),
                expected,
                "{server:?} {context:?}"
            );
        }
    }
}
