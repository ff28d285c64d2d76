//! Fences: what tells a message of ours from everything else on a screen.

use sha2::{Digest, Sha256};

use crate::record::Key;

/// How every mark of ours begins.
const MARK: &str = "[wb:";
/// Length of a fence as written.
const HEX_LEN: usize = 16;

/// What only this sidecar can choose fences with; 32 random bytes that live as long as the attachment.
pub type Secret = [u8; 32];

/// The mark of one message: unguessable for its sender, and the same whenever this attachment shows the message, so that
/// it is recognised after a restart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence([u8; HEX_LEN / 2]);

impl Fence {
    /// The fence of a message.
    pub fn of_message(secret: &Secret, key: &Key) -> Self {
        Self::derive(
            secret,
            &[
                b"message",
                key.from.as_str().as_bytes(),
                key.id.to_string().as_bytes(),
            ],
        )
    }

    /// The fence of the nudge with this number.
    pub fn of_nudge(secret: &Secret, number: u64) -> Self {
        Self::derive(secret, &[b"nudge", &number.to_be_bytes()])
    }

    fn derive(secret: &Secret, parts: &[&[u8]]) -> Self {
        let mut digest = Sha256::new_with_prefix(secret);
        for part in parts {
            digest.update([0]);
            digest.update(part);
        }
        let digest = digest.finalize();
        let mut bytes = [0; HEX_LEN / 2];
        bytes
            .iter_mut()
            .zip(digest.iter())
            .for_each(|(to, from)| *to = *from);
        Self(bytes)
    }

    /// What a frame begins with.
    pub fn open(self) -> String {
        format!("{MARK}{self} ")
    }

    /// What a frame ends with, but for the last bracket: an answer may be explained there.
    pub fn close(self) -> String {
        format!("{MARK}{self} end")
    }

    /// The frame's first mark in a text without white space and borders.
    pub(super) fn squeezed_open(self) -> String {
        format!("{MARK}{self}")
    }

    /// The frame's last mark in a text without white space and borders.
    pub(super) fn squeezed_close(self) -> String {
        format!("{MARK}{self}end")
    }
}

impl std::fmt::Display for Fence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for Fence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Fence({self})")
    }
}

/// A text as it is compared with what stands on a screen: without white space and the borders of boxes, so that it is
/// the same however the pane or the program wrapped it.
pub fn squeeze(text: &str) -> String {
    let mut squeezed = String::with_capacity(text.len());
    squeezed.extend(text.chars().filter(|char| !is_padding(*char)));
    squeezed
}

/// White space, or the border of a box.
pub(super) fn is_padding(char: char) -> bool {
    char.is_whitespace() || matches!(char, '\u{2500}'..='\u{257f}')
}

/// A mark of any frame in a squeezed text: its fence as written, and where the text goes on after it.
pub(super) fn find_mark(squeezed: &str) -> Option<(&str, &str)> {
    let mut from = squeezed;
    while let Some((_, rest)) = from.split_once(MARK) {
        from = rest;
        let hex = rest.get(..HEX_LEN);
        let is_hex = |hex: &&str| hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if let Some(hex) = hex.filter(is_hex) {
            return Some((hex, rest.get(HEX_LEN..).unwrap_or_default()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use wagglebus_schemas::Id;

    fn key(n: u8) -> Key {
        Key {
            from: "alice".parse().unwrap(),
            id: Id::from_bytes([n; 16]),
        }
    }

    #[test]
    fn a_fence_follows_from_secret_and_message_alone() {
        let fence = Fence::of_message(&[1; 32], &key(1));
        assert_eq!(fence, Fence::of_message(&[1; 32], &key(1)));
        assert_ne!(fence, Fence::of_message(&[2; 32], &key(1)));
        assert_ne!(fence, Fence::of_message(&[1; 32], &key(2)));
        assert_ne!(Fence::of_nudge(&[1; 32], 1), Fence::of_nudge(&[1; 32], 2));
        assert_eq!(fence.to_string().len(), HEX_LEN);
    }

    #[test]
    fn a_mark_is_found_however_it_is_wrapped_and_boxed() {
        let fence = Fence::of_message(&[1; 32], &key(1));
        let mark = fence.close();
        for width in 1..mark.len() {
            let rows: Vec<String> = mark
                .as_bytes()
                .chunks(width)
                .map(|row| format!("│ {} │", String::from_utf8_lossy(row)))
                .collect();
            let squeezed = squeeze(&rows.join("\n"));
            assert!(squeezed.contains(&fence.squeezed_close()), "{width}");
            assert_eq!(find_mark(&squeezed), Some((fence.to_string().as_str(), "end")));
        }
        assert_eq!(find_mark("[wb:xyz and [wb:0123"), None);
    }
}
