//! Bytes from outside: no input panics, and what is read is written so that it is read the same again.

use proptest::prelude::*;
use serde_json::Value;
use wagglebus_schemas::registry::{RECORD_TYPES, RecordType};
use wagglebus_schemas::{Timestamp, strict_json};

use crate::fixtures;

/// Reads as every record type; what is read must survive being written.
fn check(bytes: &[u8]) -> Result<(), TestCaseError> {
    for record_type in RECORD_TYPES {
        if let Ok(written) = record_type.recode(bytes) {
            let again = record_type.recode(written.to_string().as_bytes());
            prop_assert_eq!(again, Ok(written), "{}", record_type.name);
        }
    }
    Ok(())
}

/// An edit of a text: at a place (in thousandths), so many bytes away, these put in.
type Edit = (usize, usize, Vec<u8>);

fn edit() -> impl Strategy<Value = Edit> {
    let pieces = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..4),
        proptest::sample::select(vec![
            "null", "\"\"", "0", "-1", "1e9", "[", "}", "\\u0000", "\"", ",", "é"
        ])
        .prop_map(|piece| piece.as_bytes().to_vec()),
    ];
    (0..1000_usize, 0..6_usize, pieces)
}

fn apply(bytes: &mut Vec<u8>, (place, away, put_in): &Edit) {
    let start = bytes.len() * place / 1000;
    let end = bytes.len().min(start + away);
    bytes.splice(start..end, put_in.iter().copied());
}

fn witnesses() -> Vec<Vec<u8>> {
    let of = |record_type: &RecordType| fixtures::of(record_type).into_iter().map(|(_, bytes)| bytes);
    RECORD_TYPES.iter().flat_map(of).collect()
}

proptest! {
    #[test]
    fn arbitrary_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        check(&bytes)?;
    }

    #[test]
    fn arbitrary_text_of_json(text in "[\\[\\]{}\",:0-9a-z.\\-+eE\\\\ \u{e9}]{0,60}") {
        check(text.as_bytes())?;
    }

    #[test]
    fn edited_witnesses(
        mut bytes in proptest::sample::select(witnesses()),
        edits in proptest::collection::vec(edit(), 1..4),
    ) {
        edits.iter().for_each(|edit| apply(&mut bytes, edit));
        check(&bytes)?;
    }

    #[test]
    fn strict_json_reads_what_plain_json_reads(
        mut bytes in proptest::sample::select(witnesses()),
        edit in edit(),
    ) {
        apply(&mut bytes, &edit);
        if let Ok(value) = strict_json::parse(&bytes) {
            prop_assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), value);
        }
    }

    #[test]
    fn every_time_of_the_wire_form_is_read_back(unix_ms in -62_167_219_200_000..=253_402_300_799_999_i64) {
        let at = Timestamp::from_unix_ms(unix_ms).unwrap();
        prop_assert_eq!(at.as_str().parse::<Timestamp>(), Ok(at));
        prop_assert_eq!(at.unix_ms(), unix_ms);
    }

    #[test]
    fn times_are_never_read_as_what_cannot_be_written(
        text in "[0-9]{4}-(0[1-9]|1[0-2])-[0-3][0-9][Tt][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,12})?(Z|z|[+\\-][0-2][0-9]:[0-6][0-9])"
    ) {
        if let Ok(at) = text.parse::<Timestamp>() {
            prop_assert_eq!(at.as_str().parse::<Timestamp>(), Ok(at));
        }
    }
}
