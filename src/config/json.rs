//! Parses a JSON layer into the same table that TOML gives.
//!
//! In: JSON text. Out: a TOML table in written order; an error names the key path, line and column.
//! `null` and repeated keys are refused: TOML has neither, and both would lose a setting silently.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use toml::{Table, Value};

use super::source::join;

/// Parses a JSON object.
pub(crate) fn parse(text: &str) -> Result<Table, String> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Node { path: "" }.deserialize(&mut deserializer).map_err(|error| error.to_string())?;
    deserializer.end().map_err(|error| error.to_string())?;
    match value {
        Value::Table(table) => Ok(table),
        _ => Err("the outermost value must be an object".to_owned()),
    }
}

/// The value at one key path.
struct Node<'a> {
    path: &'a str,
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Boolean(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        i64::try_from(value)
            .map(Value::Integer)
            .map_err(|_| E::custom(format!("{}: {value} is too large", self.path)))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Err(E::custom(format!("{} is null; leave the key out instead", self.path)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Node { path: self.path })? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut table = Table::new();
        while let Some(key) = entries.next_key::<String>()? {
            let path = join(self.path, &key);
            let value = entries.next_value_seed(Node { path: &path })?;
            if table.insert(key, value).is_some() {
                return Err(A::Error::custom(format!("{path} is written twice")));
            }
        }
        Ok(Value::Table(table))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_gives_the_table_that_toml_gives_in_written_order() {
        let table = parse(r#"{"z": {"b": [1, 2.5, "x"]}, "a": true}"#).unwrap();
        let expected: Table = "z = { b = [1, 2.5, \"x\"] }\na = true".parse().unwrap();
        assert_eq!(table, expected);
        assert_eq!(table.keys().collect::<Vec<_>>(), ["z", "a"]);
    }

    #[test]
    fn json_errors_name_the_key_path() {
        assert_eq!(
            parse("{\"data\": {\"limit\": null}}").unwrap_err(),
            "data.limit is null; leave the key out instead at line 1 column 23"
        );
        assert!(parse("{\"a\": {\"b\": 1, \"b\": 2}}").unwrap_err().starts_with("a.b is written twice"));
        assert_eq!(parse("[1]").unwrap_err(), "the outermost value must be an object");
        assert!(parse("{} x").is_err());
    }
}
