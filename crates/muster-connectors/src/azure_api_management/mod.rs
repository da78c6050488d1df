//! Azure API Management: subscriptions, services, APIs and their definitions (S0; docs/adr/0010).
//!
//! ```text
//! config ─open→ client (sign-in, pages, export; arm.rs: errors)
//!   plan: subscriptions → services = scopes
//!   read: api.rs (what the lists say) → definition.rs (is it the API's own?) → record.rs ─batches→ sink
//! ```

mod api;
mod arm;
mod check;
mod client;
mod config;
mod confirm;
mod credential;
mod definition;
mod plan;
mod products;
mod read;
mod record;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use async_trait::async_trait;
use muster_core::clock::{Clock, SystemClock};
use muster_core::connector::{
    Area, BatchSink, Connector, ConnectorError, ConnectorSpec, ErrorKind, FieldSpec, Mode, PermissionSpec, Plan,
    ReadRequest, ScopeEnd, Sections, SettingError, StepSink, Verdict,
};
use muster_core::model::DataModel;
use tokio::sync::RwLock;

use self::api::Service;
use self::client::Client;
use self::config::Config;
use self::plan::Found;
use self::products::Products;
use self::read::Job;
use crate::kit::http::Wanted;
use crate::kit::marks::{Bare, Freshness, unread};
use crate::{ConnectorType, Refusal, Settings};

/// The connector type.
pub static CONNECTOR: ConnectorType = ConnectorType {
    spec: &SPEC,
    model: || Arc::clone(&MODEL),
    default_maps: &[("apis", include_str!("maps/apis.yaml"))],
    refusals,
    open,
    check: check_settings,
};

#[expect(clippy::expect_used, reason = "the file is part of the program, and a test parses it")]
static MODEL: LazyLock<Arc<DataModel>> = LazyLock::new(|| {
    Arc::new(DataModel::parse(include_str!("data_model.yaml")).expect("the data model is part of the program"))
});

const fn field(
    (section, key): (&'static str, &'static str),
    label: &'static str,
    (kind, choices): (&'static str, &'static [&'static str]),
    help: &'static str,
) -> FieldSpec {
    let required = matches!(key.as_bytes(), b"tenantId" | b"clientId");
    FieldSpec { key, label, section, choices, kind, required, help }
}

static SPEC: ConnectorSpec = ConnectorSpec {
    type_name: "azure_api_management",
    source_name: "Azure API Management",
    vendor: "Microsoft",
    product: "Azure API Management",
    category: "API Connector",
    assets: "APIs",
    findings: "N/A (Discovery only)",
    version: "1.0.0",
    integration_type: "Cloud",
    direction: "Unidirectional (Azure to Muster)",
    delta_support: "Supported",
    permissions: &[
        PermissionSpec { entity: "Subscriptions", permission: "Reader" },
        PermissionSpec {
            entity: "API Management services",
            permission: "API Management Service Reader Role, or Reader",
        },
    ],
    fields: &[
        field(
            ("authentication", "tenantId"),
            "Tenant ID",
            ("text", &[]),
            "The directory (tenant) id, a UUID, or one of the tenant's domain names.",
        ),
        field(
            ("authentication", "clientId"),
            "Client ID",
            ("text", &[]),
            "The application (client) id of the app registration. Its service principal needs the role Reader, or API \
             Management Service Reader Role, on the subscriptions; permissions of Microsoft Graph, such as User.Read, \
             give none.",
        ),
        field(
            ("authentication", "clientSecret"),
            "Client Secret",
            ("secret", &[]),
            "The value of a client secret, not its id; absent where a certificate is given.",
        ),
        field(
            ("authentication", "certificate"),
            "Certificate",
            ("certificate", &[]),
            "In place of a client secret: the certificate that was uploaded to the app.",
        ),
        field(
            ("authentication", "privateKey"),
            "Private key",
            ("secret", &[]),
            "The certificate's RSA key, as PEM text without passphrase.",
        ),
        field(
            ("endpoints", "cloud"),
            "Cloud",
            ("choice", &["public", "usGovernment", "china"]),
            "Which cloud the tenant lives in; public, where absent.",
        ),
        field(
            ("endpoints", "tokenVersion"),
            "Token version",
            ("choice", &["v1", "v2"]),
            "Which token endpoint is asked; v1, where absent.",
        ),
        field(("endpoints", "login"), "Sign-in", ("text", &[]), "Another base URL for signing in."),
        field(("endpoints", "management"), "Resource manager", ("text", &[]), "Another base URL for reading."),
        field(
            ("endpoints", "storage"),
            "Storage",
            ("text", &[]),
            "The one host from which definitions are fetched; any storage account of the cloud, where absent.",
        ),
        field(
            ("endpoints", "subscriptionsApiVersion"),
            "API version of subscriptions",
            ("text", &[]),
            "2022-12-01, where absent.",
        ),
        field(
            ("endpoints", "apiManagementApiVersion"),
            "API version of API Management",
            ("text", &[]),
            "2024-05-01, where absent.",
        ),
        field(
            ("profile", "subscriptions"),
            "Subscriptions",
            ("list", &[]),
            "Ids of the subscriptions to read; all that are visible, where absent.",
        ),
        field(
            ("profile", "exportAfterDays"),
            "Export after days",
            ("integer", &[]),
            "A definition is exported afresh after so many days, changed or not; 7, where absent.",
        ),
        field(
            ("profile", "revisions"),
            "Revisions",
            ("choice", &["current", "all"]),
            "Whether earlier revisions of an API are read, each as an API of its own; only the current one, where absent.",
        ),
    ],
};

fn check_settings(sections: &Sections) -> Result<Vec<Area>, SettingError> {
    let settings = Settings { sections: sections.clone(), base_directory: None };
    Config::read(&settings).map(|config| config::areas(&config))
}

/// The codes with which a sign-in may be refused, from the one table there is.
fn refusals() -> Vec<Refusal> {
    let one = |&(code, meaning, remedy): &(i64, &'static str, &'static str)| Refusal {
        code: format!("AADSTS{code}"),
        meaning,
        remedy,
    };
    arm::SIGN_IN.iter().map(one).collect()
}

fn open(settings: &Settings) -> Result<Arc<dyn Connector>, SettingError> {
    Ok(Arc::new(ApiManagement::new(Config::read(settings)?, Arc::new(SystemClock))?))
}

/// A tenant's API Management, opened with one connector's settings.
pub(crate) struct ApiManagement {
    config: Arc<Config>,
    client: Client,
    clock: Arc<dyn Clock>,
    /// What the plan of this run found, by scope.
    found: Mutex<BTreeMap<String, Found>>,
    /// Products by service, as this run read them.
    products: tokio::sync::Mutex<BTreeMap<String, Option<Products>>>,
    exports: RwLock<()>,
    bare: Bare,
}

impl std::fmt::Debug for ApiManagement {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ApiManagement").field("tenant", &self.config.tenant).finish_non_exhaustive()
    }
}

impl ApiManagement {
    fn new(config: Config, clock: Arc<dyn Clock>) -> Result<Self, SettingError> {
        let config = Arc::new(config);
        let client = Client::new(Arc::clone(&config), Arc::clone(&clock))
            .map_err(|error| SettingError::new("endpoints", &error.message, "check the machine's certificates"))?;
        let (found, products, exports) = (Mutex::default(), tokio::sync::Mutex::default(), RwLock::default());
        Ok(Self { config, client, clock, found, products, exports, bare: Bare::default() })
    }

    /// A service's products, read once in a run.
    async fn products(
        &self,
        client: &Client,
        service: &Service,
        wanted: Wanted<'_>,
    ) -> Result<Option<Products>, ConnectorError> {
        let mut kept = self.products.lock().await;
        if let Some(products) = kept.get(&service.id) {
            return Ok(products.clone());
        }
        let products = Products::of(client, service, wanted).await?;
        kept.insert(service.id.clone(), products.clone());
        Ok(products)
    }

    /// Reads a service, or a workspace of one.
    async fn service(
        &self,
        service: &Service,
        request: &ReadRequest<'_>,
        sink: &dyn BatchSink,
    ) -> Result<ScopeEnd, ConnectorError> {
        let wanted = || !sink.is_closed();
        let freshness = Freshness::new(&*self.clock, self.config.export_after_days);
        let client = self.client.metered();
        // A sweep asks for keys alone.
        let products = match request.mode {
            Mode::Sweep => None,
            _ => self.products(&client, service, &wanted).await?,
        };
        let mut job = Job {
            client: &client,
            service,
            subscription: service.subscription(),
            revisions: self.config.revisions,
            products: products.as_ref(),
            sets: BTreeMap::new(),
            exports: &self.exports,
            bare: &self.bare,
            wanted: &wanted,
        };
        job.run(request, freshness, sink).await
    }

    fn found(&self, scope: &str) -> Option<Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).get(scope).cloned()
    }

    /// Whether the plan found a subscription that is not read, for its state.
    fn is_left_out(&self, subscription: &str) -> bool {
        matches!(self.found(&plan::subscription(subscription)), Some(Found::LeftOut))
    }
}

#[async_trait]
impl Connector for ApiManagement {
    fn model(&self) -> &Arc<DataModel> {
        &MODEL
    }

    fn can_confirm(&self) -> bool {
        true
    }

    fn marks_records(&self) -> bool {
        true
    }

    async fn plan(&self) -> Result<Plan, ConnectorError> {
        self.products.lock().await.clear();
        self.bare.clear();
        let (plan, found) = plan::plan(&self.client, &self.config).await?;
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = found;
        Ok(plan)
    }

    async fn read(&self, request: ReadRequest<'_>, sink: &dyn BatchSink) -> Result<ScopeEnd, ConnectorError> {
        let service = match self.found(&request.scope.name) {
            Some(Found::Service(service)) => service,
            Some(Found::Gap { reason, remedy }) => return Ok(unread(request.mode, reason, remedy)),
            Some(Found::LeftOut) | None => {
                let operation = format!("reading `{}`", request.scope.name);
                let message = "the service is no longer listed, since this run was planned";
                return Err(ConnectorError::new(ErrorKind::Protocol, operation, message));
            }
        };
        match self.service(&service, &request, sink).await {
            // Asking again soon is what the server does not want; other scopes go on.
            Err(error) if matches!(error.kind, ErrorKind::RateLimited { .. }) => {
                Ok(unread(request.mode, error.to_string(), error.remedy))
            }
            end => end,
        }
    }

    async fn confirm(
        &self,
        _stream: &str,
        keys: &[String],
        sink: &dyn BatchSink,
    ) -> Result<Vec<Verdict>, ConnectorError> {
        confirm::confirm(self, keys, sink).await
    }

    async fn check(&self, sink: &dyn StepSink) -> bool {
        check::check(&self.client, &self.config, sink).await
    }
}

#[cfg(test)]
mod tests;
