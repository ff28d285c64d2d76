//! Whether everything that one schema describes is admitted by another, for the small vocabulary that we emit.
//!
//! A producer emits only the properties that its schema names, so the narrow side is read as closed; a reader ignores
//! what it does not know, so the wide side is open unless it says otherwise. What cannot be proven is a violation, and
//! an unknown keyword is one too: the check must never pass by not looking.

use serde_json::{Map, Value};

/// Keywords that say nothing about what is valid.
const ANNOTATIONS: [&str; 5] = ["$id", "$schema", "title", "description", "default"];

/// Keywords that this check understands.
const ASSERTIONS: [&str; 11] = [
    "type",
    "enum",
    "const",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "pattern",
    "maxLength",
    "minimum",
    "maximum",
];

/// Pairs of patterns of which the first admits only what the second does; a property test samples each.
pub(crate) const NARROWER_PATTERNS: &[(&str, &str)] = &[(
    "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\\.[0-9]{3}Z$",
    "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\\.[0-9]+)?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$",
)];

/// Why something that `narrow` describes is not admitted by `wide`; empty when all of it is.
pub(crate) fn violations(narrow: &Value, wide: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare(narrow, wide, "", &mut found);
    found
}

fn compare(narrow: &Value, wide: &Value, path: &str, found: &mut Vec<String>) {
    let (Some(narrow), Some(wide)) = (assertions(narrow, path, found), assertions(wide, path, found)) else {
        return;
    };
    let mut violation = |what: String| found.push(format!("{}: {what}", at(path)));
    for t in types(&narrow) {
        let admitted = |t: &str| types(&wide).contains(&t);
        if !(admitted(t) || t == "integer" && admitted("number")) {
            violation(format!("type {t} is not admitted"));
        }
    }
    if let Some(admitted) = words(&wide) {
        match words(&narrow) {
            Some(words) => words
                .iter()
                .filter(|word| !admitted.contains(word))
                .for_each(|word| violation(format!("word {word} is not admitted"))),
            None => violation("any value is described but only some words are admitted".to_owned()),
        }
    }
    if let Some(admitted) = wide.get("pattern") {
        let described = narrow.get("pattern");
        let proven = described == Some(admitted) || described.is_some_and(|p| is_narrower(p, admitted));
        if !proven {
            violation(format!(
                "pattern {described:?} is not known to be within {admitted}"
            ));
        }
    }
    for (keyword, within) in [
        ("minimum", Bound::Lower),
        ("maximum", Bound::Upper),
        ("maxLength", Bound::Upper),
    ] {
        if let Some(bound) = wide.get(keyword)
            && !within.holds(narrow.get(keyword), bound)
        {
            violation(format!("{keyword} {:?} is beyond {bound}", narrow.get(keyword)));
        }
    }
    for name in names(&wide, "required") {
        if !names(&narrow, "required").contains(&name) {
            violation(format!("{name} is required but may be absent"));
        }
    }
    compare_objects(&narrow, &wide, path, found);
    if let Some(admitted) = wide.get("items").filter(|_| types(&narrow).contains(&"array")) {
        compare(
            &inner(&narrow, "items"),
            admitted,
            &format!("{path}/items"),
            found,
        );
    }
}

fn compare_objects(
    narrow: &Map<String, Value>,
    wide: &Map<String, Value>,
    path: &str,
    found: &mut Vec<String>,
) {
    let none = Map::new();
    let properties = |schema: &Map<String, Value>| -> Map<String, Value> {
        schema
            .get("properties")
            .and_then(Value::as_object)
            .unwrap_or(&none)
            .clone()
    };
    let admitted = properties(wide);
    for (name, described) in &properties(narrow) {
        let any_other = inner(wide, "additionalProperties");
        compare(
            described,
            admitted.get(name).unwrap_or(&any_other),
            &format!("{path}/{name}"),
            found,
        );
    }
    // Only a map says which other properties it emits; a record emits none.
    if let Some(described) = narrow
        .get("additionalProperties")
        .filter(|s| **s != Value::Bool(false))
    {
        compare(
            described,
            &inner(wide, "additionalProperties"),
            &format!("{path}/*"),
            found,
        );
    }
}

/// The assertions of a schema; `None` when it can't be compared, which is then among the violations.
fn assertions(schema: &Value, path: &str, found: &mut Vec<String>) -> Option<Map<String, Value>> {
    match schema {
        Value::Bool(true) => Some(Map::new()),
        Value::Object(keywords) => {
            let known = |k: &str| ANNOTATIONS.contains(&k) || ASSERTIONS.contains(&k);
            let before = found.len();
            found.extend(
                keywords
                    .keys()
                    .filter(|k| !known(k))
                    .map(|k| format!("{}: unknown keyword {k}", at(path))),
            );
            (found.len() == before).then(|| keywords.clone())
        }
        Value::Null | Value::Bool(false) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            found.push(format!(
                "{}: {schema} is no schema that can be compared",
                at(path)
            ));
            None
        }
    }
}

/// The path as it is shown.
fn at(path: &str) -> &str {
    if path.is_empty() { "/" } else { path }
}

/// The schema under a keyword; absent, it is the one that admits everything.
fn inner(schema: &Map<String, Value>, keyword: &str) -> Value {
    schema.get(keyword).cloned().unwrap_or(Value::Bool(true))
}

fn types(schema: &Map<String, Value>) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => vec![
            "null", "boolean", "integer", "number", "string", "array", "object",
        ],
    }
}

fn words(schema: &Map<String, Value>) -> Option<Vec<Value>> {
    let listed = schema.get("enum").and_then(Value::as_array).cloned();
    listed.or_else(|| schema.get("const").map(|word| vec![word.clone()]))
}

fn names<'a>(schema: &'a Map<String, Value>, keyword: &str) -> Vec<&'a str> {
    let listed = schema.get(keyword).and_then(Value::as_array);
    listed.into_iter().flatten().filter_map(Value::as_str).collect()
}

fn is_narrower(narrow: &Value, wide: &Value) -> bool {
    NARROWER_PATTERNS.iter().any(|(n, w)| narrow == n && wide == w)
}

#[derive(Clone, Copy)]
enum Bound {
    Lower,
    Upper,
}

impl Bound {
    fn holds(self, described: Option<&Value>, admitted: &Value) -> bool {
        // As i128, since u64::MAX is a bound of ours and no f64.
        let number = |value: &Value| {
            value
                .as_u64()
                .map(i128::from)
                .or_else(|| value.as_i64().map(i128::from))
        };
        match (described.and_then(number), number(admitted)) {
            (Some(described), Some(admitted)) => match self {
                Self::Lower => described >= admitted,
                Self::Upper => described <= admitted,
            },
            _ => false,
        }
    }
}
