//! `/agent/v1/orders/…`: what an agent sends for an order.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use muster_core::agent::{LONGEST_PACKED, Offer, PARCELS_WAITING, Task, bits, unpack};
use muster_core::record::RecordHash;
use muster_store::hub::{OrderState, Put};
use muster_store::{Asked, ConnectorRow};

use super::calling::Calling;
use crate::error::{Code, Problem};
use crate::extract::{self, Path};
use crate::hub::Hub;

/// What parcels and offers are: `muster_core::agent::pack`.
const PARCEL: &str = "application/vnd.muster.parcel";
/// How many records of an offer are looked up at once.
const AT_ONCE: usize = 5000;

/// A packed body.
pub(super) struct Packed(Bytes);

impl<S: Send + Sync> FromRequest<S> for Packed {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !extract::is_of_type(&request, PARCEL) {
            let remedy = format!("send `Content-Type: {PARCEL}`");
            return Err(Problem::new(Code::UnsupportedMediaType).remedy(remedy));
        }
        let read = extract::read(request, state).await.map(Self);
        read.map_err(|problem| match problem.code {
            Code::TooLarge => problem.detail(format!("a parcel has at most {LONGEST_PACKED} bytes")),
            _ => problem,
        })
    }
}

fn over() -> Problem {
    Problem::new(Code::OrderOver)
}

/// Which of the records of an offer the hub does not have just so: a bit each, set where the record is wanted, the first
/// the lowest of the first byte.
#[utoipa::path(
    post, path = "/agent/v1/orders/{id}/wanted", tag = "agents", operation_id = "offerRecords",
    params(
        ("id" = i64, Path, description = "The order."),
        ("Muster-Agent-Session" = String, Header, description = "The session.")
    ),
    request_body(content = Vec<u8>, content_type = "application/vnd.muster.parcel"),
    responses((status = 200, description = "The bits.", body = Vec<u8>, content_type = "application/octet-stream"))
)]
pub(super) async fn wanted(
    State(hub): State<Arc<Hub>>,
    (calling, Path(id)): (Calling, Path<i64>),
    Packed(body): Packed,
) -> Result<Response, Problem> {
    let offer: Offer = unpack(&body).map_err(|error| Problem::new(Code::InvalidBody).detail(error.to_string()))?;
    let order = hub.store.order_for(&calling.row, id).await?;
    let order = order.filter(|order| order.state == OrderState::Open).ok_or_else(over)?;
    let map = order.map.filter(|_| matches!(&order.task, Task::Read { stream, .. } if *stream == offer.stream));
    let mut had = vec![false; offer.pairs.len()];
    // Of another stream than was ordered nothing is known: all of it is wanted, and refused when it comes.
    if let Some(map) = map {
        let row = ConnectorRow { id: calling.row.connector, tenant: calling.row.tenant, name: String::new() };
        had.clear();
        for pairs in offer.pairs.chunks(AT_ONCE) {
            let asked: Vec<Asked<'_>> = pairs
                .iter()
                .map(|pair| Asked {
                    key: &pair.key,
                    hash: Some(RecordHash(pair.content)),
                    volatile: RecordHash(pair.volatile),
                })
                .collect();
            had.extend(hub.store.has_just_so(&row, (&offer.stream, &offer.scope), map, &asked).await?);
        }
    }
    let bits = bits(had.into_iter().map(|had| !had));
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bits).into_response())
}

/// Keeps a parcel. 204 means that it is kept; a second one of the same sequence is thrown away.
#[utoipa::path(
    put, path = "/agent/v1/orders/{id}/parcels/{sequence}", tag = "agents", operation_id = "putParcel",
    params(
        ("id" = i64, Path, description = "The order."),
        ("sequence" = u64, Path, description = "The parcel's place in it, from 0 on."),
        ("Muster-Agent-Session" = String, Header, description = "The session.")
    ),
    request_body(content = Vec<u8>, content_type = "application/vnd.muster.parcel"),
    responses((status = 204, description = "It is kept."))
)]
pub(super) async fn put(
    State(hub): State<Arc<Hub>>,
    (calling, Path((id, sequence))): (Calling, Path<(i64, u64)>),
    Packed(body): Packed,
) -> Result<StatusCode, Problem> {
    let waiting = i64::try_from(PARCELS_WAITING).unwrap_or(i64::MAX);
    let too_far = || Problem { retry_after: Some(1), ..Problem::new(Code::TooFarAhead) };
    let sequence = i64::try_from(sequence).map_err(|_| too_far())?;
    match hub.store.put_parcel(&calling.row, (id, sequence), body.into(), waiting).await? {
        Put::Kept => Ok(StatusCode::NO_CONTENT),
        Put::TooFar => Err(too_far()),
        Put::Over => Err(over()),
    }
}

/// Says that the process that worked at an order is gone: the hub orders it anew.
#[utoipa::path(
    post, path = "/agent/v1/orders/{id}/lost", tag = "agents", operation_id = "loseOrder",
    params(
        ("id" = i64, Path, description = "The order."),
        ("Muster-Agent-Session" = String, Header, description = "The session.")
    ),
    responses((status = 204, description = "It will be ordered anew."))
)]
pub(super) async fn lost(
    State(hub): State<Arc<Hub>>,
    (calling, Path(id)): (Calling, Path<i64>),
) -> Result<StatusCode, Problem> {
    match hub.store.lose_order(&calling.row, id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(over()),
    }
}
