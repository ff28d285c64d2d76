//! The tmux bridge's decisions, without a tmux.

mod frames;
mod injecting;
mod output;
mod sanitising;
mod screens;
mod worlds;

use wagglebus_schemas::{Draft, Id, Message, Timestamp};

use super::capture::{Capture, Flags, Row, Server};
use super::fence::Fence;
use super::frame::{Form, Framing, Verified};
use crate::record::Key;

pub(super) const SECRET: [u8; 32] = [7; 32];

pub(super) fn key() -> Key {
    Key {
        from: "alice".parse().unwrap(),
        id: Id::from_bytes([1; 16]),
    }
}

pub(super) fn fence() -> Fence {
    Fence::of_message(&SECRET, &key())
}

pub(super) fn message(content: &str) -> Message {
    let draft = Draft::text("bob".parse().unwrap(), content.into());
    draft.into_message(key().id, key().from, Timestamp::EPOCH)
}

/// The frame of a message with this content.
pub(super) fn framed(form: Form, content: &str) -> Option<String> {
    let me = "bob".parse().unwrap();
    let framing = Framing {
        form,
        verified: Verified::Bus,
        me: &me,
        program: "/opt/bin/wagglebus",
        reads_output: false,
    };
    framing.message(fence(), &message(content), false)
}

pub(super) fn flags() -> Flags {
    Flags {
        pane: "%3".into(),
        server: Server { pid: 100, started: 1 },
        root_pid: 101,
        dead: false,
        in_mode: false,
        input_off: false,
        synchronized: false,
        cursor_x: 0,
        cursor_y: 0,
        width: 60,
        height: 30,
        alternate: false,
        history: 0,
        person_s: None,
        tty: "/dev/pts/9".into(),
    }
}

/// A screen with these rows; the cursor is behind the last.
pub(super) fn screen(text: &str) -> Capture {
    let rows: Vec<Row> = text.lines().map(Row::parse).collect();
    let mut flags = flags();
    flags.cursor_y = rows.len().saturating_sub(1);
    flags.cursor_x = rows.last().map_or(0, |row| row.text.chars().count());
    Capture { flags, rows }
}
