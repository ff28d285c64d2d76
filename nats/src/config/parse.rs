//! Reads the text of a configuration file and tells everything that is wrong in it, each with its place and key.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use wagglebus_schemas::alert_settings;

use super::{AlertsContent, BusContent, ConfigError, Content, Fault};

/// Most mistakes that are told at once.
const FAULTS_MAX: usize = 20;

/// Reads one file's text. `home` is what `~/` means in a path; other relative paths begin at the file's folder.
pub(super) fn parse(path: &Path, text: &str, home: Option<&Path>) -> Result<Content, ConfigError> {
    let mut faults = Faults {
        text,
        found: Vec::new(),
    };
    let content = faults.read();
    if let Some(content) = &content {
        faults.check(content);
    }
    let mut faults = faults.found;
    faults.sort();
    let Some(mut content) = content.filter(|_| faults.is_empty()) else {
        let path = path.to_owned();
        return Err(ConfigError::Invalid { path, faults });
    };
    let bus = content.bus.get_mut();
    let folder = path.parent().unwrap_or(Path::new("/"));
    let files = [
        &mut bus.nkey,
        &mut bus.creds,
        &mut bus.ca,
        &mut bus.cert,
        &mut bus.key,
    ];
    for file in files.into_iter().flatten() {
        *file = match (file.strip_prefix("~"), home) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => folder.join(&*file),
        };
    }
    Ok(content)
}

/// The mistakes of one text.
struct Faults<'a> {
    text: &'a str,
    found: Vec<Fault>,
}

impl Faults<'_> {
    fn add(&mut self, at: usize, key: &str, reason: &str) {
        let before = self.text.get(..at).unwrap_or(self.text);
        // The file may be a stranger's, and this is shown on a terminal.
        let clean = |text: &str| {
            text.trim_end()
                .replace('\n', ", ")
                .replace(char::is_control, "\u{fffd}")
        };
        self.found.push(Fault {
            line: before.matches('\n').count().saturating_add(1),
            column: before
                .chars()
                .rev()
                .take_while(|c| *c != '\n')
                .count()
                .saturating_add(1),
            key: clean(key),
            reason: clean(reason),
        });
    }

    /// What can be read of it. Whatever cannot is told, taken out, and the rest is read again.
    fn read(&mut self) -> Option<Content> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in errors.iter().take(FAULTS_MAX) {
            self.add(error.span().map_or(0, |span| span.start), "", error.message());
        }
        if !errors.is_empty() {
            return None;
        }
        let mut rest = self.text.to_owned();
        while self.found.len() < FAULTS_MAX {
            let error = match toml::from_str(&rest) {
                Ok(content) => return Some(content),
                Err(error) => error,
            };
            let at = error.span().map_or(0, |span| span.start);
            let entry = entry_at(table.get_ref(), at);
            let unknown = error.message().starts_with("unknown field");
            let key = entry.as_ref().filter(|_| !unknown).map_or("", |entry| &entry.key);
            self.add(at, key, error.message());
            for span in entry?.spans {
                blank(&mut rest, span);
            }
        }
        None
    }

    /// What TOML alone does not say.
    fn check(&mut self, content: &Content) {
        let bus = content.bus.get_ref();
        for (key, text) in [("bus.server", &bus.server), ("bus.context", &bus.context)] {
            if let Some(text) = text
                && let Err(reason) = check_text(text)
            {
                self.add(text.span().start, key, reason);
            }
        }
        // Of a bus that could be read in part only, more cannot be said.
        let partly = self.found.iter().any(|fault| fault.key.starts_with("bus"));
        if let Err(reason) = check_bus(bus)
            && !partly
        {
            self.add(content.bus.span().start, "bus", reason);
        }
        if let Some(slots) = &content.sidecar.slots
            && !(1..=256).contains(slots.get_ref())
        {
            self.add(slots.span().start, "sidecar.slots", "slots are 1 to 256");
        }
        for (key, listen) in [
            ("sidecar.listen", &content.sidecar.listen),
            ("coordinator.listen", &content.coordinator.listen),
        ] {
            if let Some(listen) = listen
                && !listen.get_ref().ip().is_loopback()
            {
                self.add(listen.span().start, key, "listen is a loopback address");
            }
        }
        self.check_alerts(&content.alerts);
    }

    fn check_alerts(&mut self, alerts: &AlertsContent) {
        if let Some(webhook) = &alerts.webhook
            && let Err(error) = alert_settings::check_webhook(webhook.get_ref())
        {
            self.add(webhook.span().start, "alerts.webhook", &error.to_string());
        }
        if let Some(command) = &alerts.command
            && let Err(error) = alert_settings::check_command(command.get_ref())
        {
            self.add(command.span().start, "alerts.command", &error.to_string());
        }
        for (rule, seconds) in &alerts.limits {
            if let Err(error) = alert_settings::limit_ms(rule, seconds.get_ref().0) {
                let key = format!("alerts.limits.{rule}");
                self.add(seconds.span().start, &key, &error.to_string());
            }
        }
    }
}

/// What stands at a place of the text: a key with its value, or a section.
struct Entry {
    /// Its key, as `bus.server`.
    key: String,
    /// What must go so that it is not there.
    spans: Vec<Range<usize>>,
}

fn entry_at(table: &DeTable<'_>, at: usize) -> Option<Entry> {
    let mut sections = Vec::new();
    for (section, value) in table {
        let name = section.get_ref();
        let DeValue::Table(inner) = value.get_ref() else {
            let whole = whole(section.span(), value);
            if whole.contains(&at) || whole.end == at {
                let key = name.to_string();
                return Some(Entry {
                    key,
                    spans: vec![whole],
                });
            }
            continue;
        };
        let leaves = inner.iter().map(|(key, value)| (key, whole(key.span(), value)));
        let leaves: Vec<_> = leaves.collect();
        let leaf = leaves
            .iter()
            .find(|(_, whole)| whole.contains(&at) || whole.end == at);
        if let Some((key, whole)) = leaf {
            return Some(Entry {
                key: format!("{name}.{}", key.get_ref()),
                spans: vec![whole.clone()],
            });
        }
        let header = section.span().start.saturating_sub(1)
            ..value.span().end.max(section.span().end.saturating_add(1));
        let spans = leaves.into_iter().map(|(_, whole)| whole);
        let spans: Vec<_> = [header.clone()].into_iter().chain(spans).collect();
        sections.push((header, name.to_string(), spans));
    }
    let section = sections.into_iter().find(|(header, ..)| header.contains(&at));
    section.map(|(_, key, spans)| Entry { key, spans })
}

fn whole(key: Range<usize>, value: &Spanned<DeValue<'_>>) -> Range<usize> {
    key.start..value.span().end
}

/// Puts blanks in the place of a part, so that all other places stay what they are.
fn blank(text: &mut String, span: Range<usize>) {
    let Some(part) = text.get(span.clone()) else {
        return;
    };
    let blanks: String = part
        .bytes()
        .map(|byte| if byte == b'\n' { '\n' } else { ' ' })
        .collect();
    text.replace_range(span, &blanks);
}

fn check_text(text: &Spanned<String>) -> Result<(), &'static str> {
    if text.get_ref().contains(char::is_control) {
        return Err("no control characters, please");
    }
    if text.get_ref().contains('@') {
        return Err("no user or password in an address; name a file with nkey or creds, or a context");
    }
    Ok(())
}

fn check_bus(bus: &BusContent) -> Result<(), &'static str> {
    if bus.nkey.is_some() && bus.creds.is_some() {
        return Err("nkey and creds exclude each other");
    }
    if bus.cert.is_some() != bus.key.is_some() {
        return Err("cert and key belong together");
    }
    if *bus != BusContent::default() && bus.server.is_none() && bus.context.is_none() {
        return Err("credentials, a prefix or TLS for no bus; name it with server or context");
    }
    Ok(())
}
