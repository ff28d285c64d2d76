//! `init`: a project's configuration file, to begin with.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use serde_json::json;
use wagglebus_nats::config::PROJECT_FILE;
use wagglebus_schemas::Hive;
use wagglebus_schemas::error::ErrorCode;

use crate::failure::Failure;
use crate::output::Output;

/// Give this project a hive of its own: writes wagglebus.toml, which programs below this folder go by
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The hive; else the folder's name, as far as it can be one
    name: Option<Hive>,
}

pub(crate) fn run(args: &Args, output: &mut Output) -> Result<(), Failure> {
    let folder = std::env::current_dir()
        .map_err(|error| Failure::failed("the working folder cannot be found").why(error.to_string()))?;
    let hive = match &args.name {
        Some(hive) => hive.clone(),
        None => named_after(&folder).ok_or_else(|| {
            Failure::usage(&"the folder's name can be no hive's").fix("name it: wagglebus init NAME")
        })?,
    };
    let path = folder.join(PROJECT_FILE);
    let mut file = match File::create_new(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(Failure::contract(
                ErrorCode::IllegalTransition,
                format!("{} is there already", path.display()),
            )
            .fix("look at it: wagglebus config show --origin"));
        }
        Err(error) => return Err(cannot_write(&path, &error)),
    };
    file.write_all(text(&hive).as_bytes())
        .map_err(|error| cannot_write(&path, &error))?;
    if output.json() {
        return Ok(output.record(&json!({ "hive": hive, "file": path }))?);
    }
    output.line(format!("{}: hive {hive}", path.display()))?;
    output.note(
        "next: wagglebus up --detach   (here or below: the hive's own bus)\nall keys: docs/configuration.md",
    )?;
    Ok(())
}

fn text(hive: &Hive) -> String {
    format!(
        "# Programs of wagglebus in this folder and below go by this file.\n\
         hive = \"{hive}\"   # first token of every subject; keeps projects apart\n\
         \n\
         # [bus]           # a NATS of your team instead of the running `wagglebus up`; see docs/configuration.md\n\
         # server = \"nats://10.0.0.5:4222\"\n\
         # nkey = \"keys/me.nk\"\n"
    )
}

/// Letters and digits of the folder's name, from the first letter on.
fn named_after(folder: &Path) -> Option<Hive> {
    let name = folder.file_name()?.to_str()?.to_lowercase();
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    let name: String = letters.skip_while(char::is_ascii_digit).take(16).collect();
    name.parse().ok()
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("{} cannot be written", path.display())).why(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use wagglebus_nats::config::{Config, ConfigChoice, ConfigPlaces};

    #[test]
    fn a_hive_is_named_after_its_folder() {
        for (folder, hive) in [
            ("/home/me/My-Project_2", Some("myproject2")),
            ("/home/me/3d printer", Some("dprinter")),
            ("/home/me/averyveryverylongname", Some("averyveryverylon")),
            ("/home/me/42", None),
            ("/", None),
        ] {
            let named = named_after(Path::new(folder));
            assert_eq!(named.as_ref().map(Hive::as_str), hive, "{folder}");
        }
    }

    #[test]
    fn what_is_written_is_sound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(PROJECT_FILE);
        std::fs::write(&path, text(&"team".parse().unwrap())).unwrap();
        let config = Config::load(Some(&ConfigChoice::File(path)), ConfigPlaces::default()).unwrap();
        assert_eq!(config.hive().unwrap().value.as_str(), "team");
        assert!(config.bus().is_none());
    }
}
