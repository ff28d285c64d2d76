//! Sizes as people write them.

/// `20GiB`, `512MiB`; G and M mean the same, a bare number counts bytes.
pub(super) fn parse(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text.get(digits.len()..).unwrap_or_default() {
        "" | "B" => 0,
        "M" | "MiB" => 20,
        "G" | "GiB" => 30,
        "T" | "TiB" => 40,
        unit => return Err(format!("{unit:?} is no unit of size; write 20GiB or 512MiB")),
    };
    let number: u64 = digits
        .trim()
        .parse()
        .map_err(|_| "write a size such as 20GiB or 512MiB".to_owned())?;
    number
        .checked_mul(1 << shift)
        .ok_or_else(|| "more than any disk".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_powers_of_two() {
        for (text, bytes) in [
            ("1", 1),
            ("512MiB", 512 << 20),
            ("20G", 20 << 30),
            ("2 TiB", 2 << 40),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        for text in ["", "GiB", "1KB", "-1", "1.5GiB", "99999999TiB"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
