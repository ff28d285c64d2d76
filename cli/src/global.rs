//! Options that every verb understands.

use clap::{ArgAction, Args};
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
    /// The hive (tenant) to speak to
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        env = "WAGGLEBUS_HIVE",
        default_value = "wb"
    )]
    pub(crate) hive: Hive,
    /// Speak as this agent; else WAGGLEBUS_AGENT, else operator
    #[arg(long = "as", global = true, value_name = "AGENT")]
    pub(crate) sender: Option<AgentId>,
}
