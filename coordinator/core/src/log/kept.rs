//! How a snapshot keeps what has no form of its own in JSON.

/// A subject, without the hive that it is in.
pub(super) mod subject {
    use serde::{Deserialize, Deserializer, Serializer};
    use wagglebus_schemas::Hive;
    use wagglebus_schemas::subject::Subject;

    pub(in crate::log) fn serialize<S: Serializer>(
        subject: &Subject,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&subject.build(&Hive::default()))
    }

    pub(in crate::log) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Subject, D::Error> {
        let text = String::deserialize(deserializer)?;
        Subject::parse(&Hive::default(), &text).map_err(serde::de::Error::custom)
    }
}

/// Bytes that are text.
pub(super) mod text {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(in crate::log) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        let text = std::str::from_utf8(bytes).map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(text)
    }

    pub(in crate::log) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<[u8]>, D::Error> {
        String::deserialize(deserializer).map(|text| text.into_bytes().into())
    }
}
