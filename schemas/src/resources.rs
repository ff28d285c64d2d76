//! Resources: what a task takes while somebody holds it, and what an agent has.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::number::Amount;

/// Resources that a task needs or an agent has.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Resources {
    /// Processor cores.
    #[serde(default, skip_serializing_if = "Amount::is_zero")]
    pub cpu_cores: Amount,
    /// Memory in MiB.
    #[serde(default, skip_serializing_if = "Amount::is_zero")]
    pub memory_mb: Amount,
    /// Disk in MiB.
    #[serde(default, skip_serializing_if = "Amount::is_zero")]
    pub disk_mb: Amount,
    /// Network in Mbit/s.
    #[serde(default, skip_serializing_if = "Amount::is_zero")]
    pub network_mbps: Amount,
    /// Tokens of a language model.
    #[serde(default, skip_serializing_if = "Amount::is_zero")]
    pub tokens: Amount,
}

/// Why a text names no amount of a resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResourceError {
    /// There is no such kind.
    #[error("{name:?} is no resource: use one of {}", Resources::NAMES.join(", "))]
    Unknown {
        /// The name.
        name: String,
    },
    /// It is not written as name and amount.
    #[error("{text:?} names no amount: write NAME=AMOUNT, such as memory_mb=2048")]
    NoAmount {
        /// The text.
        text: String,
    },
    /// The amount is none.
    #[error("{text:?} is no amount of {name}: use a number from 0 upwards")]
    Amount {
        /// The resource.
        name: String,
        /// The text.
        text: String,
    },
}

impl Resources {
    /// The name of each kind.
    pub const NAMES: [&'static str; 5] = ["cpu_cores", "memory_mb", "disk_mb", "network_mbps", "tokens"];

    /// Each kind with its name.
    pub const fn each(&self) -> [(&'static str, Amount); 5] {
        [
            ("cpu_cores", self.cpu_cores),
            ("memory_mb", self.memory_mb),
            ("disk_mb", self.disk_mb),
            ("network_mbps", self.network_mbps),
            ("tokens", self.tokens),
        ]
    }

    /// Whether there is nothing of anything.
    pub fn is_empty(&self) -> bool {
        self.each().iter().all(|(_, amount)| amount.is_zero())
    }

    /// The amount of a kind, to be changed.
    ///
    /// # Errors
    /// When there is no such kind.
    pub fn get_mut(&mut self, name: &str) -> Result<&mut Amount, ResourceError> {
        match name {
            "cpu_cores" => Ok(&mut self.cpu_cores),
            "memory_mb" => Ok(&mut self.memory_mb),
            "disk_mb" => Ok(&mut self.disk_mb),
            "network_mbps" => Ok(&mut self.network_mbps),
            "tokens" => Ok(&mut self.tokens),
            _ => Err(ResourceError::Unknown {
                name: name.chars().take(80).collect(),
            }),
        }
    }

    /// Takes in `NAME=AMOUNT`, as it is written on command lines.
    ///
    /// # Errors
    /// See [`ResourceError`].
    pub fn set(&mut self, text: &str) -> Result<(), ResourceError> {
        let short = |text: &str| text.chars().take(80).collect::<String>();
        let Some((name, amount)) = text.split_once('=') else {
            return Err(ResourceError::NoAmount { text: short(text) });
        };
        let place = self.get_mut(name)?;
        let number: Option<f64> = amount.parse().ok();
        let number = number.and_then(|number| Amount::try_from(number).ok());
        *place = number.ok_or_else(|| ResourceError::Amount {
            name: name.to_owned(),
            text: short(amount),
        })?;
        Ok(())
    }

    /// All of them together, as they are written on command lines.
    ///
    /// # Errors
    /// The first that cannot be read.
    pub fn of_texts<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Self, ResourceError> {
        let mut resources = Self::default();
        for text in texts {
            resources.set(text)?;
        }
        Ok(resources)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_by_name() {
        let read = Resources::of_texts(["memory_mb=2048", "cpu_cores=1.5"]).unwrap();
        assert_eq!((read.memory_mb.get(), read.cpu_cores.get()), (2048.0, 1.5));
        assert!(!read.is_empty() && Resources::default().is_empty());
        for name in Resources::NAMES {
            let read = Resources::of_texts([format!("{name}=3").as_str()]).unwrap();
            let there: Vec<_> = read
                .each()
                .into_iter()
                .filter(|(_, amount)| !amount.is_zero())
                .collect();
            assert_eq!(there.len(), 1);
            assert_eq!((there[0].0, there[0].1.get()), (name, 3.0));
        }
    }

    #[test]
    fn what_is_no_amount_is_told() {
        for (text, said) in [
            (
                "memory=1",
                "\"memory\" is no resource: use one of cpu_cores, memory_mb",
            ),
            ("memory_mb", "write NAME=AMOUNT"),
            ("memory_mb=-1", "is no amount of memory_mb"),
            ("memory_mb=inf", "is no amount of memory_mb"),
            ("memory_mb=2G", "is no amount of memory_mb"),
        ] {
            let error = Resources::of_texts([text]).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
