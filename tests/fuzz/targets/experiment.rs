//! An experiment file, TOML or JSON, to a plan.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ablate::fuzzing::experiment(bytes));
