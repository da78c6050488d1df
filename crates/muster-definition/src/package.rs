//! A package: a zip archive of files in memory, opened with distrust. One document is a package of one file.

pub(crate) mod main_file;

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use zip::ZipArchive;
use zip::result::ZipError;

use crate::definition::{NoteKind, Notes};
use crate::error::DefinitionError;
use crate::limits::{Limit, Limits};
use crate::node::{Place, shown};

/// A file's position in its package.
pub(crate) type FileId = usize;

/// Bytes that may come out of a package whatever their ratio is to the packed ones.
const UNSUSPICIOUS: u64 = 1 << 20;

pub(crate) struct Package<'z> {
    archive: Option<RefCell<ZipArchive<Cursor<&'z [u8]>>>>,
    files: Vec<File<'z>>,
    by_name: BTreeMap<Box<str>, FileId>,
    /// The folder that all files lie in, with its slash: it is no part of their names here.
    folder: Option<String>,
    /// What is no file of the package, by its name, and why.
    left_out: BTreeMap<Box<str>, &'static str>,
}

struct File<'z> {
    name: Box<str>,
    /// Where it stands in the archive.
    index: usize,
    bytes: OnceCell<Cow<'z, [u8]>>,
}

/// Whether bytes are a zip archive, and not an empty one.
pub(crate) fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04")
}

impl<'z> Package<'z> {
    /// One document, whose name is empty.
    pub(crate) fn of_document(bytes: &'z [u8]) -> Self {
        let file = File { name: "".into(), index: 0, bytes: OnceCell::from(Cow::Borrowed(bytes)) };
        Self {
            archive: None,
            files: vec![file],
            by_name: BTreeMap::from([("".into(), 0)]),
            folder: None,
            left_out: BTreeMap::new(),
        }
    }

    /// Opens an archive by its directory; nothing is inflated yet.
    pub(crate) fn open(bytes: &'z [u8], limits: &Limits, notes: &mut Notes) -> Result<Self, DefinitionError> {
        let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| unreadable(&error))?;
        if archive.len() > limits.files {
            return Err(DefinitionError::Limit { limit: Limit::Files, allowed: limits.files });
        }
        let mut files = Vec::new();
        let mut left_out = BTreeMap::new();
        let mut declared: u64 = 0;
        for index in 0..archive.len() {
            let entry = archive.by_index_raw(index).map_err(|error| unreadable(&error))?;
            let name = entry.name().map_err(|error| unreadable(&error))?;
            if entry.is_dir() {
                continue;
            }
            let why = if entry.is_symlink() {
                Some("a symbolic link")
            } else if entry.encrypted() {
                Some("encrypted")
            } else {
                why_unsafe(&name, limits)
            };
            if let Some(why) = why {
                // What is left out may be what the definition refers to: what is read is not known to be all of it.
                notes.add(NoteKind::NotFollowed, &Place::File(&shown(&name)), format_args!("{why}: left out"));
                left_out.insert((*name).into(), why);
                continue;
            }
            declared = declared.saturating_add(entry.size());
            files.push(File { name: (*name).into(), index, bytes: OnceCell::new() });
        }
        if declared > u64::try_from(limits.inflated_bytes).unwrap_or(u64::MAX) {
            return Err(DefinitionError::Limit { limit: Limit::InflatedBytes, allowed: limits.inflated_bytes });
        }
        let packed = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if declared > UNSUSPICIOUS.max(packed.saturating_mul(limits.inflation.try_into().unwrap_or(u64::MAX))) {
            return Err(DefinitionError::Limit { limit: Limit::Inflation, allowed: limits.inflation });
        }
        let folder = strip_folder(&mut files);
        let by_name = files.iter().enumerate().map(|(id, file)| (file.name.clone(), id)).collect();
        Ok(Self { archive: Some(RefCell::new(archive)), files, by_name, folder, left_out })
    }

    pub(crate) fn is_document(&self) -> bool {
        self.archive.is_none()
    }

    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    /// Its path from the package's root.
    pub(crate) fn name(&self, id: FileId) -> &str {
        &self.files[id].name
    }

    pub(crate) fn find(&self, name: &str) -> Option<FileId> {
        self.by_name.get(name).copied()
    }

    /// A file that is named from outside: from the package's root, or from the folder that all of it lies in.
    pub(crate) fn find_named(&self, name: &str) -> Option<FileId> {
        let name = name.trim().trim_start_matches('/');
        let inside = || name.strip_prefix(self.folder.as_deref()?);
        self.find(name).or_else(|| self.find(inside()?))
    }

    /// Why a file that is named from outside is none of the package's, as the end of a sentence about the package.
    pub(crate) fn lacks(&self, name: &str, who: &str) -> String {
        match self.left_out.get(name.trim()) {
            Some(why) => format!("has no file `{}`, {who}: what has that name is {why}", shown(name)),
            None => format!("has no file `{}`, {who}", shown(name)),
        }
    }

    /// A file's bytes, inflated when first asked for. The declared sizes are kept to: what is longer is an error.
    pub(crate) fn bytes(&self, id: FileId, limits: &Limits) -> Result<&[u8], DefinitionError> {
        let file = &self.files[id];
        if let Some(bytes) = file.bytes.get() {
            return Ok(bytes);
        }
        let Some(archive) = &self.archive else { return Ok(&[]) };
        let mut archive = archive.borrow_mut();
        let wrong = |why: &str| {
            let message = format!("is damaged: `{}` {}", shown(&file.name), shown(why));
            DefinitionError::Package { message }
        };
        let entry = archive.by_index(file.index).map_err(|error| wrong(&error.to_string()))?;
        let size = entry.size();
        if size > u64::try_from(limits.bytes).unwrap_or(u64::MAX) {
            return Err(DefinitionError::Limit { limit: Limit::Bytes, allowed: limits.bytes });
        }
        let mut bytes = Vec::new();
        entry.take(size.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| wrong(&error.to_string()))?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > size {
            return Err(wrong("is longer than it says"));
        }
        Ok(file.bytes.get_or_init(|| Cow::Owned(bytes)))
    }
}

fn unreadable(error: &ZipError) -> DefinitionError {
    DefinitionError::Package { message: format!("is not readable as a zip archive: {}", shown(&error.to_string())) }
}

/// Why a name is none of a file inside the package.
fn why_unsafe(name: &str, limits: &Limits) -> Option<&'static str> {
    let drive = name.as_bytes().get(1) == Some(&b':');
    if name.len() > limits.name_bytes {
        Some("a name longer than names may be")
    } else if name.starts_with('/') || drive {
        Some("an absolute name")
    } else if name.contains(['\\', '\0']) {
        Some("a name with a backslash or NUL")
    } else if name.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
        Some("a name that leads elsewhere")
    } else {
        None
    }
}

/// Where all files lie in one folder and none says what the package is, the folder is the package; it is given.
fn strip_folder(files: &mut [File<'_>]) -> Option<String> {
    let (folder, _) = files.first()?.name.split_once('/')?;
    let folder = format!("{folder}/");
    if folder == "exchange_modules/" || !files.iter().all(|file| file.name.starts_with(&folder)) {
        return None;
    }
    for file in files {
        file.name = file.name[folder.len()..].into();
    }
    Some(folder)
}

#[cfg(test)]
pub(crate) mod tests;
