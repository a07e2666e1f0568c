//! Hours of a plan: unknown on a machine that nobody measured, told on one that was, and unknown again when it changes.

use crate::support::Workplace;

const SWEEP: &str = "[training]\nsteps = 500\n[runtime]\ndevice = \"cpu\"\njobs = 1\n\
                     [sweep.grid]\n\"training.batch_size\" = [4, 64]\n";

const STORED: &str = "cache/ablate/calibration.json";

fn plan(place: &Workplace) -> String {
    place.ablate(&["plan", "x.toml"]).exits(0).stdout
}

fn remark(place: &Workplace) -> String {
    let text = plan(place);
    text.lines().find(|line| line.starts_with("hours: ")).unwrap_or_else(|| panic!("{text}")).to_owned()
}

#[test]
fn a_machine_that_was_never_measured_has_no_hours_and_the_command_is_told() {
    let place = Workplace::with("x.toml", SWEEP);
    let asked = "`ablate bench --calibrate` measures this machine in about two minutes";
    assert_eq!(remark(&place), format!("hours: unknown; {asked}"));
    let document = place.ablate(&["plan", "x.toml", "--json"]).exits(0).json();
    assert!(document["hours"].is_null() && document["variants"][0]["hours"].is_null(), "{document}");
    assert!(place.ablate(&["plan", "x.toml", "--verbose"]).exits(0).stdout.ends_with(&format!("{asked}\n")));
}

#[test]
fn a_damaged_measurement_is_named_and_the_plan_is_shown_all_the_same() {
    let place = Workplace::with("x.toml", SWEEP);
    for (text, what) in [("{\"format\": 1,", "is damaged: "), ("{\"format\": 9}", "has calibration format 9")]
    {
        place.write(STORED, text);
        let said = remark(&place);
        assert!(said.starts_with("hours: unknown: ") && said.contains(what), "{said}");
        assert!(said.contains(STORED) && said.ends_with("in about two minutes"), "{said}");
    }
}

#[test]
fn words_that_make_no_sense_beside_a_calibration_are_refused() {
    let place = Workplace::with("x.toml", SWEEP);
    let said = place.ablate(&["bench", "--seconds", "5"]).exits(2).stderr;
    assert!(said.contains("--seconds is of --calibrate, which was not asked for"), "{said}");
    place.ablate(&["bench", "--calibrate", "x.toml"]).exits(2);
    place.ablate(&["bench", "--calibrate", "--seconds", "0"]).exits(2);
}

#[cfg(feature = "torch")]
mod measured {
    use serde_json::Value;

    use super::*;
    use crate::support::tier::Tier;

    fn document(place: &Workplace) -> Value {
        place.ablate(&["plan", "x.toml", "--json"]).exits(0).json()
    }

    #[test]
    fn only_runtime_settings_say_anything_about_a_calibration() {
        let place = Workplace::new();
        let said = place.ablate(&["bench", "--calibrate", "-s", "model.base_channels=32"]).exits(2).stderr;
        assert!(
            said.contains("--calibrate measures networks of its own, so that model.base_channels=32 says"),
            "{said}"
        );
        assert!(said.contains("help: -s takes runtime keys here, such as runtime.device=cpu"), "{said}");
    }

    #[test]
    fn a_machine_that_was_measured_tells_hours_until_something_changes() {
        if Tier::asked().leaves_out(Tier::Standard, "a calibration of this machine") {
            return;
        }
        let place = Workplace::with("x.toml", SWEEP);
        // Threads that wait for each other take very long beside other tests.
        let threads = format!("runtime.threads={}", Tier::asked().pick(1, 1, 0));
        let arguments = ["bench", "--calibrate", "--seconds", "1", "--json"];
        let arguments = [&arguments[..], &["-s", "runtime.device=cpu", "-s", threads.as_str()]].concat();
        let found = place.ablate(&arguments).exits(0).json();
        assert_eq!(found["machine"]["device"], "cpu");
        let layouts = found["layouts"].as_array().unwrap();
        assert!(!layouts.is_empty());
        for layout in layouts {
            for network in layout["networks"].as_array().unwrap() {
                let [step, forward] =
                    ["step_seconds", "forward_seconds"].map(|key| network[key].as_f64().unwrap());
                assert!(step > 0.0 && forward > 0.0, "{network}");
            }
            assert!(layout["rates"]["overheads"]["start_seconds"].as_f64().unwrap() > 0.0);
        }
        let hours = document(&place);
        let of = |variant: usize| hours["variants"][variant]["hours"].as_f64().unwrap();
        assert!(of(1) > 4.0 * of(0) && of(0) > 0.0, "{hours}");
        let all = hours["hours"].as_f64().unwrap();
        assert!((all / (of(0) + of(1)) - 1.0).abs() < 1e-9, "one after the other: {hours}");
        assert!(remark(&place).ends_with(" for the 2 runs left"), "{}", remark(&place));
        assert!(plan(&place).lines().any(|line| line.contains("/image") && line.contains("hours")));
        let elsewhere = place.ablate(&["plan", "x.toml", "--memory", "16"]).exits(0).stdout;
        let asked = "hours: unknown, since --memory plans for another device";
        assert!(elsewhere.contains(asked), "{elsewhere}");

        let stored = place.read(STORED);
        place.write(STORED, stored.replace("\"libtorch\": \"", "\"libtorch\": \"0."));
        let said = remark(&place);
        assert!(said.starts_with("hours: unknown, since libtorch changed from 0."), "{said}");
    }
}
