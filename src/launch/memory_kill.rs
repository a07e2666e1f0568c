//! Whether the kernel killed a process of our control group for want of memory.
//!
//! SIGKILL alone does not say who sent it. The control group counts its out-of-memory kills: a count that
//! rose while a worker ran, and that worker's death by SIGKILL, belong together.

use std::path::{Path, PathBuf};

/// The control group's count of out-of-memory kills so far; `None` where it has none.
pub(super) fn count() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    candidates(&groups).iter().find_map(|path| parse(&std::fs::read_to_string(path).ok()?))
}

/// Where the counter may be: version 2's file, or version 1's, in our group or (in a container, whose
/// view begins at its own group) at the root.
fn candidates(groups: &str) -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let mut paths = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':');
        let (_, controllers, group) =
            (fields.next(), fields.next().unwrap_or(""), fields.next().unwrap_or("/"));
        let group = group.trim_start_matches('/');
        if controllers.is_empty() {
            paths.push(root.join(group).join("memory.events"));
            paths.push(root.join("memory.events"));
        } else if controllers.split(',').any(|name| name == "memory") {
            paths.push(root.join("memory").join(group).join("memory.oom_control"));
            paths.push(root.join("memory").join("memory.oom_control"));
        }
    }
    paths
}

fn parse(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_of_the_counter_are_read() {
        assert_eq!(parse("low 0\nhigh 0\nmax 3\noom 2\noom_kill 1\noom_group_kill 0\n"), Some(1));
        assert_eq!(parse("oom_kill_disable 0\nunder_oom 0\noom_kill 4\n"), Some(4));
        assert_eq!(parse("oom_kill_disable 0\n"), None);
    }

    #[test]
    fn the_counter_is_looked_for_in_our_own_group_first() {
        let paths = candidates("5:cpu,memory:/job_7\n0::/user.slice\n");
        assert_eq!(paths[0], Path::new("/sys/fs/cgroup/memory/job_7/memory.oom_control"));
        assert_eq!(paths[2], Path::new("/sys/fs/cgroup/user.slice/memory.events"));
    }
}
