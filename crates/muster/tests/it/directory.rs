//! What a directory holds, by brute force: an independent reading of S3's two tables, for comparison.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json, json};

use crate::lab::Lab;
use crate::ldif::Entry;

const USER_ATTRIBUTES: &[&str] = &[
    "objectGUID",
    "objectSid",
    "name",
    "mail",
    "givenName",
    "sn",
    "displayName",
    "mobile",
    "title",
    "whenCreated",
    "lastLogon",
    "lastLogonTimestamp",
    "pwdLastSet",
    "accountExpires",
    "badPwdCount",
    "badPasswordTime",
    "l",
    "co",
    "c",
    "streetAddress",
    "st",
    "userAccountControl",
    "msDS-User-Account-Control-Computed",
    "sAMAccountName",
    "userPrincipalName",
    "department",
    "primaryGroupID",
];
const GROUP_ATTRIBUTES: &[&str] =
    &["objectGUID", "objectSid", "name", "displayName", "description", "groupType", "sAMAccountName", "mail", "member"];

/// Users and groups by GUID, and who is in which group, all as documents.
#[derive(Debug)]
pub(crate) struct Truth {
    pub(crate) users: BTreeMap<String, Json>,
    pub(crate) groups: BTreeMap<String, Json>,
    /// (group GUID, member's GUID or, outside users and groups, DN)
    pub(crate) members: BTreeSet<(String, String)>,
}

/// Reads the lab with another client and maps it by hand.
pub(crate) fn truth(lab: &Lab) -> Truth {
    let users = lab.ldapsearch("(&(objectCategory=person)(objectClass=user))", USER_ATTRIBUTES);
    let groups = lab.ldapsearch("(objectClass=group)", GROUP_ATTRIBUTES);
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for entry in users.iter().chain(&groups) {
        names.insert(entry.dn.to_lowercase(), guid(entry));
    }
    let mut members = BTreeSet::new();
    for group in &groups {
        for member in group.texts("member") {
            let key = names.get(&member.to_lowercase()).cloned().unwrap_or(member);
            members.insert((guid(group), key));
        }
    }
    Truth {
        users: users.iter().map(|entry| (guid(entry), user(entry))).collect(),
        groups: groups.iter().map(|entry| (guid(entry), group(entry))).collect(),
        members,
    }
}

pub(crate) fn guid(entry: &Entry) -> String {
    let b = entry.bytes("objectGUID").unwrap();
    let hex = |order: &[usize]| order.iter().map(|&at| format!("{:02x}", b[at])).collect::<String>();
    format!(
        "{}-{}-{}-{}-{}",
        hex(&[3, 2, 1, 0]),
        hex(&[5, 4]),
        hex(&[7, 6]),
        hex(&[8, 9]),
        hex(&[10, 11, 12, 13, 14, 15])
    )
}

fn sid(bytes: &[u8]) -> String {
    let mut text =
        format!("S-{}-{}", bytes[0], bytes[2..8].iter().fold(0_u64, |sum, &byte| sum << 8 | u64::from(byte)));
    for part in bytes[8..].chunks(4) {
        text.push_str(&format!("-{}", u32::from_le_bytes(part.try_into().unwrap())));
    }
    text
}

/// A FILETIME as RFC 3339; none for never.
fn filetime(ticks: i64) -> Option<String> {
    if ticks == 0 || ticks == i64::MAX {
        return None;
    }
    let microseconds = (ticks - 116_444_736_000_000_000).div_euclid(10);
    let (days, rest) = (microseconds.div_euclid(86_400_000_000), microseconds.rem_euclid(86_400_000_000));
    // Days to a date by the proleptic calendar, as in Hinnant's "chrono-compatible low-level date algorithms".
    let z = days + 719_468;
    let (era, doe) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + i64::from(month <= 2);
    let seconds = rest / 1_000_000;
    let fraction = format!("{:06}", rest % 1_000_000);
    let fraction = fraction.trim_end_matches('0');
    let dot = if fraction.is_empty() { "" } else { "." };
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}{dot}{fraction}Z",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    ))
}

fn generalized(text: &str) -> String {
    format!("{}-{}-{}T{}:{}:{}Z", &text[..4], &text[4..6], &text[6..8], &text[8..10], &text[10..12], &text[12..14])
}

fn put(map: &mut Map<String, Json>, key: &str, value: Option<impl Into<Json>>) {
    if let Some(value) = value {
        map.insert(key.to_owned(), value.into());
    }
}

fn text(entry: &Entry, name: &str) -> Option<String> {
    entry.text(name).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn user(entry: &Entry) -> Json {
    let mut class = Map::new();
    let id = sid(entry.bytes("objectSid").unwrap());
    put(&mut class, "id", Some(id.clone()));
    for (target, source) in [
        ("name", "name"),
        ("email", "mail"),
        ("firstName", "givenName"),
        ("lastName", "sn"),
        ("displayName", "displayName"),
        ("phone", "mobile"),
        ("jobTitle", "title"),
        ("accountName", "sAMAccountName"),
        ("userPrincipalName", "userPrincipalName"),
        ("department", "department"),
    ] {
        put(&mut class, target, text(entry, source));
    }
    put(&mut class, "activationDate", entry.text("whenCreated").map(generalized));
    let time = |name: &str| entry.number(name).and_then(filetime);
    put(&mut class, "lastSuccessfulLoginAt", time("lastLogon").max(time("lastLogonTimestamp")));
    put(&mut class, "passwordLastChangedAt", time("pwdLastSet"));
    put(&mut class, "accountExpirationAt", time("accountExpires"));
    put(&mut class, "failedPasswordAttemptCount", entry.number("badPwdCount"));
    put(&mut class, "lastFailedPasswordAttemptAt", time("badPasswordTime"));
    put(&mut class, "primaryGroupId", entry.number("primaryGroupID"));
    let mut address = Map::new();
    put(&mut address, "city", text(entry, "l"));
    put(&mut address, "country", text(entry, "co").or_else(|| text(entry, "c")));
    put(&mut address, "streetAddress", text(entry, "streetAddress"));
    put(&mut address, "state", text(entry, "st"));
    put(&mut class, "currentAddress", (!address.is_empty()).then_some(address));
    put(&mut class, "status", status(entry));
    document(entry, &id, "userAssetClass", class)
}

/// The status as the controller itself computes lockout and expiry.
fn status(entry: &Entry) -> Option<&'static str> {
    let bits = entry.number("userAccountControl")?;
    let computed = entry.number("msDS-User-Account-Control-Computed").unwrap();
    let expires = entry.number("accountExpires").unwrap_or(0);
    let now = 116_444_736_000_000_000
        + i64::try_from(
            std::fs::metadata("/proc/self")
                .unwrap()
                .modified()
                .unwrap()
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap()
                .as_nanos()
                / 100,
        )
        .unwrap();
    Some(if bits & 2 != 0 {
        "DISABLED"
    } else if computed & 0x10 != 0 {
        "LOCKED"
    } else if expires != 0 && expires <= now {
        "EXPIRED"
    } else if computed & 0x80_0000 != 0 || entry.number("pwdLastSet") == Some(0) {
        "PASSWORD_EXPIRED"
    } else {
        "ACTIVE"
    })
}

fn group(entry: &Entry) -> Json {
    let mut class = Map::new();
    let id = sid(entry.bytes("objectSid").unwrap());
    put(&mut class, "id", Some(id.clone()));
    for (target, source) in [
        ("name", "name"),
        ("displayName", "displayName"),
        ("description", "description"),
        ("accountName", "sAMAccountName"),
        ("email", "mail"),
    ] {
        put(&mut class, target, text(entry, source));
    }
    let kind = entry.number("groupType").unwrap();
    put(&mut class, "type", Some(if kind < 0 { "Security" } else { "Distribution" }));
    let visibility = match kind & 0xf {
        kind if kind & 1 != 0 => "BUILTIN_LOCAL",
        2 => "GLOBAL",
        4 => "DOMAIN_LOCAL",
        8 => "UNIVERSAL",
        _ => "UNKNOWN",
    };
    put(&mut class, "visibility", Some(visibility));
    document(entry, &id, "groupAssetClass", class)
}

fn document(entry: &Entry, id: &str, key: &str, class: Map<String, Json>) -> Json {
    let mut detail = Map::new();
    put(&mut detail, "name", text(entry, "name"));
    detail.insert(key.to_owned(), Json::Object(class));
    json!({ "assetHeader": { "externalAssetId": id, "vendorAssetId": guid(entry) }, "assetDetail": detail })
}
