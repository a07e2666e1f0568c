//! Swept keys and their values as a JSON object that keeps the declared order.

use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// Above the number of keys there are.
const MAX_KEYS: usize = 1000;

/// Dotted keys with values, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overrides(pub Vec<(String, Value)>);

impl Serialize for Overrides {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl<'de> Deserialize<'de> for Overrides {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Overrides;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of dotted keys")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Overrides, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    if pairs.len() == MAX_KEYS {
                        return Err(A::Error::custom(format!("more than {MAX_KEYS} swept keys")));
                    }
                    pairs.push(pair);
                }
                Ok(Overrides(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_survives_both_ways() {
        let text = r#"{"model.dropout":0.1,"data.limit":4,"model.attention_resolutions":[]}"#;
        let overrides: Overrides = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&overrides).unwrap(), text);
    }
}
