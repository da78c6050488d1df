//! `POST /agent/v1/sessions`: an agent's process begins.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use data_encoding::BASE64URL_NOPAD;
use muster_core::agent::{Hello, Report, Welcome, session_keyring};
use muster_core::seal::{Keyring, Place};
use muster_store::hub::{AgentRow, ConnectionRow};
use ring::agreement::{EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral};
use ring::rand::SystemRandom;
use serde_json::json;

use super::{calling, configuration};
use crate::auth::Principal;
use crate::error::{Code, Problem};
use crate::extract::Body;
use crate::hub::Hub;
use crate::settings;

/// The longest name that an agent gives, in characters.
const LONGEST: usize = 256;
/// The most secrets that an agent may say it holds.
const HOLDS: usize = 64;
/// An X25519 key.
const KEY_LENGTH: usize = 32;

/// Begins an agent's session. From now on it is its profile's agent: an older process is refused with `session_replaced`.
/// The answer has what to read, and the secrets it needs, sealed to the key that it sent.
#[utoipa::path(
    post, path = "/agent/v1/sessions", tag = "agents", operation_id = "beginAgentSession", request_body = Hello,
    responses((status = 201, description = "The session.", body = Welcome))
)]
pub(super) async fn begin(
    State(hub): State<Arc<Hub>>,
    who: Principal,
    Body(hello): Body<Hello>,
) -> Result<Response, Problem> {
    check(&hello)?;
    let tenant = hub.store.tenant(who.tenant).await?.filter(|tenant| tenant.uuid == hello.customer);
    let tenant = tenant.ok_or_else(|| Problem::new(Code::UnknownCustomer))?;
    let connection = hub.store.connection(tenant.id, &hello.connection).await?;
    let connection = connection.ok_or_else(|| Problem::new(Code::UnknownConnection))?;
    calling::may(&hub, &who, connection.id).await?;
    let profile = hub.store.profile(tenant.id, &hello.profile).await?;
    let profile = profile.filter(|profile| profile.connector == connection.id);
    let profile = profile.ok_or_else(|| Problem::new(Code::UnknownProfile))?;
    calling::by_agent(&connection)?;
    let mut told = configuration::of(&hub, (&connection, &profile)).await?;
    told.cursors = configuration::cursors(&hub, (&connection, &profile)).await?;
    let (keyring, public_key) = agree(&hello.public_key)?;
    let session = hub.random.uuid();
    told.sealed = seal(&hub, &connection, &keyring, (&hello, &session)).await?;
    let row = AgentRow {
        tenant: tenant.id,
        profile: profile.id,
        connector: connection.id,
        session: session.clone(),
        subject_kind: who.kind.word().to_owned(),
        subject: who.subject.clone(),
        subject_name: who.name.clone(),
        host: hello.host,
        version: hello.version,
        cron: hello.cron,
        time_zone: hello.time_zone,
        began_at: hub.now(),
        seen_at: hub.now(),
        revision: told.revision.clone(),
        report: json!(Report::default()),
        lines: Vec::new(),
    };
    let sent: Vec<&String> = told.sealed.keys().collect();
    let detail = json!({ "connector": connection.uuid, "host": row.host, "secretsSent": sent });
    let audit = who.audit(&hub, "agent.session", ("profile", &profile.uuid), detail);
    hub.store.begin_agent(&row, &audit).await?;
    let version = env!("CARGO_PKG_VERSION").to_owned();
    Ok((StatusCode::CREATED, Json(Welcome { session, version, public_key, configuration: told })).into_response())
}

fn check(hello: &Hello) -> Result<(), Problem> {
    let cron = hello.cron.as_deref().unwrap_or_default();
    let texts = [
        ("host", hello.host.as_str()),
        ("version", &hello.version),
        ("cron", cron),
        ("timeZone", &hello.time_zone),
        ("customer", &hello.customer),
        ("connection", &hello.connection),
        ("profile", &hello.profile),
        ("publicKey", &hello.public_key),
    ];
    if let Some((field, _)) = texts.iter().find(|(_, text)| text.chars().count() > LONGEST) {
        return Err(Problem::value(field, format!("it has at most {LONGEST} characters")));
    }
    if hello.holds.len() > HOLDS || hello.holds.iter().any(|field| field.chars().count() > LONGEST) {
        return Err(Problem::value("holds", format!("at most {HOLDS} fields of {LONGEST} characters")));
    }
    Ok(())
}

/// The keyring of a session, and this hub's public key of it.
fn agree(theirs: &str) -> Result<(Keyring, String), Problem> {
    let wrong = || Problem::value("publicKey", "it is no X25519 key in base64url");
    let theirs = BASE64URL_NOPAD.decode(theirs.trim_end_matches('=').as_bytes()).map_err(|_| wrong())?;
    if theirs.len() != KEY_LENGTH {
        return Err(wrong());
    }
    let random = SystemRandom::new();
    let own = EphemeralPrivateKey::generate(&X25519, &random).map_err(|_| Problem::new(Code::Internal))?;
    let public = own.compute_public_key().map_err(|_| Problem::new(Code::Internal))?;
    let keyring = agree_ephemeral(own, &UnparsedPublicKey::new(&X25519, &theirs), |shared| {
        session_keyring(shared, &theirs, public.as_ref())
    });
    // A key of small order makes no secret: ring refuses it.
    Ok((keyring.map_err(|_| wrong())?, BASE64URL_NOPAD.encode(public.as_ref())))
}

/// The connector's secrets that the agent does not hold itself, sealed for its session.
async fn seal(
    hub: &Hub,
    connection: &ConnectionRow,
    keyring: &Keyring,
    (hello, session): (&Hello, &str),
) -> Result<BTreeMap<String, String>, Problem> {
    let mut sealed = BTreeMap::new();
    for (field, secret) in settings::open(hub, connection).await? {
        if hello.holds.contains(&field) {
            continue;
        }
        let place = Place { tenant: &hello.customer, owner: session, field: &field };
        let text = keyring.seal(&place, &secret, &mut *hub.random.generator());
        let text = text.map_err(|_| Problem::new(Code::Internal))?;
        sealed.insert(field, text);
    }
    Ok(sealed)
}
