//! In which ways the tenant fails.

use serde::{Deserialize, Serialize};

/// Faults; each is off by default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AzureFaults {
    /// The second page of each list of APIs is left out, and the count says so not.
    pub lose_page: bool,
    /// The second page of each list of APIs is the first once more.
    pub repeat_page: bool,
    /// The second page of each list of APIs leads to itself.
    pub loop_pages: bool,
    /// The next page lies on another host.
    pub foreign_page: bool,
    /// The last page's link is `""`.
    pub empty_link: bool,
    /// The link to the next page is called `@nextLink`.
    pub odd_link: bool,
    /// Pages come in another order.
    pub reorder_pages: bool,
    /// Lists of APIs are answered with a proxy's page and status 403.
    pub html_list: bool,
    /// Definitions come in drips.
    pub slow_drip: bool,
    /// Two exports of one version set, or of one API's revisions, at the same time both give the first one's document.
    pub mix_families: bool,
    /// All calls about this service are answered 429, `Retry-After: 372`.
    pub storm: Option<String>,
    /// Each answer says that so many reads are left.
    pub reads_left: Option<u64>,
    /// Each so many calls of Resource Manager's is answered 429, `Retry-After: 1`.
    pub throttle_every: u64,
    /// This service answers 403, and is still listed.
    pub forbid_service: Option<String>,
    /// This service is neither listed nor readable: the role on it was taken away.
    pub hide_service: Option<String>,
    /// This service is not listed, and still answers.
    pub unlist_service: Option<String>,
    /// The role on every subscription is missing: the list is empty.
    pub hide_subscriptions: bool,
    /// The export of this API is answered 500.
    pub fail_export: Option<String>,
    /// The export of this API is answered with a proxy's page.
    pub html_export: Option<String>,
    /// So many links are refused before one is honoured.
    pub expire_links: u64,
    /// Links lead to another host.
    pub foreign_link: bool,
    /// The storage redirects to another host.
    pub redirect_link: bool,
    /// Exports of this API give another API's document, so many times.
    pub mix_up: Option<String>,
    /// How many times.
    pub mix_up_times: u64,
    /// Which envelope an export's link comes in: `recorded`, `specified` or `bare`.
    pub envelope: Option<String>,
}
