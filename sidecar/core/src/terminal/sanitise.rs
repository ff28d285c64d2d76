//! Makes foreign text harmless for a terminal: nothing of it can end a bracketed paste, press a key, or hide.

use std::str::Utf8Error;

/// Longest escape sequence that is removed whole, in characters; of a longer one only its first bytes go.
const SEQUENCE_MAX: usize = 4_096;

const ESCAPE: char = '\u{1b}';
const BELL: char = '\u{7}';

/// Text of raw bytes, made harmless.
///
/// # Errors
/// When the bytes are no UTF-8. An 8-bit control such as `0x9b` is none.
pub fn clean_bytes(bytes: &[u8]) -> Result<String, Utf8Error> {
    std::str::from_utf8(bytes).map(clean)
}

/// Text without anything that a terminal or a program in it would obey, and without what cannot be seen.
///
/// Left are LF, TAB and what prints; CR and CRLF become LF. Removed are the other controls (C0, DEL, C1), escape
/// sequences, bidirectional and other invisible format characters, and U+2028 and U+2029. Joiners stay between two
/// characters that are not ASCII, where scripts and emoji need them. Cleaning twice changes nothing.
pub fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(char) = rest.next() {
        match char {
            '\r' => {
                let mut next = rest.clone();
                if next.next() == Some('\n') {
                    rest = next;
                }
                clean.push('\n');
            }
            ESCAPE => {
                let mut next = rest.clone();
                rest = match next.next() {
                    Some('[') => after_csi(&next).unwrap_or(rest),
                    Some(']' | 'P' | 'X' | '^' | '_') => after_string(&next).unwrap_or(rest),
                    Some(_) | None => rest,
                };
            }
            '\u{9b}' => rest = after_csi(&rest).unwrap_or(rest),
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => rest = after_string(&rest).unwrap_or(rest),
            '\u{200c}' | '\u{200d}' => {
                let joins = |char: char| !char.is_ascii() && is_shown(char);
                let before = clean.chars().next_back().is_some_and(joins);
                if before && rest.clone().next().is_some_and(joins) {
                    clean.push(char);
                }
            }
            char if is_shown(char) => clean.push(char),
            _ => {}
        }
    }
    clean
}

/// What follows a control sequence whose introducer was read; `None` when it is not complete.
fn after_csi<'a>(rest: &std::str::Chars<'a>) -> Option<std::str::Chars<'a>> {
    let mut rest = rest.clone();
    for char in rest.by_ref().take(SEQUENCE_MAX) {
        match char {
            '\u{20}'..='\u{3f}' => {}
            '\u{40}'..='\u{7e}' => return Some(rest),
            _ => return None,
        }
    }
    None
}

/// What follows a control string (title, clipboard …) whose introducer was read; `None` when it has no end on its line.
fn after_string<'a>(rest: &std::str::Chars<'a>) -> Option<std::str::Chars<'a>> {
    let mut rest = rest.clone();
    let mut escaped = false;
    for char in rest.by_ref().take(SEQUENCE_MAX) {
        match char {
            BELL | '\u{9c}' => return Some(rest),
            '\\' if escaped => return Some(rest),
            '\n' | '\r' => return None,
            _ => escaped = char == ESCAPE,
        }
    }
    None
}

/// Whether a character may stay whatever is around it.
const fn is_shown(char: char) -> bool {
    match char {
        '\n' | '\t' => true,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => false,
        // Bidirectional controls, separators, joiners, invisible operators, byte order mark, annotations.
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => false,
        '\u{feff}' | '\u{fff0}'..='\u{fffb}' => false,
        // Format characters of single scripts, and fillers that print nothing.
        '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' => false,
        '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' => false,
        '\u{3164}' | '\u{ffa0}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' => false,
        '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' => false,
        // Tags and variation selectors can carry a whole hidden text; the two that choose emoji or text stay.
        '\u{fe00}'..='\u{fe0d}' | '\u{e0000}'..='\u{e0fff}' => false,
        _ => true,
    }
}
