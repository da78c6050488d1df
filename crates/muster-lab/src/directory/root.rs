//! What the server says of itself: the root DSE (MS-ADTS 3.1.1.3.2) and its settings object.

use super::controller::Controller;
use super::entry::{Selection, put_raw};
use super::schema::Attribute;
use super::tree;
use super::world::Object;

pub(super) const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";
const SHOW_DELETED: &str = "1.2.840.113556.1.4.417";
const EXTENDED_DN: &str = "1.2.840.113556.1.4.529";
/// Active Directory, and its versions from 2000 R2 to 2008 R2 (MS-ADTS 3.1.1.3.4.3).
const CAPABILITIES: [&str; 4] =
    ["1.2.840.113556.1.4.800", "1.2.840.113556.1.4.1670", "1.2.840.113556.1.4.1791", "1.2.840.113556.1.4.1935"];

/// Appends the root DSE.
pub(super) fn put_root(controller: &Controller, message_id: i32, names: &[String], out: &mut Vec<u8>) {
    let faults = controller.faults.get();
    let (domain, service, usn) = {
        let world = controller.world();
        let domain = world.containers[tree::DOMAIN as usize].dn.clone();
        (domain, world.server_dn(), world.highest_usn() - controller.usns_back())
    };
    let configuration = format!("CN=Configuration,{domain}");
    let schema = format!("CN=Schema,{configuration}");
    let attributes: Vec<(&str, Vec<String>)> = vec![
        ("domainFunctionality", vec!["7".to_owned()]),
        ("forestFunctionality", vec!["7".to_owned()]),
        ("rootDomainNamingContext", vec![domain.clone()]),
        ("isSynchronized", vec!["TRUE".to_owned()]),
        ("dsServiceName", vec![format!("CN=NTDS Settings,{service}")]),
        ("serverName", vec![service]),
        ("supportedCapabilities", CAPABILITIES.map(str::to_owned).to_vec()),
        ("supportedControl", [PAGED_RESULTS, SHOW_DELETED, EXTENDED_DN].map(str::to_owned).to_vec()),
        ("supportedLDAPVersion", vec!["3".to_owned(), "2".to_owned()]),
        ("namingContexts", vec![domain.clone(), configuration.clone(), schema.clone()]),
        ("schemaNamingContext", vec![schema]),
        ("configurationNamingContext", vec![configuration]),
        ("defaultNamingContext", vec![domain]),
        ("dnsHostName", vec!["dc1.muster.test".to_owned()]),
        ("highestCommittedUSN", vec![usn.to_string()]),
    ];
    let all = names.is_empty() || names.iter().any(|name| name == "*");
    let hidden = |name: &str| faults.unreadable.iter().any(|found| found.attribute.eq_ignore_ascii_case(name));
    let asked: Vec<(&str, Vec<Vec<u8>>)> = attributes
        .into_iter()
        .filter(|(name, _)| all || names.iter().any(|asked| asked.eq_ignore_ascii_case(name)))
        .filter(|(name, _)| !hidden(name))
        .map(|(name, values)| (name, values.into_iter().map(String::into_bytes).collect()))
        .collect();
    put_raw(out, message_id, "", &asked);
}

/// Appends the server's settings object.
pub(super) fn put_server(controller: &Controller, message_id: i32, selection: &Selection, out: &mut Vec<u8>) {
    let faults = controller.faults.get();
    let invocation = controller.invocation_id(&faults);
    let mut dn = Vec::new();
    let (guid, classes) = {
        let world = controller.world();
        world.put_dn(Object::Server, &mut dn);
        (world.guid(Object::Server), world.classes(Object::Server))
    };
    let all = [
        (Attribute::ObjectClass, classes.iter().map(|class| class.as_bytes().to_vec()).collect()),
        (Attribute::Cn, vec![b"NTDS Settings".to_vec()]),
        (Attribute::DistinguishedName, vec![dn.clone()]),
        (Attribute::ObjectGuid, vec![guid.to_vec()]),
        (Attribute::InvocationId, vec![invocation.to_vec()]),
    ];
    let asked: Vec<(&str, Vec<Vec<u8>>)> = all
        .into_iter()
        .filter(|(attribute, _)| selection.iter().any(|selected| selected.attribute == *attribute))
        .map(|(attribute, values)| (attribute.name(), values))
        .collect();
    put_raw(out, message_id, &String::from_utf8_lossy(&dn), &asked);
}
