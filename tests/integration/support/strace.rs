//! The program under strace: which system calls it makes on a tree, and one of them made to kill it or to fail.
//!
//! Only the main thread is traced. It makes all calls that change the tree, so the n-th call of a name is the
//! same one in every run of the same command.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Everything that can change a tree, `flock`, and what reads from it; names that a machine does not know are left
/// out.
const TRACED: &str = "trace=?write,?pwrite64,?writev,?pwritev,?pwritev2,?sendfile,?copy_file_range,?fsync,?fdatasync,\
                      ?sync_file_range,?syncfs,?rename,?renameat,?renameat2,?unlink,?unlinkat,?rmdir,?ftruncate,\
                      ?truncate,?fallocate,?mkdir,?mkdirat,?open,?openat,?creat,?link,?linkat,?symlink,?symlinkat,\
                      ?fchmod,?fchmodat,?flock,?read,?pread64,?readv,?getdents64,?mmap";

/// One system call on a tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Call {
    pub(crate) name: String,
    /// Which call of its name it is, from 1, those elsewhere counted too.
    pub(crate) nth: usize,
    /// Where in the tree; what is made up at random reads `*`.
    pub(crate) path: String,
    /// Which call of its name at this place it is, from 0.
    pub(crate) again: usize,
    /// Whether it may change the tree.
    pub(crate) changes: bool,
}

impl Call {
    /// Whether another run's call does the same, whatever its number.
    pub(crate) fn is_like(&self, other: &Call) -> bool {
        (&self.name, &self.path, self.again) == (&other.name, &other.path, other.again)
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.name, self.nth, self.path)
    }
}

/// What is done to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The program is killed as it enters the call, which does not happen.
    Kill,
    /// The call does nothing and returns this error.
    Error(&'static str),
}

/// Why programs cannot be traced here; `None` where they can.
pub(crate) fn missing() -> Option<&'static str> {
    static MISSING: OnceLock<Option<String>> = OnceLock::new();
    let try_it = || {
        let mut strace = Command::new("strace");
        strace.args(["-qq", "-o", "/dev/null", "-e", TRACED, "-e", "inject=fsync:error=EIO:when=1", "true"]);
        match strace.output() {
            Err(error) => Some(format!("strace cannot be started: {error}")),
            Ok(output) if output.status.success() => None,
            Ok(output) => Some(format!("strace: {}", String::from_utf8_lossy(&output.stderr).trim())),
        }
    };
    MISSING.get_or_init(try_it).as_deref()
}

/// The same command under strace, which writes what it sees into `log`.
pub(crate) fn traced(command: &Command, log: &Path, fault: Option<(&Call, Fault)>) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-qq", "-y", "-s", "0", "-e", "signal=none", "-e", TRACED, "-o"]).arg(log);
    if let Some((Call { name, nth, .. }, fault)) = fault {
        let what = match fault {
            Fault::Kill => "signal=KILL".to_owned(),
            Fault::Error(errno) => format!("error={errno}"),
        };
        strace.args(["-e", &format!("inject={name}:{what}:when={nth}")]);
    }
    strace.arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
    if let Some(folder) = command.get_current_dir() {
        strace.current_dir(folder);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => strace.env(name, value),
            None => strace.env_remove(name),
        };
    }
    strace
}

/// What strace saw.
pub(crate) struct Trace {
    /// The calls on the tree, in order.
    pub(crate) calls: Vec<Call>,
    /// The place in `calls` of the one that was made to fail, or at which the program was killed.
    pub(crate) struck: Option<usize>,
}

impl Trace {
    /// Reads a log; `tree` is the folder that matters.
    pub(crate) fn read(log: &Path, tree: &Path) -> Trace {
        let tree = tree.canonicalize().unwrap();
        let text = String::from_utf8_lossy(&fs::read(log).unwrap()).into_owned();
        let mut count = std::collections::HashMap::new();
        let mut trace = Trace { calls: vec![], struck: None };
        for line in text.lines() {
            let Some((name, arguments)) = line.split_once('(') else { continue };
            let nth: &mut usize = count.entry(name).or_default();
            *nth += 1;
            let (arguments, result) = arguments.rsplit_once(" = ").unwrap_or((arguments, "?"));
            let changes = changes(name, arguments);
            let paths = paths(arguments, &tree);
            if paths.is_empty() {
                continue;
            }
            if result.starts_with('?') || result.ends_with("(INJECTED)") {
                trace.struck = Some(trace.calls.len());
            }
            let path = paths.join(" -> ");
            let again = trace.calls.iter().filter(|call| call.name == name && call.path == path).count();
            trace.calls.push(Call { name: name.to_owned(), nth: *nth, path, again, changes });
        }
        trace
    }

    /// The call that was made to fail, or at which the program was killed.
    pub(crate) fn struck(&self) -> Option<&Call> {
        self.struck.map(|place| &self.calls[place])
    }

    /// A sync that failed must not be tried again on the same file: the pages may be gone, and a second success
    /// would mean nothing. Writing the file anew, or syncing its folder for the sake of another entry, is fine.
    #[track_caller]
    pub(crate) fn assert_no_sync_is_repeated(&self, context: &str) {
        let Some(place) = self.struck else { return };
        let failed = &self.calls[place];
        if !["fsync", "fdatasync"].contains(&failed.name.as_str()) {
            return;
        }
        let same = self.calls[place + 1..].iter().filter(|call| call.path == failed.path);
        let made_anew = |call: &&Call| !call.name.starts_with("open") && !call.name.starts_with("creat");
        let repeated = same.take_while(made_anew).find(|call| call.name.ends_with("sync"));
        let folder = Path::new(&failed.path).extension().is_none();
        assert!(folder || repeated.is_none(), "{context}: {failed} is tried again");
    }
}

/// Whether a call may change what it is about; an open does if it creates the file or may write into it.
fn changes(name: &str, arguments: &str) -> bool {
    if name.starts_with("open") {
        return ["O_CREAT", "O_TRUNC", "O_WRONLY", "O_RDWR"].iter().any(|flag| arguments.contains(flag));
    }
    !["read", "pread64", "readv", "getdents64", "mmap"].contains(&name)
}

/// The paths in a call's arguments that lie in the tree, relative to it.
fn paths(arguments: &str, tree: &Path) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut folder: Option<PathBuf> = None;
    for argument in arguments.split(", ") {
        let named = |open: char, close: char| {
            let start = argument.find(open)? + 1;
            Some(PathBuf::from(&argument[start..start + argument[start..].find(close)?]))
        };
        if let Some(open) = named('<', '>') {
            // `7</folder>` beside `"name"` says where the name is looked up.
            if !argument.starts_with("AT_FDCWD") && open.starts_with(tree) {
                found.push(relative(&open, tree));
            }
            folder = Some(open);
        } else if let Some(name) = named('"', '"').filter(|name| name.as_os_str() != OsStr::new("")) {
            let whole = folder.as_ref().map_or(name.clone(), |folder| folder.join(&name));
            if whole.starts_with(tree) {
                found.retain(|found| folder.as_deref().is_none_or(|folder| *found != relative(folder, tree)));
                found.push(relative(&whole, tree));
            }
        }
    }
    found
}

/// The path below the tree, with what is made up at random written as `*`.
fn relative(path: &Path, tree: &Path) -> String {
    let steady = |name: &str| match name {
        _ if name.ends_with(".partial") => "*.partial".to_owned(),
        _ if name.starts_with(".summary.csv.") => ".summary.csv.*".to_owned(),
        _ => name.to_owned(),
    };
    let below = path.strip_prefix(tree).unwrap_or(path);
    let names: Vec<String> = below.iter().map(|name| steady(&name.to_string_lossy())).collect();
    if names.is_empty() { ".".to_owned() } else { names.join("/") }
}

#[test]
fn a_log_of_strace_is_read() {
    let place = tempfile::tempdir().unwrap();
    let tree = place.path().canonicalize().unwrap();
    let log = place.path().join("log");
    let text = "openat(AT_FDCWD<TREE>, \"/etc/x\", O_RDONLY|O_CLOEXEC) = 3</etc/x>\n\
                openat(AT_FDCWD<TREE>, \"TREE/a.csv\", O_WRONLY|O_CREAT, 0666) = 3<TREE/a.csv>\n\
                write(1</dev/null>, \"\"..., 5)     = 5\n\
                write(3<TREE/a.csv>, \"\"..., 5)    = 5\n\
                unlinkat(7<TREE/b>, \"c\", 0)       = 0\n\
                rename(\"TREE/.summary.csv.17.tmp\", \"TREE/summary.csv\") = 0\n\
                fsync(3<TREE>)                      = -1 EIO (Input/output error) (INJECTED)\n\
                read(3<TREE/a.csv>, \"\"..., 5)     = 5\n\
                fsync(3<TREE/a.csv>)                = ?\n";
    fs::write(&log, text.replace("TREE", tree.to_str().unwrap())).unwrap();
    let mut trace = Trace::read(&log, place.path());
    trace.calls.retain(|call| call.changes);
    let shown: Vec<String> = trace.calls.iter().map(Call::to_string).collect();
    let expected = [
        "openat 2 (a.csv)",
        "write 2 (a.csv)",
        "unlinkat 1 (b/c)",
        "rename 1 (.summary.csv.* -> summary.csv)",
        "fsync 1 (.)",
        "fsync 2 (a.csv)",
    ];
    assert_eq!(shown, expected);
    let struck = Trace::read(&log, place.path()).struck().map(Call::to_string);
    assert_eq!(struck.as_deref(), Some("fsync 2 (a.csv)"));
}
