//! Placeholder heading; replaced by the crate guide.
