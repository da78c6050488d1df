//! Who may: signing in, tokens, sessions, and what a handler asks of whoever sent a request (docs/adr/0006).

mod attempts;
pub(crate) mod csrf;
mod first;
mod password;
mod principal;
pub(crate) mod routes;
mod sign_in;
mod token;

pub use attempts::Attempts;
pub use csrf::form_token;
pub use first::{First, add_tenant, ensure_administrator};
pub use password::Passwords;
pub(crate) use password::check_new as check_new_password;
pub use principal::{Kind, Manager, Principal, Role, Through, Viewer};
pub(crate) use sign_in::prove_password;
pub use sign_in::{SESSION_SECONDS, SignedIn, clear_cookie, session_cookie, sign_in_client, sign_in_user};
pub use token::{Claims, SigningKey};

/// The cookie that holds a browser's token.
pub const COOKIE: &str = "muster_session";
