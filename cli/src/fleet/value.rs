//! Values of a TOML text as a fleet file means them; what is none of them is told with what was expected.

use toml::Spanned;
use toml::de::{DeArray, DeInteger, DeTable, DeValue};

/// What a value is, for people.
pub(super) const fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// A text.
pub(super) fn text<'v>(value: &'v DeValue<'_>) -> Option<&'v str> {
    if let DeValue::String(text) = value {
        Some(text)
    } else {
        None
    }
}

/// A whole number.
pub(super) fn integer(value: &DeValue<'_>) -> Option<i64> {
    if let DeValue::Integer(integer) = value {
        of_integer(integer)
    } else {
        None
    }
}

fn of_integer(integer: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// A number.
pub(super) fn number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Integer(integer) => of_integer(integer).map(|integer| integer as f64),
        DeValue::Float(float) => float.as_str().parse().ok(),
        DeValue::String(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => None,
    }
}

/// True or false.
pub(super) const fn boolean(value: &DeValue<'_>) -> Option<bool> {
    if let DeValue::Boolean(value) = value {
        Some(*value)
    } else {
        None
    }
}

/// The items of a list.
pub(super) fn list<'v, 'i>(value: &'v DeValue<'i>) -> Option<&'v DeArray<'i>> {
    if let DeValue::Array(items) = value {
        Some(items)
    } else {
        None
    }
}

/// The keys and values of a table.
pub(super) fn table<'v, 'i>(value: &'v DeValue<'i>) -> Option<&'v DeTable<'i>> {
    if let DeValue::Table(table) = value {
        Some(table)
    } else {
        None
    }
}

/// Where a value begins, in bytes.
pub(super) fn at(value: &Spanned<DeValue<'_>>) -> usize {
    value.span().start
}
