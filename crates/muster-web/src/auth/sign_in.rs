//! Signing in: a session and the token that names it.

use axum::http::{HeaderValue, header};
use muster_core::fold::fold;
use muster_core::secret::Secret;
use muster_store::FIRST_TENANT;
use muster_store::hub::{AccountRow, AuditLine, ClientRow, SessionRow, TenantRow};
use serde_json::json;

use super::{COOKIE, Claims, Kind, Principal, Role};
use crate::error::{Code, Problem};
use crate::hub::Hub;

/// How much of a name is remembered.
const LONGEST_NAME: usize = 256;

/// How long a session lasts.
pub const SESSION_SECONDS: i64 = 4 * 60 * 60;

/// Whoever signed in.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// Its token.
    pub token: Secret,
    /// Its session.
    pub session: SessionRow,
}

/// Who signed in under a name that nobody has, to the audit.
const UNKNOWN: &str = "(unknown)";

/// Where and in which request somebody tries to sign in.
#[derive(Debug, Clone, Copy)]
struct Attempt<'a> {
    /// The address it comes from.
    address: &'a str,
    /// The request's id.
    request: &'a str,
}

/// Signs a person in: a name, or `name@tenant`.
pub async fn sign_in_user(
    hub: &Hub,
    name: &str,
    password: Secret,
    (address, request): (&str, &str),
) -> Result<SignedIn, Problem> {
    let attempt = Attempt { address, request };
    let key = key(name);
    admit(hub, &key, attempt)?;
    let (tenant, account) = find(hub, name).await?;
    let hash = account.as_ref().filter(|account| account.active).map(|account| account.password.clone());
    let within = password.reveal().len() <= super::password::LONGEST;
    if !hub.passwords.verify(password, hash).await? || !within {
        // A name that nobody has may be a password in the wrong field: it is not written down.
        let name = account.as_ref().map_or(UNKNOWN, |account| &account.username);
        return Err(refuse(hub, (tenant, &key, name), "user", attempt).await?);
    }
    let account = account.ok_or_else(|| Problem::new(Code::WrongCredentials))?;
    hub.attempts.succeeded(&key, address);
    begin(hub, (Kind::User, account.tenant), (account.uuid, account.username), account.role).await
}

/// Signs a client in.
pub async fn sign_in_client(
    hub: &Hub,
    id: &str,
    secret: Secret,
    (address, request): (&str, &str),
) -> Result<SignedIn, Problem> {
    let attempt = Attempt { address, request };
    let key = key(id);
    admit(hub, &key, attempt)?;
    let client = hub.store.client_signing_in(id).await?;
    let role = match &client {
        Some(client) => role(hub, client).await?,
        None => None,
    };
    let hash = client.as_ref().filter(|_| role.is_some()).map(|client| client.secret_hash.clone());
    let within = secret.reveal().len() <= super::password::LONGEST;
    if !hub.passwords.verify(secret, hash).await? || !within {
        let tenant = client.map(|client| client.tenant);
        return Err(refuse(hub, (tenant, &key, id), "client", attempt).await?);
    }
    let (Some(client), Some(role)) = (client, role) else { return Err(Problem::new(Code::WrongCredentials)) };
    hub.attempts.succeeded(&key, address);
    hub.store.client_used(&client, hub.now()).await?;
    let kind = if client.level == "agent" { Kind::Agent } else { Kind::Client };
    begin(hub, (kind, client.tenant), (client.uuid, client.name), role).await
}

/// What a client may do, if it may sign in: where it stands for an account, no more than that one.
async fn role(hub: &Hub, client: &ClientRow) -> Result<Option<String>, Problem> {
    let own = client.active.then(|| client.role.clone());
    let Some(account) = &client.account else { return Ok(own) };
    let account = hub.store.account(client.tenant, account).await?.filter(|account| account.active);
    let viewer = |account: &AccountRow| account.role == Role::Viewer.word();
    Ok(account.and_then(|account| if viewer(&account) { own.map(|_| account.role) } else { own }))
}

/// Whether somebody who is signed in knows their password: failures are counted and noted as those of signing in are.
pub(crate) async fn prove_password(
    (hub, who): (&Hub, &Principal),
    account: &AccountRow,
    given: Secret,
    address: &str,
) -> Result<(), Problem> {
    let attempt = Attempt { address, request: &who.request };
    // Apart from signing in: whoever fails at that from there locks nobody out who is in.
    let key = format!("password {}", account.uuid);
    admit(hub, &key, attempt)?;
    let within = given.reveal().len() <= super::password::LONGEST;
    if !hub.passwords.verify(given, Some(account.password.clone())).await? || !within {
        refuse(hub, (Some(account.tenant), &key, &account.username), "user", attempt).await?;
        return Err(Problem::value("current", "this is not the password of the account"));
    }
    hub.attempts.succeeded(&key, address);
    Ok(())
}

/// A name as failures are counted for it: folded, and no longer than any name is.
fn key(name: &str) -> String {
    fold(&name.chars().take(LONGEST_NAME).collect::<String>())
}

fn admit(hub: &Hub, key: &str, attempt: Attempt<'_>) -> Result<(), Problem> {
    let Some(seconds) = hub.attempts.wait(key, attempt.address, hub.now()) else { return Ok(()) };
    let problem = Problem::new(Code::TooManyAttempts).detail(format!("try again in {seconds} seconds"));
    Err(Problem { retry_after: Some(seconds), ..problem })
}

async fn find(hub: &Hub, name: &str) -> Result<(Option<i64>, Option<AccountRow>), Problem> {
    // A name with an `@` is looked for as it stands before the part behind it is taken for a tenant.
    if let Some(account) = hub.store.account_named(FIRST_TENANT, name).await? {
        return Ok((Some(FIRST_TENANT), Some(account)));
    }
    let Some((name, tenant)) = name.rsplit_once('@') else { return Ok((Some(FIRST_TENANT), None)) };
    let tenant: Option<TenantRow> = hub.store.tenant_named(tenant).await?;
    let Some(tenant) = tenant else { return Ok((None, None)) };
    let account = hub.store.account_named(tenant.id, name).await?;
    Ok((Some(tenant.id), account))
}

/// Notes a refused sign-in; says nothing of why.
async fn refuse(
    hub: &Hub,
    (tenant, key, name): (Option<i64>, &str, &str),
    kind: &'static str,
    attempt: Attempt<'_>,
) -> Result<Problem, Problem> {
    hub.attempts.failed(key, attempt.address, hub.now());
    if let Some(tenant) = tenant {
        let line = AuditLine {
            tenant,
            at: hub.now(),
            actor_kind: kind,
            actor: name.to_owned(),
            action: "session.refuse",
            object_kind: "session",
            object: String::new(),
            detail: json!({ "address": attempt.address }),
            request: attempt.request.to_owned(),
        };
        hub.store.audit(&line).await?;
    }
    Ok(Problem::new(Code::WrongCredentials))
}

async fn begin(
    hub: &Hub,
    (kind, tenant): (Kind, i64),
    (subject, name): (String, String),
    role: String,
) -> Result<SignedIn, Problem> {
    let now = hub.now();
    let session = SessionRow {
        id: hub.random.uuid(),
        tenant,
        kind: kind.word().to_owned(),
        subject,
        name,
        role,
        created_at: now,
        expires_at: now.plus(SESSION_SECONDS * 1_000_000),
    };
    hub.store.begin_session(&session).await?;
    let seconds = now.0 / 1_000_000;
    let token = hub.signing.sign(&Claims {
        iss: "muster".to_owned(),
        sub: session.subject.clone(),
        tid: tenant,
        jti: session.id.clone(),
        iat: seconds,
        exp: seconds + SESSION_SECONDS,
    });
    Ok(SignedIn { token: Secret::new(token), session })
}

/// The cookie of a browser that signed in.
pub fn session_cookie(hub: &Hub, signed: &SignedIn) -> HeaderValue {
    let secure = if hub.settings.secure_cookies { "; Secure" } else { "" };
    let token = signed.token.reveal();
    let text = format!("{COOKIE}={token}; HttpOnly; SameSite=Strict; Path=/; Max-Age={SESSION_SECONDS}{secure}");
    let mut value = HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

/// The cookie of a browser that signed out, for the header of that name.
pub fn clear_cookie() -> (header::HeaderName, HeaderValue) {
    let text = "muster_session=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0";
    (header::SET_COOKIE, HeaderValue::from_static(text))
}
