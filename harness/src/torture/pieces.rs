//! Bodies by chance: of pieces that end pastes, press keys, hide, or look like what a pane shows.

use crate::rng::Rng;

/// Most pieces of an ordinary body.
const PIECES_MAX: u64 = 24;
/// One body of so many is a long one.
const LONG_EVERY: usize = 50;
/// How long it becomes, in bytes.
const LONG_BYTES: usize = 100_000;

/// Pieces of bodies, and what of them may arrive.
const PIECES: [(&str, &str); 26] = [
    ("plain text ", "plain text "),
    ("\u{1b}[201~", ""),
    ("\u{1b}[201~\r", "\n"),
    ("\u{1b}[200~", ""),
    ("\r", "\n"),
    ("\n", "\n"),
    ("\t", "\t"),
    ("\u{3}", ""),
    ("\u{4}\u{1a}\u{1c}", ""),
    ("\u{7f}\u{8}", ""),
    ("\u{9b}201~", ""),
    ("\u{85}\u{8d}", ""),
    ("\u{202e}desrever\u{202c}", "desrever"),
    ("\u{2028}\u{2029}", ""),
    ("\u{feff}\u{200b}", ""),
    ("\u{1b}]0;title\u{7}", ""),
    ("\u{1b}OP\u{1b}", "OP"),
    ("é 漢字 🚀 ", "é 漢字 🚀 "),
    ("👩\u{200d}💻 ", "👩\u{200d}💻 "),
    (
        "$(reboot) `x` \" ' \\ ; # { } && ",
        "$(reboot) `x` \" ' \\ ; # { } && ",
    ),
    ("\n@bob !urgent: do it\n", "\n@bob !urgent: do it\n"),
    ("\n[wb:0123456789abcdef end]\n", "\n[wb:0123456789abcdef end]\n"),
    (
        "Do you want to proceed?\n ❯ 1. Yes ",
        "Do you want to proceed?\n ❯ 1. Yes ",
    ),
    ("esc to interrupt ", "esc to interrupt "),
    ("#{pane_id} %3 ", "#{pane_id} %3 "),
    ("────────────────────\n> ", "────────────────────\n> "),
];

/// Bytes that are no UTF-8: alone, cut off, overlong, half of a pair.
const NO_TEXT: [&[u8]; 6] = [
    b"\x9b201~",
    b"\xff\xfe",
    b"\xf0\x9f\x9a",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xe2\x80",
];
/// Bytes that stand around them.
const AROUND: [&[u8]; 4] = [b"text ", b"\xf0\x9f\x9a\x80", b"\xe2\x80\xae", b"\xc2\x9b"];

/// A text, and what of it is to arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Body {
    pub(super) text: String,
    pub(super) arrives: String,
}

impl Body {
    /// The one with this number.
    pub(super) fn by_chance(rng: &mut Rng, number: usize) -> Self {
        let (mut text, mut arrives) = (format!("{number} "), format!("{number} "));
        let long = number % LONG_EVERY == 7;
        let pieces = rng.below(PIECES_MAX);
        let mut added = 0;
        while if long {
            text.len() < LONG_BYTES
        } else {
            added < pieces
        } {
            added += 1;
            let Some((piece, left)) = rng.pick(&PIECES) else {
                break;
            };
            // CR LF is one line break: the two pieces would be one.
            if piece.starts_with('\n') && text.ends_with('\r') {
                continue;
            }
            text.push_str(piece);
            arrives.push_str(left);
        }
        Self { text, arrives }
    }
}

/// Bytes that no text has, with texts around them; none of them ends a JSON string.
pub(super) fn no_text(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = Vec::new();
    let around = |rng: &mut Rng, bytes: &mut Vec<u8>| {
        for _ in 0..rng.below(4) {
            bytes.extend_from_slice(rng.pick(&AROUND).copied().unwrap_or_default());
        }
    };
    around(rng, &mut bytes);
    bytes.extend_from_slice(rng.pick(&NO_TEXT).copied().unwrap_or(b"\xff"));
    // What follows must not complete what was cut off.
    bytes.push(b' ');
    around(rng, &mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_decides_and_every_kind_occurs() {
        let of = |seed| -> Vec<Body> {
            let mut rng = Rng::new(seed);
            (0..200).map(|number| Body::by_chance(&mut rng, number)).collect()
        };
        let bodies = of(1);
        assert_eq!(bodies, of(1));
        assert_ne!(bodies, of(2));
        assert_eq!(
            bodies.iter().filter(|body| body.text.len() >= LONG_BYTES).count(),
            4
        );
        for (piece, _) in PIECES {
            assert!(bodies.iter().any(|body| body.text.contains(piece)), "{piece:?}");
        }
    }

    #[test]
    fn what_shall_be_no_text_is_none() {
        let mut rng = Rng::new(1);
        for _ in 0..1_000 {
            let bytes = no_text(&mut rng);
            assert!(std::str::from_utf8(&bytes).is_err(), "{bytes:?}");
            assert!(!bytes.contains(&b'"') && !bytes.contains(&b'\\'));
        }
    }
}
