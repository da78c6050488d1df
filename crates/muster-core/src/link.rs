//! Links between assets: bounded pages of members, and the hash of a whole set (design D8).

use serde::{Deserialize, Serialize};

/// A member as the source named it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Member {
    /// By its source key, which never changes.
    Key(String),
    /// By its place: the source key of its container and its name in there, folded. `text` is the source's own words.
    Place {
        /// The locator of container and name, see [`locator`].
        locator: i64,
        /// What the source said.
        text: String,
    },
    /// By a name that could not be taken apart.
    Text(String),
}

impl Member {
    /// The member's 128-bit identity inside its set.
    pub fn hash(&self) -> u128 {
        let mut hasher = blake3::Hasher::new();
        match self {
            Self::Key(key) => hasher.update(b"k").update(key.as_bytes()),
            Self::Place { locator, .. } => hasher.update(b"p").update(&locator.to_le_bytes()),
            Self::Text(text) => hasher.update(b"t").update(crate::fold::fold(text).as_bytes()),
        };
        let mut short = [0; 16];
        short.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        u128::from_le_bytes(short)
    }

    /// What to show for a member that no asset answers to.
    pub fn text(&self) -> &str {
        match self {
            Self::Key(text) | Self::Place { text, .. } | Self::Text(text) => text,
        }
    }
}

/// The hash of a set of members: order-free, and kept in step by adding and subtracting.
pub fn set_hash(members: impl IntoIterator<Item = u128>) -> u128 {
    members.into_iter().fold(0, u128::wrapping_add)
}

/// The number by which an asset is found from its container and its name in it (RFC 4518 would compare more loosely;
/// Muster folds as [`crate::fold::fold`] does on both sides).
pub fn locator(container_key: &str, relative_name: &str) -> i64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(container_key.as_bytes()).update(&[0]).update(crate::fold::fold(relative_name).as_bytes());
    let mut short = [0; 8];
    short.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    i64::from_le_bytes(short)
}

/// A part of an owner's members. An owner's pages follow each other and end with `last`; a set that is empty is one
/// page without members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkPage {
    /// The owner's source key, in the stream of the batch.
    pub owner: String,
    /// The kind of link, such as `member`.
    pub kind: String,
    /// Whether this page begins the set.
    pub first: bool,
    /// Whether this page ends the set.
    pub last: bool,
    /// The members of this page.
    pub members: Vec<Member>,
}
