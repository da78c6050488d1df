//! MuleSoft Anypoint: business groups, environments, API instances, and the definitions that Exchange has of them (S2;
//! docs/adr/0012).
//!
//! ```text
//! config ─open→ client (sign-in, lists, files; refused.rs: errors)
//!   plan: business groups → environments = scopes
//!   read: instance.rs (API Manager) + asset.rs (Exchange, the file) ─batches→ sink
//! ```

mod asset;
mod check;
mod client;
mod config;
mod confirm;
mod instance;
mod plan;
mod read;
mod refused;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use async_trait::async_trait;
use muster_core::clock::{Clock, SystemClock};
use muster_core::connector::{
    Area, BatchSink, Connector, ConnectorError, ConnectorSpec, ErrorKind, FieldSpec, PermissionSpec, Plan, ReadRequest,
    ScopeEnd, Sections, SettingError, StepSink, Verdict,
};
use muster_core::model::DataModel;

use self::client::Client;
use self::config::Config;
use self::plan::Scope;
use self::read::{Job, Shared};
use crate::kit::marks::{Freshness, unread};
use crate::{ConnectorType, Settings};

/// The connector type.
pub static CONNECTOR: ConnectorType = ConnectorType {
    spec: &SPEC,
    model: || Arc::clone(&MODEL),
    default_maps: &[("apis", include_str!("maps/apis.yaml"))],
    refusals: refused::refusals,
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
    (kind, required): (&'static str, bool),
    help: &'static str,
) -> FieldSpec {
    FieldSpec { key, label, section, choices: &[], kind, required, help }
}

static SPEC: ConnectorSpec = ConnectorSpec {
    type_name: "mulesoft",
    source_name: "MuleSoft",
    vendor: "MuleSoft",
    product: "Anypoint Platform",
    category: "API Connector",
    assets: "APIs",
    findings: "N/A (Discovery only)",
    version: "1.0.0",
    integration_type: "Cloud",
    direction: "Unidirectional (Anypoint Platform to Muster)",
    delta_support: "Supported",
    permissions: &[
        PermissionSpec { entity: "Business groups", permission: "View Organization" },
        PermissionSpec { entity: "Environments", permission: "View Environment" },
        PermissionSpec { entity: "API instances", permission: "View APIs Configuration" },
        PermissionSpec { entity: "Definitions", permission: "Exchange Viewer" },
    ],
    fields: &[
        field(
            ("authentication", "organizationId"),
            "Organization ID",
            ("text", true),
            "The business group's id: API Manager shows it beside the environment.",
        ),
        field(
            ("authentication", "environmentId"),
            "Environment ID",
            ("text", false),
            "The environment's id. It may be absent where the profile asks for all environments.",
        ),
        field(
            ("authentication", "clientId"),
            "Client ID",
            ("text", false),
            "The client id of a connected app that acts on its own behalf, with the scopes View Organization, View \
             Environment, View APIs Configuration and Exchange Viewer. No scope that manages or contributes is needed.",
        ),
        field(("authentication", "clientSecret"), "Client Secret", ("secret", false), "The connected app's secret."),
        field(
            ("authentication", "username"),
            "User name",
            ("text", false),
            "Instead of a connected app: a user without single sign-on and second factor.",
        ),
        field(("authentication", "password"), "Password", ("secret", false), "The user's password."),
        field(
            ("endpoints", "base"),
            "Control plane",
            ("text", false),
            "https://anypoint.mulesoft.com, where absent; https://eu1.anypoint.mulesoft.com and \
             https://gov.anypoint.mulesoft.com are others, a private cloud has its own.",
        ),
        field(
            ("endpoints", "storage"),
            "Storage",
            ("text", false),
            "The domain below which Exchange keeps files, or one base URL; amazonaws.com, where absent.",
        ),
        FieldSpec {
            key: "businessGroups",
            label: "Business groups",
            section: "profile",
            choices: &["own", "below"],
            kind: "choice",
            required: false,
            help: "`below` reads the business groups below this one, too; own, where absent.",
        },
        field(
            ("profile", "allEnvironments"),
            "All environments",
            ("boolean", false),
            "Reads every environment that is visible, instead of the one.",
        ),
        field(
            ("profile", "unmanagedAssets"),
            "Unmanaged assets",
            ("boolean", false),
            "Reads the API assets of Exchange that have no instance in API Manager, too.",
        ),
        field(
            ("profile", "fetchAfterDays"),
            "Fetch after days",
            ("integer", false),
            "A definition is fetched afresh after so many days, changed or not; 7, where absent.",
        ),
        field(
            ("profile", "callsPerSecond"),
            "Calls per second",
            ("integer", false),
            "The most calls in a second; 10, where absent. Anypoint tells no limit of its own.",
        ),
    ],
};

fn check_settings(sections: &Sections) -> Result<Vec<Area>, SettingError> {
    let settings = Settings { sections: sections.clone(), base_directory: None };
    Config::read(&settings).map(|config| config::areas(&config))
}

fn open(settings: &Settings) -> Result<Arc<dyn Connector>, SettingError> {
    let config = Arc::new(Config::read(settings)?);
    let client = Client::new(Arc::clone(&config))
        .map_err(|error| SettingError::new("endpoints", &error.message, "check the machine's certificates"))?;
    Ok(Arc::new(Anypoint {
        config,
        client,
        clock: Arc::new(SystemClock),
        scopes: Mutex::default(),
        shared: Shared::default(),
    }))
}

/// Anypoint Platform, opened with one connector's settings.
pub(crate) struct Anypoint {
    config: Arc<Config>,
    client: Client,
    clock: Arc<dyn Clock>,
    /// What the plan of this run found, by scope.
    scopes: Mutex<BTreeMap<String, Scope>>,
    shared: Shared,
}

impl std::fmt::Debug for Anypoint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Anypoint").field("organization", &self.config.organization).finish_non_exhaustive()
    }
}

impl Anypoint {
    fn found(&self, scope: &str) -> Option<Scope> {
        self.scopes.lock().unwrap_or_else(PoisonError::into_inner).get(scope).cloned()
    }

    /// The business groups of the plan.
    fn organizations(&self) -> BTreeSet<String> {
        let scopes = self.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        let places = scopes.values().filter_map(|scope| match scope {
            Scope::Place(place) => Some(place.organization.clone()),
            Scope::Gap { .. } => None,
        });
        places.collect()
    }
}

#[async_trait]
impl Connector for Anypoint {
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
        self.shared.forget().await;
        let (plan, scopes) = plan::plan(&self.client, &self.config).await?;
        *self.scopes.lock().unwrap_or_else(PoisonError::into_inner) = scopes;
        Ok(plan)
    }

    async fn read(&self, request: ReadRequest<'_>, sink: &dyn BatchSink) -> Result<ScopeEnd, ConnectorError> {
        let place = match self.found(&request.scope.name) {
            Some(Scope::Place(place)) => place,
            Some(Scope::Gap { reason, remedy }) => return Ok(unread(request.mode, reason, remedy)),
            None => {
                let operation = format!("reading `{}`", request.scope.name);
                let message = "the environment is no longer listed, since this run was planned";
                return Err(ConnectorError::new(ErrorKind::Protocol, operation, message));
            }
        };
        let wanted = || !sink.is_closed();
        let freshness = Freshness::new(&*self.clock, self.config.fetch_after_days);
        let client = self.client.metered();
        let organizations = self.organizations();
        let job = Job { client: &client, place: &place, shared: &self.shared, wanted: &wanted, organizations };
        job.run(&request, freshness, sink).await
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
        check::check(self, sink).await
    }
}

#[cfg(test)]
mod tests;
