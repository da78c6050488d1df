//! Testing the connection: named steps, each with its remedy.

use muster_core::connector::{ConnectorError, ErrorKind, StepSink};
use serde::Deserialize;

use super::api::{Api, Service, segment};
use super::client::Client;
use super::config::Config;
use super::definition::{Source, source};
use super::plan::no_subscription;
use crate::kit::steps::Steps;

const STEPS: [&str; 5] = ["sign in", "subscriptions", "services", "APIs", "export"];

/// Runs all steps; what follows a failed one is skipped.
pub(super) async fn check(client: &Client, config: &Config, sink: &dyn StepSink) -> bool {
    let mut reporter = Steps::new(&STEPS, sink);
    let result = steps(client, config, &mut reporter).await;
    reporter.ended(result)
}

async fn steps(client: &Client, config: &Config, reporter: &mut Steps<'_>) -> Result<(), ConnectorError> {
    let wanted = &|| true;
    client.sign_in(wanted).await?;
    reporter.passed(format!("signed in to tenant `{}` as `{}`", config.tenant, config.client_id));
    let subscriptions = client.subscriptions(wanted).await?;
    let ids: Vec<String> = subscriptions
        .items
        .iter()
        .filter_map(|item| item["subscriptionId"].as_str().map(str::to_ascii_lowercase))
        .filter(|id| config.subscriptions.is_empty() || config.subscriptions.contains(id))
        .collect();
    if ids.is_empty() {
        let permission = "Reader".to_owned();
        let message = "no subscription is visible: the app has no role on any";
        let error = ConnectorError::new(ErrorKind::Forbidden { permission }, "listing subscriptions", message);
        return Err(error.with_remedy(no_subscription(config)));
    }
    reporter.passed(format!("{} visible", ids.len()));
    let mut services = Vec::new();
    for id in &ids {
        match client.services(id, wanted).await {
            Ok(list) => services.extend(list.items.iter().filter_map(|item| Service::deserialize(item).ok())),
            Err(error) if super::arm::is_unregistered(&error) => {}
            Err(error) => return Err(error),
        }
    }
    reporter.passed(format!("{} API Management services", services.len()));
    let (mut total, mut example) = (0, None);
    for service in &services {
        let subscription = segment(&service.id, "subscriptions").unwrap_or_default();
        let list = client.apis((&service.id, subscription), wanted).await?;
        let apis: Vec<Api> = list.items.iter().filter_map(|item| Api::of(item).ok()).filter(Api::is_current).collect();
        total += apis.len();
        let exported = |api: &Api| matches!(source(api.kind()), Source::Export(_));
        example = example.or_else(|| apis.into_iter().find(exported));
    }
    reporter.passed(format!("{total} APIs"));
    let Some(api) = example else {
        reporter.passed("there is no API to export".to_owned());
        return Ok(());
    };
    if let Source::Export(format) = source(api.kind()) {
        let subscription = segment(&api.id, "subscriptions").unwrap_or_default().to_owned();
        let document = client.export((&api.id, &subscription), format, wanted).await?;
        reporter.passed(format!("{} bytes of the definition of `{}`", document.len(), api.name));
    }
    Ok(())
}
