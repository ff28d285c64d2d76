//! The one way in which a small closed set of words is given its text, parse and JSON Schema faces.

/// Defines an enum whose variants are words on the wire, with `ALL`, `as_str`, `Display`, `FromStr`, serde and
/// `JsonSchema` (a string `enum`) that all come from the one list.
macro_rules! vocabulary {
    (
        $(#[$doc:meta])*
        $name:ident, $what:literal { $( $(#[$variant_doc:meta])* $variant:ident = $word:literal, )+ }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, schemars::JsonSchema)]
        #[schemars(inline)]
        pub enum $name {
            $( $(#[$variant_doc])* #[serde(rename = $word)] $variant, )+
        }

        impl $name {
            /// Every word, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        // Not derived: serde's own reads {"word": null} as the word, which no schema admits.
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::vocabulary::UnknownWord;
            fn from_str(text: &str) -> Result<Self, crate::vocabulary::UnknownWord> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text).ok_or_else(|| {
                    crate::vocabulary::UnknownWord {
                        what: $what,
                        text: text.chars().take(80).collect(),
                        words: [$($word),+].join(", "),
                    }
                })
            }
        }
    };
}

pub(crate) use vocabulary;

/// Why a text is no word of a closed vocabulary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {what}: use one of {words}")]
pub struct UnknownWord {
    pub(crate) what: &'static str,
    pub(crate) text: String,
    pub(crate) words: String,
}
