//! The key that seals secrets: from the environment, a file, or the data directory (design P7).

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, anyhow};
use muster_core::clock::Instant;
use muster_core::seal::{Key, Keyring, Place};
use muster_store::Store;

use crate::failure::Failure;

const VARIABLE: &str = "MUSTER_SECRET_KEY";
const FILE_VARIABLE: &str = "MUSTER_SECRET_KEY_FILE";
const FILE: &str = "secret.key";
/// The most bytes a key file may have: hundreds of keys.
const MAXIMUM_BYTES: u64 = 64 << 10;

/// Reads the keys; makes one in the data directory where there is none yet and nothing is sealed.
pub(crate) async fn load(store: &Store, data: Option<&Path>) -> Result<Keyring, Failure> {
    if let Some(text) = variable(VARIABLE) {
        return read(&text, &format!("the variable `{VARIABLE}`"));
    }
    if let Some(path) = variable(FILE_VARIABLE) {
        return from_file(Path::new(&path));
    }
    let Some(data) = data else {
        return Err(Failure::usage(anyhow!("there is no key to seal secrets with"))
            .with_hint(format!("with `--database` set `{VARIABLE}` or `{FILE_VARIABLE}`; all hubs need the same")));
    };
    let path = data.join(FILE);
    if path.exists() {
        return from_file(&path);
    }
    if !store.all_secrets().await?.is_empty() {
        return Err(Failure::failed(anyhow!("the store holds sealed secrets, and `{}` is not there", path.display()))
            .with_hint(format!("put the key back, or name it by `{VARIABLE}` or `{FILE_VARIABLE}`")));
    }
    make(&path)
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

fn read(text: &str, place: &str) -> Result<Keyring, Failure> {
    Keyring::from_text(text).map_err(|error| {
        Failure::usage(anyhow::Error::new(error).context(format!("reading {place}")))
            .with_hint("32 bytes in base64 or hexadecimal, one key a line, the current one first")
    })
}

fn from_file(path: &Path) -> Result<Keyring, Failure> {
    let shown = path.display();
    let size = std::fs::metadata(path).with_context(|| format!("reading `{shown}`")).map_err(Failure::usage)?.len();
    if size > MAXIMUM_BYTES {
        return Err(Failure::usage(anyhow!("reading `{shown}`: it has {size} bytes and is no key file")));
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("reading `{shown}`")).map_err(Failure::usage)?;
    read(&text, &format!("`{shown}`"))
}

/// Makes a key at the first start. It is nobody else's to read, and in no backup of the database.
fn make(path: &Path) -> Result<Keyring, Failure> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let key = Key::generate(&mut rand::rng());
    let partial = path.with_extension("partial");
    let made = std::fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(&partial);
    let made = made.and_then(|mut file| {
        file.write_all(format!("{}\n", key.to_text().reveal()).as_bytes())?;
        file.sync_all()?;
        // Whole or not there, and never in the place of another.
        std::fs::hard_link(&partial, path)?;
        std::fs::remove_file(&partial)
    });
    made.with_context(|| format!("making `{}`", path.display())).map_err(Failure::failed)?;
    Ok(Keyring::new(key, Vec::new()))
}

/// Sees that every sealed value can be opened, and seals anew what an older key sealed.
pub(crate) async fn check(store: &Store, keyring: &Keyring, now: Instant) -> Result<(), Failure> {
    let mut anew = 0;
    for row in store.all_secrets().await? {
        let tenant = row.tenant.to_string();
        let place = Place { tenant: &tenant, owner: &row.owner, field: &row.field };
        let secret = keyring.open(&place, &row.sealed).map_err(|error| {
            Failure::failed(
                anyhow::Error::new(error).context(format!("opening `{}` of connector `{}`", row.field, row.owner)),
            )
            .with_hint(format!("start with the key that sealed it, in `{VARIABLE}`, `{FILE_VARIABLE}` or `{FILE}`"))
        })?;
        if keyring.needs_rotation(&row.sealed) {
            let sealed = keyring
                .seal(&place, &secret, &mut rand::rng())
                .map_err(|error| Failure::failed(anyhow::Error::new(error).context("sealing anew")))?;
            anew += u32::from(store.reseal(&row, &sealed, now).await?);
        }
    }
    if anew > 0 {
        tracing::info!(values = anew, "sealed anew under the current key");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use muster_core::secret::Secret;
    use muster_store::Location;
    use muster_store::hub::SealedSecret;

    use super::*;

    const PLACE: Place<'_> = Place { tenant: "1", owner: "c-1", field: "authentication.password" };

    fn sealed_by(keyring: &Keyring) -> String {
        keyring.seal(&PLACE, &Secret::new("canary".to_owned()), &mut rand::rng()).unwrap()
    }

    #[test]
    fn a_key_is_made_once_and_is_nobody_elses_to_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        let made = make(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let read = from_file(&path).unwrap();
        assert_eq!(read.current(), made.current());
        assert_eq!(read.open(&PLACE, &sealed_by(&made)).unwrap().reveal(), "canary");
        assert!(make(&path).is_err(), "a key that is there is never replaced");
    }

    #[tokio::test]
    async fn secrets_are_sealed_anew_and_a_missing_key_refuses_the_start() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&Location::Directory(directory.path().to_owned())).await.unwrap();
        let (old, new) = (Key::generate(&mut rand::rng()), Key::generate(&mut rand::rng()));
        let before = Keyring::new(old.clone(), Vec::new());
        let secret = SealedSecret { field: PLACE.field.to_owned(), sealed: sealed_by(&before) };
        store.keep_secrets((1, PLACE.owner), &[secret], Instant(1)).await.unwrap();
        check(&store, &before, Instant(2)).await.unwrap();
        let only_new = Keyring::new(new.clone(), Vec::new());
        assert!(check(&store, &only_new, Instant(2)).await.is_err());
        check(&store, &Keyring::new(new, vec![old]), Instant(3)).await.unwrap();
        check(&store, &only_new, Instant(4)).await.unwrap();
        let sealed = store.all_secrets().await.unwrap().remove(0).sealed;
        assert_eq!(only_new.open(&PLACE, &sealed).unwrap().reveal(), "canary");
    }
}
