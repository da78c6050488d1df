//! `muster tenant`: organizations that share a hub and see nothing of each other. The hub may be running meanwhile.

use std::process::ExitCode;

use anyhow::anyhow;
use muster_core::clock::{Clock as _, SystemClock};
use muster_store::hub::TenantRow;
use muster_store::{FIRST_TENANT, Location, Store};
use muster_web::auth::{Passwords, add_tenant};
use muster_web::{Random, Settings};
use serde_json::json;

use crate::cli::{PlaceArguments, TenantCommand};
use crate::console::{say, say_line};
use crate::failure::Failure;
use crate::serve::{given_password, not_made};
use crate::table;

pub(crate) async fn run(command: &TenantCommand, json: bool) -> Result<ExitCode, Failure> {
    match command {
        TenantCommand::Add(arguments) => add(&open(&arguments.place).await?, &arguments.name, json).await?,
        TenantCommand::List(arguments) => list(&open(&arguments.place).await?, json).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Opens the store of a hub, beside it where it runs.
async fn open(place: &PlaceArguments) -> Result<Store, Failure> {
    let none = || {
        Failure::usage(anyhow!("no hub was ever started here"))
            .with_hint("`muster serve` with the same `--data` or `--database` makes the store and its first tenant")
    };
    let location = match (&place.data, &place.database) {
        (_, Some(url)) => Location::Url(url.clone()),
        (Some(data), None) if data.join("muster.db").is_file() => Location::Directory(data.clone()),
        (_, None) => return Err(none()),
    };
    let store = Store::open_beside(&location).await?;
    store.tenant(FIRST_TENANT).await?.ok_or_else(none)?;
    Ok(store)
}

async fn add(store: &Store, name: &str, json: bool) -> Result<(), Failure> {
    let passwords = Passwords::new(Settings::default().password_work);
    let made = (&passwords, &Random::of_the_system());
    let added = add_tenant(store, made, (name, given_password()), SystemClock.now()).await;
    let (tenant, first) = added.map_err(|problem| not_made("adding a tenant", problem))?;
    let (username, password) = (format!("admin@{name}"), first.password());
    let shown = password.as_ref().map(|password| password.reveal());
    if json {
        say_line(json!({ "id": tenant.uuid, "name": tenant.name, "username": username, "password": shown }));
        return Ok(());
    }
    say_line(format_args!("Tenant `{}` added; its administrator signs in as `{username}`", tenant.name));
    if let Some(shown) = shown {
        say_line(format_args!("Password (shown this once): {shown}"));
    }
    Ok(())
}

async fn list(store: &Store, json: bool) -> Result<(), Failure> {
    let tenants = store.tenants().await?;
    if json {
        let document = |tenant: &TenantRow| json!({ "id": tenant.uuid, "name": tenant.name, "createdAt": tenant.created_at.to_rfc3339() });
        say_line(serde_json::Value::Array(tenants.iter().map(document).collect()));
        return Ok(());
    }
    let row = |tenant: &TenantRow| vec![tenant.name.clone(), tenant.uuid.clone(), tenant.created_at.to_rfc3339()];
    say(&table::render(&["name", "id", "created"], &tenants.iter().map(row).collect::<Vec<_>>(), false));
    Ok(())
}
