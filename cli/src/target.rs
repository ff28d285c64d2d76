//! Which bus a verb speaks to that goes through no sidecar: the one that was named, else the running `up`.

use std::path::PathBuf;

use wagglebus_client::discovery;
use wagglebus_nats::connect::{Connection, Credentials, Settings, connect};
use wagglebus_nats::context::BusOptions;
use wagglebus_nats::keys::BusUser;
use wagglebus_schemas::places::Places;

use crate::failure::Failure;
use crate::session::Session;

/// Names a bus. A context that is merely selected in the stock CLI is never used.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct BusArgs {
    /// Addresses of NATS, separated by commas [env: WAGGLEBUS_SERVER]; none named: the running `up`
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// A context of the stock `nats` CLI, by its name [env: WAGGLEBUS_CONTEXT]; NATS_* counts after all of these
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// File with the seed of an nkey [env: WAGGLEBUS_NKEY]
    #[arg(long, value_name = "FILE", conflicts_with = "creds")]
    nkey: Option<PathBuf>,
    /// File with a JWT and its seed [env: WAGGLEBUS_CREDS]
    #[arg(long, value_name = "FILE")]
    creds: Option<PathBuf>,
    /// Beginning of the JetStream API as the account sees it [env: WAGGLEBUS_API_PREFIX]
    #[arg(long, value_name = "PREFIX")]
    api_prefix: Option<String>,
}

impl BusArgs {
    /// Connects to it: with the credentials that were named with it, or as `user` of the running `up`.
    ///
    /// # Errors
    /// When no bus is named and none runs, or the named one cannot be used.
    pub(crate) async fn connect(&self, session: &Session, user: BusUser) -> Result<Connection, Failure> {
        let settings = match self.named(session)? {
            Some(settings) => settings,
            None => own(session.places(), user)?,
        };
        let (connection, _) = connect(settings).await?;
        Ok(connection)
    }

    /// Beginning of the JetStream API, when it was given as an option.
    pub(crate) fn api_prefix(&self) -> Option<&str> {
        self.api_prefix.as_deref()
    }

    /// The bus that is named; none when the running `up` is meant.
    ///
    /// # Errors
    /// When the named one cannot be used.
    pub(crate) fn named(&self, session: &Session) -> Result<Option<Settings>, Failure> {
        let folder = session.places().nats_context_dir();
        let named = self.options().named_here(folder, session.config())?;
        Ok(named.map(|settings| settings.connection("wagglebus")))
    }

    /// Whether a bus is named, here, by a variable or in a configuration file.
    ///
    /// # Errors
    /// When the named one cannot be used.
    pub(crate) fn is_named(&self, session: &Session) -> Result<bool, Failure> {
        Ok(self.named(session)?.is_some())
    }

    fn options(&self) -> BusOptions {
        BusOptions {
            server: self.server.clone(),
            context: self.context.clone(),
            nkey: self.nkey.clone(),
            creds: self.creds.clone(),
            api_prefix: self.api_prefix.clone(),
            ..BusOptions::default()
        }
    }
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
