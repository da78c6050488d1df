//! A running hub, spoken to as a client would.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use sqlx::{Connection as _, Executor as _};

/// The administrator's password.
pub(crate) const PASSWORD: &str = "a-password-for-tests-1";

/// Where a hub keeps what it knows.
#[derive(Clone)]
pub(crate) enum Place {
    Directory(PathBuf),
    /// A database, and the key that its hubs share.
    Database(String),
}

/// Does something with a place of each kind, empty at first.
pub(crate) fn both_places(test: impl Fn(&Place)) {
    let scratch = tempfile::tempdir().unwrap();
    test(&Place::Directory(scratch.path().join("hub")));
    match Schema::make("places") {
        Some(schema) => test(&Place::Database(schema.url.clone())),
        None => eprintln!("SKIPPED over PostgreSQL: MUSTER_TEST_POSTGRES is not set"),
    }
}

/// A schema of its own in the database that the tests may use; it goes with the value.
pub(crate) struct Schema {
    server: String,
    name: String,
    /// The URL of a database in which only this schema is seen.
    pub(crate) url: String,
}

impl Schema {
    pub(crate) fn make(what: &str) -> Option<Self> {
        let server = std::env::var("MUSTER_TEST_POSTGRES").ok()?;
        let name = format!("{what}_{}", std::process::id());
        let url = format!("{server}?options=-c%20search_path%3D{name}");
        let schema = Self { server, name, url };
        schema.command(format!("CREATE SCHEMA {}", schema.name));
        Some(schema)
    }

    fn command(&self, sql: String) {
        let run = async {
            let mut connection = sqlx::PgConnection::connect(&self.server).await.unwrap();
            connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql))).await.unwrap();
        };
        // A thread of its own: whoever asks may be in a runtime already.
        std::thread::scope(|scope| {
            let apart = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(run);
            scope.spawn(apart).join().unwrap();
        });
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        self.command(format!("DROP SCHEMA {} CASCADE", self.name));
    }
}

/// A hub in a process of its own.
pub(crate) struct Hub {
    pub(crate) child: Child,
    url: String,
    token: String,
    agent: ureq::Agent,
    #[expect(dead_code, reason = "kept open: a hub that cannot say something ends")]
    stdout: BufReader<ChildStdout>,
}

impl Hub {
    /// Starts a hub at a free port and signs in.
    pub(crate) fn start(place: &Place) -> Self {
        Self::start_telling(place, Stdio::null())
    }

    /// The same; what it logs goes there.
    pub(crate) fn start_telling(place: &Place, log: Stdio) -> Self {
        Self::serve(place, log, (&[], &[])).signed_in()
    }

    /// Starts a hub with more arguments.
    pub(crate) fn start_with(place: &Place, arguments: &[&str]) -> Self {
        Self::serve(place, Stdio::null(), (arguments, &[])).signed_in()
    }

    /// Starts a hub with more arguments, and more in its environment; what it logs goes there.
    pub(crate) fn start_told(place: &Place, log: Stdio, more: (&[&str], &[(&str, &str)])) -> Self {
        Self::serve(place, log, more).signed_in()
    }

    /// Starts a hub with more in its environment.
    pub(crate) fn start_knowing(place: &Place, variables: &[(&str, &str)]) -> Self {
        Self::serve(place, Stdio::null(), (&[], variables)).signed_in()
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    /// The same, with everything logged into a file.
    pub(crate) fn loud(place: &Place, log: &Path) -> Self {
        let everything = [("MUSTER_LOG", "trace"), ("RUST_BACKTRACE", "full")];
        Self::serve(place, std::fs::File::create(log).unwrap().into(), (&[], &everything)).signed_in()
    }

    fn signed_in(mut self) -> Self {
        self.sign_in("admin", PASSWORD);
        self
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Signs in; whatever is asked from now on is asked by that account.
    pub(crate) fn sign_in(&mut self, username: &str, password: &str) {
        let form = [("username", username), ("password", password), ("token", "true")];
        let mut answer = self.agent.post(format!("{}/auth", self.url)).send_form(form).unwrap();
        assert_eq!(answer.status(), 201, "{username}");
        self.token = answer.body_mut().read_to_string().unwrap();
    }

    /// Kills the hub and starts another in its place; whoever had signed in still has.
    pub(crate) fn kill_and_start(&mut self, place: &Place) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let token = std::mem::take(&mut self.token);
        *self = Self::serve(place, Stdio::null(), (&[], &[]));
        self.token = token;
    }

    fn serve(place: &Place, log: Stdio, (arguments, variables): (&[&str], &[(&str, &str)])) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--json"])
            .args(arguments)
            .env("MUSTER_ADMIN_PASSWORD", PASSWORD);
        match place {
            Place::Directory(directory) => command.arg("--data").arg(directory),
            Place::Database(url) => command.args(["--database", url]).env("MUSTER_SECRET_KEY", "ab".repeat(32)),
        };
        Self::speaking(command.envs(variables.iter().copied()).stderr(log))
    }

    /// Starts a demo with its data there, and signs in with the password that it prints.
    pub(crate) fn demo(data: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
        command.args(["demo", "--listen", "127.0.0.1:0", "--data"]).arg(data).args(arguments).stderr(Stdio::null());
        let mut hub = Self::speaking(&mut command);
        let password = std::fs::read_to_string(data.join("password")).unwrap();
        hub.sign_in("admin", &password);
        hub
    }

    /// A program whose first line says where its hub is.
    fn speaking(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let said: Json = serde_json::from_str(&line).unwrap_or_else(|_| panic!("the hub said `{line}`"));
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(Duration::from_secs(120)))
            .build();
        let url = said["url"].as_str().unwrap().to_owned();
        Self { child, url, token: String::new(), agent: config.into(), stdout }
    }

    pub(crate) fn get(&self, path: &str) -> Json {
        let request =
            self.agent.get(format!("{}{path}", self.url)).header("Authorization", format!("Bearer {}", self.token));
        let mut answer = request.call().unwrap();
        let body: Json = answer.body_mut().read_json().unwrap();
        assert_eq!(answer.status(), 200, "{path}: {body}");
        body
    }

    /// The status and text of a page, as a browser that has signed in asks for it.
    pub(crate) fn text(&self, path: &str) -> (u16, String) {
        let cookie = format!("muster_session={}", self.token);
        let mut answer = self.agent.get(format!("{}{path}", self.url)).header("Cookie", cookie).call().unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    }

    /// The answer's status and body; none where the hub went away meanwhile.
    pub(crate) fn try_post(&self, path: &str, body: &Json) -> Option<(u16, Json)> {
        let request =
            self.agent.post(format!("{}{path}", self.url)).header("Authorization", format!("Bearer {}", self.token));
        let mut answer = request.send_json(body).ok()?;
        Some((answer.status().as_u16(), answer.body_mut().read_json().ok()?))
    }

    /// The answer's status, head and text to any request; the token is sent, unless another `Authorization` is given.
    pub(crate) fn ask(
        &self,
        (method, path): (&str, &str),
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> (u16, String, String) {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        let is_given = |name: &str| headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
        let usual =
            [("Authorization", format!("Bearer {}", self.token)), ("Content-Type", "application/json".to_owned())];
        for (name, value) in usual.iter().filter(|(name, _)| !is_given(name) && !is_given("Cookie")) {
            request = request.header(*name, value);
        }
        for (name, value) in headers.iter().chain(&[("Accept", "application/json, text/html, */*")]) {
            request = request.header(*name, *value);
        }
        let mut answer = match body {
            Some(body) => self.agent.run(request.body(body).unwrap()),
            None => self.agent.run(request.body(()).unwrap()),
        }
        .unwrap();
        let head = format!("{:?}", answer.headers());
        (answer.status().as_u16(), head, answer.body_mut().read_to_string().unwrap())
    }

    pub(crate) fn post(&self, path: &str, body: &Json) -> Json {
        let (status, body) = self.try_post(path, body).unwrap();
        assert!((200..300).contains(&status), "{path}: {status} {body}");
        body
    }

    /// Makes a connector of these `authentication` keys and a profile; gives the profile's id.
    pub(crate) fn configure(&self, authentication: Json, schedule: Option<Json>) -> (String, String) {
        let connector = json!({
            "name": "lab", "type": "active_directory", "settings": { "authentication": authentication },
        });
        let connector = self.post("/api/v1/connectors", &connector)["id"].as_str().unwrap().to_owned();
        let mut profile = json!({ "name": "all" });
        if let Some(schedule) = schedule {
            profile["schedule"] = schedule;
        }
        let profile = self.post(&format!("/api/v1/connectors/{connector}/profiles"), &profile);
        (connector, profile["id"].as_str().unwrap().to_owned())
    }

    /// Asks for a run and gives its job.
    pub(crate) fn run(&self, profile: &str, mode: &str) -> Json {
        self.post(&format!("/api/v1/profiles/{profile}/run"), &json!({ "mode": mode }))
    }

    /// Waits for a job's end, no longer than two minutes.
    pub(crate) fn ended(&self, job: &Json) -> Json {
        let path = format!("/api/v1/jobs/{}", job["id"].as_str().unwrap());
        let mut last = Json::Null;
        until(&format!("the end of {path}"), || {
            last = self.get(&path);
            last["state"] == "ended"
        });
        last
    }

    pub(crate) fn signal(&self, signal: &str) {
        let done = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(done.success());
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for something, no longer than two minutes.
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(120), "waited for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What two stores are compared by.
pub(crate) fn digest(directory: &Path) -> String {
    let outcome = crate::command::muster(&["doctor", "--state", directory.to_str().unwrap(), "--digest"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    outcome.stdout.trim().to_owned()
}
