//! The CSV files of a run.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ablate::fuzzing::csv(bytes));
