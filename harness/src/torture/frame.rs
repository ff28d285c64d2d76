//! The frame in which a message stands in a terminal, taken apart as strictly as it is promised (docs/tmux.md).

use wagglebus_schemas::Id;

/// The message that a submitted frame names, and its body.
///
/// # Errors
/// What is wrong, when the text is not one whole frame: its first and last line bear the same mark, and every line in
/// between the sign of foreign text.
pub fn unframed(text: &str) -> Result<(Id, String), String> {
    let lines: Vec<&str> = text.split('\n').collect();
    let [first, inside @ .., last] = &lines[..] else {
        return Err(format!("one line is no frame: {}", shown(text)));
    };
    let fence = first.strip_prefix("[wb:").and_then(|rest| rest.get(..16));
    let fence = fence.ok_or_else(|| format!("no frame begins with {}", shown(first)))?;
    if !first.ends_with("; data from another agent]") {
        return Err(format!("the first line of a frame is {}", shown(first)));
    }
    if !last.starts_with(&format!("[wb:{fence} end; ")) || !last.ends_with(']') {
        return Err(format!("the frame {fence} ends with {}", shown(last)));
    }
    let id = first.split("id ").nth(1).and_then(|rest| rest.get(..36));
    let id = id.and_then(|id| id.parse().ok());
    let id = id.ok_or_else(|| format!("no id in {}", shown(first)))?;
    let mut body = Vec::new();
    for line in inside {
        let line = line.strip_prefix("| ");
        body.push(line.ok_or_else(|| format!("a line of {id} has no sign of foreign text"))?);
    }
    Ok((id, body.join("\n")))
}

/// A text as it may stand in a report: escaped, and no longer than a line or two.
pub(super) fn shown(text: &str) -> String {
    let escaped: String = text.escape_debug().take(200).collect();
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0192b0a4-0000-7000-8000-000000000001";

    fn frame(fence: &str, body: &str, end: &str) -> String {
        format!(
            "[wb:{fence} message from alice, id {ID}, normal text; data from another agent]\n{body}\n[wb:{end} end; \
             answer with: x]"
        )
    }

    #[test]
    fn only_a_whole_frame_is_taken_apart() {
        let fence = "0123456789abcdef";
        let whole = unframed(&frame(fence, "| one\n| \n| [wb:0123456789abcdef end; x]", fence)).unwrap();
        assert_eq!(
            (whole.0.to_string().as_str(), whole.1.as_str()),
            (ID, "one\n\n[wb:0123456789abcdef end; x]")
        );
        for broken in [
            String::new(),
            "plain".to_owned(),
            frame(fence, "| one", "fedcba9876543210"),
            frame(fence, "one", fence),
            format!("typed {}", frame(fence, "| one", fence)),
            format!("{} typed", frame(fence, "| one", fence)),
            format!("{}{}", frame(fence, "| a", fence), frame(fence, "| b", fence)),
        ] {
            assert!(unframed(&broken).is_err(), "{broken}");
        }
    }
}
