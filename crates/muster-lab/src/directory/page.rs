//! One page of a listing: its entries, its limits, and what strikes within it.

use ldap3_proto::proto::LdapResultCode;

use super::connection::Connection;
use super::entry::{self, Style};
use super::faults::{Faults, Strikes, Within};
use super::listing::Listing;
use super::search::Position;
use super::values::Values;
use super::world::World;

/// The most entries of an answer (MS-ADTS 3.1.1.4.6, MaxPageSize).
const MAXIMUM_PAGE: usize = 1000;
/// How many entries are written while the contents stand still.
const ENTRIES_AT_ONCE: usize = 200;

/// How a page ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PageEnd {
    /// With a result, and a cookie where there is more.
    Result { code: LdapResultCode, words: &'static str, more: bool },
    /// Without one.
    Silence,
    /// With the connection.
    Close,
}

/// A page while it is written.
pub(super) struct Page<'l> {
    listing: &'l mut Listing,
    strikes: &'l Strikes,
    style: Style,
    limits: Limits,
    /// What is sent next.
    cursor: Position,
    /// Where the next page begins, if not behind this one.
    resume: Option<Position>,
}

impl<'l> Page<'l> {
    /// Finds where the page begins, faults considered.
    pub(super) fn begin(
        world: &World,
        listing: &'l mut Listing,
        strikes: &'l Strikes,
        (style, limits): (Style, Limits),
    ) -> Self {
        let (mut cursor, mut resume) = (listing.next, None);
        if strikes.lost || strikes.lost_and_repeated {
            let mut scratch = Values::default();
            for _ in 0..limits.page {
                if listing.search.next(world, &mut cursor, &mut scratch).is_none() {
                    break;
                }
                cursor.advance();
            }
        }
        if strikes.repeated || strikes.lost_and_repeated {
            resume = Some(cursor);
            cursor = listing.before;
        }
        listing.before = listing.next;
        Self { listing, strikes, style, limits, cursor, resume }
    }

    /// How many entries are sent before the contents may change or a fault may strike.
    fn stop(&self, sent: usize) -> usize {
        let strike = self.strikes.within.map_or(usize::MAX, |(_, entries)| entries as usize);
        let next = (sent + ENTRIES_AT_ONCE).min(self.limits.page);
        if strike > sent { next.min(strike) } else { next }
    }

    /// Writes entries up to `stop`; says how the page ends, where it does.
    fn fill(&mut self, world: &World, buffers: &mut Buffers<'_>, sent: &mut usize) -> Option<PageEnd> {
        let stop = self.stop(*sent);
        let search = &self.listing.search;
        let mut exhausted = false;
        while *sent < stop && !exhausted {
            match search.next(world, &mut self.cursor, &mut buffers.scratch) {
                Some(object) => {
                    let out = (&mut *buffers.out, &mut buffers.values);
                    entry::put(world, object, &search.selection, &self.style, out);
                    self.cursor.advance();
                    *sent += 1;
                }
                None => exhausted = true,
            }
        }
        if !exhausted && *sent < self.limits.page {
            return None;
        }
        self.listing.next = self.resume.unwrap_or(self.cursor);
        let more = search.next(world, &mut self.listing.next, &mut buffers.scratch).is_some();
        Some(self.limits.end(more))
    }
}

struct Buffers<'o> {
    out: &'o mut Vec<u8>,
    scratch: Values,
    values: Values,
}

impl Connection {
    /// Writes a page's entries.
    pub(super) async fn entries(&mut self, mut page: Page<'_>) -> std::io::Result<PageEnd> {
        let mut sent = 0;
        loop {
            if let Some(end) = self.strike_within(&page, sent) {
                return Ok(end);
            }
            let mut buffers = Buffers { out: &mut self.out, scratch: Values::default(), values: Values::default() };
            let end = page.fill(&self.controller.world(), &mut buffers, &mut sent);
            if let Some(end) = end {
                return Ok(end);
            }
            self.flush().await?;
        }
    }

    /// What strikes in place of the next entry.
    fn strike_within(&mut self, page: &Page<'_>, sent: usize) -> Option<PageEnd> {
        let (within, _) = page.strikes.within.filter(|(_, entries)| *entries as usize == sent)?;
        Some(match within {
            Within::SizeLimit => Limits::exceeded(),
            Within::Disconnect => {
                self.disconnect(LdapResultCode::Unavailable, "the controller is going down");
                PageEnd::Close
            }
            Within::Cut => {
                // The beginning of an entry of 256 bytes.
                self.out.extend_from_slice(b"\x30\x84\0\0\x01\0\x02\x01\x09\x64\x84\0\0\0\xf0\x04\x28CN=");
                PageEnd::Close
            }
            Within::Malformed => {
                // An entry that claims to be longer than the message it lies in.
                self.out.extend_from_slice(b"\x30\x0c\x02\x01\x05\x64\x7f\x04\x82\xff\xff\x09\x09\x09");
                PageEnd::last()
            }
            Within::Oversized => {
                self.out.extend_from_slice(b"\x30\x84\x7f\xff\xff\xff\x02\x01\x05");
                PageEnd::Silence
            }
        })
    }
}

impl PageEnd {
    /// The end of a listing.
    pub(super) fn last() -> Self {
        Self::Result { code: LdapResultCode::Success, words: "", more: false }
    }

    /// The end of a listing that goes no further.
    pub(super) fn refused(code: LdapResultCode, words: &'static str) -> Self {
        Self::Result { code, words, more: false }
    }
}

/// How many entries an answer may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    page: usize,
    paged: bool,
}

impl Limits {
    /// Of a request for pages of `asked` entries, and no more than `size_limit` in all where that is not 0.
    pub(super) fn new(asked: Option<usize>, size_limit: i32, faults: &Faults) -> Self {
        let clamp = faults.page_clamp.and_then(|clamp| usize::try_from(clamp).ok()).unwrap_or(MAXIMUM_PAGE).max(1);
        let wanted = asked.unwrap_or(usize::MAX);
        let size_limit = usize::try_from(size_limit).ok().filter(|&limit| limit > 0).unwrap_or(usize::MAX);
        let paged = asked.is_some() && wanted <= size_limit;
        Self { page: wanted.min(clamp).min(size_limit), paged }
    }

    /// The end of a page behind which there is more, or not.
    fn end(self, more: bool) -> PageEnd {
        if more && !self.paged {
            return Self::exceeded();
        }
        PageEnd::Result { code: LdapResultCode::Success, words: "", more }
    }

    fn exceeded() -> PageEnd {
        PageEnd::refused(LdapResultCode::SizeLimitExceeded, "")
    }
}
