//! Answers in the shapes of MuleSoft's specifications and of recorded traffic.

use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use super::package::File;
use super::world::{Asset, CLIENT, Environment, Group, Instance, World};

const OWNER: &str = "57e281b5-ec5b-4701-80a0-92a936a68da3";
const MADE: &str = "2024-03-26T18:27:16.774Z";

pub(super) fn group(world: &World, group: &Group) -> Value {
    let below: Vec<&str> =
        world.groups.iter().filter(|one| one.parent.as_ref() == Some(&group.id)).map(|one| one.id.as_str()).collect();
    let mut above: Vec<&str> = Vec::new();
    let mut next = group.parent.as_ref();
    while let Some(parent) = next.and_then(|id| world.groups.iter().find(|one| one.id == *id)) {
        above.insert(0, &parent.id);
        next = parent.parent.as_ref();
    }
    json!({
        "id": group.id, "name": group.name, "createdAt": MADE, "updatedAt": MADE, "ownerId": OWNER, "clientId": "0e0e",
        "idprovider_id": "mulesoft", "isFederated": false, "tenantOrganizationIds": [],
        "parentOrganizationIds": above, "subOrganizationIds": below,
        "isRoot": group.parent.is_none(), "isMaster": group.parent.is_none(),
        "sessionTimeout": 60, "domain": "contoso", "properties": { "defaultAccessManagementUi": "cs-ui" },
    })
}

/// Who asks: the connected app, and the groups that it sees, but one that is hidden.
pub(super) fn user(world: &World, hidden: Option<&str>) -> Value {
    let seen = world.groups.iter().filter(|one| Some(one.id.as_str()) != hidden);
    let member = |one: &Group| {
        let parent = world.groups.iter().find(|above| one.parent.as_ref() == Some(&above.id));
        let mut whole = group(world, one);
        whole["parentId"] = parent.map(|above| above.id.as_str()).into();
        whole["parentName"] = parent.map(|above| above.name.as_str()).into();
        whole
    };
    let root = &world.groups[0];
    let members: Vec<Value> = seen.map(member).collect();
    json!({
        "id": CLIENT, "username": "muster", "firstName": "Muster", "lastName": "App", "email": "muster@example.com",
        "organizationId": root.id, "organization": group(world, root), "enabled": true, "type": "host",
        "properties": { "cs_auth": { "activeOrganizationId": root.id } },
        "memberOfOrganizations": members, "contributorOfOrganizations": members,
    })
}

/// The same as the platform's own pages ask for it; the real one tells the token here, too.
pub(super) fn me(world: &World, hidden: Option<&str>, token: &str) -> Value {
    let client = json!({ "client_id": CLIENT, "name": "Muster", "org_id": world.groups[0].id });
    json!({ "user": user(world, hidden), "client": client, "access_token": token })
}

/// A group with those below it, but one that is hidden, and one that is named alone.
pub(super) fn hierarchy(world: &World, top: &Group, (hidden, cut): (Option<&str>, Option<&str>)) -> Value {
    let below = world.groups.iter().filter(|one| one.parent.as_ref() == Some(&top.id));
    let shown = |one: &&Group| Some(one.id.as_str()) != hidden;
    let below: Vec<&Group> = below.filter(shown).collect();
    let mut whole = group(world, top);
    whole["subOrganizationIds"] = below.iter().map(|one| one.id.as_str()).collect();
    let below = below.into_iter().filter(|one| Some(one.id.as_str()) != cut);
    whole["subOrganizations"] = below.map(|one| hierarchy(world, one, (hidden, cut))).collect();
    whole["owner"] = json!({
        "id": OWNER, "username": "owner", "firstName": "Organization", "lastName": "Owner", "email": "owner@example.com",
        "organizationId": world.groups[0].id, "enabled": true, "idprovider_id": "mulesoft",
    });
    whole["environmentsCount"] = world.environments.iter().filter(|one| one.group == top.id).count().into();
    whole
}

pub(super) fn environment(environment: &Environment) -> Value {
    json!({
        "id": environment.id, "name": environment.name, "organizationId": environment.group,
        "isProduction": environment.kind == "production", "type": environment.kind, "clientId": "0f0f",
    })
}

/// An environment's assets with their instances, by the id that API Manager has for the pair.
pub(super) fn assets(world: &World, environment: &str) -> Vec<Value> {
    let mut entries: Vec<Value> = Vec::new();
    for one in world.instances.iter().filter(|one| one.environment == environment) {
        let asset = one.asset.as_ref().map(|key| &world.assets[key]);
        // A legacy instance is an entry of its own.
        let id = asset.map_or(one.id, |asset| asset.number);
        let instance = instance(one, asset);
        match entries.iter_mut().find(|entry| entry["id"] == id) {
            Some(entry) => {
                if let Some(all) = entry["apis"].as_array_mut() {
                    all.push(instance);
                    let count = all.len();
                    entry["totalApis"] = count.into();
                }
            }
            None => entries.push(json!({
                "audit": { "created": { "date": MADE }, "updated": {} },
                "masterOrganizationId": world.groups[0].id, "organizationId": one.group, "id": id,
                "name": asset.map(|asset| format!("groupId:{}:assetId:{}", asset.group, asset.id)),
                "exchangeAssetName": asset.map(|asset| asset.name.as_str()),
                "groupId": asset.map(|asset| asset.group.as_str()), "assetId": asset.map(|asset| asset.id.as_str()),
                "apis": [instance], "totalApis": 1, "autodiscoveryApiName": null,
            })),
        }
    }
    entries.sort_by_key(|entry| entry["id"].as_u64());
    entries
}

pub(super) fn instance(one: &Instance, asset: Option<&Asset>) -> Value {
    json!({
        "audit": { "created": { "date": MADE }, "updated": {} },
        "organizationId": one.group, "id": one.id, "instanceLabel": null,
        "groupId": asset.map(|asset| asset.group.as_str()), "assetId": asset.map(|asset| asset.id.as_str()),
        "assetVersion": asset.map(Asset::semver), "productVersion": "v1", "description": null, "tags": [], "order": 1,
        "deprecated": false, "lastActiveDate": "2025-05-12T08:28:35.544Z", "endpointUri": one.consumer,
        "environmentId": one.environment, "isPublic": false, "stage": "release", "technology": "mule4",
        "status": one.status, "approvalMethod": null, "deployment": null, "pinned": false, "activeContractsCount": 0,
        "autodiscoveryInstanceName": format!("v1:{}", one.id),
    })
}

/// An instance by itself: how long ago it was active changes with every look.
pub(super) fn detail(one: &Instance, asset: Option<&Asset>, looks: u64) -> Value {
    let mut whole = instance(one, asset);
    whole["lastActiveDelta"] = looks.into();
    whole["endpoint"] = json!({
        "audit": { "created": {}, "updated": {} }, "id": one.id * 10, "type": "raml",
        "uri": format!("http://backend-{}.internal:8081/", one.id), "proxyUri": "http://0.0.0.0:8081/api",
        "isCloudHub": true, "deploymentType": "CH", "muleVersion4OrAbove": true, "lastActiveDate": null,
    });
    whole
}

/// An entry of Exchange's search.
pub(super) fn found(asset: &Asset) -> Value {
    json!({
        "groupId": asset.group, "assetId": asset.id, "version": asset.semver(), "name": asset.name, "description": "",
        "type": kind(asset), "status": "published", "isPublic": false, "isSnapshot": false,
        "organization": { "id": asset.group },
    })
}

/// One version of an asset with its files, each with its link.
pub(super) fn asset(world: &World, asset: &Asset, files: &[(File, String)]) -> Value {
    let files: Vec<Value> = files
        .iter()
        .map(|(file, link)| {
            let sha1 = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &file.bytes);
            json!({
                "classifier": file.classifier, "packaging": "zip", "externalLink": link, "md5": null,
                "sha1": HEXLOWER.encode(sha1.as_ref()), "createdDate": "2024-10-21T20:59:03.826Z", "mainFile": file.main,
                "isGenerated": file.generated,
            })
        })
        .collect();
    let mut instances =
        vec![json!({ "id": "mocking-service", "type": "mocked", "endpointUri": "https://mocksvc.example.com" })];
    instances.extend(world.served(asset).map(|one| {
        json!({ "id": one.id.to_string(), "type": "managed", "environmentId": one.environment, "endpointUri": one.consumer })
    }));
    let mut whole = found(asset);
    whole["id"] = format!("{}/{}/{}", asset.group, asset.id, asset.semver()).into();
    whole["versionGroup"] = "v1".into();
    whole["originalFormat"] = if files.is_empty() { Value::Null } else { "oas".into() };
    whole["files"] = files.into();
    whole["instances"] = instances.into();
    whole["createdBy"] = json!({ "id": "4232879d", "userName": "user" });
    // The detail repeats itself.
    whole["otherVersions"] = json!([found(asset)]);
    whole
}

fn kind(asset: &Asset) -> &'static str {
    use super::world::Written;
    match asset.written {
        Written::Wsdl => "soap-api",
        Written::Nothing => "http-api",
        _ => "rest-api",
    }
}
