//! The containers: the domain, its well-known containers, and the departments within their countries.

use super::names;

pub(super) const DOMAIN: u32 = 0;
pub(super) const USERS: u32 = 1;
pub(super) const DELETED_OBJECTS: u32 = 2;
pub(super) const COMPUTERS: u32 = 3;
pub(super) const LOST_AND_FOUND: u32 = 5;
pub(super) const GROUPS: u32 = 7;
pub(super) const SERVICE_ACCOUNTS: u32 = 8;
pub(super) const ODD: u32 = 9;

/// City, province, country, its letters and its dialling code.
pub(super) const PLACES: [(&str, &str, &str, &str, i64); 8] = [
    ("Madrid", "Madrid", "Spain", "ES", 34),
    ("München", "Bayern", "Germany", "DE", 49),
    ("Lyon", "Auvergne-Rhône-Alpes", "France", "FR", 33),
    ("東京", "東京都", "Japan", "JP", 81),
    ("Austin", "Texas", "United States", "US", 1),
    ("São Paulo", "SP", "Brazil", "BR", 55),
    ("Łódź", "łódzkie", "Poland", "PL", 48),
    ("Reading", "Berkshire", "United Kingdom", "GB", 44),
];
pub(super) const DEPARTMENTS: [&str; 6] = ["Finance", "IT", "Sales", "R&D", "Operations", "Legal"];

/// What a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Domain,
    Unit,
    Container,
    Builtin,
    LostAndFound,
}

impl Class {
    /// Its object classes, the most general first.
    pub(super) fn names(self) -> &'static [&'static str] {
        match self {
            Self::Domain => &["top", "domain", "domainDNS"],
            Self::Unit => &["top", "organizationalUnit"],
            Self::Container => &["top", "container"],
            Self::Builtin => &["top", "builtinDomain"],
            Self::LostAndFound => &["top", "lostAndFound"],
        }
    }

    /// The short name and the name of its category in the schema.
    pub(super) fn category(self) -> (&'static str, &'static str) {
        match self {
            Self::Domain => ("domaindns", "Domain-DNS"),
            Self::Unit => ("organizationalunit", "Organizational-Unit"),
            Self::Container => ("container", "Container"),
            Self::Builtin => ("builtindomain", "Builtin-Domain"),
            Self::LostAndFound => ("lostandfound", "Lost-And-Found"),
        }
    }
}

/// A container.
#[derive(Debug, Clone)]
pub(super) struct Container {
    pub(super) parent: Option<u32>,
    pub(super) class: Class,
    pub(super) name: String,
    /// The whole name, kept up to date by [`compose`].
    pub(super) dn: String,
    /// Of its last change, if there was one.
    pub(super) usn: Option<i64>,
    pub(super) changed_at: Option<i64>,
}

impl Container {
    /// The type of its relative name.
    pub(super) fn name_type(&self) -> &'static str {
        match self.class {
            Class::Domain => "DC",
            Class::Unit => "OU",
            _ => "CN",
        }
    }
}

/// The tree at the beginning, and the numbers of the departments in it.
pub(super) fn grow() -> (Vec<Container>, Vec<u32>) {
    let mut containers = Vec::new();
    let mut add = |parent: Option<u32>, class: Class, name: &str| {
        let number = u32::try_from(containers.len()).unwrap_or(0);
        containers.push(Container {
            parent,
            class,
            name: name.to_owned(),
            dn: String::new(),
            usn: None,
            changed_at: None,
        });
        number
    };
    let domain = Some(add(None, Class::Domain, "muster"));
    add(domain, Class::Container, "Users");
    add(domain, Class::Container, "Deleted Objects");
    add(domain, Class::Container, "Computers");
    add(domain, Class::Builtin, "Builtin");
    add(domain, Class::LostAndFound, "LostAndFound");
    let root = Some(add(domain, Class::Unit, "Muster"));
    for name in ["Groups", "Service accounts", "Odd, \"names\" + more"] {
        add(root, Class::Unit, name);
    }
    let mut homes = Vec::new();
    for place in PLACES {
        let country = Some(add(root, Class::Unit, place.2));
        for department in DEPARTMENTS {
            homes.push(add(country, Class::Unit, department));
        }
    }
    compose(&mut containers);
    (containers, homes)
}

/// Composes the names anew; parents lie before their children.
pub(super) fn compose(containers: &mut [Container]) {
    for index in 0..containers.len() {
        let container = &containers[index];
        let dn = match container.parent {
            None => format!("DC={},DC=test", container.name),
            Some(parent) => {
                let mut dn = format!("{}=", container.name_type()).into_bytes();
                names::escape(&mut dn, container.name.as_bytes());
                dn.push(b',');
                dn.extend_from_slice(containers[parent as usize].dn.as_bytes());
                String::from_utf8_lossy(&dn).into_owned()
            }
        };
        containers[index].dn = dn;
    }
}
