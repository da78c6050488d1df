//! Profiles: how a connector runs, and when.

use muster_store::hub::ProfileRow;

/// Whether a profile collects what posture rules read.
pub(super) fn collects_posture(profile: &ProfileRow) -> bool {
    profile.active && profile.parameters["assets"] == "identities_with_posture"
}
