//! Where a run stands before a launch. In: its directory. Out: whether to start it, and why not.

use crate::rundir::{RunDir, RunDirError, State, Status, owner_is_alive};

/// What running the same command again means for one run.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// Nothing to do.
    Done,
    /// To be started, or continued.
    Pending,
    /// Ended by an error; only `--retry-failed` starts it again.
    Failed(Box<Status>),
    /// A live process is at it and must not be disturbed.
    Held(Box<Status>),
}

/// Looks at a run's status. A damaged one counts as pending, since checkpoints and logs carry everything
/// that training needs; one of a newer version is an error.
pub fn standing(run: &RunDir) -> Result<Standing, RunDirError> {
    let status = match Status::read(run) {
        Ok(Some(status)) => status,
        Ok(None) | Err(RunDirError::Malformed { .. }) => return Ok(Standing::Pending),
        Err(error) => return Err(error),
    };
    Ok(match status.state {
        State::Done => Standing::Done,
        State::Failed | State::Diverged => Standing::Failed(Box::new(status)),
        State::Running if owner_is_alive(run, &status) => Standing::Held(Box::new(status)),
        State::Running | State::Planned | State::Submitted | State::Interrupted | State::Paused => {
            Standing::Pending
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing_of(state: State, change: impl FnOnce(&mut Status)) -> Standing {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::at(folder.path());
        let mut status = Status::planned(1).next_attempt();
        status.state = state;
        change(&mut status);
        status.write(&run).unwrap();
        standing(&run).unwrap()
    }

    #[test]
    fn each_state_leads_where_the_documentation_says() {
        assert_eq!(standing_of(State::Done, |_| {}), Standing::Done);
        assert_eq!(standing_of(State::Interrupted, |_| {}), Standing::Pending);
        assert!(matches!(standing_of(State::Failed, |_| {}), Standing::Failed(_)));
        assert!(matches!(standing_of(State::Diverged, |_| {}), Standing::Failed(_)));
        assert!(matches!(standing_of(State::Running, |_| {}), Standing::Held(_)));
    }

    #[test]
    fn running_with_a_dead_owner_counts_as_interrupted() {
        let dead = standing_of(State::Running, |status| status.owner.boot_id = "earlier".to_owned());
        assert_eq!(dead, Standing::Pending);
    }

    #[test]
    fn a_damaged_status_is_tried_again_and_a_newer_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDir::at(folder.path());
        std::fs::write(run.status_path(), "{\"format\":").unwrap();
        assert_eq!(standing(&run).unwrap(), Standing::Pending);
        std::fs::write(run.status_path(), "{\"format\": 7}").unwrap();
        assert!(standing(&run).is_err());
    }
}
