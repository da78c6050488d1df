//! Asking for APIs again, by their ARM ids (design D3).

use std::collections::BTreeMap;
use std::sync::Arc;

use muster_core::connector::{Batch, BatchSink, ConnectorError, ErrorKind, Verdict};

use super::api::{Api, segment};
use super::config::Revisions;
use super::plan::Found;
use super::read::Job;
use super::record::push;
use super::{ApiManagement, MODEL, arm};
use crate::kit::marks::Verdicts;

pub(super) async fn confirm(
    tenant: &ApiManagement,
    keys: &[String],
    sink: &dyn BatchSink,
) -> Result<Vec<Verdict>, ConnectorError> {
    let mut verdicts = Verdicts::default();
    for key in keys {
        verdicts.take(one(tenant, key, sink).await)?;
        if verdicts.is_over {
            break;
        }
    }
    Ok(verdicts.of(keys.len()))
}

async fn one(tenant: &ApiManagement, key: &str, sink: &dyn BatchSink) -> Result<Verdict, ConnectorError> {
    let wanted = || !sink.is_closed();
    let Some((service, _)) = key.rsplit_once("/apis/") else { return Ok(Verdict::Unknown) };
    let subscription = segment(key, "subscriptions").unwrap_or_default();
    let answer = tenant.client.resource((key, subscription), &wanted).await?;
    match answer.status.as_u16() {
        200 => {}
        // Nor is its 403.
        403 => return Ok(if arm::code(&answer).is_some() { Verdict::Forbidden } else { Verdict::Unknown }),
        // A proxy's 404 is none of Azure's, and a subscription that is not found may only be hidden.
        404 => {
            let gone = ["ResourceNotFound", "ResourceGroupNotFound", "ParentResourceNotFound"];
            // One that is listed as deleted is not hidden.
            let is_left_out = tenant.is_left_out(subscription);
            let is_gone = arm::code(&answer)
                .is_some_and(|code| gone.contains(&code.as_str()) || is_left_out && code == "SubscriptionNotFound");
            return Ok(if is_gone { Verdict::Deleted } else { Verdict::Unknown });
        }
        _ => return Ok(Verdict::Unknown),
    }
    // A disabled subscription may still be read, and is left out all the same.
    if tenant.is_left_out(subscription) {
        return Ok(Verdict::OutOfScope);
    }
    let Some(Found::Service(service)) = tenant.found(service) else {
        // What answers and is not listed proves that a list is short, unless the profile leaves it out.
        let wanted = &tenant.config.subscriptions;
        let is_left_out = !wanted.is_empty() && !wanted.iter().any(|id| id.eq_ignore_ascii_case(subscription));
        return Ok(if is_left_out { Verdict::OutOfScope } else { Verdict::Present });
    };
    let operation = format!("reading `{key}`");
    let unreadable = |error: serde_json::Error| {
        ConnectorError::new(ErrorKind::Protocol, operation.clone(), format!("the API cannot be read: {error}"))
    };
    let api = Api::of(&answer.json(&operation)?).map_err(unreadable)?;
    let is_read = api.is_current() || tenant.config.revisions == Revisions::All;
    if !is_read || api.key() != key {
        return Ok(Verdict::OutOfScope);
    }
    let products = tenant.products(&tenant.client, &service, &wanted).await?;
    let mut job = Job {
        client: &tenant.client,
        service: &service,
        subscription,
        revisions: tenant.config.revisions,
        products: products.as_ref(),
        sets: BTreeMap::new(),
        exports: &tenant.exports,
        bare: &tenant.bare,
        wanted: &wanted,
    };
    job.learn_version_sets(std::slice::from_ref(&api)).await?;
    let (parts, is_whole) = job.single(&api).await?;
    // What is known of it stays.
    if !is_whole && !tenant.bare.has(key) {
        return Ok(Verdict::Present);
    }
    let mut batch = Batch::new(Arc::from("apis"), Arc::from(service.scope()));
    push(&mut batch, &MODEL.streams[0], parts);
    let closed = |_| ConnectorError::new(ErrorKind::Cancelled, operation.clone(), "the run is over");
    sink.send(batch).await.map_err(closed)?;
    Ok(Verdict::Present)
}
