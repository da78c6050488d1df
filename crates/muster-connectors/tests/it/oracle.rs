//! The oracle: the same reading through another LDAP client (`ldap3`), which shares no line with ours.

use std::collections::BTreeMap;
use std::sync::Arc;

use ldap3::asn1::{PL, StructureTag};
use ldap3::controls::{ControlType, PagedResults, RawControl};
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, SearchResult};
use muster_connectors::kit::ldap::{
    DirectoryReader, Encryption, Entry, LdapError, PageEnd, ResultCode, Scope, Search, Ticket, read_certificates,
};

use crate::lab::Lab;

/// Reads a directory by way of `ldap3`, a page at a time.
pub(crate) struct LdapThree {
    runtime: tokio::runtime::Runtime,
    ldap: Ldap,
    asked: Option<(Search, Vec<u8>)>,
}

impl LdapThree {
    pub(crate) fn connect(url: &str, name: &str, password: &str) -> Self {
        Self::with(LdapConnSettings::new(), url, name, password)
    }

    /// Over LDAPS, trusting the lab's authority.
    pub(crate) fn over_tls(lab: &Lab) -> Self {
        let anchors = read_certificates(&std::fs::read(lab.fact("ca_pem")).unwrap()).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(anchors);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
        let settings = LdapConnSettings::new().set_config(Arc::new(config));
        let url = format!("ldaps://{}:{}", lab.fact("host"), lab.port(Encryption::Ldaps));
        Self::with(settings, &url, lab.fact("bind_dn"), lab.fact("password"))
    }

    fn with(settings: LdapConnSettings, url: &str, name: &str, password: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let ldap = runtime.block_on(async {
            let (connection, mut ldap) = LdapConnAsync::with_settings(settings, url).await.unwrap();
            ldap3::drive!(connection);
            ldap.simple_bind(name, password).await.unwrap().success().unwrap();
            ldap
        });
        Self { runtime, ldap, asked: None }
    }
}

impl DirectoryReader for LdapThree {
    fn begin(&mut self, search: &Search, cookie: &[u8]) -> Result<Ticket, LdapError> {
        self.asked = Some((search.clone(), cookie.to_vec()));
        Ok(Ticket::new(0))
    }

    fn receive(
        &mut self,
        _: Ticket,
        on_entry: &mut dyn FnMut(Option<&Entry<'_>>) -> Result<(), LdapError>,
    ) -> Result<PageEnd, LdapError> {
        let (search, cookie) = self.asked.take().unwrap();
        let scope = match search.scope {
            Scope::Base => ldap3::Scope::Base,
            Scope::One => ldap3::Scope::OneLevel,
            Scope::Subtree => ldap3::Scope::Subtree,
        };
        let mut controls: Vec<RawControl> = Vec::new();
        if search.page_size > 0 {
            controls.push(PagedResults { size: i32::try_from(search.page_size).unwrap(), cookie }.into());
        }
        if search.controls.show_deleted {
            controls.push(RawControl { ctype: "1.2.840.113556.1.4.417".to_owned(), crit: true, val: None });
        }
        if search.controls.extended_dn {
            let value = Some(vec![0x30, 3, 2, 1, 1]);
            controls.push(RawControl { ctype: "1.2.840.113556.1.4.529".to_owned(), crit: false, val: value });
        }
        let (ldap, filter) = (&mut self.ldap, search.filter.to_string());
        let SearchResult(entries, result) = self
            .runtime
            .block_on(async {
                ldap.with_controls(controls).search(&search.base, scope, &filter, search.attributes).await
            })
            .unwrap();
        for entry in &entries {
            on_entry(Some(&Entry::parse(&contents(&entry.0)).unwrap()))?;
        }
        let page = result.ctrls.iter().find(|control| matches!(control.0, Some(ControlType::PagedResults)));
        let page = page.map(|control| control.1.parse::<PagedResults>());
        Ok(PageEnd {
            code: ResultCode(result.rc.into()),
            message: result.text,
            estimate: page.as_ref().map_or(0, |page| u64::try_from(page.size).unwrap_or(0)),
            cookie: page.map(|page| page.cookie).unwrap_or_default(),
            entries: entries.len() as u64,
            references: result.refs.len() as u64,
        })
    }

    fn bytes_received(&self) -> u64 {
        0
    }
}

/// The bytes of what `ldap3` decoded, encoded anew.
fn contents(tag: &StructureTag) -> Vec<u8> {
    match &tag.payload {
        PL::P(bytes) => bytes.clone(),
        PL::C(parts) => parts.iter().flat_map(element).collect(),
    }
}

fn element(tag: &StructureTag) -> Vec<u8> {
    let (constructed, contents) = (matches!(tag.payload, PL::C(_)), contents(tag));
    let mut bytes = vec![u8::try_from(tag.id).unwrap() | if constructed { 0x20 } else { 0 } | (tag.class as u8) << 6];
    bytes.push(0x84);
    bytes.extend(u32::try_from(contents.len()).unwrap().to_be_bytes());
    bytes.extend(contents);
    bytes
}

/// DN → attribute description → values, sorted.
pub(crate) type Entries = BTreeMap<String, BTreeMap<String, Vec<Vec<u8>>>>;

/// Everything that a search finds, page by page.
pub(crate) fn read_all(reader: &mut dyn DirectoryReader, search: &Search) -> (Entries, u64) {
    let (mut entries, mut references, mut count) = (Entries::new(), 0, 0);
    let mut cookie = Vec::new();
    loop {
        let ticket = reader.begin(search, &cookie).unwrap();
        let end = reader.receive(ticket, &mut |entry| {
            let Some(entry) = entry else { return Ok(()) };
            let found = entries.entry(entry.dn.to_owned()).or_default();
            for attribute in entry.attributes() {
                let values = found.entry(attribute.description.to_owned()).or_default();
                values.extend(attribute.values().map(<[u8]>::to_vec));
                values.sort();
            }
            Ok(())
        });
        let end = end.unwrap();
        assert_eq!(end.code, ResultCode::SUCCESS, "{}", end.message);
        references += end.references;
        count += end.entries;
        cookie = end.cookie;
        if cookie.is_empty() {
            assert_eq!(count, entries.len() as u64, "each entry comes once");
            return (entries, references);
        }
    }
}
