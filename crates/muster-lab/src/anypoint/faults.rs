//! In which ways the platform fails.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::hostile::HostileFile;

/// Faults; each is off by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AnypointFaults {
    /// The second page of each list of APIs is left out; the total says so not.
    pub lose_page: bool,
    /// Every page of a list of APIs is the first: the offset is not looked at.
    pub ignore_offset: bool,
    /// Assets are listed with one instance less than they say.
    pub lose_instance: bool,
    /// Each so many calls is answered with this status, and nothing in it.
    pub throttle_every: u64,
    /// 429, 500 or 503: all are used; 429 where absent.
    pub throttle_status: Option<u16>,
    /// What is refused so says for how many seconds; and failures of an asset.
    pub retry_after: Option<u64>,
    /// What is refused so says until when, as so many seconds from now.
    pub reset_after: Option<u64>,
    /// So many sign-ins are answered with 429 first.
    pub throttle_sign_in: u64,
    /// What lists of APIs say of their total.
    pub total: Option<WrongTotal>,
    /// A token ends after so many calls.
    pub token_lasts: u64,
    /// This business group answers 403.
    pub forbid_group: Option<String>,
    /// This business group is neither listed nor readable.
    pub hide_group: Option<String>,
    /// This business group is named by the one above and not shown in the tree.
    pub cut_group: Option<String>,
    /// This environment answers 403, and is still listed.
    pub forbid_environment: Option<String>,
    /// This environment's list of APIs is empty: a scope is missing.
    pub empty_environment: Option<String>,
    /// No environment is listed: a scope is missing.
    pub hide_environments: bool,
    /// Exchange answers 403: a scope is missing.
    pub forbid_exchange: bool,
    /// Exchange answers 500 for this asset.
    pub fail_asset: Option<String>,
    /// Exchange answers a proxy's page for this asset.
    pub html_asset: Option<String>,
    /// Exchange shows this asset no more, though instances serve it.
    pub hide_asset: Option<String>,
    /// Exchange answers something else than this asset.
    pub empty_asset: Option<String>,
    /// Files of this asset have no link.
    pub no_link: Option<String>,
    /// So many links are refused before one is honoured.
    pub expire_links: u64,
    /// Links lead to another host.
    pub foreign_link: bool,
    /// The storage redirects to another host.
    pub redirect_link: bool,
    /// Files come a few bytes at a time.
    pub drip: bool,
    /// What is wrong with the files of these assets.
    pub hostile_files: BTreeMap<String, HostileFile>,
    /// Files of this asset come damaged.
    pub damage_file: Option<String>,
    /// Files of this asset are no package, and no definition.
    pub nonsense_file: Option<String>,
}

/// How a total is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WrongTotal {
    /// It counts one page.
    Smaller,
    /// It counts one more.
    Greater,
    /// Each page has another one.
    Changing,
    /// The first page that is asked for has another one than all that follow.
    ChangedOnce,
}
