//! The present, as the shell tells it.

use wagglebus_schemas::Timestamp;

/// One reading of both clocks.
///
/// Durations and deadlines are measured in `mono_ms`, a clock that counts through suspend and never goes back; `wall`
/// is for what is shown or written to the wire (DESIGN 3.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Monotonic time since an arbitrary start, in milliseconds.
    pub mono_ms: u64,
    /// UTC.
    pub wall: Timestamp,
}
