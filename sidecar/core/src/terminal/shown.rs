//! The rows in which a program tells what it does: near its input, and not in a frame of ours.

use super::capture::Capture;
use super::fence::{find_mark, is_padding, squeeze};
use super::screen::{Input, Place};

/// Rows above the input in which a program tells what it does; those below it all count.
const NEAR_ROWS: usize = 4;
/// Length of a mark up to the end of its fence.
const MARK_LEN: usize = 20;

/// The rows in which a program tells what it does. What stands in frames of ours is not its own.
pub(super) struct Shown<'a> {
    /// Those that may be a dialog: below the input, or the input itself; without an input the lower half of the screen.
    pub(super) dialog: Vec<&'a str>,
    /// Those that may tell that it works: also a few above the input.
    pub(super) status: Vec<&'a str>,
}

impl<'a> Shown<'a> {
    pub(super) fn of(capture: &'a Capture, place: Option<&Place>, input: Input) -> Self {
        let written = capture.rows.iter().rposition(|row| !row.text.trim().is_empty());
        let end = written.map_or(0, |last| last.saturating_add(1));
        let rows: Vec<&str> = capture
            .rows
            .iter()
            .take(end)
            .map(|row| row.text.as_str())
            .collect();
        let Some(place) = place else {
            let half: Vec<&str> = rows
                .into_iter()
                .rev()
                .take(capture.flags.height.max(2) / 2)
                .collect();
            return Self {
                dialog: half.clone(),
                status: half,
            };
        };
        let below = rows.iter().skip(place.last.saturating_add(1)).copied();
        let inside = rows
            .iter()
            .take(place.last.saturating_add(1))
            .skip(place.first)
            .copied();
        let above = rows.get(..place.first).unwrap_or_default();
        let quoted = |row: &&str| row.trim_start_matches(is_padding).starts_with("| ");
        let framed = framed(above)
            .into_iter()
            .zip(above)
            .map(|(framed, row)| framed || quoted(row));
        let above = above.iter().zip(framed.collect::<Vec<_>>()).rev();
        let above = above.filter(|(row, _)| !row.trim_matches(is_padding).is_empty());
        let own = above
            .take(NEAR_ROWS)
            .filter(|(_, framed)| !framed)
            .map(|(row, _)| *row);
        Self {
            dialog: inside
                .filter(|_| !matches!(input, Input::Ours | Input::Mixed))
                .chain(below.clone())
                .collect(),
            status: own.chain(below).collect(),
        }
    }
}

pub(super) fn has(row: &str, signs: &[&str]) -> bool {
    signs.iter().any(|sign| row.contains(sign))
}

/// Which rows stand in a frame, be it whole or cut off by the edge of the screen.
fn framed(rows: &[&str]) -> Vec<bool> {
    // A mark may be cut by the end of a row: it is looked for in all rows as one text.
    let mut text = String::new();
    let mut ends = Vec::new();
    for row in rows {
        text.push_str(&squeeze(row));
        ends.push(text.len());
    }
    let mut frames = Vec::new();
    let mut open = None;
    let mut rest = text.as_str();
    while let Some((_, behind)) = find_mark(rest) {
        let at = text.len().saturating_sub(behind.len());
        if behind.starts_with("end") {
            // The first row of a frame that is cut off is not to be seen.
            frames.push((open.take().unwrap_or(0), at));
        } else if open.is_none() {
            open = Some(at.saturating_sub(MARK_LEN));
        }
        rest = behind;
    }
    frames.extend(open.map(|from| (from, text.len())));
    let mut from = 0;
    let in_frame = ends.into_iter().map(|to| {
        let row = std::mem::replace(&mut from, to)..to;
        frames
            .iter()
            .any(|(first, last)| row.end > *first && row.start <= *last)
    });
    in_frame.collect()
}

/// A numbered choice with a pointer in front: `❯ 1. Yes`.
pub(super) fn is_selection(text: &str) -> bool {
    let text = text.trim_start_matches(is_padding);
    let Some(choice) = text.strip_prefix(['❯', '›', '▌', '>', '→']) else {
        return false;
    };
    let choice = choice.trim_start();
    let behind = choice.trim_start_matches(|char: char| char.is_ascii_digit());
    behind.len() < choice.len() && behind.starts_with(['.', ')'])
}

#[cfg(test)]
mod tests {
    use super::framed;

    #[test]
    fn rows_of_frames_are_told_from_the_programs_own() {
        const OPEN: &str = "> [wb:0123456789abcdef message";
        const CLOSE: &str = "[wb:0123456789abcdef end]";
        let is = |rows: &[&str]| framed(rows);
        assert_eq!(
            is(&["a", OPEN, "| b", "c", CLOSE, "d"]),
            [false, true, true, true, true, false]
        );
        assert_eq!(
            is(&["b", CLOSE, "d"]),
            [true, true, false],
            "its beginning is gone"
        );
        assert_eq!(
            is(&["a", OPEN, "b"]),
            [false, true, true],
            "its end is not there yet"
        );
        assert_eq!(
            is(&["a", "x [wb:01234567", "89abcdef end] y", "b"]),
            [true, true, true, false],
            "cut in two"
        );
        assert_eq!(is(&["a", "b"]), [false, false]);
    }
}
