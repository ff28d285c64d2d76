//! Texts of other standards that our records carry: NATS keys and base64.

use serde::{Deserialize, Deserializer, de::Error};

use crate::limits::MESSAGE_BYTES_MAX;

/// A public NATS user key: `U` and 55 characters of base32.
pub(crate) const NKEY_PATTERN: &str = "^U[A-Z2-7]{55}$";
/// Base64 of RFC 4648 section 4, with padding.
pub(crate) const BASE64_PATTERN: &str = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$";
/// Longest base64 text: that of the longest message.
pub(crate) const BASE64_BYTES_MAX: usize = MESSAGE_BYTES_MAX.div_ceil(3) * 4;

/// Reads a text that matches [`NKEY_PATTERN`].
pub(crate) fn nkey<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let base32 = |b: u8| b.is_ascii_uppercase() || (b'2'..=b'7').contains(&b);
    if text.len() == 56 && text.starts_with('U') && text.bytes().all(base32) {
        return Ok(text);
    }
    Err(D::Error::custom(
        "no public user key: use U and 55 characters of base32, as `nk -pubout` prints",
    ))
}

/// Reads null or a text that matches [`BASE64_PATTERN`] and is at most [`BASE64_BYTES_MAX`] long.
pub(crate) fn base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else {
        return Ok(None);
    };
    if text.len() > BASE64_BYTES_MAX {
        return Err(D::Error::custom(format!(
            "{} bytes of base64 are over the bound of {BASE64_BYTES_MAX}",
            text.len()
        )));
    }
    let body = text.trim_end_matches('=');
    let padding = text.len() - body.len();
    let alphabet = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    if text.len().is_multiple_of(4) && padding <= 2 && body.bytes().all(alphabet) {
        return Ok(Some(text));
    }
    Err(D::Error::custom(
        "no base64: use the standard alphabet with padding",
    ))
}
