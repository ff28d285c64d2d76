//! The command line.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Parser, Subcommand};
use wagglebus_coordinator_core::alert::Rule;
use wagglebus_nats::config::ConfigChoice;
use wagglebus_schemas::{Hive, alert_settings};

use crate::alert::{Command, Webhook};

/// Requests that each token may send in a second unless said otherwise: twice what a coordinator is measured with.
const RATE: NonZeroU32 = NonZeroU32::new(2_000).unwrap();

/// The coordinator of a hive: knows who is there and answers wb.api requests. Messaging works without it.
#[derive(Debug, Parser)]
#[command(name = "wagglebus-coordinator", version)]
#[command(
    after_help = "Exit codes: 0 stopped by SIGTERM, 1 failed, 2 usage, 5 NATS unreachable, 6 refused; 130 interrupted.\n\
                  Connection: --server and --context, else NATS_URL, NATS_CONTEXT and the other NATS_* variables of the \
                  stock tools, else the configuration files, else the running `wagglebus up` of this user."
)]
#[command(subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
    /// The hive (tenant) to serve; else as a configuration file says, else wb
    #[arg(long, global = true, value_name = "NAME", env = "WAGGLEBUS_HIVE")]
    pub(crate) hive: Option<Hive>,
    /// This configuration file alone, or `none`; else wagglebus.toml here or above, and the user's config.toml
    #[arg(long, global = true, value_name = "FILE", env = "WAGGLEBUS_CONFIG")]
    pub(crate) config: Option<ConfigChoice>,
    /// Addresses of NATS, such as nats://127.0.0.1:4222, separated by commas [env: WAGGLEBUS_SERVER]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// NATS context with address and credentials [env: WAGGLEBUS_CONTEXT]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// File with the seed of the coordinator's nkey [env: WAGGLEBUS_NKEY]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        alias = "nkey-file",
        conflicts_with = "creds"
    )]
    pub(crate) nkey: Option<PathBuf>,
    /// File with the coordinator's JWT and seed [env: WAGGLEBUS_CREDS]
    #[arg(long, global = true, value_name = "FILE", alias = "creds-file")]
    pub(crate) creds: Option<PathBuf>,
    /// Beginning of the JetStream API as the coordinator's account sees it [env: WAGGLEBUS_API_PREFIX]
    #[arg(long, global = true, value_name = "PREFIX")]
    pub(crate) api_prefix: Option<String>,
    /// Loopback address of the HTTP API; port 0 takes a free one [default: a free port, and 127.0.0.1:7788 while leading]
    #[arg(long, value_name = "ADDR", env = "WAGGLEBUS_COORDINATOR_LISTEN")]
    pub(crate) listen: Option<SocketAddr>,
    /// File with the operator's token, made if it is not there; other tokens lie beside it [default: where `up` has it]
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// The bus.json of the `up` to which it belongs: while it leads it says there where it listens
    #[arg(long, value_name = "FILE")]
    pub(crate) bus_file: Option<PathBuf>,
    /// Most requests in a second for each token
    #[arg(long, value_name = "N", default_value_t = RATE)]
    pub(crate) rate: NonZeroU32,
    /// Post each change of an alert there as JSON: https, or http to this machine
    #[arg(
        long,
        value_name = "URL",
        env = "WAGGLEBUS_ALERT_WEBHOOK",
        hide_env_values = true
    )]
    pub(crate) alert_webhook: Option<Webhook>,
    /// Run this program with each change of an alert as JSON on its standard input: a path, or a JSON array with arguments
    #[arg(long, value_name = "CMD", env = "WAGGLEBUS_ALERT_COMMAND")]
    pub(crate) alert_command: Option<Command>,
    /// Send the operator a message of each change of an alert
    #[arg(long, env = "WAGGLEBUS_ALERT_MESSAGE")]
    pub(crate) alert_message: bool,
    /// The limit of a rule in seconds, such as urgent_unread=30; may be given again
    #[arg(
        long,
        value_name = "RULE=SECONDS",
        env = "WAGGLEBUS_ALERT_LIMIT",
        value_delimiter = ','
    )]
    pub(crate) alert_limit: Vec<Limit>,
    /// Write {"pid","http"} here once the roster is known, atomically
    #[arg(long, value_name = "FILE", env = "WAGGLEBUS_READY_FILE")]
    pub(crate) ready_file: Option<PathBuf>,
    /// What to log: a level, or targets with levels
    #[arg(
        long,
        global = true,
        value_name = "FILTER",
        env = "WAGGLEBUS_LOG",
        default_value = "info,async_nats=warn"
    )]
    pub(crate) log: String,
}

/// What to do instead of serving.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Rebuild(Rebuild),
}

/// Fold the log anew and compare what the buckets say of it; serves nothing
///
/// The buckets WB_tasks, WB_agents and WB_fsm are views of the log WB_EVENTS, which alone counts. Differences are told one a
/// line; how far it came is told on stderr. A coordinator may run meanwhile. Exit 0: they say the same, 1: they do not.
///
/// Where lines of the log are gone that no readable snapshot tells of, no coordinator leads, and nothing is compared. First
/// try a coordinator of the release that wrote the snapshots, or restore WB_snapshots. With --accept-loss what those lines
/// said is given up: a snapshot of the rest is stored. Records of the buckets that only they told of stay as they are.
#[derive(Debug, clap::Args)]
pub(crate) struct Rebuild {
    /// Only compare; the default
    #[arg(long, conflicts_with = "write")]
    check: bool,
    /// Write what differs as the log says it
    #[arg(long)]
    pub(crate) write: bool,
    /// Go on without lines of the log that are gone and that no snapshot tells of: the coordinators lead again
    #[arg(long)]
    pub(crate) accept_loss: bool,
}

/// The limit of an alert rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) rule: Rule,
    pub(crate) ms: u64,
}

impl Limit {
    /// A number of seconds, decimals allowed.
    pub(crate) fn new(rule: &str, seconds: f64) -> Result<Self, String> {
        let ms = alert_settings::limit_ms(rule, seconds).map_err(|error| error.to_string())?;
        let rule = rule.parse::<Rule>().map_err(|error| error.to_string())?;
        Ok(Self { rule, ms })
    }
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (rule, ms) = alert_settings::limit(text).map_err(|error| error.to_string())?;
        let rule = rule.parse::<Rule>().map_err(|error| error.to_string())?;
        Ok(Self { rule, ms })
    }
}
