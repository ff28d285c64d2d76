//! Numbers with a range, parsed once and then trusted.

use serde::{Deserialize, Serialize};

/// Why a number is outside the range of its type.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{value} is no {what}: it goes {range}")]
pub struct NumberError {
    value: f64,
    what: &'static str,
    range: &'static str,
}

macro_rules! number_type {
    ($(#[$doc:meta])* $name:ident, $what:literal, $range:literal, $holds:expr, $schema:tt) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, Serialize, Deserialize)]
        #[serde(try_from = "f64", into = "f64")]
        pub struct $name(f64);

        impl $name {
            /// The number.
            pub const fn get(self) -> f64 {
                self.0
            }
        }

        impl TryFrom<f64> for $name {
            type Error = NumberError;
            fn try_from(value: f64) -> Result<Self, NumberError> {
                let holds: fn(f64) -> bool = $holds;
                // Minus zero is zero: two forms of one number would differ on the wire.
                let value = value + 0.0;
                holds(value).then_some(Self(value)).ok_or(NumberError {
                    value,
                    what: $what,
                    range: $range,
                })
            }
        }

        impl From<$name> for f64 {
            fn from(number: $name) -> Self {
                number.0
            }
        }

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $what.into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!($schema)
            }
        }
    };
}

number_type!(
    /// A part of a whole, from 0 to 1.
    Fraction,
    "fraction",
    "from 0 to 1",
    |value| (0.0..=1.0).contains(&value),
    {"type": "number", "minimum": 0, "maximum": 1}
);
number_type!(
    /// An amount of something: finite, and not negative.
    Amount,
    "amount",
    "from 0 upwards",
    |value| value >= 0.0 && value.is_finite(),
    {"type": "number", "minimum": 0}
);

impl Fraction {
    /// All of it.
    pub const ONE: Self = Self(1.0);
}

impl Amount {
    /// Whether there is none of it.
    pub fn is_zero(&self) -> bool {
        self.0 == 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_outside_is_refused() {
        assert!(Fraction::try_from(-0.1).is_err() && Fraction::try_from(1.1).is_err());
        assert!(Amount::try_from(f64::NAN).is_err() && Amount::try_from(f64::INFINITY).is_err());
        assert_eq!(
            Fraction::try_from(-0.0).unwrap().get().to_bits(),
            0.0_f64.to_bits()
        );
    }
}
