//! What a user says of itself.

use super::people::{BUILT_IN_NAMES, FAMILY, GIVEN, ODD_NAMES, TITLES};
use super::random::Draws;
use super::schema::Attribute;
use super::tree::{self, DEPARTMENTS, PLACES};
use super::values::{Values, put_padded};
use super::world::{ADMINISTRATOR, BUILT_IN, DAY, EPOCH, Object, SERVICE_ACCOUNT, State, World};

const DISABLED: i64 = 0x2;
const LOCKED: i64 = 0x10;
const NEVER_EXPIRES: i64 = 0x1_0000;
const PASSWORD_EXPIRED: i64 = 0x80_0000;
/// Flags beside NORMAL_ACCOUNT, and how many of a thousand users have them.
const FLAGS: [(i64, u64); 8] = [
    (DISABLED, 80),
    (NEVER_EXPIRES, 60),
    (0x40_0000, 5), // no pre-authentication
    (0x20, 10),     // no password needed
    (0x8_0000, 2),  // trusted for delegation
    (0x20_0000, 2), // DES only
    (0x80, 2),      // reversible encryption
    (0x4_0000, 20), // smart card needed
];
const NEVER: i64 = i64::MAX;

/// Names of draws. Attributes that a modification alters add the revision.
mod draw {
    pub(super) const GIVEN: u64 = 1;
    pub(super) const FAMILY: u64 = 1000;
    pub(super) const TITLE: u64 = 2000;
    pub(super) const MOBILE: u64 = 3000;
    pub(super) const STREET: u64 = 4000;
    pub(super) const LOGON: u64 = 5000;
    pub(super) const HOME: u64 = 2;
    pub(super) const GAPS: u64 = 3;
    pub(super) const CONTROL: u64 = 10;
    pub(super) const PASSWORD: u64 = 20;
    pub(super) const EXPIRY: u64 = 21;
    pub(super) const BAD: u64 = 22;
    pub(super) const RARE: u64 = 23;
    pub(super) const MANAGER: u64 = 24;
    pub(super) const SEEN: u64 = 25;
}

/// A FILETIME of an instant in Unix seconds.
fn filetime(unix_seconds: i64) -> i64 {
    (unix_seconds + 11_644_473_600) * 10_000_000
}

/// A user of the directory.
#[derive(Debug, Clone, Copy)]
pub(super) struct User<'w> {
    world: &'w World,
    number: u32,
    draws: Draws,
    state: Option<&'w State>,
}

impl World {
    pub(super) fn user(&self, number: u32) -> User<'_> {
        let object = Object::User(number);
        User { world: self, number, draws: self.draws(object), state: self.state(object) }
    }

    /// The user whose first or later name that can be; the caller compares names.
    pub(super) fn users_named(&self, common_name: &str) -> impl Iterator<Item = u32> {
        let number = common_name.rsplit(' ').next().and_then(|last| last.parse::<u32>().ok());
        let person = number.and_then(|number| number.checked_add(BUILT_IN));
        let odd = u32::try_from(ODD_NAMES.len()).unwrap_or(0);
        let users = self.users;
        (0..BUILT_IN + odd).chain(person).filter(move |&number| number < users)
    }

    /// The user whose sAMAccountName that can be.
    pub(super) fn user_with_account(&self, account: &str) -> Option<u32> {
        let built_in = BUILT_IN_NAMES.iter().position(|(name, _)| name.eq_ignore_ascii_case(account));
        let number = match built_in {
            Some(position) => u32::try_from(position).ok()?,
            None => account.strip_prefix(['u', 'U'])?.parse::<u32>().ok()?.checked_add(BUILT_IN)?,
        };
        (number < self.users).then_some(number)
    }
}

impl User<'_> {
    fn person(&self) -> Option<u32> {
        self.number.checked_sub(BUILT_IN)
    }

    fn revision(&self) -> u64 {
        self.state.map_or(0, |state| u64::from(state.revision))
    }

    fn home_index(&self) -> usize {
        usize::try_from(self.draws.below(draw::HOME, self.world.homes.len() as u64)).unwrap_or(0)
    }

    /// The container that it lies in, or lay in before it was deleted.
    pub(super) fn home(&self) -> u32 {
        if let Some(home) = self.state.and_then(|state| state.home) {
            return home;
        }
        match self.person() {
            None if self.number == SERVICE_ACCOUNT => tree::SERVICE_ACCOUNTS,
            None => tree::USERS,
            Some(person) if (person as usize) < ODD_NAMES.len() => tree::ODD,
            Some(_) => self.world.homes[self.home_index()],
        }
    }

    fn place(&self) -> &'static (&'static str, &'static str, &'static str, &'static str, i64) {
        &PLACES[self.home_index() / DEPARTMENTS.len() % PLACES.len()]
    }

    fn names(&self) -> (&'static str, &'static str) {
        let renamed = self.state.map_or(0, |state| u64::from(state.name_revision));
        (self.draws.pick(draw::GIVEN, &GIVEN), self.draws.pick(draw::FAMILY + renamed, &FAMILY))
    }

    /// The name that is its own whatever it is called: `u0000042`.
    fn put_account(&self, out: &mut Vec<u8>) {
        match self.person() {
            None => out.extend_from_slice(BUILT_IN_NAMES[self.number as usize].0.as_bytes()),
            Some(person) => {
                out.push(b'u');
                put_padded(out, i64::from(person), 7);
            }
        }
    }

    /// The common name.
    pub(super) fn put_name(&self, out: &mut Vec<u8>) {
        let renamed = self.state.is_some_and(|state| state.name_revision > 0);
        let Some(person) = self.person() else { return self.put_account(out) };
        if let Some(odd) = ODD_NAMES.get(person as usize).filter(|_| !renamed) {
            return out.extend_from_slice(odd.as_bytes());
        }
        let (given, family) = self.names();
        let (first, between, second) = if person % 40 == 9 { (family, ", ", given) } else { (given, " ", family) };
        for part in [first, between, second, " "] {
            out.extend_from_slice(part.as_bytes());
        }
        super::values::put_integer(out, i64::from(person));
    }

    pub(super) fn relative_identifier(&self) -> u32 {
        let first = || BUILT_IN_NAMES.get(self.number as usize).map_or(2000 + self.number, |(_, rid)| *rid);
        self.state.and_then(|state| state.rid).unwrap_or_else(first)
    }

    /// userAccountControl.
    pub(super) fn control(&self) -> i64 {
        let mut control = 0x200;
        match self.number {
            0 | SERVICE_ACCOUNT => control |= NEVER_EXPIRES,
            1 => control |= NEVER_EXPIRES | DISABLED | 0x20,
            2 => control |= DISABLED,
            _ => {
                for (index, (flag, per_mille)) in FLAGS.into_iter().enumerate() {
                    if self.draws.chance(draw::CONTROL + index as u64, per_mille) {
                        control |= flag;
                    }
                }
            }
        }
        if self.state.is_some_and(|state| state.disabled) { control | DISABLED } else { control }
    }

    fn gap(&self, which: u64, per_mille: u64) -> bool {
        self.person().is_none()
            || self.draws.draw(draw::GAPS).rotate_left(u32::try_from(which).unwrap_or(0) * 7) % 1000 < per_mille
    }

    fn days_ago(&self, name: u64, days: u64) -> i64 {
        EPOCH - 1 - i64::try_from(self.draws.below(name, days * 86_400)).unwrap_or(0)
    }

    /// Writes the values of an attribute; false where it is none of a user's own.
    pub(super) fn write(&self, attribute: Attribute, out: &mut Values) -> bool {
        self.write_person(attribute, out) || self.write_account(attribute, out) || self.write_times(attribute, out)
    }

    fn write_person(&self, attribute: Attribute, out: &mut Values) -> bool {
        let is_person = self.person().is_some();
        let (city, province, country, letters, dialling) = *self.place();
        match attribute {
            Attribute::GivenName if is_person && !self.gap(0, 10) => out.push(self.names().0),
            Attribute::Sn if is_person => out.push(self.names().1),
            Attribute::DisplayName if !self.gap(1, 30) => {
                let (given, family) = self.names();
                out.push_format(format_args!("{given} {family}"));
            }
            Attribute::Mail if !self.gap(2, 50) => out.push_with(|out| {
                self.put_account(out);
                out.extend_from_slice(b"@mail.muster.test");
            }),
            Attribute::Mobile if !self.gap(3, 200) => {
                let digits = self.draws.below(draw::MOBILE + self.revision(), 1_000_000_000);
                out.push_format(format_args!("+{dialling} {digits:09}"));
            }
            Attribute::TelephoneNumber if !self.gap(4, 100) => {
                out.push_format(format_args!("+{dialling} {:07}", self.draws.below(draw::MOBILE - 1, 10_000_000)));
            }
            Attribute::Title if !self.gap(5, 100) => out.push(self.draws.pick(draw::TITLE + self.revision(), &TITLES)),
            Attribute::Department if is_person => out.push(DEPARTMENTS[self.home_index() % DEPARTMENTS.len()]),
            Attribute::Company if is_person => out.push("Muster Test S.L."),
            Attribute::Locality if is_person => out.push(city),
            Attribute::Province if !self.gap(6, 100) => out.push(province),
            Attribute::Country if !self.gap(7, 50) => out.push(country),
            Attribute::Country2 if is_person => out.push(letters),
            Attribute::StreetAddress if !self.gap(8, 100) => {
                let number = self.draws.below(draw::STREET + self.revision(), 998) + 1;
                out.push_format(format_args!("{number} {} St.\r\nFloor {}", self.names().1, number % 30));
            }
            Attribute::PostalCode if is_person => {
                out.push_with(|out| {
                    put_padded(out, i64::try_from(self.draws.below(draw::STREET - 1, 100_000)).unwrap_or(0), 5)
                });
            }
            Attribute::CustomCity if self.gap(1, 100) && is_person => out.push(city),
            Attribute::CustomCountry if self.gap(1, 100) && is_person => out.push(country),
            Attribute::CustomState if self.gap(1, 100) && is_person => out.push(province),
            Attribute::EmployeeId if is_person => out.push_format(format_args!("E{:07}", self.number)),
            Attribute::Description if is_person && self.number.is_multiple_of(3) => {
                out.push_format(format_args!("Lab user {}", self.number));
            }
            Attribute::Manager if self.person().is_some_and(|person| person > 50) => {
                let manager = BUILT_IN + u32::try_from(self.draws.below(draw::MANAGER, 50)).unwrap_or(0);
                if !self.world.is_deleted(Object::User(manager)) {
                    out.push_with(|out| self.world.put_dn(Object::User(manager), out));
                }
            }
            _ => return false,
        }
        true
    }

    fn write_account(&self, attribute: Attribute, out: &mut Values) -> bool {
        match attribute {
            Attribute::SamAccountName => out.push_with(|out| self.put_account(out)),
            Attribute::UserPrincipalName if !self.gap(9, 20) || self.number == SERVICE_ACCOUNT => {
                out.push_with(|out| {
                    self.put_account(out);
                    out.extend_from_slice(b"@muster.test");
                })
            }
            Attribute::UserAccountControl => out.push_integer(self.control()),
            Attribute::ComputedControl => out.push_integer(self.computed_control()),
            Attribute::SamAccountType => out.push("805306368"),
            Attribute::PrimaryGroupId => out.push("513"),
            Attribute::AdminCount if self.number == ADMINISTRATOR || self.draws.chance(draw::RARE, 3) => out.push("1"),
            Attribute::ServicePrincipalName if self.draws.chance(draw::RARE + 100, 10) => {
                out.push_format(format_args!("HTTP/app{}.muster.test", self.number));
                out.push_format(format_args!("HTTP/app{}", self.number));
            }
            Attribute::AllowedToDelegateTo if self.draws.chance(draw::RARE + 200, 2) => {
                out.push("cifs/files.muster.test")
            }
            Attribute::EncryptionTypes if self.draws.chance(draw::RARE + 100, 10) => out.push("24"),
            Attribute::SidHistory if self.draws.chance(draw::RARE + 300, 5) => {
                out.push_with(|out| super::objects::put_sid(out, [1, 2, 3], Some(self.number)));
            }
            Attribute::MemberOf => {
                for group in self.world.groups_of(self.number) {
                    out.push_with(|out| self.world.put_dn(Object::Group(group), out));
                }
            }
            _ => return false,
        }
        true
    }

    fn write_times(&self, attribute: Attribute, out: &mut Values) -> bool {
        let bad = [0, 0, 0, 0, 0, 0, 0, 1, 2, 5][usize::try_from(self.draws.below(draw::BAD, 10)).unwrap_or(0)];
        let seen = self.seen();
        match attribute {
            Attribute::PwdLastSet => out.push_integer(self.password_set()),
            Attribute::AccountExpires => out.push_integer(match self.draws.below(draw::EXPIRY, 8) {
                0 => 0,
                1 if self.person().is_some() => {
                    let days = i64::try_from(self.draws.below(draw::EXPIRY + 100, 1500)).unwrap_or(0);
                    filetime(EPOCH + (days - 300) * DAY)
                }
                _ => NEVER,
            }),
            // The controller that is asked may never have seen the user; what it tells the others lags behind.
            Attribute::LastLogon => {
                out.push_integer(if self.draws.chance(draw::SEEN + 100, 200) { 0 } else { seen.map_or(0, filetime) });
            }
            Attribute::LastLogonTimestamp => {
                let lag = i64::try_from(self.draws.below(draw::SEEN + 200, 14 * 86_400)).unwrap_or(0);
                seen.into_iter().for_each(|seen| out.push_integer(filetime(seen - lag)));
            }
            Attribute::LogonCount => out.push_integer(i64::from(seen.is_some()) * i64::from(self.number % 3000 + 1)),
            Attribute::BadPwdCount => out.push_integer(bad),
            Attribute::BadPasswordTime => {
                out.push_integer(if bad > 0 { filetime(self.days_ago(draw::BAD + 100, 200)) } else { 0 });
            }
            Attribute::LockoutTime if bad == 5 && self.is_locked() => {
                out.push_integer(filetime(self.days_ago(draw::BAD + 100, 200)));
            }
            Attribute::LockoutTime if bad > 0 => out.push("0"),
            _ => return false,
        }
        true
    }

    fn seen(&self) -> Option<i64> {
        let name = draw::LOGON + self.revision();
        (!self.draws.chance(draw::SEEN, 100)).then(|| self.days_ago(name, 700))
    }

    fn password_set(&self) -> i64 {
        let set = self.draws.below(draw::PASSWORD, 1000) >= 20;
        if set { filetime(self.days_ago(draw::PASSWORD + 100, 700)) } else { 0 }
    }

    fn is_locked(&self) -> bool {
        self.draws.chance(draw::BAD + 200, 100)
    }

    fn computed_control(&self) -> i64 {
        let expires = filetime(EPOCH - 42 * DAY);
        let expired = self.control() & NEVER_EXPIRES == 0 && self.password_set() < expires;
        let locked = self.draws.below(draw::BAD, 10) == 9 && self.is_locked();
        i64::from(expired) * PASSWORD_EXPIRED + i64::from(locked) * LOCKED
    }
}
