//! `muster serve`: the hub. Web, worker and scheduler in one process, meeting in the store (docs/adr/0006).

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use axum_server::Handle;
use ipnet::IpNet;
use muster_connectors::REGISTRY;
use muster_core::clock::{Clock, Instant, SystemClock};
use muster_core::secret::Secret;
use muster_engine::scheduler;
use muster_engine::worker::Worker;
use muster_store::{Location, Store};
use muster_web::auth::ensure_administrator;
use muster_web::{Hub, Problem, Random, Settings};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::cli::{ServeArguments, variable};
use crate::console::say_line;
use crate::failure::Failure;
use crate::listen::{Listening, listen};
use crate::state::{self, State};
use crate::{keys, metrics};

const PASSWORD_VARIABLE: &str = "MUSTER_ADMIN_PASSWORD";
/// How often the scheduler looks.
const LOOK: Duration = Duration::from_millis(500);
/// How often a full disk is looked at, in microseconds.
const LOOK_FOR_SPACE: i64 = 2_000_000;
/// How long requests under way may take when the hub ends.
const GRACE: Duration = Duration::from_secs(3);
/// How often it is seen whether a day has passed.
const LOOK_FOR_AGE: Duration = Duration::from_secs(60);
const DAY: i64 = 86_400_000_000;

/// A hub that serves.
pub(crate) struct Serving {
    pub(crate) url: String,
    /// The first administrator's password, where it was made and is to be shown once.
    pub(crate) password: Option<Secret>,
    pub(crate) hub: Arc<Hub>,
    handle: Handle<SocketAddr>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    /// Keeps a second hub out of the same directory.
    _state: Option<State>,
}

/// What a hub is started with.
pub(crate) struct Start<'a> {
    pub(crate) listening: Listening<'a>,
    /// Networks whose machines say truly for whom they ask.
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) data: Option<&'a Path>,
    pub(crate) database: Option<&'a Secret>,
    pub(crate) workers: usize,
    /// How many days what is gone keeps its records and history, and what has ended its traces.
    pub(crate) keep_days: u32,
    /// The first administrator's password; from the environment, where absent, else made.
    pub(crate) password: Option<Secret>,
}

pub(crate) async fn run(arguments: &ServeArguments, json: bool) -> Result<ExitCode, Failure> {
    let tls = match (&arguments.tls_certificate, &arguments.tls_key) {
        (Some(certificate), Some(key)) => Some((certificate.as_path(), key.as_path())),
        _ => None,
    };
    let start = Start {
        listening: Listening { address: arguments.listen, tls, connections: arguments.connections },
        trusted_proxies: arguments.trusted_proxies.clone(),
        data: arguments.place.data.as_deref(),
        database: arguments.place.database.as_ref(),
        workers: arguments.workers,
        keep_days: arguments.keep_days,
        password: None,
    };
    let serving = Serving::start(start).await?;
    if json {
        let password = serving.password.as_ref().map(|password| password.reveal().to_owned());
        say_line(serde_json::json!({ "url": serving.url, "username": "admin", "password": password }));
    } else {
        say_line(format_args!("Muster serves at {}", serving.url));
        if let Some(password) = &serving.password {
            say_line(format_args!("First administrator `admin`, password (shown this once): {}", password.reveal()));
        }
    }
    if !arguments.listen.ip().is_loopback() && arguments.tls_certificate.is_none() {
        eprintln!("warning: served without TLS on an address that other machines can reach; passwords travel in clear");
    }
    until_told_to_end().await;
    serving.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Returns at the first interrupt or request to end; the second ends the process at once.
pub(crate) async fn until_told_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupt = tokio::signal::ctrl_c();
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = interrupt => {}
            _ = terminate.recv() => {}
        },
        Err(_) => drop(interrupt.await),
    }
    tokio::spawn(async {
        if tokio::signal::ctrl_c().await.is_ok() {
            std::process::exit(130);
        }
    });
}

impl Serving {
    /// Opens the store and the keys, and starts to serve.
    pub(crate) async fn start(start: Start<'_>) -> Result<Self, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (store, state) = open(&start).await?;
        let keyring = Arc::new(keys::load(&store, start.data).await?);
        keys::check(&store, &keyring, clock.now()).await?;
        if start.data.is_some() {
            // Nobody else has this directory: what a hub before left under way is free.
            store.free_jobs().await?;
        }
        let settings = Settings {
            secure_cookies: start.listening.tls.is_some(),
            trusted_proxies: start.trusted_proxies.clone(),
            ..Settings::default()
        };
        let offers = REGISTRY.iter().map(|kind| kind.offer()).collect();
        let surroundings = (Arc::clone(&keyring), Arc::clone(&clock));
        let hub = Hub::new((store.clone(), offers), surroundings.0, surroundings.1, Random::of_the_system(), settings);
        let hub = Arc::new(hub);
        let given = start.password.clone().or_else(given_password);
        let first = ensure_administrator(&hub, given).await;
        let password = first.map_err(|problem| not_made("making the first administrator", problem))?.password();
        let handle = Handle::new();
        let router = metrics::around(muster_web::router(Arc::clone(&hub)), &store)?;
        let (url, serving) = listen(start.listening, router, &handle)?;
        let (stop, stopped) = watch::channel(false);
        let worker = Worker {
            store: store.clone(),
            kinds: REGISTRY,
            keyring,
            clock: Arc::clone(&clock),
            owner: format!("{url} {}", std::process::id()),
            parallel: start.workers,
        };
        let tasks = vec![
            serving,
            tokio::spawn(worker.serve(stopped.clone())),
            tokio::spawn(purge(store.clone(), Arc::clone(&clock), start.keep_days, stopped.clone())),
            tokio::spawn(schedule(store, clock, stopped)),
        ];
        Ok(Self { url, password, hub, handle, stop, tasks, _state: state })
    }

    /// Ends: no new requests, jobs are given back, the store is closed.
    pub(crate) async fn stop(self) {
        let _ = self.stop.send(true);
        self.handle.graceful_shutdown(Some(GRACE));
        for task in self.tasks {
            let _ = task.await;
        }
        self.hub.store.close().await;
    }
}

/// The first administrator's password, where the environment gives it.
pub(crate) fn given_password() -> Option<Secret> {
    variable(PASSWORD_VARIABLE).map(Secret::new)
}

/// Why there is no administrator: the password's fault, or the store's.
pub(crate) fn not_made(doing: &'static str, problem: Problem) -> Failure {
    match problem.cause {
        Some(cause) => Failure::failed(anyhow::Error::new(cause).context(doing)),
        None => {
            let why = problem.detail.unwrap_or_else(|| problem.code.title().to_owned());
            let of_password = || format!("`{PASSWORD_VARIABLE}` holds the password of the first administrator");
            Failure::usage(anyhow!("{doing}: {why}")).with_hint(problem.remedy.unwrap_or_else(of_password))
        }
    }
}

async fn open(start: &Start<'_>) -> Result<(Store, Option<State>), Failure> {
    match (start.data, start.database) {
        (_, Some(url)) => Ok((Store::open(&Location::Url(url.clone())).await?, None)),
        (Some(data), None) => {
            let state = state::open(data).await?;
            Ok((state.store.clone(), Some(state)))
        }
        (None, None) => Err(Failure::usage(anyhow!("there is no place for the store"))
            .with_hint("give `--data DIR` for the embedded one, or `--database URL`")),
    }
}

/// Lets go once a day of what is kept for so many days only, until told to stop.
async fn purge(store: Store, clock: Arc<dyn Clock>, days: u32, mut stop: watch::Receiver<bool>) {
    let mut look = tokio::time::interval(LOOK_FOR_AGE);
    let mut purged = Instant(0);
    loop {
        tokio::select! {
            _ = look.tick() => {}
            _ = stop.changed() => return,
        }
        let now = clock.now();
        if now.0 - purged.0 < DAY || store.is_read_only() {
            continue;
        }
        tokio::select! {
            done = muster_engine::purge::purge(&store, days, now) => match done {
                Ok(()) => purged = now,
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "letting go of what was kept long");
                }
            },
            _ = stop.changed() => return,
        }
    }
}

/// Starts what is due, and looks for space on a full disk, until told to stop.
async fn schedule(store: Store, clock: Arc<dyn Clock>, mut stop: watch::Receiver<bool>) {
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut looked = Instant(0);
    loop {
        tokio::select! {
            _ = look.tick() => {}
            _ = stop.changed() => return,
        }
        let now = clock.now();
        if store.is_read_only() {
            if now.0 - looked.0 > LOOK_FOR_SPACE && !store.look_for_space().await {
                looked = clock.now();
            }
            continue;
        }
        if let Err(error) = scheduler::tick(&store, now).await {
            tracing::error!(error = &error as &dyn std::error::Error, "looking for what is due");
        }
    }
}
