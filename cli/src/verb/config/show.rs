//! `config show` and `config diff`.

use wagglebus_nats::config::{ConfigError, ConfigPlaces, Surroundings};

use crate::failure::Failure;
use crate::output::{Output, table};
use crate::printable;
use crate::session::Session;

use super::settings::{Setting, settings};

/// Characters of a value that are shown.
const VALUE_CHARS: usize = 400;

/// Show every setting as it counts now; highest first: options, WAGGLEBUS_*, NATS_*, project file, user file, built in
#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    /// Also show who says so
    #[arg(long)]
    origin: bool,
}

/// Show what differs from what is built in, and who says so
#[derive(Debug, clap::Args)]
pub(crate) struct Diff {}

pub(super) fn show(args: &Show, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let settings = counting(session, output)?;
    if output.json() {
        return Ok(output.record(&settings)?);
    }
    if args.origin {
        let mut rows = table(["KEY", "VALUE", "ORIGIN"]);
        for setting in settings {
            rows.add_row([
                setting.key.to_owned(),
                shown(setting.value),
                shown(Some(setting.origin)),
            ]);
        }
        return Ok(output.table(&rows)?);
    }
    let mut rows = table(["KEY", "VALUE"]);
    for setting in settings {
        rows.add_row([setting.key.to_owned(), shown(setting.value)]);
    }
    Ok(output.table(&rows)?)
}

pub(super) fn diff(_: &Diff, session: &Session, output: &mut Output) -> Result<(), Failure> {
    let mut settings = counting(session, output)?;
    settings.retain(Setting::differs);
    if output.json() {
        return Ok(output.record(&settings)?);
    }
    if settings.is_empty() {
        return Ok(output.note("everything is as built in")?);
    }
    let mut rows = table(["KEY", "DEFAULT", "VALUE", "ORIGIN"]);
    for setting in settings {
        let (default, value) = (shown(setting.default), shown(setting.value));
        rows.add_row([
            setting.key.to_owned(),
            default,
            value,
            shown(Some(setting.origin)),
        ]);
    }
    Ok(output.table(&rows)?)
}

/// The settings; those of a project file that nobody trusts are shown, too, and marked by their origin.
fn counting(session: &Session, output: &mut Output) -> Result<Vec<Setting>, Failure> {
    let Some(failure) = session.config_failure() else {
        return settings(session, session.config());
    };
    if !matches!(
        failure,
        ConfigError::Untrusted { .. } | ConfigError::Foreign { .. }
    ) {
        return Err(failure.clone().into());
    }
    let places = ConfigPlaces::of(session.places());
    let looked = Surroundings::of_process(session.config_choice(), places).look()?;
    output.note(format!("note: nothing runs here like this: {failure}"))?;
    settings(session, &looked)
}

/// What a file or variable says may be a stranger's, and goes to a terminal.
fn shown(value: Option<String>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| printable::line(&value, VALUE_CHARS))
}
