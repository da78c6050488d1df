//! The files of a spool, and what is known of each: a few numbers, whatever it holds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::entry::Entries;

/// The quarantine takes no more than this: what a broken disk altered is of use to somebody, but not without end.
const QUARANTINE: u64 = 64 << 20;

/// A file of entries.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) order: i64,
    pub(super) bytes: u64,
    pub(super) entries: u64,
    /// Whether the order's last parcel is in it.
    pub(super) last: bool,
}

/// All of them, oldest first.
#[derive(Debug)]
pub(super) struct Segments {
    directory: PathBuf,
    known: BTreeMap<u64, Segment>,
    next: u64,
}

/// Makes the directories, for this account alone.
pub(super) fn make(directory: &Path) -> io::Result<()> {
    for name in ["segments", "quarantine"] {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory.join(name))?;
    }
    Ok(())
}

impl Segments {
    pub(super) fn of(directory: &Path) -> Self {
        Self { directory: directory.to_path_buf(), known: BTreeMap::new(), next: 1 }
    }

    fn folder(&self) -> PathBuf {
        self.directory.join("segments")
    }

    fn path(&self, segment: &Segment) -> PathBuf {
        self.folder().join(format!("{:016x}.{}", segment.number, segment.order))
    }

    /// Looks at every entry there is. Segments with anything torn or altered are written anew without it; how many ranges
    /// that were.
    pub(super) fn load(&mut self) -> io::Result<u64> {
        let mut quarantined = 0;
        for found in fs::read_dir(self.folder())? {
            let path = found?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let parts = name
                .split_once('.')
                .and_then(|(number, order)| Some((u64::from_str_radix(number, 16).ok()?, order.parse::<i64>().ok()?)));
            let Some((number, order)) = parts else {
                // Half a rewritten segment: its original is still there.
                fs::remove_file(&path)?;
                continue;
            };
            self.next = self.next.max(number.saturating_add(1));
            let bytes = fs::metadata(&path)?.len();
            let segment = Segment { number, order, bytes, entries: 0, last: false };
            self.known.insert(number, segment);
            quarantined += self.examine(segment)?;
        }
        Ok(quarantined)
    }

    fn examine(&mut self, mut segment: Segment) -> io::Result<u64> {
        let path = self.path(&segment);
        let mut entries = Entries::of(File::open(&path)?, segment.order, segment.bytes);
        let mut torn = Vec::new();
        loop {
            let (entry, ranges) = entries.next()?;
            torn.extend(ranges);
            let Some(entry) = entry else { break };
            segment.entries += 1;
            segment.last |= entry.last;
        }
        for range in &torn {
            self.quarantine(segment.number, range)?;
        }
        if segment.entries == 0 {
            self.known.remove(&segment.number);
            fs::remove_file(&path)?;
        } else {
            if !torn.is_empty() {
                segment.bytes = self.rewrite(&segment, &torn)?;
            }
            self.known.insert(segment.number, segment);
        }
        Ok(torn.len() as u64)
    }

    /// Writes a segment anew without these ranges.
    fn rewrite(&self, segment: &Segment, torn: &[Range<u64>]) -> io::Result<u64> {
        let path = self.path(segment);
        let part = self.folder().join("part");
        let (mut from, mut to) = (File::open(&path)?, create(&part)?);
        let mut at = 0;
        let mut written = 0;
        let end = segment.bytes..segment.bytes;
        for range in torn.iter().chain(std::iter::once(&end)) {
            from.seek(SeekFrom::Start(at))?;
            written += io::copy(&mut (&mut from).take(range.start - at), &mut to)?;
            at = range.end;
        }
        to.sync_all()?;
        fs::rename(&part, &path)?;
        self.settle()?;
        Ok(written)
    }

    /// Makes sure that names in the folder last.
    fn settle(&self) -> io::Result<()> {
        File::open(self.folder())?.sync_all()
    }

    pub(super) fn get(&self, number: u64) -> Option<&Segment> {
        self.known.get(&number)
    }

    /// Begins a segment.
    pub(super) fn begin(&mut self, order: i64) -> io::Result<(u64, File)> {
        let segment = Segment { number: self.next, order, bytes: 0, entries: 0, last: false };
        let file = create(&self.path(&segment))?;
        self.settle()?;
        self.next += 1;
        self.known.insert(segment.number, segment);
        Ok((segment.number, file))
    }

    pub(super) fn grow(&mut self, number: u64, bytes: u64, last: bool) {
        if let Some(segment) = self.known.get_mut(&number) {
            segment.bytes += bytes;
            segment.entries += 1;
            segment.last |= last;
        }
    }

    pub(super) fn remove(&mut self, number: u64) -> io::Result<()> {
        let Some(segment) = self.known.remove(&number) else { return Ok(()) };
        fs::remove_file(self.path(&segment))
    }

    pub(super) fn entries(&self, number: u64) -> io::Result<Entries> {
        let segment = self.known.get(&number).ok_or(io::ErrorKind::NotFound)?;
        Ok(Entries::of(File::open(self.path(segment))?, segment.order, segment.bytes))
    }

    /// Keeps the bytes of a range apart.
    pub(super) fn quarantine(&self, number: u64, range: &Range<u64>) -> io::Result<()> {
        let Some(segment) = self.known.get(&number) else { return Ok(()) };
        let folder = self.directory.join("quarantine");
        let mut there = 0;
        for file in fs::read_dir(&folder)? {
            there += file?.metadata()?.len();
        }
        if there + (range.end - range.start) > QUARANTINE {
            return Ok(());
        }
        let mut from = File::open(self.path(segment))?;
        from.seek(SeekFrom::Start(range.start))?;
        let path = folder.join(format!("{:016x}.{}", segment.number, range.start));
        let _ = fs::remove_file(&path);
        let mut to = create(&path)?;
        io::copy(&mut from.take(range.end - range.start), &mut to)?;
        to.flush()
    }

    pub(super) fn sum(&self) -> (u64, u64) {
        self.known.values().fold((0, 0), |(entries, bytes), one| (entries + one.entries, bytes + one.bytes))
    }

    pub(super) fn orders(&self) -> Vec<(i64, bool)> {
        let mut orders: Vec<(i64, bool)> = Vec::new();
        for segment in self.known.values() {
            match orders.iter_mut().find(|(order, _)| *order == segment.order) {
                Some((_, last)) => *last |= segment.last,
                None => orders.push((segment.order, segment.last)),
            }
        }
        orders
    }

    pub(super) fn first_of(&self, order: i64) -> Option<u64> {
        self.known.values().find(|segment| segment.order == order).map(|segment| segment.number)
    }

    pub(super) fn oldest(&self, but: &BTreeSet<u64>) -> Option<&Segment> {
        self.known.values().find(|segment| !but.contains(&segment.number))
    }
}

fn create(path: &Path) -> io::Result<File> {
    fs::File::options().write(true).create_new(true).mode(0o600).open(path)
}
