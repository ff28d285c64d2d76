//! Decisions are numbered once each, say so in their first line, and have a status.

use std::collections::BTreeMap;

use super::tree::root;

#[test]
fn each_decision_has_a_number_of_its_own_and_a_status() {
    let mut numbers: BTreeMap<String, String> = BTreeMap::new();
    for entry in std::fs::read_dir(root().join("docs/adr")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let number = name.get(..4).unwrap().to_owned();
        assert!(
            text.starts_with(&format!("# ADR-{number}: ")),
            "{name}: its first line"
        );
        assert!(
            text.lines()
                .nth(2)
                .is_some_and(|line| line.starts_with("Status: ")),
            "{name}: its status"
        );
        let other = numbers.insert(number, name.clone());
        assert_eq!(other, None, "{name} has the same number");
    }
    assert_eq!(
        numbers.keys().last().unwrap().parse(),
        Ok(numbers.len()),
        "none is left out"
    );
}
