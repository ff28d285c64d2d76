//! How large a record may be.

use wagglebus_schemas::limits::{ACCOUNT_PAYLOAD_BYTES_MAX, HEADER_BYTES_MAX};

use crate::error::PublishFault;

/// First line of NATS headers, and the empty line after them.
const FRAME_BYTES: usize = "NATS/1.0\r\n\r\n".len();

/// Checked before anything is sent: one byte over the account's limit cuts the connection without an answer, and a
/// repeat would cut it for ever. The server tells its own limit, but not a lower one of the account.
pub(crate) fn check_sizes(
    headers: &[(impl AsRef<str>, String)],
    payload: usize,
    server_max: usize,
) -> Result<(), PublishFault> {
    let lines: usize = headers
        .iter()
        .map(|(name, value)| name.as_ref().len() + value.len() + ": \r\n".len())
        .sum();
    let headers = FRAME_BYTES + lines;
    let bounds = [
        ("header block", headers, HEADER_BYTES_MAX),
        (
            "record with headers",
            headers + payload,
            ACCOUNT_PAYLOAD_BYTES_MAX.min(server_max),
        ),
    ];
    match bounds.into_iter().find(|(_, bytes, max)| bytes > max) {
        None => Ok(()),
        Some((what, bytes, max)) => Err(PublishFault::TooLarge { what, bytes, max }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bounded_as_the_server_counts_them() {
        let headers = vec![("a", "x".repeat(100))];
        assert_eq!(check_sizes(&headers, 10, 1 << 20), Ok(()));
        // 12 for the frame, 1 + 100 + 4 for the line.
        let room = 300 - 12 - 105;
        assert_eq!(check_sizes(&headers, room, 300), Ok(()));
        assert!(check_sizes(&headers, room + 1, 300).is_err());
        let none: [(&str, String); 0] = [];
        assert!(check_sizes(&none, ACCOUNT_PAYLOAD_BYTES_MAX - 12, usize::MAX).is_ok());
        assert!(check_sizes(&none, ACCOUNT_PAYLOAD_BYTES_MAX - 11, usize::MAX).is_err());
        let large = vec![("a", "x".repeat(HEADER_BYTES_MAX))];
        assert!(matches!(
            check_sizes(&large, 0, 1 << 20),
            Err(PublishFault::TooLarge {
                what: "header block",
                ..
            })
        ));
    }
}
