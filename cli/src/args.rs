//! The grammar of the command line.

use clap::Parser;

use crate::global::Global;
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_grammar_contradicts_itself_nowhere() {
        Cli::command().debug_assert();
    }
}
