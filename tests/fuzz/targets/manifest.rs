//! A checkpoint's manifest and the other JSON files of a run.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ablate::fuzzing::manifest(bytes));
