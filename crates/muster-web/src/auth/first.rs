//! The first administrator.

use muster_core::secret::Secret;
use muster_store::FIRST_TENANT;
use muster_store::hub::{AuditLine, NewAccount};
use serde_json::json;

use super::password;
use crate::error::Problem;
use crate::hub::Hub;

/// What became of the first administrator.
#[derive(Debug)]
pub enum First {
    /// There are accounts already.
    Present,
    /// It was made with the password that was given.
    Made,
    /// It was made with this password, to be shown once.
    MadeWith(Secret),
}

/// Makes the first tenant and its administrator `admin`, where there is no account yet.
pub async fn ensure_administrator(hub: &Hub, given: Option<Secret>) -> Result<First, Problem> {
    let now = hub.now();
    let tenant = hub.store.first_tenant(&hub.random.uuid(), now).await?;
    let page = muster_store::hub::Page { after: 0, limit: 1 };
    if !hub.store.accounts(tenant.id, page).await?.is_empty() {
        return Ok(First::Present);
    }
    if let Some(given) = &given {
        password::check_new("password", given)?;
    }
    let made = given.is_none().then(|| Secret::new(hub.random.secret()));
    let chosen = given.or_else(|| made.clone()).unwrap_or_else(|| Secret::new(hub.random.secret()));
    let hash = hub.passwords.hash(chosen, &hub.random).await?;
    let uuid = hub.random.uuid();
    let line = AuditLine {
        tenant: FIRST_TENANT,
        at: now,
        actor_kind: "operator",
        actor: "muster".to_owned(),
        action: "user.create",
        object_kind: "user",
        object: uuid.clone(),
        detail: json!({ "username": "admin", "role": "manager" }),
        request: String::new(),
    };
    let new = NewAccount { tenant: tenant.id, uuid: &uuid, username: "admin", role: "manager", password: &hash, now };
    match hub.store.add_account(new, &line).await? {
        Ok(_) => Ok(made.map_or(First::Made, First::MadeWith)),
        // Another hub on this database made it meanwhile.
        Err(_) => Ok(First::Present),
    }
}
