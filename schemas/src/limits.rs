//! Bounds of the contract, in bytes unless the name says otherwise (DESIGN 3.2, 3.3, 4).

/// Longest `content` of a message, counted as UTF-8 text.
pub const CONTENT_BYTES_MAX: usize = 256 * 1024;
/// Longest message as encoded for the bus. Checked before spooling: a message over the account's `max_payload` cuts the
/// connection without an answer, and a re-publish would cut it for ever.
pub const MESSAGE_BYTES_MAX: usize = 320 * 1024;
/// Longest headers of a message as encoded for the bus.
pub const HEADER_BYTES_MAX: usize = 8 * 1024;
/// `max_payload` of an agent's account: message, headers and room to spare.
pub const ACCOUNT_PAYLOAD_BYTES_MAX: usize = 512 * 1024;
/// Longest JSONL line between a sidecar and its child, and longest body of a local request.
pub const LINE_BYTES_MAX: usize = 1024 * 1024;
/// Deepest nesting of arrays and objects in JSON from outside.
pub const JSON_DEPTH_MAX: usize = 64;
/// Longest delay that a NAK may ask for, in milliseconds.
pub const NAK_DELAY_MS_MAX: u64 = 3_600_000;
/// Longest reason that a NAK may give: it may end in a dead letter.
pub const NAK_REASON_BYTES_MAX: usize = 1_000;
/// Most messages of one lane that may be waiting for the end of a NAK delay.
pub const DELAYED_NAKS_PER_LANE_MAX: usize = 128;
/// Longest `content` that a pane is shown as text unless it is asked for; of longer ones the agent is only told (DESIGN 4).
pub const PANE_CONTENT_BYTES_MAX: usize = 4_096;
/// Most rooms that an agent is in: each is a filter and a key of its four lanes.
pub const ROOMS_MAX: usize = 64;
/// `max_ack_pending` of a lane.
pub const ACK_PENDING_MAX: usize = 256;
/// Hand-overs after which a message is dead-lettered.
pub const HAND_OVERS_MAX: u32 = 5;
/// `max_deliver` of a lane: a backstop far above [`HAND_OVERS_MAX`].
pub const DELIVER_MAX: i64 = 100;
/// Most consumers of a stream and of an account; the server's own default is 1,000 (RELIABILITY finding 10).
pub const CONSUMERS_MAX: i32 = 20_000;
/// Longest input of a task, and longest result of one with its evidence, as encoded.
pub const TASK_PART_BYTES_MAX: usize = 96 * 1024;
/// Longest task or command as encoded, without input, result and evidence: a task with all of it is still a message.
pub const TASK_REST_BYTES_MAX: usize = 32 * 1024;
/// Deepest nesting of a task's input, metadata, result and evidence: events, verdicts and notices that carry them nest them
/// deeper, and are read with [`JSON_DEPTH_MAX`].
pub const TASK_DEPTH_MAX: usize = JSON_DEPTH_MAX - 8;
