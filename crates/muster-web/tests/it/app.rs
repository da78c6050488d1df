//! A hub's web in this process: its router, a fake clock, seeded randomness, a database of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use axum::response::Response;
use http_body_util::BodyExt as _;
use muster_core::clock::{FixedClock, Instant};
use muster_core::connector::Offer;
use muster_core::seal::{Key, Keyring};
use muster_core::secret::Secret;
use muster_store::hub::{AuditLine, NewAccount, TenantRow};
use muster_store::{Location, Store};
use muster_web::auth::{Passwords, SignedIn, add_tenant, ensure_administrator, sign_in_user};
use muster_web::{Hub, Random, Settings};
use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _};
use tower::ServiceExt as _;

static SCHEMAS: AtomicU64 = AtomicU64::new(0);

/// The administrator's password in tests.
pub(crate) const PASSWORD: &str = "canary-admin-password";

/// Runs a test over both databases.
pub(crate) async fn both<Done: Future<Output = ()>>(test: impl Fn(TestApp) -> Done) {
    let directory = tempfile::tempdir().unwrap();
    test(TestApp::over(Store::open(&Location::Directory(directory.path().to_owned())).await.unwrap()).await).await;
    let Ok(url) = std::env::var("MUSTER_TEST_POSTGRES") else {
        eprintln!("SKIPPED over PostgreSQL: MUSTER_TEST_POSTGRES is not set");
        return;
    };
    let name = format!("web_{}_{}", std::process::id(), SCHEMAS.fetch_add(1, Ordering::SeqCst));
    command(&url, &format!("CREATE SCHEMA {name}")).await;
    let location = Location::Url(Secret::new(format!("{url}?options=-c%20search_path%3D{name}")));
    let store = Store::open(&location).await.unwrap();
    test(TestApp::over(store.clone()).await).await;
    store.close().await;
    command(&url, &format!("DROP SCHEMA {name} CASCADE")).await;
}

async fn command(url: &str, sql: &str) {
    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
    connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql))).await.unwrap();
}

/// A hub's web, with the administrator `admin` signed in.
pub(crate) struct TestApp {
    pub(crate) hub: Arc<Hub>,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) router: Router,
    pub(crate) token: String,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) async fn read(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Self { status: parts.status, headers: parts.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect("an answer in JSON")
    }

    /// The status and, of a problem, its code.
    pub(crate) fn said(&self) -> (u16, String) {
        let is_problem = self.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/problem+json");
        let code = if is_problem { self.json()["code"].as_str().unwrap().to_owned() } else { String::new() };
        (self.status.as_u16(), code)
    }

    /// The JSON of an answer that must have this status.
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }
}

/// The connector types of the binary.
pub(crate) fn offers() -> Arc<[Offer]> {
    muster_connectors::REGISTRY.iter().map(|kind| kind.offer()).collect()
}

impl TestApp {
    async fn over(store: Store) -> Self {
        let clock = Arc::new(FixedClock::at(Instant::from_rfc3339("2026-03-01T12:00:00Z").unwrap()));
        let keyring = Arc::new(Keyring::new(Key::new([42; 32]), Vec::new()));
        let settings = Settings { password_work: (8, 1), ..Settings::default() };
        let hub = Hub::new((store, offers()), keyring, Arc::clone(&clock) as _, Random::seeded(7), settings);
        let hub = Arc::new(hub);
        ensure_administrator(&hub, Some(Secret::new(PASSWORD))).await.unwrap();
        let router = muster_web::router(Arc::clone(&hub));
        let mut app = Self { hub, clock, router, token: String::new() };
        app.token = app.signed_in("admin", PASSWORD).await.token.reveal().to_owned();
        app
    }

    pub(crate) async fn signed_in(&self, name: &str, password: &str) -> SignedIn {
        sign_in_user(&self.hub, name, Secret::new(password), ("test", "test")).await.unwrap()
    }

    /// Adds an account and signs it in; gives its token.
    pub(crate) async fn somebody(&self, tenant: &TenantRow, name: &str, role: &str) -> String {
        let passwords = Passwords::new((8, 1));
        let hash = passwords.hash(Secret::new(PASSWORD), &self.hub.random).await.unwrap();
        let uuid = self.hub.random.uuid();
        let now = self.hub.now();
        let new = NewAccount { tenant: tenant.id, uuid: &uuid, username: name, role, password: &hash, now };
        self.hub.store.add_account(new, &self.audit(tenant.id)).await.unwrap().unwrap();
        let full = if tenant.id == 1 { name.to_owned() } else { format!("{name}@{}", tenant.name) };
        self.signed_in(&full, PASSWORD).await.token.reveal().to_owned()
    }

    /// The first tenant.
    pub(crate) async fn first_tenant(&self) -> TenantRow {
        self.hub.store.tenant(1).await.unwrap().unwrap()
    }

    /// Another tenant.
    pub(crate) async fn other_tenant(&self) -> TenantRow {
        let passwords = Passwords::new((8, 1));
        let given = ("other", Some(Secret::new(PASSWORD)));
        add_tenant(&self.hub.store, (&passwords, &self.hub.random), given, self.hub.now()).await.unwrap().0
    }

    pub(crate) fn audit(&self, tenant: i64) -> AuditLine {
        AuditLine {
            tenant,
            at: self.hub.now(),
            actor_kind: "operator",
            actor: "test".to_owned(),
            action: "test",
            object_kind: "test",
            object: String::new(),
            detail: json!({}),
            request: String::new(),
        }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        Answer::read(self.router.clone().oneshot(request).await.unwrap()).await
    }

    /// Lets a job's lease run out: whoever had it is gone.
    pub(crate) async fn free(&self, job: &str) {
        let sql = "UPDATE job SET lease_until = 0 WHERE uuid = $1";
        let mut reader = self.hub.store.reader().await.unwrap();
        reader.conn().execute("freeing a job", sql, vec![job.into()]).await.unwrap();
    }

    /// A request by the administrator.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.call_as(&self.token, (method, path), body).await
    }

    /// A request by whoever has that token; nobody, where it is empty.
    pub(crate) async fn call_as(&self, token: &str, (method, path): (Method, &str), body: Option<Value>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !token.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = match body {
            None => Body::empty(),
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
        };
        self.send(request.body(body).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(body)).await
    }
}
