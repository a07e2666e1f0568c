//! A shell stands in for the probe: what its end means, what is tried next, what a worker is started with.

use super::*;
use crate::config::defaults;

fn shell(script: &str) -> Result<(), String> {
    ask(Command::new("/bin/sh").args(["-c", script]))
}

#[test]
fn the_end_of_a_probe_says_what_is_wrong() {
    assert_eq!(shell("exit 0"), Ok(()));
    assert_eq!(shell("echo 'error: no such device' >&2; exit 3"), Ok(()), "the worker will say so");
    assert_eq!(
        shell("kill -ILL $$").unwrap_err(),
        "a small calculation died of SIGILL, an instruction that the CPU lists and the system does not allow"
    );
    assert_eq!(shell("kill -SEGV $$").unwrap_err(), "a small calculation died of SIGSEGV");
    assert_eq!(
        shell("echo noise >&2; echo 'error: its results are wrong' >&2; exit 1").unwrap_err(),
        "its results are wrong"
    );
    assert_eq!(shell("exit 9").unwrap_err(), "a small calculation ended with exit code 9");
    assert!(ask(&mut Command::new("/nonexistent/ablate")).unwrap_err().contains("could not be started"));
}

#[test]
fn fewer_instructions_are_tried_where_all_of_them_fail() {
    let works_with = |working: Option<&'static str>| {
        move |limit: Option<&'static str>| if limit == working { Ok(()) } else { Err("died".to_owned()) }
    };
    let examine = |precision, device, working| examine(precision, device, &works_with(working));
    let (bf16, cpu) = (Precision::Bf16, Device::Cpu);
    assert_eq!(examine(bf16, cpu, None), Support::Works);
    assert_eq!(examine(bf16, cpu, Some("AVX512_CORE_BF16")), Support::Limited("AVX512_CORE_BF16"));
    assert_eq!(examine(bf16, Device::Auto, Some("AVX512_CORE")), Support::Limited("AVX512_CORE"));
    assert_eq!(examine(Precision::F16, cpu, Some("AVX512_CORE_FP16")), Support::Limited("AVX512_CORE_FP16"));
    let refused = |reason: &str| Support::Refused(reason.to_owned());
    assert_eq!(
        examine(bf16, cpu, Some("nothing")),
        refused("died; ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16 or AVX512_CORE does not help")
    );
    assert_eq!(examine(bf16, Device::Cuda(0), Some("AVX512_CORE_BF16")), refused("died"));
}

#[test]
fn a_worker_is_started_with_what_its_first_attempt_had() {
    let mut config = defaults();
    config.training.precision = Precision::Bf16;
    config.runtime.device = Device::Cpu;
    let unset = |_: &str| false;
    let with = |recorded, found| required(&config, recorded, found, &unset);
    assert_eq!(with(None, Support::Works), Ok(vec![]));
    let limited = vec![(CPU_LIMIT, "AVX512_CORE".to_owned())];
    assert_eq!(with(None, Support::Limited("AVX512_CORE")), Ok(limited.clone()));
    let earlier = Execution {
        format: 1,
        threads: 1,
        evaluation_batch: 1,
        sampling_batch: 1,
        deterministic: false,
        onednn_max_cpu_isa: Some("AVX512_CORE".to_owned()),
    };
    assert_eq!(with(Some(&earlier), Support::Works), Ok(limited));
    let refusal = with(Some(&earlier), Support::Refused("it died".to_owned())).unwrap_err();
    assert_eq!(refusal.to_string(), "training.precision = \"bf16\" does not work on this machine: it died");
}

#[test]
fn a_deterministic_gpu_run_gets_the_workspace_that_cublas_wants() {
    let mut config = defaults();
    let with = |config: &Config, set: bool| required(config, None, Support::Works, &|_| set).unwrap();
    config.runtime.device = Device::Cuda(0);
    assert_eq!(with(&config, false), []);
    config.runtime.deterministic = true;
    assert_eq!(with(&config, false), [("CUBLAS_WORKSPACE_CONFIG", ":4096:8".to_owned())]);
    assert_eq!(with(&config, true), [], "the user's own value stays");
    config.runtime.device = Device::Cpu;
    assert_eq!(with(&config, false), []);
}
