//! Lines of `-s KEY=VALUE` and `--pin KEY=VALUE`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ablate::fuzzing::setting(bytes));
