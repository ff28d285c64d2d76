//! What a configuration file says of the programs that `up` runs: they read none themselves, so they are told.

use std::ffi::OsString;

use wagglebus_nats::config::Config;

/// The coordinator's variable for its address.
pub(crate) const LISTEN: &str = "WAGGLEBUS_COORDINATOR_LISTEN";

/// A variable for the coordinator. One that is set already (`given`) beats the file.
pub(crate) fn to_coordinator(config: &Config, given: Option<OsString>) -> Option<(&'static str, OsString)> {
    let listen = given
        .filter(|given| !given.is_empty())
        .or_else(|| Some(config.coordinator_listen()?.value.to_string().into()))?;
    Some((LISTEN, listen))
}

/// Arguments of each sidecar, and what cannot be so for all of them, with the reason.
pub(crate) fn to_sidecars(config: &Config) -> (Vec<String>, Option<String>) {
    let mut arguments = Vec::new();
    if let Some(slots) = config.sidecar_slots() {
        arguments.extend(["--slots".to_owned(), slots.value.to_string()]);
    }
    let mut passed_over = None;
    match config.sidecar_listen() {
        Some(listen) if listen.value.port() == 0 => {
            arguments.extend(["--listen".to_owned(), listen.value.to_string()]);
        }
        Some(listen) => {
            passed_over = Some(format!(
                "sidecar.listen {} is one port, which several sidecars cannot share: those that `up` keeps do not listen \
                 there ({}); with port 0 each takes a free one",
                listen.value, listen.origin
            ));
        }
        None => {}
    }
    (arguments, passed_over)
}

#[cfg(test)]
mod tests {
    use wagglebus_nats::config::{ConfigChoice, ConfigPlaces, Surroundings};

    use super::*;

    fn config(text: &str) -> Config {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.toml");
        std::fs::write(&path, text).unwrap();
        let choice = ConfigChoice::File(path);
        let places = ConfigPlaces {
            user_file: folder.path().join("none.toml"),
            trusted: folder.path().join("trusted"),
        };
        Surroundings::of_process(Some(&choice), places).load().unwrap()
    }

    #[test]
    fn what_a_file_says_reaches_the_programs_that_read_none() {
        let nothing = config("");
        assert_eq!(to_coordinator(&nothing, None), None);
        assert_eq!(to_sidecars(&nothing), (Vec::new(), None));
        let said =
            config("[sidecar]\nslots = 3\nlisten = '127.0.0.1:0'\n[coordinator]\nlisten = '127.0.0.1:7799'");
        assert_eq!(
            to_coordinator(&said, Some(OsString::new())),
            Some((LISTEN, "127.0.0.1:7799".into()))
        );
        assert_eq!(
            to_coordinator(&said, Some("127.0.0.1:1".into())),
            Some((LISTEN, "127.0.0.1:1".into()))
        );
        assert_eq!(to_sidecars(&said).0.join(" "), "--slots 3 --listen 127.0.0.1:0");
        let (arguments, why) = to_sidecars(&config("[sidecar]\nlisten = '127.0.0.1:7790'"));
        assert!(arguments.is_empty() && why.unwrap().contains("127.0.0.1:7790"));
    }
}
