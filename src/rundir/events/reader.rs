//! A reader of event files for the tests, which shares nothing with the writer: records with their checksums worked
//! out bit by bit, messages taken apart by wire type.

/// A field's value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Integer(u64),
    Double(f64),
    Float(f32),
    Bytes(Vec<u8>),
}

/// The fields of a message in their order.
pub(super) type Fields = Vec<(u64, Value)>;

/// What a test looks at in an event.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    pub(super) wall_time: f64,
    pub(super) step: u64,
    pub(super) what: What,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    Version(String),
    Start,
    Scalar(String, f32),
    /// Tag, height, width, channels, and the PNG file.
    Image(String, [u64; 3], Vec<u8>),
    /// Tag and what follows the plugin's name.
    Plugin(String, Fields),
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    !crc
}

fn assert_sum(bytes: &[u8], sum: &[u8]) {
    // The lower 15 bits change places with the upper 17.
    let (upper, lower) = (crc(bytes) >> 15, crc(bytes) & 0x7fff);
    let masked = (lower * (1 << 17) + upper).wrapping_add(0xa282_ead8);
    assert_eq!(sum, masked.to_le_bytes(), "a checksum is wrong");
}

/// The messages of a file, every checksum looked at; nothing may be left over.
fn records(mut file: &[u8]) -> Vec<Vec<u8>> {
    let mut found = vec![];
    while !file.is_empty() {
        let (length, rest) = file.split_at(8);
        let (sum, rest) = rest.split_at(4);
        assert_sum(length, sum);
        let (message, rest) = rest.split_at(u64::from_le_bytes(length.try_into().unwrap()) as usize);
        let (sum, rest) = rest.split_at(4);
        assert_sum(message, sum);
        found.push(message.to_vec());
        file = rest;
    }
    found
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for place in 0.. {
        let (byte, rest) = bytes.split_first().unwrap();
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

pub(super) fn fields(mut bytes: &[u8]) -> Fields {
    let mut found = vec![];
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let mut take = |count: usize| {
            let (taken, rest) = bytes.split_at(count);
            bytes = rest;
            taken.to_vec()
        };
        let value = match key & 7 {
            1 => Value::Double(f64::from_le_bytes(take(8).try_into().unwrap())),
            5 => Value::Float(f32::from_le_bytes(take(4).try_into().unwrap())),
            0 => Value::Integer(varint(&mut bytes)),
            2 => {
                let length = varint(&mut bytes) as usize;
                let (taken, rest) = bytes.split_at(length);
                bytes = rest;
                Value::Bytes(taken.to_vec())
            }
            wire => panic!("wire type {wire}"),
        };
        found.push((key >> 3, value));
    }
    found
}

pub(super) fn all(fields: &Fields, number: u64) -> Vec<Value> {
    fields.iter().filter(|(field, _)| *field == number).map(|(_, value)| value.clone()).collect()
}

pub(super) fn one(fields: &Fields, number: u64) -> Option<Value> {
    let found = all(fields, number);
    assert!(found.len() <= 1, "field {number} {} times", found.len());
    found.into_iter().next()
}

pub(super) fn bytes(value: Option<Value>) -> Vec<u8> {
    let Some(Value::Bytes(bytes)) = value else { panic!("{value:?} are no bytes") };
    bytes
}

pub(super) fn text(value: Option<Value>) -> String {
    String::from_utf8(bytes(value)).unwrap()
}

fn integer(value: Option<Value>) -> u64 {
    match value {
        None => 0,
        Some(Value::Integer(integer)) => integer,
        other => panic!("{other:?} is no integer"),
    }
}

/// Everything a file says.
pub(super) fn read(file: &[u8]) -> Vec<Seen> {
    let mut seen = vec![];
    for record in records(file) {
        let event = fields(&record);
        let Some(Value::Double(wall_time)) = one(&event, 1) else { panic!("no time in {event:?}") };
        let step = integer(one(&event, 2));
        let mut say = |what: What| seen.push(Seen { wall_time, step, what });
        match (one(&event, 3), one(&event, 5), one(&event, 7)) {
            (version @ Some(_), None, None) => say(What::Version(text(version))),
            (None, None, session @ Some(_)) => {
                assert_eq!(fields(&bytes(session)), [(1, Value::Integer(1))]);
                say(What::Start);
            }
            (None, summary @ Some(_), None) => {
                for value in all(&fields(&bytes(summary)), 1) {
                    say(summary_value(&fields(&bytes(Some(value)))));
                }
            }
            _ => panic!("an event of several kinds: {event:?}"),
        }
    }
    seen
}

fn summary_value(value: &Fields) -> What {
    let tag = text(one(value, 1));
    match (one(value, 2), one(value, 4), one(value, 9)) {
        (Some(Value::Float(number)), None, None) => What::Scalar(tag, number),
        (None, image @ Some(_), None) => {
            let image = fields(&bytes(image));
            What::Image(tag, [1, 2, 3].map(|field| integer(one(&image, field))), bytes(one(&image, 4)))
        }
        (None, None, metadata @ Some(_)) => {
            let data = fields(&bytes(one(&fields(&bytes(metadata)), 1)));
            assert_eq!(text(one(&data, 1)), "hparams");
            // A tensor of type float, of one axis without length.
            let tensor = fields(&bytes(one(value, 8)));
            assert_eq!(tensor, [(1, Value::Integer(1)), (2, Value::Bytes(vec![0x12, 0]))]);
            What::Plugin(tag, fields(&bytes(one(&data, 2))))
        }
        other => panic!("{other:?}"),
    }
}
