//! An independent client: the `ldap3` crate, and a bare socket for what it would choke on.

use std::collections::BTreeMap;

use ldap3::controls::RawControl;
use ldap3::result::SearchResult;
use ldap3::{Ldap, LdapConnAsync, Scope, SearchEntry};
use muster_lab::directory::{DirectoryOptions, RunningDirectory, start};

pub(crate) const BASE: &str = "DC=muster,DC=test";
pub(crate) const USERS: &str = "(&(objectCategory=person)(objectClass=user))";
pub(crate) const GROUPS: &str = "(objectClass=group)";
pub(crate) const SHOW_DELETED: &str = "1.2.840.113556.1.4.417";

pub(crate) async fn directory(users: u64) -> RunningDirectory {
    start(DirectoryOptions { users, ..DirectoryOptions::default() }).await.unwrap()
}

pub(crate) async fn unbound(directory: &RunningDirectory) -> Ldap {
    let url = format!("ldap://{}", directory.ldap_address());
    let (connection, ldap) = LdapConnAsync::new(&url).await.unwrap();
    tokio::spawn(async move {
        // A connection that a fault broke is told by the call that failed.
        let _ = connection.drive().await;
    });
    ldap
}

async fn bound_as(directory: &RunningDirectory, name: &str, password: &str) -> Ldap {
    let banner = directory.banner();
    let mut ldap = unbound(directory).await;
    let result = ldap.simple_bind(banner[name].as_str().unwrap(), banner[password].as_str().unwrap()).await.unwrap();
    assert_eq!(result.rc, 0, "{result}");
    ldap
}

/// Bound as the plain service account.
pub(crate) async fn service(directory: &RunningDirectory) -> Ldap {
    bound_as(directory, "bindDn", "password").await
}

/// Bound as the account that sees tombstones.
pub(crate) async fn administrator(directory: &RunningDirectory) -> Ldap {
    bound_as(directory, "privilegedBindDn", "privilegedPassword").await
}

/// An entry with its values as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) dn: String,
    pub(crate) values: BTreeMap<String, Vec<Vec<u8>>>,
}

impl Found {
    pub(crate) fn guid(&self) -> String {
        muster_core::value::guid_text(&self.values["objectGUID"][0]).unwrap()
    }

    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        let values = self.values.get(name).map(Vec::as_slice).unwrap_or_default();
        values.iter().map(|value| String::from_utf8(value.clone()).unwrap()).collect()
    }
}

fn found(entry: ldap3::ResultEntry) -> Found {
    let entry = SearchEntry::construct(entry);
    let mut values: BTreeMap<String, Vec<Vec<u8>>> = entry
        .attrs
        .into_iter()
        .map(|(name, texts)| (name, texts.into_iter().map(String::into_bytes).collect()))
        .collect();
    for (name, bytes) in entry.bin_attrs {
        values.entry(name).or_default().extend(bytes);
    }
    Found { dn: entry.dn, values }
}

pub(crate) fn paging(size: u8, cookie: &[u8]) -> RawControl {
    let mut value = vec![0x02, 0x02, 0, size, 0x04, u8::try_from(cookie.len()).unwrap()];
    if size < 0x80 {
        value.splice(0..4, [0x02, 0x01, size]);
    }
    value.extend_from_slice(cookie);
    let mut control = vec![0x30, u8::try_from(value.len()).unwrap()];
    control.extend(value);
    RawControl { ctype: "1.2.840.113556.1.4.319".to_owned(), crit: true, val: Some(control) }
}

pub(crate) fn bare(control: &str) -> RawControl {
    RawControl { ctype: control.to_owned(), crit: true, val: None }
}

pub(crate) fn extended_dn() -> RawControl {
    RawControl { ctype: "1.2.840.113556.1.4.529".to_owned(), crit: false, val: Some(vec![0x30, 3, 2, 1, 1]) }
}

/// A page: entries, result code, cookie.
pub(crate) struct Page {
    pub(crate) entries: Vec<Found>,
    pub(crate) code: u32,
    pub(crate) text: String,
    pub(crate) cookie: Vec<u8>,
    pub(crate) estimate: u8,
}

pub(crate) async fn page(
    ldap: &mut Ldap,
    (base, scope, filter): (&str, Scope, &str),
    attributes: &[&str],
    controls: Vec<RawControl>,
) -> Option<Page> {
    let answer = ldap.with_controls(controls).search(base, scope, filter, attributes.to_vec()).await.ok()?;
    let SearchResult(entries, result) = answer;
    let control = result.ctrls.iter().find(|control| control.1.ctype == "1.2.840.113556.1.4.319");
    let value = control.and_then(|control| control.1.val.clone()).unwrap_or_default();
    // SEQUENCE, INTEGER of one byte, OCTET STRING.
    let cookie = value.get(7..).unwrap_or_default().to_vec();
    Some(Page {
        entries: entries.into_iter().filter(|entry| !entry.is_ref()).map(found).collect(),
        code: result.rc,
        text: result.text,
        cookie,
        estimate: value.get(4).copied().unwrap_or(0),
    })
}

/// All pages up to the end or a failure; the code is that of the last, none where the connection ended.
pub(crate) async fn list(
    ldap: &mut Ldap,
    search: (&str, Scope, &str),
    attributes: &[&str],
    size: u8,
) -> (Vec<Found>, Option<u32>) {
    list_with(ldap, search, attributes, (size, Vec::new())).await
}

pub(crate) async fn list_with(
    ldap: &mut Ldap,
    search: (&str, Scope, &str),
    attributes: &[&str],
    (size, controls): (u8, Vec<RawControl>),
) -> (Vec<Found>, Option<u32>) {
    let (mut all, mut cookie) = (Vec::new(), Vec::new());
    loop {
        let mut controls = controls.clone();
        controls.push(paging(size, &cookie));
        let Some(page) = page(ldap, search, attributes, controls).await else { return (all, None) };
        all.extend(page.entries);
        if page.cookie.is_empty() {
            return (all, Some(page.code));
        }
        cookie = page.cookie;
    }
}

/// One search without pages.
pub(crate) async fn ask(ldap: &mut Ldap, search: (&str, Scope, &str), attributes: &[&str]) -> (Vec<Found>, u32) {
    let page = page(ldap, search, attributes, Vec::new()).await.unwrap();
    (page.entries, page.code)
}
