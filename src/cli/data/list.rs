//! `ablate data list`: every data set this version knows, and whether a run would find it.
//!
//! In: the data folder. Out: a table or JSON on standard output; reads headers only, writes nothing.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{DataDir, native, with_causes};
use crate::cli::failure::{ExitCode, Failure};
use crate::cli::grid::grid;
use crate::cli::output::print;
use crate::config::Data;
use crate::data::fetch::{Catalogue, Entry, size};
use crate::data::{self, Error};
use crate::guard::{escape_json, printable};

/// `ablate data list`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    data_dir: DataDir,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn exec(args: &Args) -> Result<ExitCode, Failure> {
    let settings = args.data_dir.settings()?;
    let data_dir = &settings.runtime.data_dir;
    let catalogue = Catalogue::built_in();
    let rows: Vec<Row<'_>> =
        catalogue.entries().iter().map(|entry| Row::of(entry, &settings.data, data_dir)).collect();
    if args.json {
        let document = Document { data_dir, datasets: &rows };
        let text = serde_json::to_string_pretty(&document).map_err(Failure::internal)?;
        print(&format!("{}\n", escape_json(&text)))?;
    } else {
        print(&text(&rows))?;
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    data_dir: &'a Path,
    datasets: &'a [Row<'a>],
}

/// Whether a run would find a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    /// Needs no files.
    BuiltIn,
    /// Wherever the user says.
    YourOwn,
    /// All files are there.
    Complete,
    /// Nothing is there.
    Absent,
    /// Some files are missing.
    Incomplete,
    /// A file cannot be read as what it should be.
    Damaged,
}

#[derive(Debug, Serialize)]
struct Row<'a> {
    name: &'a str,
    about: &'a str,
    train: Option<u64>,
    test: Option<u64>,
    image_size: Option<usize>,
    channels: Option<usize>,
    state: State,
    /// The folder that has, or would have, its files.
    path: Option<PathBuf>,
    /// Bytes that a fetch from nothing transfers.
    download_bytes: u64,
    licence: &'a str,
    source: &'a str,
    /// What is wrong with it.
    problem: Option<String>,
}

impl<'a> Row<'a> {
    fn of(entry: &'a Entry, defaults: &Data, data_dir: &Path) -> Self {
        let path = (!entry.files.is_empty()).then(|| data_dir.join(&entry.name));
        let (state, problem) = match (&path, native(entry, defaults)) {
            (Some(path), Some(native)) => state(path, &native, data_dir),
            (None, Some(_)) => (State::BuiltIn, None),
            (_, None) => (State::YourOwn, None),
        };
        Row {
            name: &entry.name,
            about: &entry.about,
            train: entry.train,
            test: entry.test,
            image_size: entry.image_size,
            channels: entry.channels,
            state,
            path,
            download_bytes: entry.download_bytes(),
            licence: &entry.licence,
            source: &entry.source,
            problem,
        }
    }

    fn images(&self) -> String {
        match (self.train, self.test) {
            (Some(train), Some(test)) => format!("{train} + {test}"),
            _ => "any".to_owned(),
        }
    }

    fn shape(&self) -> String {
        match (self.image_size, self.channels) {
            (Some(size), Some(1)) => format!("{size} x {size} grey"),
            (Some(size), Some(_)) => format!("{size} x {size} RGB"),
            _ => "any".to_owned(),
        }
    }

    fn standing(&self) -> String {
        let path = self.path.as_deref().map(|path| printable(&path.display().to_string()));
        let path = path.unwrap_or_default();
        match self.state {
            State::BuiltIn => "built in".to_owned(),
            State::YourOwn => "where data.root says".to_owned(),
            State::Complete => format!("complete in {path}"),
            State::Absent => format!("not here; {} to fetch", size(self.download_bytes)),
            State::Incomplete => format!("incomplete in {path}"),
            State::Damaged => format!("damaged in {path}"),
        }
    }
}

fn state(path: &Path, native: &Data, data_dir: &Path) -> (State, Option<String>) {
    match data::check(native, data_dir) {
        Ok(()) => (State::Complete, None),
        Err(Error::Missing { .. }) if !has_files(path) => (State::Absent, None),
        Err(error @ Error::Missing { .. }) => (State::Incomplete, Some(with_causes(&error))),
        Err(error) => (State::Damaged, Some(with_causes(&error))),
    }
}

/// Whether a folder has anything besides what a fetch leaves for itself.
fn has_files(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
}

fn text(rows: &[Row<'_>]) -> String {
    let cells = rows.iter().map(|row| [row.name.to_owned(), row.images(), row.shape(), row.standing()]);
    let mut text = grid(["name", "train + test", "images", "here"], cells, |_| false);
    text.push('\n');
    for Row { name, about, source, licence, .. } in rows {
        text.push_str(&format!("{name}: {about}; {source}; {licence}\n"));
    }
    for (row, problem) in rows.iter().filter_map(|row| Some((row, row.problem.as_ref()?))) {
        let lines: Vec<String> = problem.lines().map(printable).collect();
        text.push_str(&format!("\n{}: {}\n", row.name, lines.join("\n")));
    }
    text
}
