//! Who hears of alerts, as the coordinator of an own bus is told: by its environment, since what stands on a command line
//! everybody can read.

use std::ffi::OsString;

use wagglebus_nats::config::AlertOptions;
use wagglebus_schemas::alert_settings::{self, BadCommand, BadLimit, BadWebhook};

/// Options about alerts, passed on to the coordinator.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct AlertArgs {
    /// Post each change of an alert there as JSON: https, or http to this machine
    #[arg(
        long,
        value_name = "URL",
        env = "WAGGLEBUS_ALERT_WEBHOOK",
        hide_env_values = true,
        value_parser = webhook
    )]
    alert_webhook: Option<String>,
    /// Run this program with each change of an alert as JSON on its standard input: a path, or a JSON array with arguments
    #[arg(long, value_name = "CMD", env = "WAGGLEBUS_ALERT_COMMAND", value_parser = command)]
    alert_command: Option<String>,
    /// Send the operator a message of each change of an alert
    #[arg(long, env = "WAGGLEBUS_ALERT_MESSAGE")]
    alert_message: bool,
    /// The limit of a rule in seconds, such as urgent_unread=30; may be given again
    #[arg(
        long,
        value_name = "RULE=SECONDS",
        env = "WAGGLEBUS_ALERT_LIMIT",
        value_delimiter = ',',
        value_parser = limit
    )]
    alert_limit: Vec<String>,
}

impl AlertArgs {
    /// Variables for the coordinator. What is given here beats what a file says, key by key.
    pub(crate) fn environment(&self, file: AlertOptions) -> Vec<(&'static str, OsString)> {
        let command = file
            .command
            .and_then(|words| serde_json::to_string(&words.value).ok());
        let message = self.alert_message || file.message.is_some_and(|said| said.value);
        let said = file
            .limits
            .iter()
            .map(|(rule, seconds)| format!("{rule}={seconds}"));
        let limits: Vec<String> = said.chain(self.alert_limit.iter().cloned()).collect();
        let variables = [
            (
                "WAGGLEBUS_ALERT_WEBHOOK",
                self.alert_webhook.clone().or(file.webhook.map(|said| said.value)),
            ),
            ("WAGGLEBUS_ALERT_COMMAND", self.alert_command.clone().or(command)),
            ("WAGGLEBUS_ALERT_MESSAGE", message.then(|| "true".to_owned())),
            (
                "WAGGLEBUS_ALERT_LIMIT",
                (!limits.is_empty()).then(|| limits.join(",")),
            ),
        ];
        let set = variables
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?.into())));
        set.collect()
    }
}

// A coordinator that refuses them would end again and again: they are looked at before anything is started.

fn webhook(text: &str) -> Result<String, BadWebhook> {
    alert_settings::check_webhook(text).map(|()| text.to_owned())
}

fn command(text: &str) -> Result<String, BadCommand> {
    alert_settings::command(text).map(|_| text.to_owned())
}

fn limit(text: &str) -> Result<String, BadLimit> {
    alert_settings::limit(text).map(|_| text.to_owned())
}
