//! The tenant's sign-in: client credentials with a secret, or with an assertion that a certificate's key signed.

use axum::http::StatusCode;
use data_encoding::BASE64URL_NOPAD;
use muster_core::clock::{Clock as _, SystemClock};
use ring::digest::{SHA256, digest};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::{Value, json};

use super::server::Answer;
use super::world::{CLIENT, SECRET, TENANT};
use crate::query::decoded;

pub(super) const TOKEN: &str = "eyJ0eXAiOiJKV1QifQ.lab.";
/// The app's certificate. Its key is the simulator's own and opens nothing else.
pub(super) const CERTIFICATE: &str = include_str!("sign_in/certificate.pem");
pub(super) const PRIVATE_KEY: &str = include_str!("sign_in/private_key.pem");
const PUBLIC_KEY: &[u8] = include_bytes!("sign_in/public_key.der");
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

pub(super) fn token(url: &str, path: &str, form: &str) -> Answer {
    let refused = |status, error: &str, code: i64, text: &str| {
        let told = format!("AADSTS{code}: {text}\r\nTrace ID: 0\r\nTimestamp: 2026-01-01 00:00:00Z");
        (status, json!({ "error": error, "error_description": told, "error_codes": [code] }))
    };
    let field = |name: &str| {
        let mut fields = form.split('&').filter_map(|field| field.split_once('='));
        fields.find(|(key, _)| *key == name).map(|(_, value)| decoded(value))
    };
    if !path.to_lowercase().starts_with(&format!("/{TENANT}/")) {
        return refused(StatusCode::BAD_REQUEST, "invalid_request", 90_002, "Tenant not found.");
    }
    if field("client_id").as_deref() != Some(CLIENT) {
        return refused(StatusCode::BAD_REQUEST, "unauthorized_client", 700_016, "Application not found.");
    }
    let unauthorized = |code, text: &str| refused(StatusCode::UNAUTHORIZED, "invalid_client", code, text);
    match (field("client_secret"), field("client_assertion")) {
        (Some(secret), None) if secret == SECRET => {}
        (Some(_), None) => return unauthorized(7_000_215, "Invalid client secret provided."),
        (None, Some(assertion)) if field("client_assertion_type").as_deref() == Some(ASSERTION) => {
            if let Err(reason) = judge(&assertion, &format!("{url}{path}")) {
                return unauthorized(
                    700_027,
                    &format!("The certificate is not registered on the application: {reason}"),
                );
            }
        }
        _ => return unauthorized(7_000_218, "The body must contain 'client_assertion' or 'client_secret'."),
    }
    // Version 1 writes numbers as text.
    let expires = if path.contains("/v2.0/") { json!(3599) } else { json!("3599") };
    (StatusCode::OK, json!({ "token_type": "Bearer", "expires_in": expires, "access_token": TOKEN }))
}

/// Whether an assertion is the app's: signed by its certificate's key, for this very endpoint.
fn judge(assertion: &str, endpoint: &str) -> Result<(), String> {
    let (signed, signature) = assertion.rsplit_once('.').ok_or("no signature")?;
    let (head, claims) = signed.split_once('.').ok_or("no claims")?;
    let bytes = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| "no base64url");
    let json = |text: &str| -> Result<Value, String> {
        serde_json::from_slice(&bytes(text)?).map_err(|error| error.to_string())
    };
    let (head, claims) = (json(head)?, json(claims)?);
    let key = match head["alg"].as_str() {
        Some("PS256") => UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, PUBLIC_KEY),
        Some("RS256") => UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, PUBLIC_KEY),
        _ => return Err("an algorithm that is not taken".to_owned()),
    };
    key.verify(signed.as_bytes(), &bytes(signature)?).map_err(|_| "the signature is another key's")?;
    let lines = CERTIFICATE.lines().filter(|line| !line.starts_with('-')).collect::<String>();
    let certificate = data_encoding::BASE64.decode(lines.as_bytes()).map_err(|error| error.to_string())?;
    let print = BASE64URL_NOPAD.encode(digest(&SHA256, &certificate).as_ref());
    let told = |name: &str| claims[name].as_str().unwrap_or_default();
    if head["x5t#S256"] != print.as_str() {
        return Err("x5t#S256 names another certificate".to_owned());
    }
    if told("iss") != CLIENT || told("sub") != CLIENT || told("aud") != endpoint || told("jti").is_empty() {
        return Err(format!("iss, sub, aud or jti is wrong: {claims}"));
    }
    let now = u64::try_from(SystemClock.now().0 / 1_000_000).unwrap_or_default();
    let time = |name: &str| claims[name].as_u64().unwrap_or_default();
    if time("nbf") > now || time("exp") <= now || time("exp") > now + 3_600 {
        return Err("it is not valid now, or for too long".to_owned());
    }
    Ok(())
}
