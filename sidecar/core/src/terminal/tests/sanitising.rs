//! Whatever bytes a message has, only text comes out.

use proptest::prelude::*;

use crate::terminal::sanitise::{clean, clean_bytes};

/// What must never reach a terminal; written anew rather than taken from the code.
fn is_harmful(char: char) -> bool {
    let code = u32::from(char);
    (code < 0x20 && char != '\n' && char != '\t')
        || (0x7f..=0x9f).contains(&code)
        || (0x202a..=0x202e).contains(&code)
        || (0x2066..=0x2069).contains(&code)
        || matches!(code, 0x61c | 0x200b | 0x200e | 0x200f | 0x2028 | 0x2029 | 0xfeff)
        || (0xe0000..=0xe007f).contains(&code)
}

#[test]
fn controls_go_and_text_stays() {
    for (dirty, expected) in [
        ("a\tb\nc", "a\tb\nc"),
        ("a\r\nb\rc\r\r\nd", "a\nb\nc\n\nd"),
        ("a\u{1b}[201~\rrm -rf\u{3}", "a\nrm -rf"),
        ("\u{9b}201~x", "x"),
        ("red \u{1b}[1;31mtext\u{1b}[0m", "red text"),
        (
            "\u{1b}]0;title\u{7}after \u{1b}]52;c;QQ==\u{1b}\\copy",
            "after copy",
        ),
        (
            "\u{1b}]no end, so only its first byte goes",
            "]no end, so only its first byte goes",
        ),
        ("\u{1b}\u{1b}[[A", "A"),
        ("\u{1b}[\n201~", "[\n201~"),
        ("\u{202e}evil\u{2066}\u{feff}\u{200b}", "evil"),
        ("a\u{2028}b\u{85}c\0\u{8}\u{7f}", "abc"),
        ("é 漢 🚀 $ ` \" ' \\ ; # { }", "é 漢 🚀 $ ` \" ' \\ ; # { }"),
        ("👩\u{200d}💻 a\u{200d}b \u{200d}", "👩\u{200d}💻 ab "),
        ("hidden\u{e0041}\u{e0042}", "hidden"),
    ] {
        assert_eq!(clean(dirty), expected, "{dirty:?}");
    }
    assert!(clean_bytes(b"\x9b201~").is_err(), "an 8-bit control is no UTF-8");
    assert!(clean_bytes(&[0xff]).is_err());
    assert_eq!(clean_bytes("\u{9b}31mx".as_bytes()).unwrap(), "x");
}

proptest! {
    #[test]
    fn nothing_harmful_is_left_and_cleaning_twice_changes_nothing(
        parts in prop::collection::vec(
            prop_oneof![
                any::<char>().prop_map(String::from),
                "[ -~\\n\\t]{0,8}".prop_map(String::from),
                prop::sample::select(vec![
                    "\u{1b}[", "\u{1b}[201~", "\u{1b}]0;", "\u{7}", "\u{1b}\\", "\r", "\r\n", "\u{9b}", "\u{9d}",
                    "\u{9c}", "\u{200d}", "👩", "\u{202e}", "\u{2028}", "\u{e0041}", "\u{1b}",
                ]).prop_map(String::from),
            ],
            0..40,
        )
    ) {
        let text = parts.concat();
        let once = clean(&text);
        prop_assert!(!once.contains(is_harmful), "{once:?}");
        prop_assert_eq!(clean(&once), once.clone());
        prop_assert!(once.len() <= text.len());
    }

    #[test]
    fn printable_text_is_left_alone(text in "[ -~\\n\\téß漢字🚀]{0,200}") {
        prop_assert_eq!(clean(&text), text);
    }
}

/// Bytes by chance, from a seed that a failure names.
#[test]
fn raw_bytes_are_refused_or_clean() {
    let seed: u64 = std::env::var("WAGGLEBUS_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(1);
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let pieces: [&[u8]; 8] = [
        b"\x1b[201~",
        b"\xc2\x9b",
        b"\x9b",
        b"\r",
        b"\xe2\x80\xae",
        b"\xf0\x9f\x9a\x80",
        b"text ",
        b"\xc0\xaf",
    ];
    for round in 0..20_000 {
        let mut bytes = Vec::new();
        for _ in 0..next() % 12 {
            match next() % 3 {
                0 => bytes.extend_from_slice(pieces[usize::try_from(next() % 8).unwrap()]),
                1 => bytes.push(next().to_le_bytes()[0]),
                _ => bytes.push(next().to_le_bytes()[0] & 0x7f),
            }
        }
        match clean_bytes(&bytes) {
            Ok(text) => assert!(
                !text.contains(is_harmful),
                "seed {seed}, round {round}: {bytes:?}"
            ),
            Err(_) => assert!(std::str::from_utf8(&bytes).is_err()),
        }
    }
}
