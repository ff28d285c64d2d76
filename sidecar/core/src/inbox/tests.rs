//! Slots, readers and requests of the inbox.
