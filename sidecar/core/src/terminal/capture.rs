//! What tmux tells of a pane: its state, and the rows of its screen.

/// The format in which tmux is asked for a pane's state; read by [`Flags::parse`].
///
/// The foreground's command is not among it: for that tmux reads files, and how much it has read tells whether any screen
/// has changed.
pub const FORMAT: &str = "#{pane_id}|#{pid}|#{start_time}|#{pane_pid}|#{pane_dead}|#{pane_in_mode}|#{pane_input_off}\
|#{pane_synchronized}|#{cursor_x}|#{cursor_y}|#{pane_width}|#{pane_height}|#{alternate_on}|#{history_size}\
|#{session_attached}|#{window_active}|#{pane_active}|#{session_activity}|%s|#{pane_tty}";

/// A tmux server: its process, and when it began, as pane ids begin anew with each.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Server {
    /// Its process.
    pub pid: u32,
    /// When it was started, in seconds.
    pub started: u64,
}

/// A pane's state at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flags {
    /// Its id, such as `%3`.
    pub pane: String,
    /// Its tmux server.
    pub server: Server,
    /// The process that tmux started in it.
    pub root_pid: u32,
    /// That process has ended and the pane is kept.
    pub dead: bool,
    /// A mode of tmux takes the keys: copy mode, a tree, the clock.
    pub in_mode: bool,
    /// Input is switched off.
    pub input_off: bool,
    /// What is typed goes to the window's other panes too.
    pub synchronized: bool,
    /// The cursor's column, from 0.
    pub cursor_x: usize,
    /// The cursor's row, from 0.
    pub cursor_y: usize,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// A full-screen program draws.
    pub alternate: bool,
    /// Rows above the screen.
    pub history: u64,
    /// Seconds since a person last pressed a key in a session that shows the pane; `None`: nobody looks at it.
    pub person_s: Option<u64>,
    /// Its terminal.
    pub tty: String,
}

impl Flags {
    /// Reads a line in [`FORMAT`]. `None` when there is no such pane.
    pub fn parse(line: &str) -> Option<Self> {
        let mut fields = line.splitn(20, '|');
        let pane = fields.next().filter(|pane| pane.starts_with('%'))?.to_owned();
        let mut number = || fields.next()?.parse::<u64>().ok();
        let server = Server {
            pid: u32::try_from(number()?).ok()?,
            started: number()?,
        };
        let root_pid = u32::try_from(number()?).ok()?;
        let [dead, in_mode, input_off, synchronized] =
            [number()?, number()?, number()?, number()?].map(|flag| flag > 0);
        let mut size = || usize::try_from(number()?).ok();
        let (cursor_x, cursor_y, width, height) = (size()?, size()?, size()?, size()?);
        let alternate = number()? > 0;
        let history = number()?;
        let [attached, window, active] = [number()?, number()?, number()?].map(|flag| flag > 0);
        let (activity, now) = (number()?, number()?);
        Some(Self {
            pane,
            server,
            root_pid,
            dead,
            in_mode,
            input_off,
            synchronized,
            cursor_x,
            cursor_y,
            width,
            height,
            alternate,
            history,
            person_s: (attached && window && active).then(|| now.saturating_sub(activity)),
            tty: fields.next()?.to_owned(),
        })
    }
}

/// A row of the screen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row {
    /// Everything that is to be seen.
    pub text: String,
    /// The same with blanks in place of faint characters, in which programs write what is no input: hints, and what
    /// could be typed.
    pub solid: String,
}

impl Row {
    /// Reads a row of `capture-pane -e`.
    pub fn parse(line: &str) -> Self {
        let mut row = Self {
            text: String::with_capacity(line.len()),
            solid: String::with_capacity(line.len()),
        };
        let (mut faint, mut inverse) = (false, false);
        // A cursor that a program draws itself is one inverse cell; over a hint it hides a faint character.
        let mut cursor = None;
        let mut chars = line.chars();
        while let Some(char) = chars.next() {
            if char != '\u{1b}' {
                row.text.push(char);
                if inverse && cursor.is_none() && !char.is_whitespace() {
                    cursor = Some(row.solid.len());
                }
                row.solid.push(if faint { ' ' } else { char });
                continue;
            }
            match chars.next() {
                Some('[') => {}
                // A charset (`ESC ( B`) or a string such as a link (`ESC ] 8 ; ; … ESC \`).
                Some('(' | ')') => {
                    chars.next();
                    continue;
                }
                Some(']') => {
                    chars.by_ref().find(|char| matches!(char, '\u{1b}' | '\u{7}'));
                    chars = chars
                        .as_str()
                        .strip_prefix('\\')
                        .unwrap_or(chars.as_str())
                        .chars();
                    continue;
                }
                Some(_) | None => continue,
            }
            let sequence = chars.as_str();
            let end = sequence.find(|char: char| matches!(char, '\u{40}'..='\u{7e}'));
            let (parameters, rest) = end
                .and_then(|end| sequence.split_at_checked(end))
                .unwrap_or((sequence, ""));
            let is_style = rest.starts_with('m');
            chars = rest.get(1..).unwrap_or_default().chars();
            if is_style {
                style(parameters, &mut faint, &mut inverse);
            }
        }
        if let Some(at) = cursor {
            row.hide_cursor(at);
        }
        row
    }

    /// A drawn cursor followed by nothing but faint text stands on a hint.
    fn hide_cursor(&mut self, at: usize) {
        let Some((_, behind)) = self.solid.split_at_checked(at) else {
            return;
        };
        let mut behind = behind.chars();
        let under = behind.next();
        let only_faint = behind.as_str().chars().all(char::is_whitespace);
        let hint = self.text.trim_end().chars().count() > self.solid.trim_end().chars().count();
        if let Some(under) = under.filter(|_| only_faint && hint) {
            self.solid
                .replace_range(at..at.saturating_add(under.len_utf8()), " ");
        }
    }
}

fn style(parameters: &str, faint: &mut bool, inverse: &mut bool) {
    let mut codes = parameters.split(';');
    while let Some(code) = codes.next() {
        match code {
            "" | "0" => (*faint, *inverse) = (false, false),
            "2" => *faint = true,
            "22" => *faint = false,
            "7" => *inverse = true,
            "27" => *inverse = false,
            // Colours: `5;N` or `2;R;G;B` follow, which are no styles.
            "38" | "48" | "58" => match codes.next() {
                Some("5") => drop(codes.next()),
                Some("2") => drop((codes.next(), codes.next(), codes.next())),
                Some(_) | None => {}
            },
            _ => {}
        }
    }
}

/// A pane as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture {
    /// Its state.
    pub flags: Flags,
    /// The rows of its screen, from the top.
    pub rows: Vec<Row>,
}

impl Capture {
    /// Reads what tmux prints for a line in [`FORMAT`] and a `capture-pane -e` behind it. `None` when there is no pane.
    pub fn parse(output: &str) -> Option<Self> {
        let mut lines = output.split('\n');
        let flags = Flags::parse(lines.next()?)?;
        let mut rows: Vec<Row> = lines.map(Row::parse).collect();
        rows.truncate(flags.height);
        Some(Self { flags, rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "%3|100|1700000000|101|0|1|0|0|5|2|80|24|0|7|1|1|1|1700000010|1700000013|/dev/pts/4";

    #[test]
    fn the_state_of_a_pane_is_read() {
        assert_eq!(FORMAT.split('|').count(), 20);
        let flags = Flags::parse(LINE).unwrap();
        assert_eq!((flags.pane.as_str(), flags.tty.as_str()), ("%3", "/dev/pts/4"));
        assert!(flags.in_mode && !flags.dead && !flags.synchronized);
        assert_eq!((flags.cursor_x, flags.cursor_y, flags.person_s), (5, 2, Some(3)));
        assert_eq!(
            Flags::parse(&LINE.replace("|1|1|1|1700000010", "|0|1|1|1700000010"))
                .unwrap()
                .person_s,
            None
        );
        for bad in ["", "||||||||||||||||||1700000013|", "%3|x"] {
            assert_eq!(Flags::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn faint_text_is_no_input() {
        let row = Row::parse("\u{1b}[38;5;2m> \u{1b}[39m\u{1b}[2mTry \"fix\"\u{1b}[0m");
        assert_eq!((row.text.as_str(), row.solid.trim_end()), ("> Try \"fix\"", ">"));
        let row = Row::parse("> \u{1b}[7mT\u{1b}[0;2mry\u{1b}[22m");
        assert_eq!((row.text.as_str(), row.solid.trim_end()), ("> Try", ">"));
        let row = Row::parse("> \u{1b}[7ma\u{1b}[0m");
        assert_eq!(row.solid, "> a", "a person's letter under the cursor");
        let row = Row::parse("\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\ \u{1b}(Bend");
        assert_eq!(row.text, "link end");
        let row = Row::parse("\u{1b}[48;2;2;2;2mab\u{1b}[m");
        assert_eq!(row.solid, "ab");
    }
}
