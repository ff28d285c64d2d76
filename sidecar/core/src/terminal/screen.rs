//! Reads a screen: what the program in the pane does, and what stands in its input. What is unclear is not safe.

use super::capture::{Capture, Row};
use super::fence::{Fence, is_padding, squeeze};
use super::frame::Form;
use super::profile::{InputRule, Profile};
use super::shown::{Shown, has, is_selection};

/// A person who pressed a key within this time may go on typing, in seconds.
const PERSON_S: u64 = 2;
/// Least length of a rule that borders an input.
const RULE_MIN: usize = 10;
/// Most rows that an input may fill.
const INPUT_ROWS_MAX: usize = 200;

/// What can be done with a pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Its program waits for input.
    Idle,
    /// Its program works; what is put in now is read later.
    Busy,
    /// Its program works, and what is put in may be read by something else.
    Occupied,
    /// It waits for an answer of a person.
    DialogOpen,
    /// A person types, or has left a half-typed line.
    HumanTyping,
    /// Its provider lets it do nothing.
    RateLimited,
    /// What it shows is not understood.
    Unclear,
    /// What is put in would not reach it, or not only it.
    CannotWake,
    /// A mode of tmux takes the keys.
    InMode,
    /// Its program is there, but tmux cannot be asked what it shows.
    Unreachable,
    /// It is gone, or another one took its place.
    Gone,
}

/// A frame that is looked for on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Its fence.
    pub fence: Fence,
    /// Lines of the frame.
    pub lines: usize,
    /// Characters of the frame.
    pub chars: usize,
    /// It was put in for sure, or may have been by a former process: a paste shown as its size may be ours.
    pub pasted: bool,
}

/// What stands in the program's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// Nothing.
    Empty,
    /// The expected frame and nothing else.
    Ours,
    /// The expected frame and something else.
    Mixed,
    /// Something else.
    Foreign,
    /// It is not to be seen.
    Hidden,
}

/// What a look at a pane showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// What can be done with it.
    pub condition: Condition,
    /// What stands in its input.
    pub input: Input,
    /// The end of the expected frame stands on the screen, outside of the input.
    pub submitted: bool,
}

/// Reads a screen that last changed `unchanged_ms` ago.
pub fn read(profile: &Profile, capture: &Capture, expected: Option<&Expected>, unchanged_ms: u64) -> Sight {
    let flags = &capture.flags;
    let blocked = if flags.dead {
        Some(Condition::Gone)
    } else if flags.input_off || flags.synchronized {
        Some(Condition::CannotWake)
    } else if flags.in_mode {
        Some(Condition::InMode)
    } else {
        None
    };
    let place = find_input(profile, capture, expected);
    let (input, outside) = match &place {
        Some(place) => (content(profile, place, expected), place.outside(&capture.rows)),
        None => (Input::Hidden, squeeze_rows(&capture.rows)),
    };
    let submitted = expected.is_some_and(|expected| outside.contains(&expected.fence.squeezed_close()));
    let condition = blocked.unwrap_or_else(|| {
        let shown = Shown::of(capture, place.as_ref(), input);
        if shown
            .dialog
            .iter()
            .any(|row| is_selection(row) || has(row, profile.dialog))
        {
            Condition::DialogOpen
        } else if shown.status.iter().any(|row| has(row, profile.busy)) {
            // A line half-typed by a person stays in the way of what is urgent.
            if is_half_typed(input) {
                Condition::HumanTyping
            } else {
                Condition::Busy
            }
        } else if place.is_none() {
            Condition::Unclear
        } else if profile.quiet_ms > unchanged_ms {
            Condition::Busy
        } else if is_half_typed(input) || flags.person_s.is_some_and(|person_s| person_s < PERSON_S) {
            Condition::HumanTyping
        } else if shown.status.iter().any(|row| has(row, profile.limited)) {
            Condition::RateLimited
        } else {
            Condition::Idle
        }
    });
    Sight {
        condition,
        input,
        submitted,
    }
}

const fn is_half_typed(input: Input) -> bool {
    matches!(input, Input::Foreign | Input::Mixed)
}

/// Where an input stands: its rows, and its text without prompt and borders, blank where it is faint.
pub(super) struct Place {
    pub(super) first: usize,
    pub(super) last: usize,
    text: String,
}

impl Place {
    /// Everything on the screen but the input, squeezed.
    fn outside(&self, rows: &[Row]) -> String {
        let (above, below) = (rows.get(..self.first), rows.get(self.last.saturating_add(1)..));
        squeeze_rows(above.unwrap_or_default()) + &squeeze_rows(below.unwrap_or_default())
    }
}

fn squeeze_rows(rows: &[Row]) -> String {
    rows.iter().map(|row| squeeze(&row.text)).collect()
}

fn find_input(profile: &Profile, capture: &Capture, expected: Option<&Expected>) -> Option<Place> {
    match profile.input {
        InputRule::Boxed(prompts) => find_boxed(prompts, &capture.rows),
        InputRule::Glyph(prompts) => find_glyph(prompts, &capture.rows),
        InputRule::Cursor(prompts) => find_at_cursor(profile, prompts, capture, expected),
    }
}

/// The rows between the lowest rule and the next one above it that a prompt follows: a text in the input may itself have
/// something like a rule.
fn find_boxed(prompts: &[char], rows: &[Row]) -> Option<Place> {
    let bottom = rows.iter().rposition(|row| is_rule(&row.text))?;
    let last = bottom.checked_sub(1)?;
    let above = rows.get(..bottom)?.iter().enumerate().rev().take(INPUT_ROWS_MAX);
    let tops = above.filter(|(_, row)| is_rule(&row.text));
    tops.map(|(top, _)| top.saturating_add(1)).find_map(|first| {
        let text = joined(rows.get(first..=last)?);
        let text = text.strip_prefix(prompts)?.to_owned();
        Some(Place { first, last, text })
    })
}

/// The lowest row that begins with a prompt, up to the next blank one.
fn find_glyph(prompts: &[char], rows: &[Row]) -> Option<Place> {
    let first = rows
        .iter()
        .rposition(|row| row.text.trim_start().starts_with(prompts))?;
    let tail = rows.get(first..)?;
    let blank = tail
        .iter()
        .position(|row| row.text.trim().is_empty())
        .unwrap_or(tail.len());
    let last = first.checked_add(blank)?.checked_sub(1)?;
    let text = joined(rows.get(first..=last)?);
    let text = text.strip_prefix(prompts)?.to_owned();
    Some(Place { first, last, text })
}

/// The cursor's line: its row, with the rows above that run over into it.
fn find_at_cursor(
    profile: &Profile,
    prompts: &[&str],
    capture: &Capture,
    expected: Option<&Expected>,
) -> Option<Place> {
    let last = capture.flags.cursor_y;
    let row = capture.rows.get(last)?.solid.trim_end();
    let ends_in_prompt = |text: &str| {
        // The prompt's own blank at the end may have been cut off.
        let with_blank = format!("{} ", text.trim_end());
        let mut prompts = prompts.iter();
        prompts.any(|prompt| with_blank.ends_with(prompt) || with_blank.trim_end().ends_with(prompt))
    };
    let mut first = last;
    let is_full = |row: &Row| is_full(&row.text, capture.flags.width);
    while let Some(above) = first.checked_sub(1)
        && capture.rows.get(above).is_some_and(is_full)
    {
        first = above;
    }
    let rows = capture.rows.get(first..=last)?;
    let line: String = rows.iter().map(|row| row.solid.as_str()).collect();
    let at_cursor = |text: &str| Place {
        first: last,
        last,
        text: text.to_owned(),
    };
    let close = expected.map(|expected| expected.fence.squeezed_close());
    let after = close.and_then(|close| Some(squeeze(&line).split_once(&close)?.1.to_owned()));
    if let Some(after) = after {
        // A line that fills its last row is followed by the next prompt, or by a blank row once it is entered; only a shell
        // that edits its line goes to the next row by itself.
        let entered = row.is_empty() && profile.form != Form::ShellLine;
        let behind = after.trim_start_matches([']', '\'']);
        if last > first && (entered || (!behind.is_empty() && ends_in_prompt(row))) {
            return Some(at_cursor(""));
        }
        let text = line;
        return Some(Place { first, last, text });
    }
    if row.is_empty() || ends_in_prompt(&line) {
        return Some(at_cursor(""));
    }
    let text = line;
    Some(Place { first, last, text })
}

/// Whether a row is written up to its end. Before a wide character a column may stay free.
fn is_full(row: &str, width: usize) -> bool {
    let wide = row.chars().filter(|char| is_wide(*char)).count();
    let cells = row.chars().count().saturating_add(wide);
    cells.saturating_add(usize::from(wide > 0)) >= width
}

/// Whether a character fills two cells, as far as that matters here.
const fn is_wide(char: char) -> bool {
    matches!(char, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}'
        | '\u{1f300}'..='\u{1faff}' | '\u{20000}'..='\u{3fffd}')
}

/// Rows as one text, without borders.
fn joined(rows: &[Row]) -> String {
    let lines = rows.iter().map(|row| row.solid.trim_matches(is_padding));
    lines.collect::<Vec<_>>().join("\n").trim_start().to_owned()
}

fn is_rule(text: &str) -> bool {
    let rule = |char: char| matches!(char, '─' | '━' | '╭' | '╮' | '╰' | '╯' | '┌' | '┐' | '└' | '┘');
    let drawn = text.chars().filter(|char| rule(*char)).count();
    drawn >= RULE_MIN && text.trim_start().starts_with(rule)
}

fn content(profile: &Profile, place: &Place, expected: Option<&Expected>) -> Input {
    let text = squeeze(&place.text);
    if text.is_empty() {
        return Input::Empty;
    }
    let Some(expected) = expected else {
        return Input::Foreign;
    };
    let (open, close) = (expected.fence.squeezed_open(), expected.fence.squeezed_close());
    if let Some((before, after)) = text.split_once(&close) {
        let begins = match profile.input {
            // The prompt stands before it, and cannot be told from what a person wrote.
            InputRule::Cursor(_) => true,
            // Of a long text only the end may be shown.
            InputRule::Boxed(_) | InputRule::Glyph(_) => !before.contains(&open) || before.starts_with(&open),
        };
        let ends = match after.split_once(']') {
            Some((_, rest)) => rest.is_empty() || rest == "'",
            None => false,
        };
        return if begins && ends { Input::Ours } else { Input::Mixed };
    }
    if expected.pasted && is_collapsed(profile, place.text.trim(), expected) {
        return Input::Ours;
    }
    Input::Foreign
}

/// Whether the text is nothing but the sign for a paste of the expected size.
fn is_collapsed(profile: &Profile, text: &str, expected: &Expected) -> bool {
    let Some(rest) = profile.collapsed.iter().find_map(|sign| text.strip_prefix(sign)) else {
        return false;
    };
    let Some(rest) = rest.strip_suffix(']') else {
        return false;
    };
    let numbers = rest.split(|char: char| !char.is_ascii_digit());
    let mut numbers = numbers.filter_map(|number| number.parse::<usize>().ok());
    // Lines are counted with or without the last.
    numbers.any(|number| {
        number == expected.chars || number == expected.lines || number.saturating_add(1) == expected.lines
    })
}
