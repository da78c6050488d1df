//! Passwords and clients' secrets: argon2id, with the same work for names that are not there.

use std::sync::{Arc, LazyLock};

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use muster_core::secret::Secret;
use tokio::sync::Semaphore;

use crate::error::{Code, Problem};
use crate::random::Random;

/// How many hashes are made at once: each takes its memory.
const AT_ONCE: usize = 2;
/// How many may wait for their turn: whoever comes later is told to come again.
const WAITING: usize = 32;
/// The longest password.
pub(crate) const LONGEST: usize = 1024;
/// The shortest password that may be set.
const SHORTEST: usize = 8;

/// Makes and checks hashes, a few at a time.
#[derive(Debug, Clone)]
pub struct Passwords {
    work: Arc<Argon2<'static>>,
    turns: Arc<Semaphore>,
    room: Arc<Semaphore>,
    nobody: Arc<LazyLock<String, Box<dyn FnOnce() -> String + Send>>>,
}

impl Passwords {
    /// Hashes of that work: KiB of memory, passes.
    pub fn new((memory, passes): (u32, u32)) -> Self {
        let params = Params::new(memory, passes, 1, None).unwrap_or_default();
        let work = Arc::new(Argon2::new(Algorithm::Argon2id, Version::V0x13, params));
        let nobody = Arc::clone(&work);
        let nobody: Box<dyn FnOnce() -> String + Send> =
            Box::new(move || hash_with(&nobody, b"nobody", &[7; 16]).unwrap_or_default());
        let (turns, room) = (Arc::new(Semaphore::new(AT_ONCE)), Arc::new(Semaphore::new(AT_ONCE + WAITING)));
        Self { work, turns, room, nobody: Arc::new(LazyLock::new(nobody)) }
    }

    /// The hash of a password, in PHC form.
    pub async fn hash(&self, password: Secret, random: &Random) -> Result<String, Problem> {
        let salt = random.bytes::<16>();
        let work = Arc::clone(&self.work);
        self.apart(move || hash_with(&work, password.reveal().as_bytes(), &salt))
            .await?
            .ok_or_else(|| Problem::new(Code::Internal))
    }

    /// Whether a password is the one of that hash. Without a hash the same work is done, and the answer is no.
    pub async fn verify(&self, password: Secret, hash: Option<String>) -> Result<bool, Problem> {
        let (work, nobody) = (Arc::clone(&self.work), Arc::clone(&self.nobody));
        self.apart(move || {
            let known = hash.is_some();
            let hash = hash.unwrap_or_else(|| (**nobody).clone());
            let Ok(parsed) = PasswordHash::new(&hash) else { return false };
            work.verify_password(password.reveal().as_bytes(), &parsed).is_ok() && known
        })
        .await
    }

    async fn apart<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        let busy = || Problem { retry_after: Some(5), ..Problem::new(Code::TooManyAttempts) };
        let room = Arc::clone(&self.room).try_acquire_owned().map_err(|_| busy())?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| Problem::new(Code::Internal))?;
        // The work goes on when whoever asked hangs up: so it takes its turn along.
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop((turn, room));
            done
        });
        done.await.map_err(|_| Problem::new(Code::Internal))
    }
}

fn hash_with(work: &Argon2<'_>, password: &[u8], salt: &[u8]) -> Option<String> {
    let hash: PasswordHash = work.hash_password_with_salt(password, salt).ok()?;
    Some(hash.to_string())
}

/// Whether a password may be set.
pub(crate) fn check_new(field: &str, password: &Secret) -> Result<(), Problem> {
    let length = password.reveal().len();
    if !(SHORTEST..=LONGEST).contains(&length) {
        return Err(Problem::value(field, format!("a password has {SHORTEST} to {LONGEST} bytes")));
    }
    Ok(())
}
