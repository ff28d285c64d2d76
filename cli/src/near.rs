//! Names that are close to each other: what somebody may have meant.

/// How many characters must be put in, taken out or replaced to make one name of the other.
pub(crate) fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i.saturating_add(1);
        for (b, cell) in other.bytes().zip(row.iter_mut().skip(1)) {
            let replaced = diagonal.saturating_add(usize::from(a != b));
            diagonal = *cell;
            left = replaced.min(left.saturating_add(1)).min(cell.saturating_add(1));
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i.saturating_add(1);
        }
    }
    row.last().copied().unwrap_or_default()
}

/// Shortest text that counts as the beginning of another name.
const PREFIX_CHARS_MIN: usize = 3;

/// The one of `names` that is closest to `name`, if it is close at all: a mistake per three letters, or its beginning.
pub(crate) fn closest<'n>(name: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let begins = |known: &str| name.len() >= PREFIX_CHARS_MIN && known.starts_with(name);
    let apart = |known: &'n str| (if begins(known) { 0 } else { distance(name, known) }, known);
    let (mistakes, closest) = names.into_iter().map(apart).min()?;
    (mistakes <= (name.len() / 3).max(1)).then_some(closest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_is_proposed() {
        let names = ["capabilities", "command", "role"];
        assert_eq!(closest("capabilites", names), Some("capabilities"));
        assert_eq!(closest("comand", names), Some("command"));
        assert_eq!(closest("cap", names), Some("capabilities"));
        assert_eq!(closest("colour", names), None);
        assert_eq!(closest("x", []), None);
    }

    #[test]
    fn names_are_as_far_apart_as_there_are_mistakes() {
        for (one, other, expected) in [
            ("design", "design", 0),
            ("desing", "design", 2),
            ("dsign", "design", 1),
            ("designs", "design", 1),
            ("", "abc", 3),
            ("abc", "xyz", 3),
        ] {
            assert_eq!(distance(one, other), expected, "{one} {other}");
            assert_eq!(distance(other, one), expected, "{other} {one}");
        }
    }
}
