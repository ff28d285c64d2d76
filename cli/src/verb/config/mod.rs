//! `config`: what this program goes by, who says so, and where everything lies.

mod paths;
mod settings;
mod show;
mod trust;
mod validate;

use clap::Subcommand;

use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;

/// Configuration: what counts and who says so, where files lie, and whether they are sound
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Show(show::Show),
    Diff(show::Diff),
    Paths(paths::Args),
    Validate(validate::Args),
    Trust(trust::Trust),
    Untrust(trust::Untrust),
}

impl Verb {
    /// Whether it helps to mend files that cannot be used.
    pub(crate) const fn mends(&self) -> bool {
        match self {
            // These two still end where a file cannot be understood.
            Self::Show(_) | Self::Diff(_) => true,
            Self::Paths(_) | Self::Validate(_) | Self::Trust(_) | Self::Untrust(_) => true,
        }
    }
}

pub(crate) fn run(verb: Verb, session: &Session, output: &mut Output) -> Result<(), Failure> {
    match verb {
        Verb::Show(args) => show::show(&args, session, output),
        Verb::Diff(args) => show::diff(&args, session, output),
        Verb::Paths(args) => paths::run(&args, session, output),
        Verb::Validate(args) => validate::run(&args, session, output),
        Verb::Trust(args) => trust::trust(args, session, output),
        Verb::Untrust(args) => trust::untrust(args, session, output),
    }
}
