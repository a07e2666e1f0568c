//! The run tree: the only channel between launcher, worker and report.
//!
//! Nothing here knows what is trained. `layout` names every path; `status`, `csv_log`, `manifest` and
//! `checkpoint` are the files a worker writes, `journal` binds the latter three into one transaction; `lock`
//! says who owns a folder; `fs` is the one seam through which bytes that matter reach the disk, `files` what
//! we ask of it; `format` holds the versions.

pub mod audit;
pub mod checkpoint;
pub mod columns;
pub mod csv_log;
mod error;
pub mod evals;
mod events;
pub mod files;
mod fork;
pub mod format;
pub mod fs;
mod journal;
pub mod layout;
pub mod lock;
pub mod manifest;
mod overrides;
pub mod plan_file;
pub mod process;
pub mod provenance;
mod prune;
pub mod status;
pub mod summary;
mod walk;
pub mod weights;

pub use checkpoint::{Checkpoint, Latest};
pub use columns::{
    EVAL_HEADER, EVALS_HEADER, EVALS_IMAGES_HEADER, IMAGES_HEADER, LEVELS_HEADER, METRICS_HEADER,
    TIMING_HEADER,
};
pub use csv_log::{Cell, CsvLog, Mark};
pub use error::RunDirError;
pub use evals::{EvalRows, EvalSettings};
pub use events::{EventLog, Place};
pub use fork::Fork;
pub use fs::{Disk, Fs};
pub use journal::{Journal, Retention};
pub use layout::{ExperimentDir, RunDir};
pub use lock::{ExperimentLock, Held, RunLock, is_launching, owner_is_alive};
pub use manifest::{Best, Manifest, ManifestMeta, Owner};
pub use overrides::Overrides;
pub use process::Process;
pub use prune::{Pruned, prune};
pub use status::{State, Status};
pub use walk::{Damage, FoundRun, Located};
pub use weights::{WeightsError, WeightsFile};
