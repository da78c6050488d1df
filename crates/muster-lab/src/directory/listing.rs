//! Answering searches: pages, limits, and the faults that strike them.

use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::{
    LdapOp, LdapResult, LdapResultCode, LdapSearchRequest, LdapSearchResultReference, LdapSearchScope,
};

use super::connection::{Connection, Controls, Next, unavailable_extension};
use super::controller::Account;
use super::entry::Style;
use super::faults::{Faults, Strikes};
use super::filter::filter_text;
use super::page::{Limits, Page, PageEnd};
use super::root::{put_root, put_server};
use super::schema::Attribute;
use super::search::{Position, Rights, Search, no_such_object};
use super::tree;
use super::wire::{encode, result};
use super::world::Object;

/// The most listings of a connection of which a page may be outstanding (MS-ADTS 3.1.1.4.6, MaxResultSetsPerConn).
const MAXIMUM_LISTINGS: usize = 10;

/// A listing of which pages are outstanding.
#[derive(Debug)]
pub(super) struct Listing {
    number: u64,
    pub(super) search: Search,
    /// The request in words, for faults that strike only some.
    words: String,
    pages: u32,
    pub(super) next: Position,
    /// Where the page before began.
    pub(super) before: Position,
}

impl Connection {
    /// Answers a search.
    pub(super) async fn search(
        &mut self,
        id: i32,
        request: &LdapSearchRequest,
        controls: &[LdapControl],
    ) -> std::io::Result<Next> {
        match self.prepare(id, request, controls) {
            Ok(Some((listing, controls))) => self.page(id, request, controls, listing).await,
            Ok(None) => {
                self.send(id, LdapOp::SearchResultDone(result(LdapResultCode::Success, "")));
                Ok(Next::Continue)
            }
            Err(refusal) => {
                self.send(id, LdapOp::SearchResultDone(refusal));
                Ok(Next::Continue)
            }
        }
    }

    /// Finds or makes the listing; `None` where the server's own entries have answered.
    fn prepare(
        &mut self,
        id: i32,
        request: &LdapSearchRequest,
        controls: &[LdapControl],
    ) -> Result<Option<(Listing, Controls)>, LdapResult> {
        let controls = Controls::read(controls)?;
        let is_base = matches!(request.scope, LdapSearchScope::Base);
        if is_base && request.base.is_empty() {
            put_root(&self.controller, id, &request.attrs, &mut self.out);
            return Ok(None);
        }
        if self.account == Account::Nobody {
            let words = "000004DC: LdapErr: DSID-0C090A71, comment: In order to perform this operation a successful \
                         bind must be completed on the connection., data 0, v4563";
            return Err(result(LdapResultCode::OperationsError, words));
        }
        let faults = self.controller.faults.get();
        let world = self.controller.world();
        if faults.no_such_object.as_ref().is_some_and(|name| world.resolve(name) == world.resolve(&request.base)) {
            return Err(no_such_object(&world, tree::DOMAIN));
        }
        if let Some((_, cookie)) = controls.paging.as_ref().filter(|(_, cookie)| !cookie.is_empty()) {
            let position = self.listings.iter().position(|listing| listing.cookie() == *cookie);
            let listing = position.and_then(|position| self.listings.remove(position));
            return listing.map(|listing| Some((listing, controls))).ok_or_else(unavailable_extension);
        }
        let rights = Rights { show_deleted: controls.show_deleted, privileged: self.account == Account::Administrator };
        let search = Search::new(&world, request, rights, faults.restored.map_or(0, i64::from))?;
        if is_base && world.resolve(&request.base) == super::resolve::Place::Found(Object::Server) {
            drop(world);
            put_server(&self.controller, id, &search.selection, &mut self.out);
            return Ok(None);
        }
        let filter = filter_text(&request.filter);
        let words = format!("base={} {filter} attributes={}", request.base, request.attrs.join(","));
        let words = words.to_ascii_lowercase();
        let number = self.next_listing;
        drop(world);
        self.next_listing += 1;
        let start = Position::default();
        Ok(Some((Listing { number, search, words, pages: 0, next: start, before: start }, controls)))
    }

    /// Answers one page of a listing.
    async fn page(
        &mut self,
        id: i32,
        request: &LdapSearchRequest,
        controls: Controls,
        mut listing: Listing,
    ) -> std::io::Result<Next> {
        let faults = self.controller.faults.get();
        let strikes = if matches!(request.scope, LdapSearchScope::Base) {
            Strikes::default()
        } else {
            self.controller.faults.strike(listing.pages, &listing.words)
        };
        if let Some(moving) = &strikes.moving {
            self.controller.move_users(moving);
        }
        if let Some(delay) = strikes.delay {
            self.wait(delay).await;
        }
        let asked = controls.paging.as_ref().map(|(size, _)| usize::try_from(*size).unwrap_or(0));
        let limits = Limits::new(asked, request.sizelimit, &faults);
        let estimate = match self.controller.estimates && asked.is_some() && listing.pages == 0 {
            true => listing.search.count(&self.controller.world()),
            false => 0,
        };
        let style = Style {
            message_id: id,
            types_only: request.typesonly,
            extended: controls.extended,
            unreadable: unreadable(&faults),
            usns_back: faults.restored.map_or(0, i64::from),
        };
        let end = if strikes.busy {
            let words = "0000200E: SvcErr: DSID-020A02B5, problem 5001 (BUSY), data 0";
            PageEnd::refused(LdapResultCode::Busy, words)
        } else if strikes.empty {
            PageEnd::last()
        } else {
            let page = Page::begin(&self.controller.world(), &mut listing, &strikes, (style, limits));
            self.entries(page).await?
        };
        match end {
            PageEnd::Result { code, words, more } => {
                self.finish(id, listing, (code, words, more), (asked.map(|_| estimate), request));
                Ok(Next::Continue)
            }
            PageEnd::Silence => Ok(Next::Continue),
            PageEnd::Close => Ok(Next::Close),
        }
    }

    /// Ends a page: referrals after the last, the result, and the cookie.
    fn finish(
        &mut self,
        id: i32,
        mut listing: Listing,
        (code, words, more): (LdapResultCode, &str, bool),
        (estimate, request): (Option<u64>, &LdapSearchRequest),
    ) {
        let complete = !more && code == LdapResultCode::Success;
        if complete && self.controller.referrals && listing.search.whole_domain {
            for partition in ["ForestDnsZones", "DomainDnsZones", "Configuration"] {
                let host = if partition == "Configuration" { "muster.test" } else { "dns.muster.test" };
                let uris = vec![format!("ldap://{host}/CN={partition},{}", request.base)];
                self.send(id, LdapOp::SearchResultReference(LdapSearchResultReference { uris }));
            }
        }
        listing.pages += 1;
        let cookie = if more { listing.cookie() } else { Vec::new() };
        let controls = match estimate {
            Some(estimate) => {
                let size = i64::try_from(estimate).unwrap_or(i64::MAX);
                vec![LdapControl::SimplePagedResults { size, cookie }]
            }
            None => Vec::new(),
        };
        encode(&mut self.out, id, LdapOp::SearchResultDone(result(code, words)), controls);
        if more && estimate.is_some() {
            if self.listings.len() >= MAXIMUM_LISTINGS {
                self.listings.pop_front();
            }
            self.listings.push_back(listing);
        }
    }
}

impl Listing {
    fn cookie(&self) -> Vec<u8> {
        let mut cookie = self.number.to_be_bytes().to_vec();
        cookie.extend_from_slice(&self.pages.to_be_bytes());
        cookie
    }
}

fn unreadable(faults: &Faults) -> Vec<(Attribute, u64)> {
    let known = faults.unreadable.iter();
    known.filter_map(|found| Some((Attribute::find(&found.attribute)?, u64::from(found.percent)))).collect()
}
