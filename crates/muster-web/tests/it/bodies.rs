//! A body for each operation of `/openapi.json` that takes one.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// The ids of a tenant's things, by what they are: the words of their paths.
pub(crate) type Things = BTreeMap<&'static str, String>;

/// Whose bodies they are: what they name, own and know.
pub(crate) struct Owner<'a> {
    /// Part of every name that is given.
    pub(crate) mark: &'a str,
    pub(crate) things: &'a Things,
    /// The section of a connector's settings, its password among it.
    pub(crate) authentication: &'a Value,
    /// The password of users that are made.
    pub(crate) password: &'a str,
}

impl Owner<'_> {
    pub(crate) fn connector(&self, name: &str) -> Value {
        json!({
            "name": format!("{} {name}", self.mark), "type": "active_directory", "description": self.mark,
            "settings": { "authentication": self.authentication },
        })
    }

    pub(crate) fn user(&self, name: &str) -> Value {
        json!({ "username": format!("{}-{name}", self.mark), "password": self.password, "role": "viewer" })
    }

    /// A body that the owner's manager may send. An operation without a case here fails whoever walks over all.
    pub(crate) fn body(&self, path: &str, method: &str) -> Value {
        let mark = self.mark;
        let text = default_map();
        match (path, method) {
            ("/auth", _) => json!({ "username": "nobody", "password": self.password }),
            ("/api/v1/connectors", _) => self.connector("another"),
            ("/api/v1/connectors/{id}", _) => {
                let mut body = self.connector("renamed");
                body.as_object_mut().unwrap().remove("type");
                body
            }
            ("/api/v1/connectors/{id}/profiles", _) => json!({ "name": format!("{mark} idle"), "active": false }),
            ("/api/v1/profiles/{id}", _) => {
                json!({ "name": format!("{mark} renamed"), "parameters": { "assets": "identities_with_posture" } })
            }
            ("/api/v1/profiles/preview-schedule", _) => {
                json!({ "schedule": { "type": "recurring", "every": 1, "unit": "days", "at": "03:00" } })
            }
            ("/api/v1/profiles/{id}/run", _) => json!({ "mode": "full" }),
            ("/api/v1/dead-letters/replay", _) => {
                // Whoever has no letter asks for one that there is not.
                json!({ "letters": [self.things.get("dead-letters").map_or(1, |id| id.parse::<i64>().unwrap())] })
            }
            ("/api/v1/transform-maps", _) => {
                json!({ "name": format!("{mark} own"), "type": "active_directory", "stream": "users", "text": text })
            }
            ("/api/v1/transform-maps/lint", _) => {
                json!({ "type": "active_directory", "stream": "users", "text": text })
            }
            ("/api/v1/transform-maps/preview", _) => {
                let asset: i64 = self.things["inventory/users"].parse().unwrap();
                json!({ "assetId": asset, "mapId": self.things["transform-maps"] })
            }
            ("/api/v1/transform-maps/{id}/clone", _) => json!({ "name": format!("{mark} clone") }),
            ("/api/v1/transform-maps/{id}", _) => json!({ "text": text }),
            ("/api/v1/me/password", _) => json!({ "current": self.password, "new": self.password }),
            ("/api/v1/users", _) => self.user("third"),
            ("/api/v1/users/{id}", _) => json!({ "role": "manager", "password": self.password }),
            ("/api/v1/clients", _) => {
                json!({ "name": format!("{mark} other client"), "role": "viewer", "level": "user" })
            }
            ("/api/v1/connectors/{id}/agent-bindings", _) => {
                json!({ "userId": self.things.get("users").map_or("nobody", String::as_str) })
            }
            ("/agent/v1/sessions", _) => json!({
                "customer": "c", "connection": "c", "profile": "p", "host": mark, "version": "1", "timeZone": "UTC",
                "publicKey": "", "holds": [],
            }),
            ("/agent/v1/enrol", _) => json!({ "token": "none", "host": mark }),
            ("/agent/v1/runs", _) => json!({ "request": "r" }),
            (path, _) if path.starts_with("/agent/v1/") => json!({}),
            (path, method) => panic!("{method} {path} takes a body and has no case: say here what it takes"),
        }
    }
}

/// A map that can be kept.
pub(crate) fn default_map() -> &'static str {
    muster_connectors::find("active_directory").unwrap().offer().default_map("users").unwrap()
}
