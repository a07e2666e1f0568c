//! Processes that measure at the same time, started as workers are.
//!
//! In: a number of processes and of threads, then tasks. Out: what each process answers. A task goes to all of them at
//! once, so that each is measured beside the others, as in a sweep. They end when this process closes their input.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use super::protocol::{Answer, COMMAND, Hello, Task};
use crate::cli::failure::Failure;

/// Processes with one number of threads.
pub(super) struct Crew {
    members: Vec<Member>,
    started: Instant,
    /// The device that `auto` became.
    pub(super) device: String,
}

struct Member {
    child: Child,
    /// Present until the process is to end.
    tasks: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Crew {
    /// Starts them with the variables of a worker and waits until each has opened `device`.
    pub(super) fn start(
        workers: usize,
        threads: usize,
        device: &str,
        environment: &[(&'static str, String)],
    ) -> Result<Crew, Failure> {
        let started = Instant::now();
        let failed =
            |error: std::io::Error| Failure::internal(format!("cannot start a measuring process: {error}"));
        let program = std::env::current_exe().map_err(failed)?;
        let mut crew = Crew { members: vec![], started, device: String::new() };
        for _ in 0..workers {
            let mut command = Command::new(&program);
            command.args([COMMAND, "--device", device, "--threads", &threads.to_string()]);
            for name in ["OMP_NUM_THREADS", "MKL_NUM_THREADS"] {
                command.env(name, threads.to_string());
            }
            command.envs(environment.iter().map(|(name, value)| (name, value)));
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(failed)?;
            let (tasks, answers) = (child.stdin.take(), child.stdout.take());
            let answers = BufReader::new(answers.expect("its output was asked for"));
            crew.members.push(Member { child, tasks, answers });
        }
        for member in &mut crew.members {
            crew.device = member.next::<Hello>()?.device;
        }
        Ok(crew)
    }

    /// Gives a task to every process, and waits for every answer.
    pub(super) fn ask(&mut self, task: &Task) -> Result<Vec<Answer>, Failure> {
        let line = serde_json::to_string(task).map_err(Failure::internal)? + "\n";
        for member in &mut self.members {
            let tasks = member.tasks.as_mut().expect("input stays open until the crew is dropped");
            // A process that has ended is told by the missing answer.
            let _ = tasks.write_all(line.as_bytes()).and_then(|()| tasks.flush());
        }
        self.members.iter_mut().map(Member::next).collect()
    }

    /// Seconds since the processes were started.
    pub(super) fn age(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}

impl Member {
    fn next<T: serde::de::DeserializeOwned>(&mut self) -> Result<T, Failure> {
        let mut line = String::new();
        let read = self.answers.read_line(&mut line);
        if read.as_ref().is_ok_and(|&bytes| bytes > 0) {
            return serde_json::from_str(&line).map_err(Failure::internal);
        }
        // It said why on standard error, which is ours too.
        let how = match self.child.wait() {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        Err(Failure::internal(format!("a measuring process ended early ({how}); nothing was stored")))
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        for member in &mut self.members {
            // In the middle of a task only after an error elsewhere: what it would answer is of no use.
            member.tasks.take();
            let _ = member.child.kill();
            let _ = member.child.wait();
        }
    }
}
