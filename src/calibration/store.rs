//! `calibration.json` in the user's cache folder: the newest measurement of each device.
//!
//! In: measurements and finished runs. Out: the same, to whoever plans. It is a cache: without it hours are unknown, and
//! measuring again makes it anew. One process changes it at a time; readers see the old file or the new one.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Calibration, CalibrationError, FinishedRun, Machine, Unknown};
use crate::config::Device;
use crate::rundir::{Disk, RunDirError, files, format};

/// Version of the file.
const FORMAT: u32 = 1;
/// Far above a measurement of every device there is.
const SIZE_LIMIT: u64 = 1 << 22;

/// The file's content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// Version of the file.
    format: u32,
    /// At most one for each device.
    calibrations: Vec<Calibration>,
}

/// Where the file is: `$XDG_CACHE_HOME/ablate/calibration.json`, and without that variable in `~/.cache`.
pub fn path() -> Option<PathBuf> {
    path_among(&|name| std::env::var_os(name))
}

/// By the XDG base directory specification a path that is not absolute counts as absent.
fn path_among(variable: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(caches.join("ablate").join("calibration.json"))
}

impl Default for Store {
    fn default() -> Store {
        Store { format: FORMAT, calibrations: vec![] }
    }
}

impl Store {
    /// The user's; empty where there is none yet.
    pub fn read() -> Result<Store, CalibrationError> {
        Ok(Store::read_from(&path().ok_or(CalibrationError::NoFolder)?)?)
    }

    fn read_from(path: &Path) -> Result<Store, RunDirError> {
        match files::read_text(&Disk, path, SIZE_LIMIT)? {
            Some(text) => format::parse(path, &text, "calibration", FORMAT),
            None => Ok(Store::default()),
        }
    }

    /// The measurement of a device of this machine as it is now, or why there is none; `libtorch` is the version at hand.
    pub fn of(&self, wanted: Device, libtorch: Option<&str>) -> Result<&Calibration, Unknown> {
        let found = self.find(wanted).ok_or(Unknown::Never)?;
        let now = match wanted {
            Device::Auto => Machine::here(&found.machine.device, libtorch),
            named => Machine::here(&named.to_string(), libtorch),
        };
        match found.machine.difference(&now) {
            None => Ok(found),
            Some(changed) => Err(Unknown::Changed(changed)),
        }
    }

    /// That of a device by its name, of another GPU where that one was not measured, or of what `auto` was.
    fn find(&self, wanted: Device) -> Option<&Calibration> {
        let name = wanted.to_string();
        let of = |fits: &dyn Fn(&Calibration) -> bool| self.calibrations.iter().find(|known| fits(known));
        match wanted {
            Device::Auto => of(&|known| known.is_auto),
            Device::Cuda(_) => of(&|known| known.machine.device == name)
                .or_else(|| of(&|known| known.machine.device.starts_with("cuda"))),
            Device::Cpu | Device::Mps => of(&|known| known.machine.device == name),
        }
    }

    /// Adds a measurement in place of an earlier one of the same device.
    pub fn put(&mut self, calibration: Calibration) {
        // What `auto` is may be found out once and hold for a device that is then measured by its name.
        let same = |known: &&mut Calibration| known.machine.device == calibration.machine.device;
        match self.calibrations.iter_mut().find(same) {
            Some(known) => {
                let is_auto = known.is_auto || calibration.is_auto;
                *known = Calibration { is_auto, ..calibration };
            }
            None => self.calibrations.push(calibration),
        }
    }

    /// Keeps how long runs took that were estimated by a measurement, unless another has taken its place.
    pub fn remember(&mut self, by: &Calibration, runs: &[FinishedRun]) {
        let same = |known: &&mut Calibration| known.machine == by.machine && known.measured == by.measured;
        if let Some(known) = self.calibrations.iter_mut().find(same) {
            known.remember(runs.iter().cloned());
        }
    }

    /// Changes the user's file while no other process does, and says where it is. A file that is damaged is made anew
    /// only where `anew` says so, since what is measured can be measured again.
    pub fn change(anew: bool, change: impl FnOnce(&mut Store)) -> Result<PathBuf, CalibrationError> {
        let path = path().ok_or(CalibrationError::NoFolder)?;
        Store::change_at(&path, anew, change)?;
        Ok(path)
    }

    fn change_at(path: &Path, anew: bool, change: impl FnOnce(&mut Store)) -> Result<(), RunDirError> {
        let folder = path.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(folder).map_err(|source| io("create folder", folder, source))?;
        let _held = lock(folder);
        let mut store = match Store::read_from(path) {
            Err(RunDirError::Malformed { .. }) if anew => Store::default(),
            read => read?,
        };
        change(&mut store);
        let text = serde_json::to_string_pretty(&store).expect("plain fields with string keys serialise");
        files::replace_shared(&Disk, path, (text + "\n").as_bytes())
    }
}

/// Waits for other processes; goes on without where the file system has no locks: then the last one wins.
fn lock(folder: &Path) -> Option<File> {
    let file = File::open(folder).ok()?;
    file.lock().ok()?;
    Some(file)
}

fn io(action: &'static str, path: &Path, source: std::io::Error) -> RunDirError {
    RunDirError::Io { action, path: path.to_path_buf(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibration::fixture::{calibration, finished};

    #[test]
    fn the_file_is_where_the_users_caches_are() {
        let at = |xdg: Option<&str>, home: Option<&str>| {
            path_among(&|name| if name == "HOME" { home } else { xdg }.map(OsString::from))
        };
        let is = |path: &str| Some(PathBuf::from(path));
        assert_eq!(at(Some("/c"), Some("/h/a")), is("/c/ablate/calibration.json"));
        assert_eq!(at(None, Some("/h/a")), is("/h/a/.cache/ablate/calibration.json"));
        assert_eq!(at(Some("relative"), Some("/h/a")), is("/h/a/.cache/ablate/calibration.json"));
        assert_eq!(at(Some(""), None), None);
    }

    #[test]
    fn a_measurement_is_found_again_until_the_machine_changes_or_it_is_measured_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ablate").join("calibration.json");
        let measured = |device: &str| calibration(Machine::here(device, Some("2.9.0")));
        let read = || Store::read_from(&path).unwrap();
        assert_eq!(read().of(Device::Cpu, None), Err(Unknown::Never));
        for device in ["cpu", "cuda:0"] {
            Store::change_at(&path, true, |store| store.put(measured(device))).unwrap();
        }
        let store = read();
        assert_eq!(store.of(Device::Cpu, Some("2.9.0")), Ok(&measured("cpu")));
        assert_eq!(store.of(Device::Cuda(1), None), Ok(&measured("cuda:0")), "another of the same kind");
        assert_eq!(store.of(Device::Mps, None), Err(Unknown::Never));
        let changed = store.of(Device::Cpu, Some("3.0"));
        assert_eq!(changed, Err(Unknown::Changed("libtorch changed from 2.9.0 to 3.0".into())));

        let runs = || read().of(Device::Cpu, None).unwrap().runs.len();
        let remember = |store: &mut Store| store.remember(&measured("cpu"), &[finished(1.1)]);
        Store::change_at(&path, false, remember).unwrap();
        assert_eq!(runs(), 1);
        Store::change_at(&path, true, |store| store.put(measured("cpu"))).unwrap();
        assert_eq!(runs(), 0, "those were estimated by another");
    }

    #[test]
    fn auto_is_the_device_that_it_was_when_it_was_measured() {
        let mut store = Store::default();
        let measured =
            |device: &str, is_auto: bool| Calibration { is_auto, ..calibration(Machine::here(device, None)) };
        let device = |store: &Store| store.of(Device::Auto, None).map(|found| found.machine.device.clone());
        store.put(measured("cpu", false));
        assert_eq!(device(&store), Err(Unknown::Never), "there may be a GPU");
        store.put(measured("cuda:0", true));
        assert_eq!(device(&store).unwrap(), "cuda:0");
        store.put(measured("cuda:0", false));
        assert_eq!(device(&store).unwrap(), "cuda:0", "it was found out before");
    }

    #[test]
    fn a_damaged_file_is_named_and_only_a_new_measurement_replaces_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calibration.json");
        std::fs::write(&path, "{\"format\": 1").unwrap();
        let said = Store::read_from(&path).unwrap_err().to_string();
        assert!(said.starts_with(&format!("{} is damaged: ", path.display())), "{said}");
        assert!(Store::change_at(&path, false, |_| {}).is_err());
        Store::change_at(&path, true, |_| {}).unwrap();
        assert_eq!(Store::read_from(&path).unwrap(), Store::default());
        std::fs::write(&path, "{\"format\": 2, \"other\": 1}").unwrap();
        let said = Store::change_at(&path, true, |_| {}).unwrap_err().to_string();
        assert!(said.contains("has calibration format 2, this program knows formats up to 1"), "{said}");
    }
}
