//! A hub's worker: claims jobs and does them (docs/adr/0006).
//!
//! ```text
//! claim ─→ open (connection, secrets, profile, maps) ─→ run | replay | check | remove ─→ end of the job
//!   └ attend: prolongs the lease, looks whether somebody wants it to end, lets go when another took it
//! ```
//!
//! *Is here*: what a job does. *Is not here*: when a profile is due ([`crate::scheduler`]), who may ask (web).

mod open;
mod remote;
mod tell;
mod work;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use muster_connectors::ConnectorType;
use muster_core::clock::{Clock, Instant};
use muster_core::seal::Keyring;
use muster_store::hub::{JobClaim, JobEnd, JobPlace, JobRow};
use muster_store::{Store, StoreError};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use tell::Teller;

/// How long a claim lasts unless it is prolonged, in microseconds.
pub const LEASE: i64 = 15_000_000;
/// How often a job is looked after: whether it shall end, whether its lease needs prolonging.
const ATTENTION: Duration = Duration::from_millis(250);
/// How many such looks pass between two prolongings.
const LOOKS_A_LEASE: u32 = 20;
/// How long a job that shall end may take to do so by itself.
const PATIENCE: Duration = Duration::from_millis(600);
/// How often a job is begun when the store fails it.
const ATTEMPTS: i64 = 20;
/// How often a job is lost, with the process that does it, before it moves on: after that, and no sooner than so long
/// after its first claim, it is not begun again. Whoever kills a hub many times in a row does not mean the job.
const LOSSES: i64 = 20;
const LOSSES_TAKE: i64 = 10 * 60 * 1_000_000;
/// How many jobs wait for agents at once, beside those that the hub reads itself: agents that keep silent starve nobody.
const AGENTS: usize = 64;
/// How often the queue is looked at.
const POLL: Duration = Duration::from_millis(500);

/// What a worker is made of.
#[derive(Clone)]
pub struct Worker {
    /// Where jobs and everything else lie.
    pub store: Store,
    /// What can be read.
    pub kinds: &'static [&'static ConnectorType],
    /// What opens sealed secrets.
    pub keyring: Arc<Keyring>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Which worker this is, for operators.
    pub owner: String,
    /// How many jobs it does at once; those whose source an agent reads are not counted.
    pub parallel: usize,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Worker").field("owner", &self.owner).finish_non_exhaustive()
    }
}

/// What a job came to.
#[derive(Debug)]
struct Outcome {
    result: &'static str,
    message: Option<String>,
}

impl Outcome {
    fn of(result: &'static str) -> Self {
        Self { result, message: None }
    }

    fn failed(message: impl Into<String>) -> Self {
        Self { result: "failed", message: Some(message.into()) }
    }
}

/// Where jobs are done, and how many of them at once.
struct Places {
    at: JobPlace,
    most: usize,
    free: Arc<Semaphore>,
}

/// A job under way, and the flag that asks it to end.
struct UnderWay {
    task: JoinHandle<Result<Outcome, StoreError>>,
    cancel: Arc<AtomicBool>,
}

impl Worker {
    /// Does jobs until `stop` says so; those under way then are given back and go on elsewhere, or at the next start.
    pub async fn serve(self, stop: watch::Receiver<bool>) {
        let places = [(JobPlace::Hub, self.parallel), (JobPlace::Agent, AGENTS)].map(|(at, most)| Places {
            at,
            most,
            free: Arc::new(Semaphore::new(most)),
        });
        tokio::join!(
            self.serve_at(&places[0], &places, stop.clone()),
            self.serve_at(&places[1], &places, stop.clone())
        );
    }

    async fn serve_at(&self, here: &Places, all: &[Places], mut stop: watch::Receiver<bool>) {
        let mut poll = tokio::time::interval(POLL);
        let mut worked = false;
        while !*stop.borrow() {
            let Ok(place) = Arc::clone(&here.free).acquire_owned().await else { return };
            let claimed = if self.store.is_read_only() { Ok(None) } else { self.claim(Some(here.at)).await };
            match claimed {
                Ok(Some((job, claim))) => {
                    let worker = self.clone();
                    let stop = stop.clone();
                    tokio::spawn(async move {
                        worker.attend(job, claim, stop).await;
                        drop(place);
                    });
                    worked = true;
                    continue;
                }
                Ok(None) => {
                    drop(place);
                    // The last job has ended, wherever: what the writer keeps in memory serves nobody now.
                    if worked && all.iter().all(|places| places.free.available_permits() == places.most) {
                        worked = false;
                        if let Err(error) = self.store.rest().await {
                            tracing::debug!(error = &error as &dyn std::error::Error, "giving memory back");
                        }
                    }
                }
                Err(error) => {
                    drop(place);
                    tracing::error!(error = &error as &dyn std::error::Error, "looking for jobs");
                }
            }
            tokio::select! {
                _ = poll.tick() => {}
                _ = stop.changed() => {}
            }
        }
        // Whoever is under way notices by itself; wait until every place is free again.
        let every = u32::try_from(here.most).unwrap_or(u32::MAX);
        let _places = here.free.acquire_many(every).await;
    }

    /// Does every job that waits, one after the other: for tests and for `--once`.
    pub async fn drain(&self) -> Result<usize, StoreError> {
        let mut done = 0;
        let (_keep, stop) = watch::channel(false);
        while let Some((job, claim)) = self.claim(None).await? {
            self.attend(job, claim, stop.clone()).await;
            done += 1;
        }
        Ok(done)
    }

    async fn claim(&self, place: Option<JobPlace>) -> Result<Option<(JobRow, JobClaim)>, StoreError> {
        let now = self.clock.now();
        let claimed = self.store.claim_job_of(place, &self.owner, now, LEASE).await?;
        if let Some((job, _)) = claimed.as_ref().filter(|(job, _)| job.attempt == 1) {
            let kind = job.kind.clone();
            metrics::histogram!("muster_job_wait_seconds", "kind" => kind).record(seconds(job.created_at, now));
        }
        Ok(claimed)
    }

    /// Does a job and looks after its claim meanwhile.
    #[tracing::instrument(name = "job", skip_all, fields(
        otel.name = format_args!("job {}", job.kind),
        otel.status_code = Empty,
        job.kind = job.kind.as_str(),
        job.id = job.uuid,
        job.attempt = job.attempt,
        job.result = Empty,
    ))]
    async fn attend(&self, job: JobRow, claim: JobClaim, stop: watch::Receiver<bool>) {
        let teller = Teller::start(self.store.clone(), Arc::clone(&self.clock), (job.tenant, job.id));
        let tried_for = self.clock.now().0 - job.started_at.map_or(0, |started| started.0);
        let done = if job.lost >= LOSSES && tried_for >= LOSSES_TAKE {
            self.give_up(&job).await.map(Some)
        } else {
            let cancel = Arc::new(AtomicBool::new(false));
            let work = work::work(self.clone(), job.clone(), Arc::clone(&teller), Arc::clone(&cancel));
            let task = tokio::spawn(work.in_current_span());
            self.watch(&job, &claim, (UnderWay { task, cancel }, stop.clone())).await
        };
        let ended = match done {
            Ok(Some(outcome)) => self.end(&job, &claim, outcome, &teller).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        teller.stop().await;
        match ended {
            Ok(()) => {}
            Err(StoreError::Fenced(why)) => tracing::warn!(job = job.uuid, why, "let go of a job"),
            Err(error) => {
                tracing::error!(job = job.uuid, error = &error as &dyn std::error::Error, "doing a job");
                self.put_off(&job, &claim, stop).await;
            }
        }
    }

    /// A job that may be what ends the process is not begun again.
    async fn give_up(&self, job: &JobRow) -> Result<Outcome, StoreError> {
        work::close_run(self, job).await?;
        let lost = job.lost;
        tracing::error!(job = job.uuid, lost, "a job is given up: each process that did it went away");
        let words =
            "each time the process that did it went away; see the hub's log and what the system says of its end";
        Ok(Outcome::failed(format!("given up after {lost} attempts: {words}")))
    }

    /// A job that the store failed is tried again later, each time later; in the end it fails. Where the store cannot even
    /// note that, the job waits here until it can: nobody else takes it from a hub that lives.
    async fn put_off(&self, job: &JobRow, claim: &JobClaim, mut stop: watch::Receiver<bool>) {
        let mut delay = job.attempt * LEASE;
        loop {
            match self.try_putting_off(job, claim, delay).await {
                Ok(()) | Err(StoreError::Fenced(_)) => return,
                Err(error) => {
                    tracing::debug!(job = job.uuid, error = &error as &dyn std::error::Error, "putting off a job");
                }
            }
            delay = 0;
            tokio::select! {
                () = tokio::time::sleep(POLL) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    async fn try_putting_off(&self, job: &JobRow, claim: &JobClaim, delay: i64) -> Result<(), StoreError> {
        let now = self.clock.now();
        if job.attempt < ATTEMPTS {
            return self.store.postpone_job(claim, now, delay).await;
        }
        work::close_run(self, job).await?;
        let message = "the hub's store failed each time; the hub's log says why";
        self.store.end_job(claim, JobEnd { result: "failed", message: Some(message), now }).await
    }

    async fn end(&self, job: &JobRow, claim: &JobClaim, outcome: Outcome, teller: &Teller) -> Result<(), StoreError> {
        let level = if outcome.result == "failed" { "error" } else { "info" };
        let words = outcome.message.as_deref().unwrap_or(outcome.result);
        teller.event(level, "state", words.to_owned(), Some(serde_json::json!({ "result": outcome.result })));
        teller.flush().await;
        metrics::counter!("muster_jobs_total", "kind" => job.kind.clone(), "result" => outcome.result).increment(1);
        if let Some(started) = job.started_at {
            let took = seconds(started, self.clock.now());
            metrics::histogram!("muster_job_seconds", "kind" => job.kind.clone()).record(took);
        }
        let end = JobEnd { result: outcome.result, message: outcome.message.as_deref(), now: self.clock.now() };
        let span = Span::current();
        span.record("job.result", outcome.result);
        if outcome.result == "failed" {
            span.record("otel.status_code", "ERROR");
        }
        tracing::info!(job = job.uuid, kind = job.kind, result = outcome.result, "job ended");
        self.store.end_job(claim, end).await
    }

    /// Waits for a job's outcome; none where it was given back.
    async fn watch(
        &self,
        job: &JobRow,
        claim: &JobClaim,
        (mut under_way, mut stop): (UnderWay, watch::Receiver<bool>),
    ) -> Result<Option<Outcome>, StoreError> {
        let ends_at = work::ends_at(self, job).await?;
        let mut looks = 0;
        let mut attention = tokio::time::interval(ATTENTION);
        attention.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                done = &mut under_way.task => return joined(done).map(Some),
                _ = stop.changed() => {
                    under_way.task.abort();
                    self.store.postpone_job(claim, self.clock.now(), 0).await?;
                    return Ok(None);
                }
                _ = attention.tick() => {}
            }
            looks += 1;
            let renewed = if looks % LOOKS_A_LEASE == 0 {
                self.store.renew_job(claim, self.clock.now(), LEASE).await
            } else {
                self.store.job_is_cancelled(claim.job).await
            };
            let over = ends_at.is_some_and(|end| self.clock.now() >= end);
            match renewed {
                Ok(false) if !over => {}
                Ok(false) => return self.cancel(under_way).await.map(Some),
                Ok(true) => return self.cancel(under_way).await.map(Some),
                Err(error @ StoreError::Fenced(_)) => {
                    // Another worker has it: whatever this one still writes is refused by the run's claim.
                    under_way.task.abort();
                    return Err(error);
                }
                // A database that is away for a moment: the lease decides.
                Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "looking after a job"),
            }
        }
    }

    /// Asks a job to end; of one that does not the run is closed, and what it still does is written nowhere.
    async fn cancel(&self, under_way: UnderWay) -> Result<Outcome, StoreError> {
        let UnderWay { mut task, cancel } = under_way;
        cancel.store(true, Ordering::SeqCst);
        match tokio::time::timeout(PATIENCE, &mut task).await {
            Ok(done) => {
                joined(done)?;
            }
            Err(_) => {
                task.abort();
            }
        }
        Ok(Outcome::of("cancelled"))
    }
}

/// From one instant to another, in seconds.
fn seconds(from: Instant, to: Instant) -> f64 {
    let microseconds = u64::try_from(to.0.saturating_sub(from.0)).unwrap_or(0);
    Duration::from_micros(microseconds).as_secs_f64()
}

fn joined(done: Result<Result<Outcome, StoreError>, tokio::task::JoinError>) -> Result<Outcome, StoreError> {
    match done {
        Ok(outcome) => outcome,
        Err(error) if error.is_cancelled() => Err(StoreError::Fenced("the job was let go")),
        Err(_) => Ok(Outcome::failed("an internal error; the hub's log has it")),
    }
}
