//! How each field of a stream and of a consumer may differ from what is wanted.

/// What a difference means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// It means something else: refuse.
    Fixed,
    /// As [`Rule::Fixed`], for lists whose order does not matter.
    FixedSet,
    /// Change it.
    Set,
    /// As [`Rule::Set`], for lists whose order does not matter.
    SetOf,
    /// A limit: raise it, never lower it, because the server would delete what is above it or refuse every message.
    Raise,
    /// The operator's decision: leave it and say so.
    Keep,
    /// A map of which only our keys count: set those.
    Merge,
    /// As [`Rule::Merge`], where a key of ours that is not wanted means something: remove it.
    MergeOurs,
    /// Must be unset: unset it.
    Unset,
    /// Must be unset and cannot be unset safely: refuse.
    Never,
}

pub(super) const STREAM: &[(&str, Rule)] = &[
    ("subjects", Rule::FixedSet),
    ("retention", Rule::Fixed),
    ("storage", Rule::Fixed),
    ("max_consumers", Rule::Fixed),
    ("deny_delete", Rule::Set),
    ("description", Rule::Set),
    ("discard", Rule::Set),
    ("max_msg_size", Rule::Set),
    ("duplicate_window", Rule::Set),
    ("allow_direct", Rule::Set),
    ("allow_atomic", Rule::Set),
    ("allow_rollup_hdrs", Rule::Set),
    ("republish", Rule::Set),
    ("max_bytes", Rule::Raise),
    ("max_msgs", Rule::Raise),
    ("max_msgs_per_subject", Rule::Raise),
    ("max_age", Rule::Raise),
    ("num_replicas", Rule::Keep),
    ("metadata", Rule::Merge),
    ("discard_new_per_subject", Rule::Unset),
    ("deny_purge", Rule::Keep),
    ("allow_msg_ttl", Rule::Never),
    ("allow_msg_schedules", Rule::Never),
    ("allow_msg_counter", Rule::Never),
    ("allow_batched", Rule::Never),
    ("subject_transform", Rule::Never),
    ("mirror", Rule::Never),
    ("sources", Rule::Never),
    ("no_ack", Rule::Never),
    ("sealed", Rule::Never),
    ("persist_mode", Rule::Never),
];

pub(super) const CONSUMER: &[(&str, Rule)] = &[
    ("deliver_policy", Rule::Fixed),
    ("ack_policy", Rule::Fixed),
    ("replay_policy", Rule::Fixed),
    ("durable_name", Rule::Fixed),
    ("description", Rule::Set),
    ("filter_subjects", Rule::SetOf),
    ("ack_wait", Rule::Set),
    ("max_deliver", Rule::Set),
    ("max_ack_pending", Rule::Set),
    ("metadata", Rule::MergeOurs),
    ("backoff", Rule::Unset),
    ("headers_only", Rule::Unset),
    ("inactive_threshold", Rule::Unset),
    ("deliver_subject", Rule::Never),
    ("mem_storage", Rule::Never),
    ("priority_groups", Rule::Never),
];
