//! What our control group may have, and whom the kernel killed in it for want of memory.
//!
//! In: the kernel's files, of version 2 or 1. Out: the tightest limit on the way up from our group, and the count
//! of kills. A container's view may begin at its own group, so the root of the mount counts too.

use std::path::{Path, PathBuf};

use super::room::{Bound, Room};

const ROOT: &str = "/sys/fs/cgroup";
/// Version 1 writes "no limit" as the largest number of whole pages.
const NO_LIMIT: u64 = 1 << 60;

/// One group's files.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    path: PathBuf,
    unified: bool,
}

/// The tightest limit on our group.
pub(super) fn room() -> Option<Room> {
    groups().iter().filter_map(Group::room).min_by_key(|room| room.free)
}

/// How many processes of our own group the kernel has killed for want of memory; `None` where nobody counts.
/// Groups below ours have their own count, where the kernel keeps them apart.
pub fn kills() -> Option<u64> {
    groups().iter().find_map(Group::kills)
}

fn groups() -> Vec<Group> {
    let lines = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    groups_in(Path::new(ROOT), &lines)
}

/// Our group and those above it, the nearest first.
fn groups_in(root: &Path, lines: &str) -> Vec<Group> {
    let mut groups = Vec::new();
    for line in lines.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, group) = (fields.next().unwrap_or(""), fields.next().unwrap_or("/"));
        let unified = controllers.is_empty();
        if !unified && !controllers.split(',').any(|name| name == "memory") {
            continue;
        }
        let mount = if unified { root.to_path_buf() } else { root.join("memory") };
        let ours = mount.join(group.trim_start_matches('/'));
        let above = ours.ancestors().take_while(|path| path.starts_with(&mount));
        groups.extend(above.map(|path| Group { path: path.to_path_buf(), unified }));
    }
    groups
}

impl Group {
    fn text(&self, file: &str) -> Option<String> {
        std::fs::read_to_string(self.path.join(file)).ok()
    }

    fn room(&self) -> Option<Room> {
        let files = if self.unified {
            ["memory.max", "memory.current", "inactive_file"]
        } else {
            ["memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"]
        };
        let number = |file: &str| self.text(file)?.trim().parse::<u64>().ok();
        // "max" is no number.
        let total = number(files[0]).filter(|&limit| limit < NO_LIMIT)?;
        // Cached files are given back when memory is short.
        let cached = self.text("memory.stat").and_then(|text| entry(&text, files[2])).unwrap_or(0);
        let used = number(files[1])?.saturating_sub(cached);
        Some(Room { free: Some(total.saturating_sub(used)), total, bound: Bound::ControlGroup })
    }

    fn kills(&self) -> Option<u64> {
        // Version 2 adds up the groups below in the one file and not in the other; version 1 never does.
        let files: &[&str] =
            if self.unified { &["memory.events.local", "memory.events"] } else { &["memory.oom_control"] };
        files.iter().find_map(|file| entry(&self.text(file)?, "oom_kill"))
    }
}

/// The number on the line of that name.
fn entry(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn both_versions_of_the_counter_are_read() {
        let two = "low 0\nhigh 0\nmax 3\noom 2\noom_kill 1\noom_group_kill 0\n";
        assert_eq!(entry(two, "oom_kill"), Some(1));
        assert_eq!(entry("oom_kill_disable 0\nunder_oom 0\noom_kill 4\n", "oom_kill"), Some(4));
        assert_eq!(entry("oom_kill_disable 0\n", "oom_kill"), None);
    }

    #[test]
    fn our_own_group_comes_first_and_the_root_last() {
        let groups = groups_in(Path::new(ROOT), "5:cpu,memory:/job_7\n4:pids:/x\n0::/user.slice\n");
        let paths: Vec<_> = groups.iter().map(|group| group.path.to_str().unwrap()).collect();
        let expected = ["memory/job_7", "memory", "user.slice"].map(|path| format!("{ROOT}/{path}"));
        assert_eq!(paths[..3], expected);
        assert_eq!(paths[3], ROOT);
    }

    #[test]
    fn kills_in_groups_below_are_not_ours() {
        let files = [
            ("job/memory.events", "oom 9\noom_kill 9\n"),
            ("job/memory.events.local", "oom 1\noom_kill 1\n"),
            ("memory.events", "oom_kill 12\n"),
        ];
        let root = folder(&files);
        let count = || groups_in(root.path(), "0::/job\n").iter().find_map(Group::kills);
        assert_eq!(count(), Some(1));
        std::fs::remove_file(root.path().join("job/memory.events.local")).unwrap();
        assert_eq!(count(), Some(9), "an older kernel has one count for all");
    }

    #[test]
    fn the_tightest_limit_on_the_way_up_counts() {
        let files = [
            ("a/b/memory.max", "max\n"),
            ("a/b/memory.current", "100\n"),
            ("a/memory.max", "1000\n"),
            ("a/memory.current", "700\n"),
            ("a/memory.stat", "anon 500\ninactive_file 200\n"),
        ];
        let root = folder(&files);
        let found: Vec<_> = groups_in(root.path(), "0::/a/b\n").iter().filter_map(Group::room).collect();
        assert_eq!(found, [Room { free: Some(500), total: 1000, bound: Bound::ControlGroup }]);
        let files = [
            ("memory/x/memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory/x/memory.usage_in_bytes", "5\n"),
        ];
        let root = folder(&files);
        assert!(groups_in(root.path(), "3:memory:/x\n").iter().all(|group| group.room().is_none()));
    }
}
