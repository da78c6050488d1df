//! Dead letters: the records that became no asset, and trying them again.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use muster_store::hub::{Enqueued, JobRow, LetterFilter, LetterRow, NewJob, Page, ProfileRow, RunFilter};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::inventory::record;
use super::jobs::{self, Job};
use super::names::Names;
use super::page::{PageParameters, Paged, Paging};
use super::{connectors, profiles};
use crate::auth::{Manager, Principal, Viewer};
use crate::error::{Code, Problem};
use crate::extract::{Body, Path, Query};
use crate::hub::Hub;

/// How many letters are named at once.
const NAMED: usize = 200;

pub(super) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get))
        .routes(routes!(replay_one))
        .routes(routes!(replay))
        .routes(routes!(replay_map))
}

/// A record that was rejected.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct DeadLetter {
    id: i64,
    connector_id: String,
    /// The profile that reads its scope.
    #[serde(skip_serializing_if = "Option::is_none")]
    profile_id: Option<String>,
    stream: String,
    scope: String,
    source_key: String,
    /// Which attribute, and what is wrong with it.
    reason: String,
    /// The target that stayed empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    /// The map that rejected it; absent where the record could not be decoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    map: Option<MapVersion>,
    /// The run in which it came to be as it is.
    run_id: i64,
    at: String,
    /// How often it was replayed since it was met, and rejected again.
    replays: i64,
}

#[derive(Debug, Serialize, ToSchema)]
struct MapVersion {
    name: String,
    version: i64,
}

/// A rejected record as it came.
#[derive(Debug, Serialize, ToSchema)]
struct LetterWithRecord {
    #[serde(flatten)]
    letter: DeadLetter,
    /// Attribute → its values as the source said them; absent where nothing of the record could be kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    record: Option<Map<String, Value>>,
}

async fn show(hub: &Hub, names: &mut Names, row: LetterRow) -> Result<DeadLetter, Problem> {
    Ok(DeadLetter {
        id: row.id,
        connector_id: names.connector_id(row.connector),
        profile_id: names.profile_id(hub, row.profile).await?,
        stream: row.stream,
        scope: row.scope,
        source_key: row.source_key,
        reason: row.reason,
        target: row.target,
        map: row.map.map(|(name, version)| MapVersion { name, version }),
        run_id: row.run,
        at: row.at.to_rfc3339(),
        replays: row.replays,
    })
}

/// The letter of that id.
pub(crate) async fn find(hub: &Hub, tenant: i64, id: i64) -> Result<LetterRow, Problem> {
    let filter = LetterFilter { id: Some(id), ..LetterFilter::default() };
    let found = hub.store.letters(tenant, filter, Page { after: 0, limit: 1 }).await?.pop();
    found.ok_or_else(|| Problem::new(Code::NotFound))
}

/// What is kept of a letter's record; none where nothing could be.
pub(crate) async fn record_of(hub: &Hub, tenant: i64, row: &LetterRow) -> Result<Option<Map<String, Value>>, Problem> {
    let Some(connector) = hub.store.connection_of(tenant, row.connector).await? else { return Ok(None) };
    let model = hub.offer(&connector.type_name).and_then(|offer| offer.model.stream(&row.stream));
    let kept = hub.store.letter_record(tenant, row.id).await?.filter(|kept| !kept.is_empty());
    Ok(model.zip(kept).map(|(model, kept)| record(model, &[&kept])))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Only those of a connector.
    connector: Option<String>,
    /// Only those of the scopes that a profile reads.
    profile: Option<String>,
    /// Only those that came to be as they are in a run.
    run: Option<i64>,
    /// Only those of a stream.
    stream: Option<String>,
}

/// The records that were rejected; each is tried again whenever it is read, and when it is replayed.
#[utoipa::path(
    get, path = "/api/v1/dead-letters", tag = "dead letters", operation_id = "listDeadLetters", params(PageParameters, Filter),
    responses((status = 200, description = "A page of them.", body = Paged<DeadLetter>))
)]
async fn list(
    State(hub): State<Arc<Hub>>,
    Viewer(who): Viewer,
    paging: Paging,
    Query(given): Query<Filter>,
) -> Result<Json<Paged<DeadLetter>>, Problem> {
    let (connector, profile) = jobs::about(&hub, who.tenant, (given.connector, given.profile)).await?;
    let stream = given.stream.as_deref();
    let filter = LetterFilter { run: given.run, stream, connector, profile, ..LetterFilter::default() };
    if let Some(run) = given.run {
        let known = RunFilter { run: Some(run), ..RunFilter::default() };
        if hub.store.runs_of(who.tenant, known, 1).await?.is_empty() {
            return Err(Problem::new(Code::NotFound).field("run"));
        }
    }
    let rows = hub.store.letters(who.tenant, filter, paging.forwards("letters")?).await?;
    let page = paging.answer("letters", rows, |row| row.id, |row| row);
    let mut names = Names::of(&hub, who.tenant).await?;
    let mut items = Vec::with_capacity(page.items.len());
    for row in page.items {
        items.push(show(&hub, &mut names, row).await?);
    }
    Ok(Json(Paged { items, next_cursor: page.next_cursor }))
}

/// A rejected record as it came, and what is wrong with it.
#[utoipa::path(
    get, path = "/api/v1/dead-letters/{id}", tag = "dead letters", operation_id = "getDeadLetter",
    params(("id" = i64, Path, description = "Its id.")),
    responses((status = 200, description = "It.", body = LetterWithRecord))
)]
async fn get(
    State(hub): State<Arc<Hub>>,
    Viewer(who): Viewer,
    Path(id): Path<i64>,
) -> Result<Json<LetterWithRecord>, Problem> {
    let row = find(&hub, who.tenant, id).await?;
    let record = record_of(&hub, who.tenant, &row).await?;
    let letter = show(&hub, &mut Names::of(&hub, who.tenant).await?, row).await?;
    Ok(Json(LetterWithRecord { letter, record }))
}

/// Maps a rejected record again, with its profile's maps as they are now, and without reading the source.
#[utoipa::path(
    post, path = "/api/v1/dead-letters/{id}/replay", tag = "dead letters", operation_id = "replayDeadLetter",
    params(("id" = i64, Path, description = "Its id.")),
    responses((status = 202, description = "The job.", body = Job))
)]
async fn replay_one(
    State(hub): State<Arc<Hub>>,
    Manager(who): Manager,
    Path(id): Path<i64>,
) -> Result<Response, Problem> {
    find(&hub, who.tenant, id).await?;
    let job = start((&hub, &who), &Which::Named(vec![id])).await?.swap_remove(0);
    jobs::answer(&hub, (StatusCode::ACCEPTED, job)).await
}

/// Which letters are replayed: `letters`, or all of a connector, of one stream where it is named.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ReplayBody {
    /// Ids: 1 to 200.
    letters: Option<Vec<i64>>,
    /// A connector's id.
    connector_id: Option<String>,
    stream: Option<String>,
}

/// The jobs that do it: one for each profile that read the records.
#[derive(Debug, Serialize, ToSchema)]
struct Jobs {
    jobs: Vec<Job>,
}

/// Maps rejected records again, with their profiles' maps as they are now, and without reading the source. What maps
/// becomes an asset; what does not stays, with what is wrong with it now.
#[utoipa::path(
    post, path = "/api/v1/dead-letters/replay", tag = "dead letters", operation_id = "replayDeadLetters",
    request_body = ReplayBody, responses((status = 202, description = "The jobs.", body = Jobs))
)]
async fn replay(
    State(hub): State<Arc<Hub>>,
    Manager(who): Manager,
    Body(given): Body<ReplayBody>,
) -> Result<Response, Problem> {
    let which = match (given.letters, given.connector_id) {
        (Some(ids), None) if given.stream.is_none() => Which::Named(ids),
        (None, Some(connector)) => Which::All { connector, stream: given.stream },
        _ => {
            return Err(Problem::value(
                "letters",
                "give either `letters`, or `connectorId` and where you like `stream`",
            ));
        }
    };
    let mut shown = Vec::new();
    for job in start((&hub, &who), &which).await? {
        shown.push(jobs::show(&hub, job).await?);
    }
    Ok((StatusCode::ACCEPTED, Json(Jobs { jobs: shown })).into_response())
}

/// Which letters.
#[derive(Debug)]
pub(crate) enum Which {
    /// Those.
    Named(Vec<i64>),
    /// All of a connector, or of one stream of it.
    All { connector: String, stream: Option<String> },
}

/// Asks for a replay of dead letters, whoever asks: REST or console. Gives the jobs: one for each profile.
pub(crate) async fn start((hub, who): (&Hub, &Principal), which: &Which) -> Result<Vec<JobRow>, Problem> {
    let mut found: Vec<(Option<i64>, Value)> = Vec::new();
    match which {
        Which::Named(ids) => {
            if ids.is_empty() || ids.len() > NAMED {
                return Err(Problem::value("letters", format!("name 1 to {NAMED} of them")));
            }
            for &id in ids {
                let profile = find(hub, who.tenant, id).await.map_err(|problem| problem.field("letters"))?.profile;
                match found.iter_mut().find(|(known, _)| *known == profile).and_then(|(_, ids)| ids.as_array_mut()) {
                    Some(ids) => ids.push(id.into()),
                    None => found.push((profile, json!([id]))),
                }
            }
            found.iter_mut().for_each(|(_, ids)| *ids = json!({ "letters": { "ids": ids.take() } }));
        }
        Which::All { connector, stream } => {
            let missing = |problem: Problem| problem.field("connectorId");
            let connector = connectors::find(hub, who.tenant, connector).await.map_err(missing)?;
            let stream = stream.as_deref();
            let filter = LetterFilter { connector: Some(connector.id), stream, ..LetterFilter::default() };
            let profiles = hub.store.profiles_of_letters(who.tenant, filter).await?;
            let payload = json!({ "letters": { "stream": stream } });
            found.extend(profiles.into_iter().map(|profile| (profile, payload.clone())));
        }
    }
    enqueue_each((hub, who), found).await
}

/// A job for each profile. Where none can be had, the first reason is told.
async fn enqueue_each(
    (hub, who): (&Hub, &Principal),
    found: Vec<(Option<i64>, Value)>,
) -> Result<Vec<JobRow>, Problem> {
    let (mut jobs, mut refused) = (Vec::new(), Problem::new(Code::NothingToReplay));
    for (profile, payload) in found {
        let profile = match profile {
            Some(id) => hub.store.profile_of(who.tenant, id).await?,
            None => None,
        };
        let asked = match profile {
            Some(profile) => enqueue((hub, who), &profile, &payload).await,
            None => Err(Problem::new(Code::NothingToReplay)
                .detail("the profile that read these records is not there any more")
                .remedy("let another profile read the connector in full")),
        };
        match asked {
            Ok(job) => jobs.push(job),
            Err(problem) => refused = problem,
        }
    }
    if jobs.is_empty() { Err(refused) } else { Ok(jobs) }
}

/// Adds a replay of a profile. It and a run of the same profile exclude each other.
async fn enqueue((hub, who): (&Hub, &Principal), profile: &ProfileRow, payload: &Value) -> Result<JobRow, Problem> {
    let uuid = hub.random.uuid();
    let job = NewJob::replay_of(profile, &uuid, payload, &who.name, hub.now());
    let audit = who.audit(hub, "profile.replay", ("profile", &profile.uuid), payload.clone());
    match hub.store.enqueue(&job, Some(&audit)).await? {
        Enqueued::Added(_) => jobs::find(hub, who.tenant, &uuid).await,
        Enqueued::Open(open) if open.kind == job.kind && open.payload == *payload => Ok(*open),
        Enqueued::Open(_) => Err(Problem::new(Code::Busy)
            .detail(format!("a run or replay of the profile `{}` is still open", profile.name))
            .remedy("wait until it has ended, then ask again")),
    }
}

/// Maps again what is kept of a profile's assets, with its maps as they are now, and without reading the source.
#[utoipa::path(
    post, path = "/api/v1/profiles/{id}/replay", tag = "runs", operation_id = "replayProfile",
    params(("id" = String, Path, description = "The profile's id.")),
    responses((status = 202, description = "The job.", body = Job))
)]
async fn replay_map(
    State(hub): State<Arc<Hub>>,
    Manager(who): Manager,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let profile = profiles::find(&hub, who.tenant, &id).await?;
    let job = start_map((&hub, &who), &profile).await?;
    jobs::answer(&hub, (StatusCode::ACCEPTED, job)).await
}

/// Asks for a replay of all that is kept, whoever asks: REST or console.
pub(crate) async fn start_map(asking: (&Hub, &Principal), profile: &ProfileRow) -> Result<JobRow, Problem> {
    enqueue(asking, profile, &json!({})).await
}
