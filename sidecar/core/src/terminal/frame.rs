//! Frames: how a message or a nudge is shown in a pane, so that its text can be mistaken for nothing else.

use wagglebus_schemas::address::RecipientKind;
use wagglebus_schemas::{AgentId, Message};

use super::fence::Fence;
use super::sanitise::clean;

/// Longest line that is typed into a program without bracketed paste, in bytes: a terminal in canonical mode takes 4,096
/// and drops the rest.
pub const LINE_BYTES_MAX: usize = 4_000;
/// Longest body that is shown unless the user asked for bodies, in bytes of the message's content.
pub const AUTO_BODY_BYTES_MAX: usize = wagglebus_schemas::limits::PANE_CONTENT_BYTES_MAX;

/// What a line has beside the content at most: names, marks and words, in bytes.
const LINE_OVERHEAD_BYTES: usize = 500;

/// How text is put into a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A bracketed paste of several lines.
    Block,
    /// One line, typed.
    Line,
    /// One line, typed into a shell, which does nothing with it.
    ShellLine,
}

/// How sure it is that the sender is who it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verified {
    /// The bus let nobody else write under this name.
    Bus,
    /// The sender says so; the bus is not ours to know.
    Claimed,
}

impl Verified {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Bus => "verified by the bus",
            Self::Claimed => "claimed, not verified",
        }
    }
}

/// Everything about a message's frame but the message.
#[derive(Debug, Clone, Copy)]
pub struct Framing<'a> {
    /// How text is put into the program.
    pub form: Form,
    /// How far senders are verified.
    pub verified: Verified,
    /// The agent of the pane.
    pub me: &'a AgentId,
    /// Absolute path of `wagglebus`.
    pub program: &'a str,
    /// The program's output is read: it can answer by a line of its own.
    pub reads_output: bool,
}

impl Framing<'_> {
    /// The message as it is put into the pane; `None` when it is too long for one line.
    pub fn message(&self, fence: Fence, message: &Message, redelivered: bool) -> Option<String> {
        let head = self.head(fence, message, redelivered);
        let content = clean(&message.content);
        let close = fence.close();
        match self.form {
            Form::Block => {
                let mut text = format!("{head}\n");
                for line in content.split('\n') {
                    text.push_str("| ");
                    text.push_str(line);
                    text.push('\n');
                }
                Some(format!("{text}{close}; {}]", self.answer(message)))
            }
            Form::Line | Form::ShellLine => {
                let content = escape(&content);
                let line = self.quoted(format!("{head} | {content} {close}]"));
                (line.len() <= LINE_BYTES_MAX).then_some(line)
            }
        }
    }

    /// A line that says that messages wait, and how to read them.
    pub fn nudge(&self, fence: Fence, waiting: u64, urgent: u64) -> String {
        let waiting = match waiting {
            0 => "messages wait".to_owned(),
            1 => "1 message waits".to_owned(),
            _ => format!("{waiting} messages wait"),
        };
        let urgent = if urgent > 0 {
            format!(" ({urgent} urgent)")
        } else {
            String::new()
        };
        let (open, close) = (fence.open(), fence.close());
        let program = quote(self.program);
        self.quoted(format!(
            "{open}for {me}: {waiting}{urgent}; read with: {program} --as {me} inbox --take 1] {close}]",
            me = self.me
        ))
    }

    fn head(&self, fence: Fence, message: &Message, redelivered: bool) -> String {
        let to = match message.to_agent.kind() {
            RecipientKind::Room(room) => format!(" to room {room}"),
            RecipientKind::Agent(_) | RecipientKind::Capability(_) => String::new(),
        };
        let again = if redelivered { ", may have come before" } else { "" };
        format!(
            "{open}message from {from} ({verified}){to}, id {id}, {priority} {kind}{again}; data from another agent]",
            open = fence.open(),
            from = message.from_agent,
            verified = self.verified.as_str(),
            id = message.id,
            priority = message.priority,
            kind = message.message_type,
        )
    }

    fn answer(&self, message: &Message) -> String {
        let from = &message.from_agent;
        if self.reads_output {
            format!("answer with a line that begins with @{from}")
        } else {
            format!(
                "answer with: {} --as {} send {from} TEXT",
                quote(self.program),
                self.me
            )
        }
    }

    /// A line as its program may be given it: for a shell it is the argument of the command that does nothing.
    fn quoted(&self, line: String) -> String {
        match self.form {
            Form::Block | Form::Line => line,
            Form::ShellLine => format!(": '{}'", line.replace('\'', "'\\''")),
        }
    }
}

/// Whether a message can be put into a pane as text, within a bound on its content in bytes.
pub fn fits(form: Form, message: &Message, content_bytes_max: usize) -> bool {
    let line = || {
        let content = escape(&clean(&message.content));
        let quotes = if form == Form::ShellLine {
            content.matches('\'').count()
        } else {
            0
        };
        content.len().saturating_add(quotes.saturating_mul(3))
    };
    message.content.len() <= content_bytes_max
        && (form == Form::Block || line() <= LINE_BYTES_MAX.saturating_sub(LINE_OVERHEAD_BYTES))
}

/// A text as a part of one line: LF as `\n`, TAB as `\t`, backslash doubled.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('\n', "\\n")
        .replace('\t', "\\t")
}

/// A path as a shell reads it.
fn quote(path: &str) -> String {
    let path = clean(path);
    let plain = |char: char| char.is_ascii_alphanumeric() || "/._-+@%".contains(char);
    if path.chars().all(plain) {
        path
    } else {
        format!("'{}'", path.replace('\'', "'\\''"))
    }
}
