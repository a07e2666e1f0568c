//! What `ablate status` is asked for. In: its words. Out: a [`View`].

use std::path::PathBuf;
use std::time::Duration;

use crate::cli::failure::Failure;
use crate::guard::printable;

/// Between two looks.
const REFRESH: Duration = Duration::from_secs(2);

/// Options of `ablate status`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A run, variant, experiment or folder of experiments [default: runs]
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Show it again every so many seconds (2 where none are given) for as long as somebody is at work on the runs, or
    /// until Ctrl-C; a line for each change where the output is no terminal
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2", value_parser = Watch::parse)]
    watch: Option<Watch>,
    /// Print JSON; with --watch a document a line, whenever something has changed
    #[arg(long)]
    json: bool,
}

/// The word behind `--watch`.
#[derive(Debug, Clone)]
enum Watch {
    /// Time between two looks.
    Every(Duration),
    /// No number: the folder, where it stands last.
    Folder(PathBuf),
}

impl Watch {
    fn parse(text: &str) -> Result<Watch, String> {
        match text.parse::<f64>() {
            Ok(seconds) if (0.1..=3600.0).contains(&seconds) => {
                Ok(Watch::Every(Duration::from_secs_f64(seconds)))
            }
            Ok(_) => Err("use a number of seconds from 0.1 to 3600".to_owned()),
            Err(_) => Ok(Watch::Folder(text.into())),
        }
    }
}

/// What was asked for.
#[derive(Debug)]
pub(super) struct View {
    pub(super) folder: PathBuf,
    /// Between two looks; one look is enough where it is absent.
    pub(super) refresh: Option<Duration>,
    pub(super) json: bool,
}

impl View {
    pub(super) fn of(args: Args) -> Result<View, Failure> {
        let (refresh, last) = match args.watch {
            None => (None, None),
            Some(Watch::Every(time)) => (Some(time), None),
            Some(Watch::Folder(folder)) => (Some(REFRESH), Some(folder)),
        };
        let folder = match (args.folder, last) {
            (Some(first), Some(second)) => {
                let names = [first, second].map(|path| printable(&path.display().to_string()));
                return Err(Failure::user(format!("{} and {} are two folders", names[0], names[1]))
                    .with_help("name one of them, or the folder that holds both"));
            }
            (first, second) => first.or(second).unwrap_or_else(|| PathBuf::from("runs")),
        };
        Ok(View { folder, refresh, json: args.json })
    }
}
