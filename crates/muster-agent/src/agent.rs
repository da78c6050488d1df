//! The agent as a whole: once, by its cron, or as a check.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use muster_core::agent::{RunRequest, RunState};
use muster_core::clock::{Clock, Instant};
use muster_core::connector::{Step, StepOutcome, StepSink};
use muster_core::schedule::Schedule;
use rand::Rng as _;

use crate::client::{CallError, Link};
use crate::failure::{Failure, Kind};
use crate::log::{Log, Tell};
use crate::settings::{Settings, SignIn};
use crate::spool::Spool;
use crate::work::{Shared, Work};

/// How often it is asked after a run.
const LOOK: Duration = Duration::from_millis(300);
/// How long `--once` waits for a hub that went away in the middle.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long a wait for the hour is before the clock is looked at again: it may be set.
const TICK: i64 = 30_000_000;
/// Touched while the daemon lives; its age is its health.
pub const ALIVE: &str = "alive";

/// What a run came to, and what the source refused in it.
#[derive(Debug)]
pub struct Ended {
    /// As the hub tells it.
    pub state: RunState,
    /// Why the source could not be read, where that was it.
    pub directory: Option<Failure>,
}

/// An agent's process.
#[derive(Debug)]
pub struct Agent {
    work: Arc<Work>,
}

impl Agent {
    /// Prepares all there is to prepare; nothing is sent yet.
    pub fn new(settings: Settings, hub_ca: Option<&Path>, clock: Arc<dyn Clock>, tell: Tell) -> Result<Self, Failure> {
        let link = Link::new(&settings, hub_ca, Arc::clone(&clock))?;
        let spool = Spool::open(&settings.spool)?;
        let log = Log::new(Arc::clone(&clock), tell);
        let shared = Shared::new(link, spool, log, settings.parallel);
        Ok(Self { work: Work::new(shared, settings, clock) })
    }

    /// Ends in order: nothing new is begun, what is under way stops.
    pub fn end(&self) {
        self.work.shared.end();
    }

    /// Runs once, and waits for the run's end.
    pub async fn once(&self) -> Result<Ended, Failure> {
        self.work.begin().await?;
        let serving = self.serve_orders();
        let ended = tokio::select! {
            ended = self.run_once() => ended,
            () = self.work.shared.ended() => Err(self.why_ended()),
        };
        self.end();
        let _ = serving.await;
        ended
    }

    /// Runs by its cron until it is told to end, or something ends it that no waiting mends.
    pub async fn serve(&self) -> Result<(), Failure> {
        let Some(schedule) = self.work.settings.schedule() else { return Err(no_cron()) };
        let serving = self.serve_orders();
        tokio::select! {
            () = self.by_cron(&schedule) => {}
            () = self.work.shared.ended() => {}
        }
        self.end();
        let _ = serving.await;
        self.work.shared.fatal().map_or(Ok(()), Err)
    }

    fn serve_orders(&self) -> tokio::task::JoinHandle<()> {
        let work = Arc::clone(&self.work);
        tokio::spawn(async move { work.serve().await })
    }

    fn why_ended(&self) -> Failure {
        let stopped = || {
            Failure::new(Kind::Hub, "running once", "it was told to end", "start it again: what was delivered is kept")
        };
        self.work.shared.fatal().unwrap_or_else(stopped)
    }

    async fn run_once(&self) -> Result<Ended, Failure> {
        let request = RunRequest { request: name(), mode: None, read_at: None };
        let mut patience = Patience::new(&self.work.clock);
        let mut state = loop {
            match self.start(&request).await {
                Ok(state) => break state,
                Err(failure) if self.work.shared.is_away() => patience.or_fail(failure).await?,
                Err(failure) => return Err(failure),
            }
        };
        self.work.shared.log.info(format!("run {} began", state.job));
        while state.state != "ended" {
            tokio::time::sleep(LOOK).await;
            match self.work.shared.link.run(&state.job).await {
                Ok(now) => {
                    patience = Patience::new(&self.work.clock);
                    state = now;
                }
                Err(CallError::Wait(wait)) => tokio::time::sleep(wait).await,
                Err(CallError::Refused(failure)) => return Err(failure),
                Err(error) => {
                    let failure = error.into_failure("asking after a run");
                    self.work.shared.fails(failure.clone());
                    patience.or_fail(failure).await?;
                }
            }
        }
        Ok(Ended { state, directory: self.work.take_directory_failure() })
    }

    /// Starts a run, as soon as the hub takes one.
    async fn start(&self, request: &RunRequest) -> Result<RunState, Failure> {
        loop {
            match self.work.shared.link.start_run(request).await {
                Ok(state) => return Ok(state),
                Err(CallError::Wait(wait)) => tokio::time::sleep(wait).await,
                Err(CallError::Failed(failure)) => {
                    self.work.shared.fails(failure.clone());
                    return Err(failure);
                }
                Err(error) => return Err(error.into_failure("starting a run")),
            }
        }
    }

    async fn by_cron(&self, schedule: &Schedule) {
        if let Some(ahead) = self.work.ahead() {
            let request = RunRequest { request: ahead.request, mode: None, read_at: Some(ahead.read_at) };
            self.run_when_back(request, schedule).await;
        }
        loop {
            let Some(due) = schedule.next_after(self.work.clock.now()) else { return };
            self.work.set_next_run(Some(due.to_rfc3339()));
            self.until(due).await;
            let request = RunRequest { request: name(), mode: None, read_at: None };
            match self.start(&request).await {
                // A run that is open when the hub comes back goes on by its orders, whoever waits for it.
                Ok(state) => drop(self.follow(state).await),
                Err(failure) if self.work.shared.is_away() => {
                    self.work.shared.log.warn(format!("the run is read ahead: {failure}"));
                    if let Some(ahead) = self.work.read_ahead(&request.request).await {
                        let request = RunRequest { read_at: Some(ahead.read_at), ..request };
                        self.run_when_back(request, schedule).await;
                    }
                }
                Err(failure) => self.work.shared.log.failure(&failure),
            }
        }
    }

    /// Starts what was read ahead as soon as the hub answers. Should the next hour come before, it is read anew.
    async fn run_when_back(&self, mut request: RunRequest, schedule: &Schedule) {
        let mut due = schedule.next_after(self.work.clock.now());
        loop {
            tokio::time::sleep(LOOK).await;
            self.alive();
            if !self.work.shared.is_away() && self.work.source().is_some() {
                match self.start(&request).await {
                    // Should the hub go away again: asked for with the same request, it is the same run.
                    Ok(state) => {
                        if self.follow(state).await {
                            return self.work.forget_ahead();
                        }
                    }
                    Err(failure) if !self.work.shared.is_away() => {
                        self.work.shared.log.failure(&failure);
                        return self.work.forget_ahead();
                    }
                    Err(_) => {}
                }
            }
            if due.is_some_and(|due| self.work.clock.now() >= due) {
                due = schedule.next_after(self.work.clock.now());
                if let Some(ahead) = self.work.read_ahead(&request.request).await {
                    request.read_at = Some(ahead.read_at);
                }
            }
        }
    }

    /// Waits for a run's end; false where the hub went away before.
    async fn follow(&self, mut state: RunState) -> bool {
        let log = &self.work.shared.log;
        while state.state != "ended" {
            tokio::time::sleep(LOOK).await;
            self.alive();
            match self.work.shared.link.run(&state.job).await {
                Ok(now) => state = now,
                Err(CallError::Wait(wait)) => tokio::time::sleep(wait).await,
                Err(CallError::Failed(failure)) => {
                    self.work.shared.fails(failure);
                    return false;
                }
                Err(error) => {
                    log.failure(&error.into_failure("asking after a run"));
                    return true;
                }
            }
        }
        self.work.set_cursors(state.cursors);
        let result = state.result.unwrap_or_default();
        let message = state.message.map(|message| format!(": {message}")).unwrap_or_default();
        let received: u64 = state.ledger.iter().map(|line| line.counters.received).sum();
        log.info(format!("run {} ended {result}, {received} records read{message}", state.job));
        true
    }

    async fn until(&self, due: Instant) {
        loop {
            self.alive();
            let left = due.0 - self.work.clock.now().0;
            if left <= 0 {
                return;
            }
            tokio::time::sleep(Duration::from_micros(left.min(TICK).unsigned_abs())).await;
        }
    }

    /// A sign of life for whoever watches the process.
    fn alive(&self) {
        let path = self.work.settings.spool.directory.join(ALIVE);
        let _ = std::fs::write(path, self.work.clock.now().to_rfc3339());
    }
}

/// How long a hub is waited for.
struct Patience {
    clock: Arc<dyn Clock>,
    since: Instant,
}

impl Patience {
    fn new(clock: &Arc<dyn Clock>) -> Self {
        Self { clock: Arc::clone(clock), since: clock.now() }
    }

    /// Waits a little, or gives up: at once where the hub answered and refused.
    async fn or_fail(&mut self, failure: Failure) -> Result<(), Failure> {
        let waited = Duration::from_micros(self.clock.now().0.saturating_sub(self.since.0).unsigned_abs());
        let may_come_back = matches!(failure.kind, Kind::Hub | Kind::Proxy | Kind::Tls);
        if !may_come_back || waited > PATIENCE {
            return Err(failure);
        }
        tokio::time::sleep(LOOK).await;
        Ok(())
    }
}

/// A name for a run's request.
fn name() -> String {
    let bytes: [u8; 16] = rand::rng().random();
    data_encoding::HEXLOWER.encode(&bytes)
}

fn no_cron() -> Failure {
    let remedy = "write when to run, such as `*/10 * * * *`; or run once with `--once`";
    Failure::new(Kind::Settings, "setting `service.cron-expression`", "it is missing", remedy)
}

/// Goes through the whole connection, step by step: the way, the sign-in, the three UUIDs, the source.
pub async fn check(
    settings: Settings,
    hub_ca: Option<&Path>,
    clock: Arc<dyn Clock>,
    sink: &dyn StepSink,
) -> Result<(), Failure> {
    let link = Link::new(&settings, hub_ca, Arc::clone(&clock))?;
    let tell = |name: &str, outcome: StepOutcome, message: String, remedy: Option<String>| {
        sink.step(Step { name: name.to_owned(), outcome, message, remedy });
    };
    let failed = |name: &str, failure: Failure| {
        tell(name, StepOutcome::Failed, failure.message.clone(), Some(failure.remedy.clone()));
        failure
    };
    let way = link.way().clone();
    let walked = tokio::task::block_in_place(|| {
        way.walk(&mut |reached| tell(reached.step, StepOutcome::Passed, reached.message, None))
    });
    walked.map_err(|failure| failed(step_of(failure.kind), failure))?;
    // A running agent's session would end with the one that is begun here, and an enrolment is for the agent to make.
    let spool = Spool::open(&settings.spool).map_err(|failure| failed("spool", failure))?;
    link.sign_in().await.map_err(|failure| failed("sign-in", failure))?;
    tell("sign-in", StepOutcome::Passed, format!("the hub takes the credential ({})", way_in(&settings.sign_in)), None);
    let shared = Shared::new(link, spool, Log::new(Arc::clone(&clock), Box::new(|_| {})), settings.parallel);
    let work = Work::new(shared, settings, clock);
    work.begin().await.map_err(|failure| failed("configuration", failure))?;
    let Some(source) = work.source() else { return Ok(()) };
    let configuration = &source.configuration;
    let message = format!("connector `{}`, profile `{}`", configuration.connector, configuration.profile);
    tell("configuration", StepOutcome::Passed, message, None);
    let directory = |message: String, remedy: String| {
        Failure::new(Kind::Directory, format!("reading `{}`", configuration.connector), message, remedy)
    };
    let connector = source.open().map_err(|error| failed("settings", directory(error.to_string(), error.remedy)))?;
    if connector.check(sink).await {
        return Ok(());
    }
    Err(directory("a step of its connection failed".to_owned(), "the failed step says what to do".to_owned()))
}

fn step_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Proxy => "proxy",
        Kind::Tls => "tls",
        _ => "connection",
    }
}

fn way_in(sign_in: &SignIn) -> &'static str {
    match sign_in {
        SignIn::Basic { .. } => "BASIC",
        SignIn::OAuth { .. } => "OAUTH",
        SignIn::Enrolled(_) => "enrolled",
    }
}
