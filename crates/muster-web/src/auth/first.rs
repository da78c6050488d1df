//! The first administrator of a tenant.

use muster_core::clock::Instant;
use muster_core::secret::Secret;
use muster_store::hub::{AuditLine, NewAccount, TenantRow};
use muster_store::{FIRST_TENANT, Store};
use serde_json::json;

use super::password::{self, Passwords};
use crate::error::Problem;
use crate::hub::Hub;
use crate::random::Random;

/// The first administrator's name, in every tenant.
const NAME: &str = "admin";
/// The longest name of a tenant: that of a label in a domain name.
const LONGEST_TENANT: usize = 63;

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

impl First {
    /// The password that was made, to be shown once.
    pub fn password(self) -> Option<Secret> {
        match self {
            Self::MadeWith(password) => Some(password),
            Self::Present | Self::Made => None,
        }
    }
}

/// A first administrator that is to be added.
struct Administrator {
    uuid: String,
    hash: String,
    first: First,
}

impl Administrator {
    /// With the password that was given, or one that is made.
    async fn new(passwords: &Passwords, random: &Random, given: Option<Secret>) -> Result<Self, Problem> {
        let (password, first) = match given {
            Some(given) => {
                password::check_new("password", &given)?;
                (given, First::Made)
            }
            None => {
                let made = Secret::new(random.secret());
                (made.clone(), First::MadeWith(made))
            }
        };
        let hash = passwords.hash(password, random).await?;
        Ok(Self { uuid: random.uuid(), hash, first })
    }

    fn account(&self, tenant: i64, now: Instant) -> NewAccount<'_> {
        NewAccount { tenant, uuid: &self.uuid, username: NAME, role: "manager", password: &self.hash, now }
    }

    fn line(&self, tenant: i64, now: Instant) -> AuditLine {
        AuditLine {
            tenant,
            at: now,
            actor_kind: "operator",
            actor: "muster".to_owned(),
            action: "user.create",
            object_kind: "user",
            object: self.uuid.clone(),
            detail: json!({ "username": NAME, "role": "manager" }),
            request: String::new(),
        }
    }
}

/// Makes the first tenant and its administrator `admin`, where there is no account yet.
pub async fn ensure_administrator(hub: &Hub, given: Option<Secret>) -> Result<First, Problem> {
    let now = hub.now();
    let tenant = hub.store.first_tenant(&hub.random.uuid(), now).await?;
    let page = muster_store::hub::Page { after: 0, limit: 1 };
    if !hub.store.accounts(tenant.id, page).await?.is_empty() {
        return Ok(First::Present);
    }
    let administrator = Administrator::new(&hub.passwords, &hub.random, given).await?;
    let line = administrator.line(FIRST_TENANT, now);
    match hub.store.add_account(administrator.account(tenant.id, now), &line).await? {
        Ok(_) => Ok(administrator.first),
        // Another hub on this database made it meanwhile.
        Err(_) => Ok(First::Present),
    }
}

/// Adds a tenant of that name with its administrator `admin`, who signs in as `admin@name`.
pub async fn add_tenant(
    store: &Store,
    (passwords, random): (&Passwords, &Random),
    (name, given): (&str, Option<Secret>),
    now: Instant,
) -> Result<(TenantRow, First), Problem> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    if name.is_empty() || name.len() > LONGEST_TENANT || !name.bytes().all(allowed) {
        let rule = format!("1 to {LONGEST_TENANT} lower-case letters, digits, hyphens, dots and underscores");
        return Err(Problem::value("name", format!("`{name}` is no name for a tenant")).remedy(rule));
    }
    let administrator = Administrator::new(passwords, random, given).await?;
    let tenant =
        TenantRow { id: store.tenant_id().await?, uuid: random.uuid(), name: name.to_owned(), created_at: now };
    let line = administrator.line(tenant.id, now);
    let taken = |refusal| Problem::from(refusal).detail(format!("there is a tenant `{name}` already"));
    store.add_tenant(&tenant, administrator.account(tenant.id, now), &line).await?.map_err(taken)?;
    Ok((tenant, administrator.first))
}
