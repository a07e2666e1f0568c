//! How far the runs of a plan have come, read from their folders.

use super::build::Plan;
use super::variant::Variant;
use crate::rundir::{self, RunDir, State, Status};

/// States in the order in which one of them speaks for a variant whose runs differ: what goes on first, then
/// what needs a look, then what is still to come.
const PRECEDENCE: [State; 8] = [
    State::Running,
    State::Submitted,
    State::Failed,
    State::Diverged,
    State::Paused,
    State::Interrupted,
    State::Planned,
    State::Done,
];

/// Where one run stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunState {
    /// Its state; `running` with a dead owner reads as `interrupted`.
    pub state: State,
    /// Why its `status.json` could not be read; the run then counts as interrupted.
    pub damage: Option<String>,
}

/// The state of a run's folder; one that does not exist is planned.
pub fn run_state(run: &RunDir) -> RunState {
    match Status::read(run) {
        Ok(None) => RunState { state: State::Planned, damage: None },
        Ok(Some(status)) => {
            let dead = status.state == State::Running && !rundir::owner_is_alive(run, &status);
            RunState { state: if dead { State::Interrupted } else { status.state }, damage: None }
        }
        Err(error) => RunState { state: State::Interrupted, damage: Some(error.to_string()) },
    }
}

/// One word for all replicates of a variant.
pub fn variant_state(states: &[State]) -> State {
    PRECEDENCE.into_iter().find(|state| states.contains(state)).unwrap_or(State::Planned)
}

/// The states of all runs of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// By variant and seed, as in the plan.
    pub states: Vec<Vec<State>>,
    /// Folders whose state could not be read, and why.
    pub damage: Vec<String>,
}

impl Progress {
    /// Reads the state of every run.
    pub fn of(plan: &Plan) -> Progress {
        let experiment = plan.experiment_dir();
        let started = experiment.path().is_dir();
        let mut damage = Vec::new();
        let mut read = |variant: &Variant, seed: u64| {
            let found = run_state(&experiment.run(&variant.name, seed));
            damage.extend(found.damage);
            found.state
        };
        let of_variant = |variant: &Variant| match started && experiment.variant_path(&variant.name).is_dir()
        {
            true => variant.seeds.iter().map(|&seed| read(variant, seed)).collect(),
            false => vec![State::Planned; variant.seeds.len()],
        };
        let states = plan.variants.iter().map(of_variant).collect();
        Progress { states, damage }
    }

    /// How many runs are in a state that `wanted` accepts.
    pub fn count(&self, wanted: impl Fn(State) -> bool) -> usize {
        self.states.iter().flatten().filter(|state| wanted(**state)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_without_a_folder_is_planned_and_a_dead_owner_reads_as_interrupted() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::at(folder.path());
        assert_eq!(run_state(&run).state, State::Planned);
        let mut status = Status::planned(10).next_attempt();
        status.write(&run).unwrap();
        assert_eq!(run_state(&run).state, State::Running);
        status.owner.boot_id = "an earlier boot".into();
        status.write(&run).unwrap();
        assert_eq!(run_state(&run).state, State::Interrupted);
        std::fs::write(run.status_path(), "{").unwrap();
        let damaged = run_state(&run);
        assert_eq!(damaged.state, State::Interrupted);
        assert!(damaged.damage.unwrap().contains("status.json is damaged"));
    }

    #[test]
    fn a_variant_is_done_only_when_all_its_runs_are() {
        assert_eq!(variant_state(&[State::Done, State::Done]), State::Done);
        assert_eq!(variant_state(&[State::Done, State::Planned]), State::Planned);
        assert_eq!(variant_state(&[State::Done, State::Failed, State::Planned]), State::Failed);
        assert_eq!(variant_state(&[State::Failed, State::Running]), State::Running);
    }
}
