//! What a run is made of, for TensorBoard's table of hyper-parameters.
//!
//! In: a run's configuration. Out: the messages of its hparams plugin: this run's settings, and that it is done.
//! Settings are those that identity depends on; the seeds of a variant are one group. Which columns the table has is
//! left to TensorBoard: it looks through all runs that it shows and puts first what differs between them, while of a
//! list of columns (`Experiment`) it takes the first that it meets, whatever the other runs have.

use serde_json::Value;

use super::event::plugin_data;
use super::proto::Message;
use crate::config::{Config, canonical_json, identity_value};

const PLUGIN: &str = "hparams";

/// `Status.STATUS_SUCCESS`.
const SUCCESS: u64 = 1;

/// The run's settings by dotted key, in the order of their names.
fn settings(config: &Config) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    if let Value::Object(sections) = identity_value(config) {
        for (section, keys) in sections {
            match keys {
                Value::Object(keys) => {
                    found.extend(keys.into_iter().map(|(leaf, value)| (format!("{section}.{leaf}"), value)));
                }
                value => found.push((section, value)),
            }
        }
    }
    found.retain(|(_, value)| !value.is_null());
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// `google.protobuf.Value`; a list is its text.
fn typed(value: &Value) -> Message {
    match value {
        Value::Bool(flag) => Message::new().integer(4, u64::from(*flag)),
        Value::Number(number) => Message::new().double(2, number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => Message::new().bytes(3, text),
        other => Message::new().bytes(3, canonical_json(other)),
    }
}

/// One of the plugin's messages in an event.
fn wrapped(wall_time: f64, tag: &str, field: u32, message: Message) -> Vec<u8> {
    plugin_data(wall_time, &format!("_hparams_/{tag}"), PLUGIN, Message::new().message(field, message))
}

/// This run's settings.
pub(super) fn start(wall_time: f64, config: &Config, group: &str) -> Vec<u8> {
    let entry = |(key, value): (String, Value)| Message::new().bytes(1, key).message(2, typed(&value));
    let message = settings(config)
        .into_iter()
        .fold(Message::new(), |message, setting| message.message(1, entry(setting)))
        .bytes(4, group)
        .double(5, wall_time);
    wrapped(wall_time, "session_start_info", 3, message)
}

/// That it is done.
pub(super) fn end(wall_time: f64) -> Vec<u8> {
    let message = Message::new().integer(1, SUCCESS).double(2, wall_time);
    wrapped(wall_time, "session_end_info", 4, message)
}
