//! Text from other agents, made safe for a terminal: nothing in it can move the cursor, hide or forge a line.

use wagglebus_schemas::Message;

/// Characters of a content that a line of a list shows.
const MESSAGE_CHARS: usize = 200;

/// One line of at most `chars` characters; line ends become `\n`, what was cut off is marked by `…`.
pub(crate) fn line(text: &str, chars: usize) -> String {
    let mut line = String::new();
    let mut room = chars;
    for c in text.chars() {
        if room == 0 {
            line.pop();
            line.push('…');
            break;
        }
        match c {
            '\n' => line.push_str("\\n"),
            '\t' => line.push(' '),
            c if hidden(c) => line.push('\u{fffd}'),
            c => line.push(c),
        }
        room -= 1;
    }
    line
}

/// A message on one line.
pub(crate) fn message(message: &Message) -> String {
    let acknowledged = if message.acknowledged { " ✓" } else { "" };
    format!(
        "{} {} → {} !{} #{} {}{acknowledged}: {}",
        message.timestamp,
        message.from_agent,
        message.to_agent,
        message.priority,
        message.message_type,
        message.id,
        line(&message.content, MESSAGE_CHARS)
    )
}

/// All lines, each behind `| `, so that no content can pass for ours.
pub(crate) fn block(text: &str) -> String {
    lines(text).map(|line| format!("| {line}\n")).collect()
}

/// All lines. Only for where nothing of ours is printed beside them.
pub(crate) fn text(text: &str) -> String {
    lines(text).map(|line| line + "\n").collect()
}

fn lines(text: &str) -> impl Iterator<Item = String> {
    text.split('\n').map(|line| {
        line.strip_suffix('\r')
            .unwrap_or(line)
            .chars()
            .map(|c| if c != '\t' && hidden(c) { '\u{fffd}' } else { c })
            .collect()
    })
}

/// C0, DEL, C1, and the controls of writing direction.
fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_line_of_bounded_length() {
        assert_eq!(line("a\nb\tc", 10), "a\\nb c");
        assert_eq!(line("abcdef", 6), "abcdef");
        assert_eq!(line("abcdefg", 6), "abcde…");
        assert_eq!(
            line("x\u{1b}[2J\u{9b}1m\u{202e}y\u{7f}", 99),
            "x\u{fffd}[2J\u{fffd}1m\u{fffd}y\u{fffd}"
        );
    }

    #[test]
    fn a_block_marks_every_line() {
        assert_eq!(block("a\r\n\tb\n"), "| a\n| \tb\n| \n");
        assert_eq!(block("over\rwrite\u{1b}[A"), "| over\u{fffd}write\u{fffd}[A\n");
        assert_eq!(text("a\u{1b}[A\nb"), "a\u{fffd}[A\nb\n");
    }
}
