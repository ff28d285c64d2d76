//! `@` lines in what a pane prints: each counts once, when it is complete, and never when it stands in a frame of ours.

use std::collections::VecDeque;

use super::fence::{Fence, find_mark, squeeze};
use crate::text::{self, TextError, TextLine};

/// Rows above the screen that are read with it.
pub const HISTORY_ROWS: u64 = 500;
/// Complete lines that are remembered, to find where the new ones begin.
const KNOWN_MAX: usize = 2_000;
/// `@` lines that are remembered, so that a screen that is drawn anew repeats none.
const COUNTED_MAX: usize = 500;
/// Frames whose size is remembered.
const FRAMES_MAX: usize = 64;
/// How much may follow the beginning of a frame of unknown size before its end counts as cut off, in characters.
const UNKNOWN_FRAME_CHARS: usize = 16_384;

/// What makes a mark the last of its frame.
const END: &str = "end";
/// Longest mark without white space, in bytes.
const MARK_BYTES_MAX: usize = 24;

/// The lines of a pane that are complete: those above the cursor's, the program's wrapped rows joined.
///
/// `rows` are the pane's rows as they stand, `joined` the same with the rows joined that the terminal wrapped, and
/// `cursor` is the cursor's row among `rows`.
pub fn complete<'a>(rows: &[&str], joined: &[&'a str], cursor: usize) -> Vec<&'a str> {
    let mut complete = Vec::new();
    let mut at: usize = 0;
    for line in joined {
        // Where a row was wrapped, blanks may stand in one and not in the other.
        let mut left = unspaced(line).peekable();
        loop {
            let row = rows.get(at).copied().unwrap_or_default();
            at = at.saturating_add(1);
            let same = unspaced(row).all(|char| left.next_if_eq(&char).is_some());
            if left.peek().is_none() || !same || at > rows.len() {
                break;
            }
        }
        if at > cursor {
            break;
        }
        complete.push(*line);
    }
    complete
}

fn unspaced(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|char| !char.is_whitespace())
}

/// What a complete line of output asks for.
pub type Said = Result<TextLine, TextError>;

/// Reads what a pane prints.
#[derive(Debug, Clone, Default)]
pub struct Output {
    known: VecDeque<String>,
    begun: bool,
    /// `@` lines that were counted, or stood there first.
    counted: VecDeque<String>,
    frames: VecDeque<(String, usize)>,
    open: Option<Open>,
    /// The end of the last line, where it may be the beginning of a mark.
    cut: String,
}

/// A frame whose end was not yet read.
#[derive(Debug, Clone)]
struct Open {
    fence: String,
    left: usize,
}

impl Output {
    /// A text of ours is about to be put into the pane.
    pub fn expect(&mut self, fence: Fence, text: &str) {
        if self.frames.len() >= FRAMES_MAX {
            self.frames.pop_front();
        }
        self.frames.push_back((fence.to_string(), text.chars().count()));
    }

    /// What is printed from here on until the next [`read`](Self::read) is somebody else's.
    pub fn forget(&mut self) {
        self.begun = false;
        self.open = None;
        self.cut.clear();
    }

    /// Takes what stands in the pane now: its lines from the oldest, wrapped rows joined, up to the one before the
    /// cursor's. Returns what the lines ask for that are new since the last time; what stood there first is not new.
    pub fn read(&mut self, lines: &[&str]) -> Vec<Said> {
        let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
        let fresh = self.fresh(&lines);
        let fresh: Vec<String> = fresh.into_iter().map(str::to_owned).collect();
        let begun = std::mem::replace(&mut self.begun, true);
        self.known = lines
            .iter()
            .rev()
            .take(KNOWN_MAX)
            .rev()
            .map(|line| (*line).to_owned())
            .collect();
        let mut said = Vec::new();
        for line in fresh {
            if self.is_framed(&line) || !line.starts_with('@') {
                continue;
            }
            if begun {
                said.push(text::parse(&line));
            }
            if self.counted.len() >= COUNTED_MAX {
                self.counted.pop_front();
            }
            self.counted.push_back(line);
        }
        said
    }

    /// The lines behind those that were there the last time.
    fn fresh<'a>(&self, lines: &[&'a str]) -> Vec<&'a str> {
        let known: Vec<&str> = self.known.iter().map(String::as_str).collect();
        // What was there before moved up, and the oldest of it may be gone: an end of the known is the beginning now.
        let moved = |from: &usize| {
            let known = known.get(*from..).unwrap_or_default();
            lines.starts_with(known)
        };
        let from = (0..known.len()).find(moved).unwrap_or(known.len());
        let overlap = known.len().saturating_sub(from);
        if overlap > 0 || known.is_empty() {
            return lines.get(overlap..).unwrap_or_default().to_vec();
        }
        // Cleared, or drawn anew: what was there before may stand elsewhere now, so only what never did is new.
        let is_new =
            |line: &&&str| !known.contains(*line) && !self.counted.iter().any(|counted| counted == **line);
        lines.iter().filter(is_new).copied().collect()
    }

    /// Whether a line stands in a frame, or has a piece of one. A program may have cut a mark in two.
    fn is_framed(&mut self, line: &str) -> bool {
        let squeezed = squeeze(line);
        let text = std::mem::take(&mut self.cut) + &squeezed;
        let mut framed = self.open.is_some();
        let mut rest = text.as_str();
        while let Some((fence, behind)) = find_mark(rest) {
            framed = true;
            if behind.len() < END.len() && END.starts_with(behind) {
                // Whether it ends or begins a frame stands on the next line.
                break;
            }
            if behind.starts_with(END) {
                if self.open.as_ref().is_none_or(|open| open.fence == fence) {
                    self.open = None;
                }
            } else {
                self.open = Some(Open {
                    fence: fence.to_owned(),
                    left: self.size_of(fence),
                });
            }
            rest = behind;
        }
        let cut = rest.rfind('[').and_then(|at| rest.get(at..));
        self.cut = cut
            .filter(|cut| cut.len() <= MARK_BYTES_MAX)
            .unwrap_or_default()
            .to_owned();
        if let Some(open) = &mut self.open {
            open.left = open.left.saturating_sub(squeezed.chars().count().max(1));
            if open.left == 0 {
                self.open = None;
            }
        }
        framed
    }

    /// How much a frame may fill at most, in characters; drawn borders count too.
    fn size_of(&self, fence: &str) -> usize {
        let known = self.frames.iter().find(|(known, _)| known == fence);
        known.map_or(UNKNOWN_FRAME_CHARS, |(_, chars)| {
            chars.saturating_mul(2).saturating_add(1_024)
        })
    }
}
