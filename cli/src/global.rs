//! Options that every verb understands.

use clap::{ArgAction, Args};
use wagglebus_nats::config::ConfigChoice;
use wagglebus_schemas::{AgentId, Hive};

/// What every verb understands.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Print JSON: data on stdout, errors on stderr
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say nothing but data and errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// No colour; also by NO_COLOR and when stderr is no terminal
    #[arg(long, global = true, action = ArgAction::SetTrue)]
    pub(crate) no_color: bool,
    /// The hive (tenant) to speak to; else as a configuration file says, else wb
    #[arg(long, global = true, value_name = "NAME", env = "WAGGLEBUS_HIVE")]
    pub(crate) hive: Option<Hive>,
    /// This configuration file alone, or `none`; else wagglebus.toml here or above, and the user's config.toml
    #[arg(long, global = true, value_name = "FILE", env = "WAGGLEBUS_CONFIG")]
    pub(crate) config: Option<ConfigChoice>,
    /// Speak as this agent; else WAGGLEBUS_AGENT, else whose tmux pane this is, else operator
    #[arg(long = "as", global = true, value_name = "AGENT")]
    pub(crate) sender: Option<AgentId>,
}
