//! What may be said of alerts in files, options and variables: one rule for all programs that read it.

use std::time::Duration;

/// The names of the rules.
pub const RULES: [&str; 8] = [
    "agent_lost",
    "urgent_unread",
    "dead_letter",
    "failure",
    "task_stuck",
    "task_overdue",
    "task_at_risk",
    "task_unassigned",
];

/// Why an address is none of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadWebhook {
    /// It has no host, or holds what no address holds.
    #[error("the webhook's address is no URL: give one such as https://hooks.example.com/x")]
    Url,
    /// It is no web address.
    #[error("the webhook's address begins with neither https:// nor http://")]
    Scheme,
    /// What is sent there would be readable on the way.
    #[error("the webhook is another machine: only https:// is safe there")]
    Plain,
    /// It holds what is shown in logs.
    #[error("the webhook's address holds a user or a password: put a token into the path")]
    User,
}

/// Whether alerts may be posted there. Nothing of the address is shown: its path may be a secret.
///
/// # Errors
/// See [`BadWebhook`].
pub fn check_webhook(address: &str) -> Result<(), BadWebhook> {
    let odd = |c: char| c.is_control() || c.is_whitespace();
    let Some((scheme, rest)) = address.split_once("://").filter(|_| !address.contains(odd)) else {
        return Err(BadWebhook::Url);
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(BadWebhook::User);
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']').ok_or(BadWebhook::Url)?,
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port_is_fit = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|port| port.parse::<u16>().is_ok());
    if host.is_empty() || !port_is_fit {
        return Err(BadWebhook::Url);
    }
    let is_here = host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<core::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    match scheme.to_ascii_lowercase().as_str() {
        "https" => Ok(()),
        "http" if is_here => Ok(()),
        "http" => Err(BadWebhook::Plain),
        _ => Err(BadWebhook::Scheme),
    }
}

/// Why a text is no command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}: give the path of a program, or a JSON array of it and its arguments")]
pub struct BadCommand(String);

/// A program and its arguments: a path, or a JSON array of texts.
///
/// # Errors
/// When it is neither.
pub fn command(text: &str) -> Result<Vec<String>, BadCommand> {
    let words = if text.trim_start().starts_with('[') {
        serde_json::from_str(text).map_err(|error| BadCommand(error.to_string()))?
    } else {
        vec![text.to_owned()]
    };
    check_command(&words)?;
    Ok(words)
}

/// Whether these words begin with a program.
///
/// # Errors
/// When they do not.
pub fn check_command(words: &[String]) -> Result<(), BadCommand> {
    if words.first().is_some_and(|program| !program.is_empty()) {
        Ok(())
    } else {
        Err(BadCommand("it names no program".to_owned()))
    }
}

/// Why a limit is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadLimit {
    /// No rule is called so.
    #[error("there is no alert rule {0:?}: the rules are {all}", all = RULES.join(", "))]
    Rule(String),
    /// It is no time.
    #[error("{0} is no number of seconds")]
    Seconds(String),
    /// It has another form.
    #[error("write RULE=SECONDS")]
    Form,
}

/// The limit of the rule of this name in milliseconds; decimals of seconds are allowed.
///
/// # Errors
/// See [`BadLimit`].
pub fn limit_ms(rule: &str, seconds: f64) -> Result<u64, BadLimit> {
    if !RULES.contains(&rule) {
        return Err(BadLimit::Rule(rule.chars().take(80).collect()));
    }
    let limit = Duration::try_from_secs_f64(seconds).ok();
    let ms = limit.and_then(|limit| u64::try_from(limit.as_millis()).ok());
    ms.ok_or_else(|| BadLimit::Seconds(seconds.to_string()))
}

/// A rule and its limit in milliseconds, as `RULE=SECONDS`.
///
/// # Errors
/// See [`BadLimit`].
pub fn limit(text: &str) -> Result<(&str, u64), BadLimit> {
    let (rule, seconds) = text.split_once('=').ok_or(BadLimit::Form)?;
    let number: f64 = seconds
        .parse()
        .map_err(|_| BadLimit::Seconds(format!("{seconds:?}")))?;
    Ok((rule, limit_ms(rule, number)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_is_safe_on_its_way() {
        for good in [
            "https://hooks.example.com/T/B?x=1",
            "https://h:8443",
            "HTTP://LOCALHOST:9/x",
            "http://127.0.0.1:1/",
            "http://[::1]:1/x",
        ] {
            assert_eq!(check_webhook(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("http://hooks.example.com/", BadWebhook::Plain),
            ("http://127.0.0.1.example.com/", BadWebhook::Plain),
            ("ftp://127.0.0.1/", BadWebhook::Scheme),
            ("/x", BadWebhook::Url),
            ("", BadWebhook::Url),
            ("https://", BadWebhook::Url),
            ("https://h:port/", BadWebhook::Url),
            ("https://h/a b", BadWebhook::Url),
            ("https://[::1", BadWebhook::Url),
            ("https://me:hush@h/", BadWebhook::User),
        ] {
            assert_eq!(check_webhook(bad), Err(why), "{bad}");
        }
    }

    #[test]
    fn a_command_is_a_path_or_a_list() {
        assert_eq!(command("./page.sh").unwrap(), ["./page.sh"]);
        assert_eq!(command(r#" ["page", "-q"]"#).unwrap(), ["page", "-q"]);
        for bad in ["", "[]", "[1]", "[\"\"]", "[page"] {
            assert!(command(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_limit_is_of_a_rule_and_a_time() {
        assert_eq!(limit("urgent_unread=2.5"), Ok(("urgent_unread", 2_500)));
        for bad in [
            "urgent_unred=30",
            "urgent_unread",
            "urgent_unread=soon",
            "urgent_unread=-1",
            "urgent_unread=NaN",
        ] {
            assert!(limit(bad).is_err(), "{bad}");
        }
    }
}
