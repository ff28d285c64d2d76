//! Close names: what somebody may have meant who wrote a name that nobody has.

/// Most names that are proposed.
pub const SIMILAR_MAX: usize = 5;
/// Shortest text that counts as the beginning of another name.
const PREFIX_BYTES_MIN: usize = 3;

/// At most [`SIMILAR_MAX`] of `names` that are close to `name`: fewest typing errors first, then by name.
///
/// A typing error is a letter added, left out, replaced, or exchanged with its neighbour; one is allowed per three
/// letters of the longer name, and at least one. A name that begins with the other one is close too.
pub fn similar<'n>(name: &str, names: impl IntoIterator<Item = &'n str>) -> Vec<String> {
    let mut close: Vec<(usize, &str)> = names
        .into_iter()
        .filter_map(|candidate| Some((distance(name, candidate)?, candidate)))
        .collect();
    close.sort_unstable();
    close.dedup();
    close.truncate(SIMILAR_MAX);
    close
        .into_iter()
        .map(|(_, candidate)| candidate.to_owned())
        .collect()
}

/// The number of typing errors between two names, `None` when they are not close.
fn distance(a: &str, b: &str) -> Option<usize> {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let difference = long.len() - short.len();
    if short.len() >= PREFIX_BYTES_MIN && long.starts_with(short) {
        return Some(difference);
    }
    let allowed = (long.len() / 3).max(1);
    if difference > allowed {
        // The distance is at least the difference in length: most names are told apart without computing it.
        return None;
    }
    let distance = strsim::osa_distance(a, b);
    (distance <= allowed).then_some(distance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewest_typing_errors_come_first() {
        let names = [
            "bob",
            "rob",
            "alice",
            "alison",
            "reviewer-2",
            "reviewer-1",
            "coordinator",
        ];
        for (name, expected) in [
            ("bbo", &["bob"][..]),
            ("bo", &["bob"]),
            ("rbo", &["rob"]),
            ("bob", &["bob", "rob"]),
            ("alicee", &["alice"]),
            ("aliso", &["alison"]),
            ("review", &["reviewer-1", "reviewer-2"]),
            ("cordinator", &["coordinator"]),
            ("zz", &[]),
            ("", &[]),
        ] {
            assert_eq!(similar(name, names), expected, "{name:?}");
        }
    }

    #[test]
    fn the_list_is_bounded_and_names_a_name_once() {
        let names: Vec<String> = (0..9).rev().map(|i| format!("agent-{i}")).collect();
        let twice = names.iter().chain(&names).map(String::as_str);
        assert_eq!(
            similar("agent-x", twice),
            ["agent-0", "agent-1", "agent-2", "agent-3", "agent-4"]
        );
    }
}
