//! `muster tenant`, beside a hub that runs.

use std::process::Command;

use serde_json::Value as Json;

use crate::command::muster;
use crate::hub::{Hub, Place, both_places};

const PASSWORD: &str = "a-password-of-another-1";

fn place(place: &Place) -> [&str; 2] {
    match place {
        Place::Directory(directory) => ["--data", directory.to_str().unwrap()],
        Place::Database(url) => ["--database", url],
    }
}

fn added(at: &Place, name: &str) -> Json {
    let place = place(at);
    let outcome = muster(&["tenant", "add", name, place[0], place[1], "--json"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    serde_json::from_str(&outcome.stdout).unwrap()
}

#[test]
fn a_tenant_is_added_beside_a_running_hub_and_sees_only_its_own() {
    both_places(|at| {
        let flags = place(at);
        let before = muster(&["tenant", "list", flags[0], flags[1]]);
        assert_eq!(before.code, 2, "{}", before.stderr);
        assert!(before.stderr.contains("no hub was ever started here"), "{}", before.stderr);
        let mut hub = Hub::start(at);
        let made = added(at, "acme");
        assert_eq!(made["username"], "admin@acme");
        hub.sign_in("admin@acme", made["password"].as_str().unwrap());
        assert_eq!(hub.get("/api/v1/tenant")["id"], made["id"]);
        assert_eq!(hub.get("/api/v1/users")["items"].as_array().unwrap().len(), 1);
        let given = Command::new(env!("CARGO_BIN_EXE_muster"))
            .args(["tenant", "add", "globex", flags[0], flags[1]])
            .env("MUSTER_ADMIN_PASSWORD", PASSWORD)
            .output()
            .unwrap();
        let said = String::from_utf8([given.stdout, given.stderr].concat()).unwrap();
        assert_eq!(given.status.code(), Some(0), "{said}");
        assert_eq!(said, "Tenant `globex` added; its administrator signs in as `admin@globex`\n");
        hub.sign_in("admin@globex", PASSWORD);
        assert_eq!(hub.get("/api/v1/tenant")["name"], "globex");
        let listed = muster(&["tenant", "list", flags[0], flags[1], "--json"]);
        let listed: Json = serde_json::from_str(&listed.stdout).unwrap();
        let names: Vec<&str> = listed.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["default", "acme", "globex"]);
        let table = muster(&["tenant", "list", flags[0], flags[1]]).stdout;
        assert!(table.starts_with("name     id  ") && table.contains("\nacme     "), "{table}");
        for (name, why) in [
            ("acme", "there is a tenant `acme` already"),
            ("Acme", "`Acme` is no name for a tenant"),
            ("a@b", "`a@b` is no name for a tenant"),
        ] {
            let refused = muster(&["tenant", "add", name, flags[0], flags[1]]);
            assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{name}");
            assert!(refused.stderr.contains(why) && refused.stderr.contains("\nhint: "), "{}", refused.stderr);
        }
    });
}
