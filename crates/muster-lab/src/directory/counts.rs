//! How much a change touches, and what it touched.

use serde::{Deserialize, Serialize};

/// How many objects a change touches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ChangeCounts {
    /// Users.
    pub users: UserCounts,
    /// Groups.
    pub groups: GroupCounts,
    /// Users that join groups and leave them.
    pub memberships: MembershipCounts,
    /// Departments that get another name.
    pub rename_ou: u32,
}

/// How many users a change touches, each in one way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct UserCounts {
    /// Get another title, mobile and street.
    pub modify: u32,
    /// Are disabled.
    pub disable: u32,
    /// Get another family name, and so another CN.
    pub rename: u32,
    /// Move to another department.
    pub r#move: u32,
    /// Are deleted.
    pub delete: u32,
    /// Are made.
    pub create: u32,
    /// Get another objectSid and keep their objectGUID.
    pub change_sid: u32,
}

/// How many groups a change touches, each in one way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct GroupCounts {
    /// Get another description.
    pub modify: u32,
    /// Get another name.
    pub rename: u32,
    /// Are deleted.
    pub delete: u32,
    /// Are made.
    pub create: u32,
}

/// How many memberships a change touches.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct MembershipCounts {
    /// Begin.
    pub add: u32,
    /// End.
    pub remove: u32,
}

impl Default for ChangeCounts {
    fn default() -> Self {
        Self {
            users: UserCounts { modify: 20, disable: 5, rename: 5, r#move: 5, delete: 5, create: 5, change_sid: 0 },
            groups: GroupCounts::default(),
            memberships: MembershipCounts { add: 10, remove: 10 },
            rename_ou: 0,
        }
    }
}

impl ChangeCounts {
    /// A change of nothing, to be filled.
    pub fn none() -> Self {
        Self {
            users: UserCounts::default(),
            groups: GroupCounts::default(),
            memberships: MembershipCounts::default(),
            rename_ou: 0,
        }
    }
}

/// What a change touched, by objectGUID.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeReport {
    /// Users by what became of them.
    pub users: Touched,
    /// Groups by what became of them.
    pub groups: Touched,
    /// Group and user.
    pub memberships_added: Vec<(String, String)>,
    /// Group and user.
    pub memberships_removed: Vec<(String, String)>,
    /// Departments that got another name.
    pub renamed_ous: Vec<String>,
    /// The controller's highest update sequence number after the change.
    pub highest_committed_usn: i64,
}

/// Objects by what became of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Touched {
    /// Other attributes.
    pub modified: Vec<String>,
    /// Disabled.
    pub disabled: Vec<String>,
    /// Another name.
    pub renamed: Vec<String>,
    /// Another container.
    pub moved: Vec<String>,
    /// A tombstone.
    pub deleted: Vec<String>,
    /// New.
    pub created: Vec<String>,
    /// Another objectSid.
    pub new_sid: Vec<String>,
}
