//! Testing the connection: named steps, each with its remedy.

use muster_core::connector::{ConnectorError, ErrorKind, StepSink};

use super::Anypoint;
use super::instance::Instance;
use super::plan::{GAPS_TOLD, Scope, plan};
use super::read::Job;
use crate::kit::steps::Steps;

const STEPS: [&str; 5] = ["sign in", "business groups and environments", "APIs", "Exchange asset", "definition"];

/// Runs all steps; what follows a failed one is skipped.
pub(super) async fn check(platform: &Anypoint, sink: &dyn StepSink) -> bool {
    let mut reporter = Steps::new(&STEPS, sink);
    let result = steps(platform, &mut reporter).await;
    reporter.ended(result)
}

async fn steps(platform: &Anypoint, reporter: &mut Steps<'_>) -> Result<(), ConnectorError> {
    let wanted = &|| true;
    let (client, config) = (&platform.client, &platform.config);
    client.sign_in(wanted).await?;
    reporter.passed(format!("signed in as `{}`", config.credential.name()));
    let (_, scopes) = plan(client, config).await?;
    let (mut places, mut gaps) = (Vec::new(), Vec::new());
    for (name, scope) in scopes {
        match scope {
            Scope::Place(place) if place.environment.is_some() => places.push(place),
            Scope::Place(_) => {}
            Scope::Gap { reason, remedy } => gaps.push((name, reason, remedy)),
        }
    }
    // Where there is something to read, a run reads it, and is partial for its gaps.
    if let Some((name, reason, remedy)) = gaps.first().filter(|_| places.is_empty()) {
        let kind = ErrorKind::Forbidden { permission: "View Environment".to_owned() };
        let error = ConnectorError::new(kind, format!("listing `{name}`"), reason.clone());
        return Err(match remedy {
            Some(remedy) => error.with_remedy(remedy.clone()),
            None => error,
        });
    }
    let told = gaps.iter().take(GAPS_TOLD).map(|(name, reason, remedy)| {
        let remedy = remedy.as_ref().map_or(String::new(), |remedy| format!(" (remedy: {remedy})"));
        format!("; not all of `{name}`: {reason}{remedy}")
    });
    reporter.passed(format!("{} environments{}", places.len(), told.collect::<String>()));
    let (mut total, mut example, mut open) = (0, None, None);
    for place in &places {
        let Some((environment, _)) = &place.environment else { continue };
        let list = client.assets((&place.organization, environment), wanted).await?;
        open = open.or(list.open);
        for entry in &list.items {
            let instances = entry["apis"].as_array().map(Vec::as_slice).unwrap_or_default();
            total += instances.len();
            let found = instances.iter().filter_map(|instance| Instance::of(entry, instance).ok());
            example = example.or_else(|| found.map(|one| (place, one)).find(|(_, one)| one.coordinates().is_some()));
        }
    }
    let open = open.map_or(String::new(), |reason| format!("; a list is not whole: {reason}"));
    reporter.passed(format!("{total} APIs{open}"));
    let Some((place, instance)) = example else {
        reporter.passed("there is no API with an asset in Exchange".to_owned());
        reporter.passed("there is none to fetch".to_owned());
        return Ok(());
    };
    let organizations = std::collections::BTreeSet::new();
    let job = Job { client, place, shared: &platform.shared, wanted, organizations };
    let asset = job.asset(&instance).await?;
    let name = instance.key(place);
    reporter.passed(format!("the asset of `{name}` is visible"));
    let found = job.definition(&instance, asset.as_deref()).await?;
    let bytes = found.blob.as_ref().map_or(0, |blob| blob.bytes.len());
    reporter.passed(format!("{bytes} bytes of the definition of `{name}`: {}", found.state.word()));
    Ok(())
}
