//! The attributes that the directory knows.

/// How an attribute's values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    /// Without regard to letter case.
    Text,
    /// As numbers.
    Integer,
    /// As bytes.
    Octets,
    /// As distinguished names.
    Name,
    /// As text that sorts in the order of time.
    Time,
}

macro_rules! attributes {
    ($($attribute:ident $name:literal $syntax:ident)*) => {
        /// An attribute.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub(super) enum Attribute { $($attribute,)* }

        impl Attribute {
            /// All of them, in the order in which an entry shows them.
            pub(super) const ALL: &[Self] = &[$(Self::$attribute,)*];

            const NAMES: &[&str] = &[$($name,)*];
            const SYNTAXES: &[Syntax] = &[$(Syntax::$syntax,)*];
        }
    };
}

attributes! {
    ObjectClass "objectClass" Text
    Cn "cn" Text
    Ou "ou" Text
    Dc "dc" Text
    Sn "sn" Text
    Country2 "c" Text
    Locality "l" Text
    Province "st" Text
    Title "title" Text
    Description "description" Text
    PostalCode "postalCode" Text
    TelephoneNumber "telephoneNumber" Text
    GivenName "givenName" Text
    DistinguishedName "distinguishedName" Name
    InstanceType "instanceType" Integer
    WhenCreated "whenCreated" Time
    WhenChanged "whenChanged" Time
    DisplayName "displayName" Text
    UsnCreated "uSNCreated" Integer
    Member "member" Name
    MemberOf "memberOf" Name
    IsDeleted "isDeleted" Text
    LastKnownParent "lastKnownParent" Name
    IsRecycled "isRecycled" Text
    UsnChanged "uSNChanged" Integer
    Country "co" Text
    Department "department" Text
    Company "company" Text
    StreetAddress "streetAddress" Text
    EmployeeId "employeeID" Text
    Name "name" Text
    ObjectGuid "objectGUID" Octets
    UserAccountControl "userAccountControl" Integer
    BadPwdCount "badPwdCount" Integer
    BadPasswordTime "badPasswordTime" Integer
    LastLogon "lastLogon" Integer
    PwdLastSet "pwdLastSet" Integer
    PrimaryGroupId "primaryGroupID" Integer
    ObjectSid "objectSid" Octets
    AdminCount "adminCount" Integer
    AccountExpires "accountExpires" Integer
    LogonCount "logonCount" Integer
    SamAccountName "sAMAccountName" Text
    SamAccountType "sAMAccountType" Integer
    UserPrincipalName "userPrincipalName" Text
    LockoutTime "lockoutTime" Integer
    ServicePrincipalName "servicePrincipalName" Text
    ObjectCategory "objectCategory" Name
    GroupType "groupType" Integer
    SidHistory "sIDHistory" Octets
    LastLogonTimestamp "lastLogonTimestamp" Integer
    AllowedToDelegateTo "msDS-AllowedToDelegateTo" Text
    EncryptionTypes "msDS-SupportedEncryptionTypes" Integer
    ComputedControl "msDS-User-Account-Control-Computed" Integer
    Mail "mail" Text
    Manager "manager" Name
    Mobile "mobile" Text
    CustomCity "city" Text
    CustomCountry "Country" Text
    CustomState "State" Text
    LockoutDuration "lockoutDuration" Integer
    LockoutThreshold "lockoutThreshold" Integer
    MaxPwdAge "maxPwdAge" Integer
    MinPwdLength "minPwdLength" Integer
    InvocationId "invocationId" Octets
    DnsHostName "dNSHostName" Text
}

impl Attribute {
    /// The attribute of that name, letter case aside.
    pub(super) fn find(name: &str) -> Option<Self> {
        let index = Self::NAMES.iter().position(|known| known.eq_ignore_ascii_case(name))?;
        Self::ALL.get(index).copied()
    }

    /// The name as the schema writes it.
    pub(super) fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    pub(super) fn syntax(self) -> Syntax {
        Self::SYNTAXES[self as usize]
    }

    /// Whether it is given only to those who ask for it by name.
    pub(super) fn is_constructed(self) -> bool {
        self == Self::ComputedControl
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attribute_is_found_by_its_name() {
        for &attribute in Attribute::ALL {
            assert_eq!(Attribute::find(&attribute.name().to_ascii_uppercase()), Some(attribute));
        }
        assert_eq!(Attribute::find("unicodePwd"), None);
    }
}
