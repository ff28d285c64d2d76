//! `sidecar` and `coordinator`: become the program of that name, arguments untouched.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::failure::Failure;
use crate::programs;
use crate::session::Session;

/// Run a sidecar, which connects an agent to the bus (its own --help says how)
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Sidecar {
    /// Passed on as they are
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    arguments: Vec<OsString>,
}

/// Run a coordinator, which knows who is there (its own --help says how)
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Coordinator {
    /// Passed on as they are
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    arguments: Vec<OsString>,
}

impl Sidecar {
    pub(crate) fn become_it(self, session: &Session) -> Result<(), Failure> {
        replace_us(programs::SIDECAR, &self.arguments, session)
    }
}

impl Coordinator {
    pub(crate) fn become_it(self, session: &Session) -> Result<(), Failure> {
        replace_us(programs::COORDINATOR, &self.arguments, session)
    }
}

/// Returns only when the program does not start.
fn replace_us(name: &str, arguments: &[OsString], session: &Session) -> Result<(), Failure> {
    let path = programs::beside(name)?;
    let mut command = Command::new(&path);
    command
        .args(arguments)
        .env("WAGGLEBUS_HIVE", session.places().hive().as_str());
    if let Some(choice) = session.config_choice() {
        command.env("WAGGLEBUS_CONFIG", choice.as_os_str());
    }
    let error = command.exec();
    Err(programs::not_started(&path, &error))
}
