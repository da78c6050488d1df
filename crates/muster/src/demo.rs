//! `muster demo`: a hub with a simulated directory, a simulated Azure tenant and a simulated organization of MuleSoft's, on
//! a machine that has nothing but this program.
//!
//! ```text
//! simulated directory    ←─ connector "Demo directory" ←┐
//! simulated Azure tenant ←─ connector "Demo Azure"     ←┼ hub ←─ a browser
//! simulated organization ←─ connector "Demo MuleSoft"  ←┘
//! ```
//! The connectors are configured as anybody would configure them, their first runs are awaited, then the sources change
//! and the profiles' schedules bring the changes in.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use muster_connectors::{active_directory, azure_api_management, mulesoft};
use muster_core::clock::Instant;
use muster_core::connector::ConnectorSpec;
use muster_core::schedule::Schedule;
use muster_core::seal::{Keyring, Place};
use muster_core::secret::Secret;
use muster_lab::anypoint::{AnypointChange, AnypointOptions, RunningAnypoint};
use muster_lab::azure::{AzureChange, AzureOptions, RunningAzure};
use muster_lab::directory::{ChangeCounts, DirectoryOptions, RunningDirectory, start};
use muster_store::hub::{
    AuditLine, ConnectionChange, ConnectionRow, Enqueued, NewJob, ProfileChange, ProfileRow, SealedSecret,
};
use muster_store::{FIRST_TENANT, Store};
use muster_web::Hub;
use serde_json::{Value as Json, json};

use crate::cli::DemoArguments;
use crate::console::say_line;
use crate::failure::Failure;
use crate::listen::Listening;
use crate::serve::{Serving, Start, until_told_to_end};

/// How a source is made a connector of, and its profile.
struct Source {
    connector: &'static str,
    profile: &'static str,
    spec: &'static ConnectorSpec,
    name: &'static str,
    description: &'static str,
    settings: Json,
    secret: (&'static str, Secret),
    profile_name: &'static str,
    parameters: Json,
}

impl Source {
    fn directory(lab: &RunningDirectory) -> Self {
        let (banner, address) = (lab.banner(), lab.ldap_address());
        Self {
            connector: "4d757374-6572-4d64-8001-000000000001",
            profile: "4d757374-6572-4d64-8001-000000000002",
            spec: active_directory::CONNECTOR.spec,
            name: "Demo directory",
            description: "A simulated Active Directory on this machine.",
            settings: json!({ "authentication": {
                "host": address.ip().to_string(), "port": address.port(), "protocol": "ldap", "bindDn": banner["bindDn"],
            }}),
            secret: ("authentication.password", text(&banner["password"])),
            profile_name: "All identities",
            parameters: json!({ "assets": "identities_with_posture" }),
        }
    }

    fn azure(lab: &RunningAzure) -> Self {
        let (banner, url) = (lab.banner(), lab.url());
        Self {
            connector: "4d757374-6572-4d64-8001-000000000003",
            profile: "4d757374-6572-4d64-8001-000000000004",
            spec: azure_api_management::CONNECTOR.spec,
            name: "Demo Azure",
            description: "The API Management of a simulated Azure tenant on this machine.",
            settings: json!({
                "authentication": { "tenantId": banner["tenantId"], "clientId": banner["clientId"] },
                "endpoints": { "login": url, "management": url, "storage": banner["storage"] },
            }),
            secret: ("authentication.clientSecret", text(&banner["clientSecret"])),
            profile_name: "All APIs",
            parameters: json!({}),
        }
    }

    fn mulesoft(lab: &RunningAnypoint) -> Self {
        let banner = lab.banner();
        Self {
            connector: "4d757374-6572-4d64-8001-000000000005",
            profile: "4d757374-6572-4d64-8001-000000000006",
            spec: mulesoft::CONNECTOR.spec,
            name: "Demo MuleSoft",
            description: "A simulated organization of MuleSoft's Anypoint Platform on this machine.",
            settings: json!({
                "authentication": { "organizationId": banner["organizationId"], "clientId": banner["clientId"] },
                "endpoints": { "base": banner["url"], "storage": banner["storage"] },
            }),
            secret: ("authentication.clientSecret", text(&banner["clientSecret"])),
            profile_name: "All business groups",
            parameters: json!({
                "businessGroups": "below", "allEnvironments": true, "unmanagedAssets": true, "callsPerSecond": 1000,
            }),
        }
    }
}

/// The simulated sources; they end with the demo.
struct Sources {
    directory: RunningDirectory,
    azure: RunningAzure,
    mulesoft: RunningAnypoint,
}

impl Sources {
    async fn start(arguments: &DemoArguments) -> Result<Self, Failure> {
        let DemoArguments { seed, users, apis, .. } = *arguments;
        let directory = start(DirectoryOptions { seed, users, ..DirectoryOptions::default() }).await?;
        eprintln!("a simulated Active Directory answers at ldap://{}", directory.ldap_address());
        let workspace = apis / 5;
        let sizes = AzureOptions { subscriptions: 2, services: 2, apis: apis - workspace, ..AzureOptions::default() };
        let azure = muster_lab::azure::start(AzureOptions { seed, workspace, ..sizes }).await?;
        eprintln!("a simulated Azure tenant answers at {}", azure.url());
        let sizes = AnypointOptions { groups: 1, environments: 2, apis, page: 100, ..AnypointOptions::default() };
        let mulesoft = muster_lab::anypoint::start(AnypointOptions { seed, ..sizes }).await?;
        eprintln!("a simulated Anypoint Platform answers at {}", mulesoft.url());
        Ok(Self { directory, azure, mulesoft })
    }

    /// How each is read; whoever asks for no APIs has no gateways.
    fn described(&self, arguments: &DemoArguments) -> Vec<Source> {
        let mut all = vec![Source::directory(&self.directory)];
        if arguments.apis > 0 {
            all.extend([Source::azure(&self.azure), Source::mulesoft(&self.mulesoft)]);
        }
        all
    }

    fn change(&self, seed: u64) {
        self.directory.change(seed, &ChangeCounts { rename_ou: 1, ..ChangeCounts::default() });
        self.azure.change(&AzureChange { seed, add: 1, edit: 2, remove: 1, ..AzureChange::default() });
        self.mulesoft.change(&AnypointChange { seed, add: 1, publish: 2, remove: 1, ..AnypointChange::default() });
    }

    async fn stop(self) {
        self.directory.stop().await;
        self.azure.stop().await;
        self.mulesoft.stop().await;
    }
}

fn text(value: &Json) -> Secret {
    Secret::new(value.as_str().unwrap_or_default().to_owned())
}

/// How often the run's end is looked for.
const LOOK: Duration = Duration::from_millis(100);

pub(crate) async fn run(arguments: &DemoArguments) -> Result<ExitCode, Failure> {
    let directory = match &arguments.data {
        Some(directory) => directory.clone(),
        None => std::env::temp_dir().join(format!("muster-demo-{}", std::process::id())),
    };
    std::fs::create_dir_all(&directory)
        .with_context(|| format!("making `{}`", directory.display()))
        .map_err(Failure::failed)?;
    let sources = Sources::start(arguments).await?;
    let password = password(&directory)?;
    let start = Start {
        listening: Listening { address: arguments.listen, tls: None, connections: crate::cli::CONNECTIONS },
        trusted_proxies: Vec::new(),
        data: Some(&directory.join("hub")),
        database: None,
        workers: 2,
        keep_days: crate::cli::KEEP_DAYS,
        password: Some(password.clone()),
    };
    let serving = Serving::start(start).await?;
    for source in sources.described(arguments) {
        let connection = connection(&serving.hub, &source).await?;
        let profile = profile(&serving.hub, (&source, &connection)).await?;
        first_run(&serving.hub, &profile).await?;
    }
    sources.change(arguments.seed);
    say_line(json!({ "url": serving.url, "username": "admin", "password": password.reveal() }));
    eprintln!(
        "open {} and sign in as `admin` with that password; the sources have changed since their first runs,",
        serving.url
    );
    eprintln!(
        "and the profiles' schedules read the changes within five minutes (or press \"Run now\"); interrupt to end"
    );
    until_told_to_end().await;
    serving.stop().await;
    sources.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// The demo's password: made once in its directory, so that a second start has the same.
fn password(directory: &Path) -> Result<Secret, Failure> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let path = directory.join("password");
    let failed = |error: std::io::Error| {
        Failure::failed(anyhow::Error::new(error).context(format!("keeping `{}`", path.display())))
    };
    if path.exists() {
        return Ok(Secret::new(std::fs::read_to_string(&path).map_err(failed)?.trim().to_owned()));
    }
    let made = Secret::new(muster_web::Random::of_the_system().secret());
    let mut file = std::fs::File::options().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
    file.write_all(made.reveal().as_bytes()).map_err(failed)?;
    Ok(made)
}

fn note(action: &'static str, object: &str, at: Instant) -> AuditLine {
    AuditLine {
        tenant: FIRST_TENANT,
        at,
        actor_kind: "operator",
        actor: "muster demo".to_owned(),
        action,
        object_kind: "connector",
        object: object.to_owned(),
        detail: json!({}),
        request: String::new(),
    }
}

fn sealed(keyring: &Keyring, source: &Source) -> Result<SealedSecret, Failure> {
    let tenant = FIRST_TENANT.to_string();
    let (field, secret) = &source.secret;
    let place = Place { tenant: &tenant, owner: source.connector, field };
    let sealed = keyring.seal(&place, secret, &mut rand::rng());
    let sealed = sealed.map_err(|error| Failure::failed(anyhow::Error::new(error).context("sealing the password")))?;
    Ok(SealedSecret { field: (*field).to_owned(), sealed })
}

/// The connector, made or led to where its source answers this time.
async fn connection(hub: &Hub, source: &Source) -> Result<ConnectionRow, Failure> {
    let (now, id) = (hub.now(), source.connector);
    let secrets = [sealed(&hub.keyring, source)?];
    let change = ConnectionChange {
        name: source.name,
        description: source.description,
        settings: &source.settings,
        execution: "hub",
        secrets: &secrets,
        now,
    };
    let made = match hub.store.connection(FIRST_TENANT, id).await? {
        Some(before) => hub.store.change_connection(&before, &change, &note("connector.update", id, now)).await?,
        None => {
            let kind = (source.spec.type_name, source.spec.source_name);
            let audit = note("connector.create", id, now);
            hub.store.add_connection(kind, (FIRST_TENANT, id), &change, &audit).await?
        }
    };
    made.map_err(|refusal| Failure::failed(anyhow!("configuring the demo's connector: {refusal:?}")))
}

async fn profile(hub: &Hub, (source, connection): (&Source, &ConnectionRow)) -> Result<ProfileRow, Failure> {
    let id = source.profile;
    if let Some(profile) = hub.store.profile(FIRST_TENANT, id).await? {
        return Ok(profile);
    }
    let now = hub.now();
    let schedule = json!({ "type": "recurring", "every": 5, "unit": "minutes" });
    let next_at = Schedule::from_json(&schedule).ok().and_then(|every| every.next_of(id, now));
    let maps = json!({});
    let change = ProfileChange {
        name: source.profile_name,
        active: true,
        maps: &maps,
        parameters: &source.parameters,
        schedule: Some(&schedule),
        next_at,
        now,
    };
    let place = (FIRST_TENANT, connection.id);
    let made = hub.store.add_profile(place, id, &change, &note("profile.create", id, now)).await?;
    made.map_err(|refusal| Failure::failed(anyhow!("configuring the demo's profile: {refusal:?}")))
}

/// Runs the profile once and waits for its end.
async fn first_run(hub: &Hub, profile: &ProfileRow) -> Result<(), Failure> {
    let uuid = hub.random.uuid();
    let payload = json!({ "mode": "delta" });
    let job = NewJob::run_of(profile, &uuid, &payload, "muster demo", hub.now());
    let uuid = match hub.store.enqueue(&job, None).await? {
        Enqueued::Added(_) => uuid,
        Enqueued::Open(open) => open.uuid,
    };
    let ended = ended(&hub.store, &uuid).await?;
    match ended.0.as_str() {
        "complete" => Ok(()),
        result => Err(Failure::failed(anyhow!("the demo's first run ended {result}: {}", ended.1))),
    }
}

async fn ended(store: &Store, uuid: &str) -> Result<(String, String), Failure> {
    loop {
        let job = store.job(FIRST_TENANT, uuid).await?;
        if let Some(result) = job.as_ref().and_then(|job| job.result.clone()) {
            return Ok((result, job.and_then(|job| job.message).unwrap_or_default()));
        }
        tokio::time::sleep(LOOK).await;
    }
}
