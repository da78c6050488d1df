//! An entry of a segment, and finding the next one behind bytes that are none.
//!
//! `"MSP1"`, length of the parcel u32, order i64, sequence u64, last u8, BLAKE3 of all that and the parcel, the parcel;
//! numbers are little-endian.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::ops::Range;

use bytes::Bytes;
use muster_core::agent::LONGEST_PACKED;

const MAGIC: &[u8; 4] = b"MSP1";
const HEAD: usize = 4 + 4 + 8 + 8 + 1;
const HASH: usize = 32;
const CHUNK: usize = 64 << 10;

/// A parcel on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) order: i64,
    pub(crate) sequence: u64,
    /// Whether it is the order's last.
    pub(crate) last: bool,
    pub(crate) parcel: Bytes,
}

impl Entry {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD + HASH + self.parcel.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&u32::try_from(self.parcel.len()).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend_from_slice(&self.order.to_le_bytes());
        bytes.extend_from_slice(&self.sequence.to_le_bytes());
        bytes.push(u8::from(self.last));
        let hash = hash(&bytes, &self.parcel);
        bytes.extend_from_slice(&hash);
        bytes.extend_from_slice(&self.parcel);
        bytes
    }
}

fn hash(head: &[u8], parcel: &[u8]) -> [u8; HASH] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(head).update(parcel);
    *hasher.finalize().as_bytes()
}

/// A segment's entries, one at a time.
#[derive(Debug)]
pub(super) struct Entries {
    file: File,
    /// Entries of other orders do not belong here.
    order: i64,
    at: u64,
    end: u64,
}

impl Entries {
    /// Of the first `end` bytes of a file.
    pub(super) fn of(file: File, order: i64, end: u64) -> Self {
        Self { file, order, at: 0, end }
    }

    /// The next entry, and the ranges before it that are none.
    pub(super) fn next(&mut self) -> std::io::Result<(Option<Entry>, Vec<Range<u64>>)> {
        let begun = self.at;
        let mut torn = Vec::new();
        while self.at < self.end {
            if let Some(entry) = self.entry_at(self.at)? {
                if begun < self.at {
                    torn.push(begun..self.at);
                }
                self.at += (HEAD + HASH + entry.parcel.len()) as u64;
                return Ok((Some(entry), torn));
            }
            self.at = self.mark_after(self.at + 1)?;
        }
        if begun < self.end {
            torn.push(begun..self.end);
        }
        Ok((None, torn))
    }

    fn entry_at(&mut self, at: u64) -> std::io::Result<Option<Entry>> {
        if self.end - at < (HEAD + HASH) as u64 {
            return Ok(None);
        }
        let mut head = [0; HEAD + HASH];
        self.file.seek(SeekFrom::Start(at))?;
        self.file.read_exact(&mut head)?;
        let (head, hashed) = head.split_at(HEAD);
        let (Some(length), Some(order), Some(sequence)) =
            (number::<4>(head, 4), number::<8>(head, 8), number::<8>(head, 16))
        else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
        let fits = length <= LONGEST_PACKED && (length as u64) <= self.end - at - (HEAD + HASH) as u64;
        if !head.starts_with(MAGIC) || !fits || head[HEAD - 1] > 1 {
            return Ok(None);
        }
        let mut parcel = vec![0; length];
        self.file.read_exact(&mut parcel)?;
        let order = i64::from_le_bytes(order);
        if order != self.order || hash(head, &parcel) != hashed {
            return Ok(None);
        }
        let sequence = u64::from_le_bytes(sequence);
        Ok(Some(Entry { order, sequence, last: head[HEAD - 1] == 1, parcel: parcel.into() }))
    }

    /// Where the next mark of an entry stands, or the end.
    fn mark_after(&mut self, mut from: u64) -> std::io::Result<u64> {
        let mut buffer = vec![0; CHUNK];
        while from < self.end {
            let wanted = usize::try_from(self.end - from).unwrap_or(CHUNK).min(CHUNK);
            self.file.seek(SeekFrom::Start(from))?;
            self.file.read_exact(&mut buffer[..wanted])?;
            if let Some(found) = buffer[..wanted].windows(MAGIC.len()).position(|window| window == MAGIC) {
                return Ok(from + found as u64);
            }
            if wanted < CHUNK {
                break;
            }
            // A mark may lie across two chunks.
            from += (CHUNK - MAGIC.len() + 1) as u64;
        }
        Ok(self.end)
    }
}

fn number<const N: usize>(head: &[u8], at: usize) -> Option<[u8; N]> {
    head.get(at..at + N)?.try_into().ok()
}
