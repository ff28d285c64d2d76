//! The grammar of the command line.

use clap::{ArgAction, Args, Parser};
use wagglebus_schemas::{AgentId, Hive};

use crate::verb::Verb;

/// A durable event bus for fleets of AI agents.
#[derive(Debug, Parser)]
#[command(
    name = "wagglebus",
    version,
    arg_required_else_help = true,
    propagate_version = false
)]
#[command(
    after_help = "Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 level not reached (accepted: do not resend), \
                        5 unreachable (nothing accepted), 6 refused or invalid, 130 interrupted."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

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
