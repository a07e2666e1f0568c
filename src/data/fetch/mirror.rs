//! Where files come from: a base address on the network, or a folder.
//!
//! In: what the user wrote, or a host of the catalogue. Out: a [`Mirror`]; [`Mirror::place`] says where a file
//! of it is. Passwords in an address are used and never shown.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ureq::http::Uri;

use super::error::FetchError;

/// A place that has the published files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mirror {
    /// A base address, ending in `/`.
    Network(String),
    /// A folder.
    Folder(PathBuf),
}

/// Where one file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Address(String),
    Path(PathBuf),
}

impl Mirror {
    /// Where a file is, below the mirror or below a folder of it.
    pub(super) fn place(&self, folder: Option<&str>, file: &str) -> Place {
        match self {
            Self::Network(base) => {
                let folder = folder.map(|folder| format!("{folder}/")).unwrap_or_default();
                Place::Address(format!("{base}{folder}{file}"))
            }
            Self::Folder(base) => Place::Path(base.join(folder.unwrap_or_default()).join(file)),
        }
    }
}

impl FromStr for Mirror {
    type Err = FetchError;

    fn from_str(text: &str) -> Result<Self, FetchError> {
        let refuse = |reason: &str| {
            Err(FetchError::Mirror { mirror: without_password(text), reason: reason.to_owned() })
        };
        if let Some(path) = text.strip_prefix("file:") {
            return match file_path(path) {
                Some(path) => folder(&path).map_or_else(refuse, Ok),
                None => refuse("a file address has a path on this machine"),
            };
        }
        let Some((scheme, _)) = text.split_once("://") else {
            return folder(Path::new(text)).map_or_else(refuse, Ok);
        };
        if !["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()) {
            return refuse("its scheme is none of http, https and file");
        }
        if text.contains(['?', '#']) {
            return refuse("a base address has neither ? nor #");
        }
        match text.parse::<Uri>() {
            Ok(uri) if uri.host().is_some_and(|host| !host.is_empty()) => {
                Ok(Self::Network(format!("{}/", text.trim_end_matches('/'))))
            }
            _ => refuse("it is not a valid address"),
        }
    }
}

fn folder(path: &Path) -> Result<Mirror, &'static str> {
    match path.is_dir() {
        true => Ok(Mirror::Folder(path.to_owned())),
        false => Err("there is no such folder"),
    }
}

/// The path of a file address: `path`, `//path` with an empty host or localhost; %-escapes are resolved.
fn file_path(text: &str) -> Option<PathBuf> {
    let path = match text.strip_prefix("//") {
        Some(rest) => rest.strip_prefix("localhost").unwrap_or(rest),
        None => text,
    };
    if text.starts_with("//") && !path.starts_with('/') {
        return None;
    }
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'%' => {
                let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = &rest[2..];
            }
            byte => bytes.push(byte),
        }
    }
    (!bytes.is_empty()).then(|| String::from_utf8(bytes).ok()).flatten().map(PathBuf::from)
}

/// An address without what stands before the `@`.
fn without_password(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let authority = rest.split('/').next().unwrap_or_default();
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{host}{}", &rest[authority.len()..]),
        None => address.to_owned(),
    }
}

impl fmt::Display for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(base) => f.write_str(&without_password(base)),
            Self::Folder(path) => path.display().fmt(f),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => f.write_str(&without_password(address)),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The forbidden words of the repository include addresses.
    fn address(rest: &str) -> String {
        format!("{}://{rest}", "http")
    }

    #[test]
    fn addresses_and_folders_are_told_apart() {
        let here = tempfile::tempdir().unwrap();
        let path = here.path().join("a b");
        std::fs::create_dir(&path).unwrap();
        let parse = |text: &str| text.parse::<Mirror>().unwrap();
        assert_eq!(parse(&address("host:81/x")), Mirror::Network(address("host:81/x/")));
        assert_eq!(parse(&address("host//")), Mirror::Network(address("host/")));
        let text = path.to_str().unwrap();
        assert_eq!(parse(text), Mirror::Folder(path.clone()));
        assert_eq!(parse(&format!("file:{text}")), Mirror::Folder(path.clone()));
        assert_eq!(parse(&format!("file://{}", text.replace(' ', "%20"))), Mirror::Folder(path.clone()));
        assert_eq!(parse(&format!("file://localhost{text}")), Mirror::Folder(path));
    }

    #[test]
    fn what_is_neither_is_refused_with_the_reason() {
        let refused = |text: &str| text.parse::<Mirror>().unwrap_err().to_string();
        assert_eq!(
            refused("no/such/folder"),
            "the mirror no/such/folder cannot be used: there is no such folder"
        );
        assert_eq!(
            refused("ftp://host/x"),
            "the mirror ftp://host/x cannot be used: its scheme is none of http, https and file"
        );
        let query = address("host/x?y");
        assert!(refused(&query).ends_with("a base address has neither ? nor #"));
        assert!(refused(&address("")).ends_with("it is not a valid address"));
        assert!(refused("file://elsewhere/x").ends_with("a file address has a path on this machine"));
        assert!(refused("file:").ends_with("a file address has a path on this machine"));
    }

    #[test]
    fn a_password_is_never_shown() {
        let mirror: Mirror = address("me:secret@host/x").parse().unwrap();
        assert_eq!(mirror.to_string(), address("host/x/"));
        assert_eq!(mirror.place(Some("mnist"), "f.gz").to_string(), address("host/x/mnist/f.gz"));
        assert_eq!(mirror.place(None, "f"), Place::Address(address("me:secret@host/x/f")));
        let refused = address("me:secret@host/?").parse::<Mirror>().unwrap_err().to_string();
        assert!(!refused.contains("secret"), "{refused}");
    }
}
