//! Build script. In: the git checkout and, with feature `torch`, the libtorch folder that `LIBTORCH` names.
//! Out: what provenance records (`ABLATE_GIT_REVISION`, `ABLATE_GIT_DIRTY`, `ABLATE_LIBTORCH_VERSION`) and a run
//! path to libtorch, so that the program starts without `LD_LIBRARY_PATH`.

use std::env;
use std::fs;
use std::path::{self, Path, PathBuf};
use std::process::Command;

/// What the program is built from: an uncommitted change elsewhere does not make a build dirty.
const SOURCES: [&str; 5] = ["src", "build.rs", "Cargo.toml", "Cargo.lock", ".cargo"];

fn main() {
    for source in SOURCES {
        rerun_if_changed(Path::new(source));
    }
    record_revision();
    if env::var_os("CARGO_FEATURE_TORCH").is_some() {
        connect_libtorch();
    }
}

/// A path that does not exist would make cargo run this script at each build, so it is left out.
fn rerun_if_changed(path: &Path) {
    if path.exists() {
        println!("cargo::rerun-if-changed={}", path.display());
    }
}

fn record_revision() {
    let revision = own_checkout().then(|| git(&["rev-parse", "--verify", "--quiet", "HEAD"])).flatten();
    // The log of HEAD grows with each commit and checkout; the index also changes when `git status` refreshes it.
    for file in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", file]) {
            rerun_if_changed(Path::new(&path));
        }
    }
    let changes = git(&[["status", "--porcelain", "--"].as_slice(), &SOURCES].concat());
    let dirty = revision.is_some() && changes.is_some_and(|lines| !lines.is_empty());
    println!("cargo::rustc-env=ABLATE_GIT_REVISION={}", revision.as_deref().unwrap_or("unknown"));
    println!("cargo::rustc-env=ABLATE_GIT_DIRTY={dirty}");
}

/// Whether the package is the top of a git checkout, not a copy inside somebody else's.
fn own_checkout() -> bool {
    git(&["rev-parse", "--show-toplevel"]).and_then(|top| fs::canonicalize(top).ok())
        == env::current_dir().ok().and_then(|here| fs::canonicalize(here).ok())
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("--no-optional-locks").args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Follows the same variables as the build script of torch-sys, which does the linking itself.
fn connect_libtorch() {
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    println!("cargo::rerun-if-env-changed=LIBTORCH_LIB");
    // scripts/libtorch touches its lock file where it puts another libtorch in place.
    rerun_if_changed(Path::new(".libtorch.lock"));
    let Some(home) = env::var_os("LIBTORCH").map(PathBuf::from) else {
        // torch-sys then looks in the system's own library folder, which needs no run path.
        println!("cargo::rustc-env=ABLATE_LIBTORCH_VERSION=unknown");
        return;
    };
    let base = env::var_os("LIBTORCH_LIB").map_or_else(|| home.clone(), PathBuf::from);
    // Not canonicalized: the path stays right when `.libtorch` is replaced by a link, or a link by a folder.
    let libraries = match path::absolute(base.join("lib")) {
        Ok(folder) if folder.is_dir() => folder,
        _ => {
            println!("cargo::error=no libtorch in {}: run scripts/libtorch, which brings it", base.display());
            return;
        }
    };
    let version = version_of(&home).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=ABLATE_LIBTORCH_VERSION={version}");
    println!("cargo::rustc-link-arg=-Wl,-rpath,{}", libraries.display());
    #[cfg(feature = "torch")]
    compile_native(&home);
    if libraries.join("libtorch_cuda.so").exists() {
        // Nothing in the program names a symbol of the CUDA library, so the linker would drop it, and no GPU be seen.
        println!("cargo::rustc-link-arg=-Wl,--push-state,--no-as-needed,-ltorch_cuda,--pop-state");
        // What that library needs itself may be on the machine with the GPU alone (scripts/gpu/build).
        println!("cargo::rustc-link-arg=-Wl,--allow-shlib-undefined");
    }
}

/// Compiles what libtorch has and tch does not bind, with the flags that torch-sys uses.
#[cfg(feature = "torch")]
fn compile_native(home: &Path) {
    println!("cargo::rerun-if-env-changed=LIBTORCH_CXX11_ABI");
    let include = home.join("include");
    let abi = env::var("LIBTORCH_CXX11_ABI").unwrap_or_else(|_| "1".to_owned());
    let mut build = cc::Build::new();
    build
        .cpp(true)
        .pic(true)
        .warnings(false)
        .std("c++17")
        // Vectors wider than the baseline's registers are inlined everywhere, so no call depends on how they are passed.
        .flag_if_supported("-Wno-psabi")
        .define("_GLIBCXX_USE_CXX11_ABI", abi.as_str())
        .include(include.join("torch/csrc/api/include"))
        .include(include);
    let sources = ["native", "module", "device_memory", "norm", "conv", "upsample", "matrix"]
        .map(|name| format!("src/ops/{name}.cpp"));
    build.clone().files(sources).compile("ablate_native");
    // A product and a sum that become one instruction on some CPUs give other bits there; a square root that sets
    // errno is not vectorised.
    build
        .file("src/ops/update.cpp")
        .flag_if_supported("-ffp-contract=off")
        .flag_if_supported("-fno-math-errno")
        .compile("ablate_update");
}

/// The version that a libtorch (`build-version`) or a Python torch (`version.py`) states, with its `+` suffix.
fn version_of(home: &Path) -> Option<String> {
    let (plain, python) = (home.join("build-version"), home.join("version.py"));
    rerun_if_changed(&plain);
    rerun_if_changed(&python);
    if let Ok(text) = fs::read_to_string(plain) {
        return Some(text.trim().to_owned());
    }
    let text = fs::read_to_string(python).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("__version__ = "))?;
    Some(line.trim_matches(['\'', '"']).to_owned())
}
