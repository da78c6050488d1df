use super::*;
use muster_core::clock::Instant;

use crate::failure::Kind;

/// The sample of the source document, as it stands.
const SAMPLE: &str = "\
connector.api.url=https://<qualys_gateway_url>qualys.com
qualys.customerUuid=35664649-xxxx-xxxx-xxxx-0e54079e1ee9
qualys.connectionUuid=6ec6ac85-xxxx-xxxx-xxxx-558f378caa2b
qualys.profileUuid=a4ab0242-xxxx-xxxx-xxxx-f62c67a56093
qualys.user.username=quays_rb
qualys.user.password=<QUALYS_PASSWORD>
qualys.OAuthClientLevel=
qualys.clientId=b49fe503-xxxx-xxxx-xxxx-9dd35bfed24f
qualys.clientSecret=<CLIENT_SECRET>
service.cron-expression=0 0/10 * * * *
service.http.proxy.enabled=true
service.http.proxy.host=10.xxx.xxx.221
service.http.proxy.scheme=http
service.http.proxy.port=8080
service.child-thread-pool=25
";

/// What every agent needs.
const LEAST: &str = "\
connector.api.url=https://hub.example.com
qualys.customerUuid=35664649-0000-4000-8000-0e54079e1ee9
qualys.connectionUuid=6ec6ac85-0000-4000-8000-558f378caa2b
qualys.profileUuid=a4ab0242-0000-4000-8000-f62c67a56093
service.cron-expression=*/10 * * * *
";

fn filled() -> String {
    let uuid = |text: &str| text.replace("-xxxx-xxxx-xxxx-", "-0000-4000-8000-");
    uuid(SAMPLE)
        .replace("<qualys_gateway_url>qualys.com", "gateway.example.com")
        .replace("<QUALYS_PASSWORD>", "p<a>ss=word ")
        .replace("<CLIENT_SECRET>", "canary-secret")
        .replace("10.xxx.xxx.221", "10.1.2.221")
}

fn gathered(text: &[u8], environment: &[(&str, &str)]) -> Gathered {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("adconfig.env");
    std::fs::write(&path, text).unwrap();
    let environment: Vec<(String, String)> =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    gather(Sources { file: Some(&path), environment: &environment, allow_http: false, needs_cron: true })
}

fn settings(text: &str) -> Settings {
    gathered(text.as_bytes(), &[]).settings.unwrap()
}

fn refused(text: &str) -> Failure {
    let failure = gathered(text.as_bytes(), &[]).settings.unwrap_err();
    assert_eq!(failure.kind, Kind::Settings);
    failure
}

/// Issue 6: the sample works once its placeholders are filled; what is not filled is named.
#[test]
fn the_sample_of_the_document_works_once_it_is_filled() {
    let settings = settings(&filled());
    assert_eq!(settings.hub.as_str(), "https://gateway.example.com/");
    assert!(
        matches!(&settings.sign_in, SignIn::OAuth { secret, token_url: None, .. } if secret.reveal() == "canary-secret")
    );
    let proxy = settings.proxy.as_ref().unwrap();
    assert_eq!((proxy.scheme.as_str(), proxy.host.as_str(), proxy.port), ("http", "10.1.2.221", 8080));
    assert_eq!(settings.parallel, 25);
    let next = settings.schedule().unwrap().next_after(Instant::from_rfc3339("2026-01-01T00:00:00Z").unwrap()).unwrap();
    assert_eq!(next.to_rfc3339(), "2026-01-01T00:10:00Z");
    for line in SAMPLE.lines().filter(|line| line.contains('<') || line.contains("xxx")) {
        let key = line.split('=').next().unwrap();
        let text: String =
            filled().lines().filter(|other| !other.starts_with(key)).map(|line| format!("{line}\n")).collect();
        let failure = refused(&format!("{text}{line}\n"));
        assert!(failure.doing.contains(&format!("`{key}` (adconfig.env:")), "{failure}");
        assert!(failure.message.contains("placeholder"), "{failure}");
    }
}

#[test]
fn both_key_sets_are_read_and_the_samples_wins() {
    let table = "proxy.enabled=true\nproxy.host=old.example.com\nproxy.port=3128\nthread-pool.size=10\n\
                 oauth.client.id=a\noauth.client.secret=b\noauth.token.url=https://login.example.com/token\n";
    let told = settings(&format!("{LEAST}{table}"));
    assert_eq!((told.proxy.unwrap().host.as_str(), told.parallel), ("old.example.com", 10));
    assert!(matches!(told.sign_in, SignIn::OAuth { token_url: Some(_), .. }));
    let both = format!("{LEAST}{table}service.http.proxy.host=new.example.com\nservice.http.proxy.port=3128\n");
    let gathered = gathered(both.as_bytes(), &[("thread-pool.size", "7"), ("service.child-thread-pool", "")]);
    let settings = gathered.settings.unwrap();
    assert_eq!((settings.proxy.unwrap().host.as_str(), settings.parallel), ("new.example.com", 7));
    let host = gathered.told.iter().find(|told| told.key == "service.http.proxy.host").unwrap();
    assert_eq!(
        (host.source.as_str(), &host.wins_over[..]),
        ("adconfig.env:13", &["proxy.host (adconfig.env:7)".to_owned()][..])
    );
    let parallel = gathered.told.iter().find(|told| told.key == "thread-pool.size").unwrap();
    assert_eq!((parallel.value.as_str(), parallel.source.as_str()), ("7", "environment"));
    assert_eq!(gathered.warnings.len(), 1, "ports agree, hosts do not: {:?}", gathered.warnings);
    assert!(gathered.warnings[0].contains("`proxy.host` (adconfig.env:7) differ"));
}

/// C3: the type that is said wins; else OAUTH where both of its keys are given, else BASIC, else all ways are named.
#[test]
fn how_to_sign_in_follows_the_rule() {
    let (user, client) =
        ("qualys.user.username=u\nqualys.user.password=p\n", "qualys.clientId=i\nqualys.clientSecret=s\n");
    let way = |more: &str| settings(&format!("{LEAST}{more}")).sign_in;
    assert!(matches!(way(&format!("{user}{client}authentication.type=basic\n")), SignIn::Basic { .. }));
    assert!(matches!(way(&format!("{user}{client}authentication.type=OAUTH\n")), SignIn::OAuth { .. }));
    assert!(matches!(way(&format!("{user}{client}")), SignIn::OAuth { .. }));
    assert!(matches!(way(&format!("{user}qualys.clientId=i\n")), SignIn::Basic { .. }));
    assert!(matches!(way("muster.enrolment.token=t\n"), SignIn::Enrolled(Some(_))));
    assert!(matches!(way(""), SignIn::Enrolled(None)));
    let remedy = nothing_to_sign_in_with().remedy;
    assert!(remedy.contains("BASIC") && remedy.contains("OAUTH"));
    assert!(refused(&format!("{LEAST}authentication.type=KERBEROS\n")).message.contains("neither BASIC nor OAUTH"));
    assert!(refused(&format!("{LEAST}qualys.user.username=u\n")).doing.contains("`qualys.user.password`"));
}

#[test]
fn env_files_are_read_as_docker_reads_them() {
    let odd = format!(
        "\u{feff}# a comment\r\n\r\n  {}\r\nqualys.user.username=\"Zoë\"\r\nqualys.user.password= a # b=c \nHOME\nqualys.clientId\n",
        LEAST.replace('\n', "\r\n")
    );
    let gathered = gathered(odd.as_bytes(), &[("qualys.clientId", "from-outside"), ("muster.spool", "x")]);
    let SignIn::Basic { username, password } = gathered.settings.unwrap().sign_in else { panic!("not BASIC") };
    assert_eq!((username.as_str(), password.reveal()), ("\"Zoë\"", " a # b=c "));
    let told = |key: &str| gathered.told.iter().find(|told| told.key == key).unwrap();
    assert!(told("qualys.user.username").note.as_ref().unwrap().contains("quotes are part of the value"));
    assert_eq!(told("qualys.clientId").value, "from-outside");
    assert_eq!(told("qualys.user.password").value, "********");
    assert!(gathered.warnings.iter().any(|warning| warning.contains("\"HOME\"")), "{:?}", gathered.warnings);
    assert!(gathered.warnings.iter().any(|warning| warning.contains("`muster.spool`")), "{:?}", gathered.warnings);
}

#[test]
fn what_is_no_env_file_is_refused_with_its_line() {
    let failure = |bytes: &[u8]| gathered(bytes, &[]).settings.unwrap_err().to_string();
    assert!(failure(b"a=b\nc\0d=e\n").contains("line 2: it holds a NUL byte"));
    assert!(failure(b"a=b\n\xff\xfe=e\n").contains("line 2: it is not UTF-8"));
    assert!(failure(b"=b\n").contains("line 1: there is no key"));
    assert!(failure(b"a b=secret\n").contains("line 1: there is a blank in the key"));
    assert!(!failure(b"a b=secret\n").contains("secret"));
    assert!(failure(&vec![b'#'; (1 << 20) + 1]).contains("more than 1048576 bytes"));
}

#[test]
fn every_setting_that_cannot_work_is_named_with_its_place() {
    let lines = [
        ("connector.api.url=http://hub.example.com", "it is not HTTPS"),
        ("connector.api.url=hub.example.com", "it is no URL"),
        ("connector.api.url=https://u:p@hub.example.com", "more, or less, than a host"),
        ("qualys.profileUuid=a4ab0242-0000-4000-8000", "it is no UUID"),
        ("service.cron-expression=0 0 61 * * *", "hour field, character 5"),
        ("service.cron-expression=0 0 31 2 *", "fits no day of the calendar"),
        ("service.cron-expression=0 0 0 1 1 * 2027", "a seventh field"),
        ("service.timezone=Mars/Olympus", "it names no time zone"),
        ("service.child-thread-pool=257", "out of range"),
        ("service.child-thread-pool=0", "out of range"),
        ("service.http.proxy.enabled=yes", "neither true nor false"),
        ("muster.spool.limit=1MiB", "too small"),
        ("muster.spool.when-full=burn", "no policy"),
        ("qualys.OAuthClientLevel=root", "no level"),
        ("muster.authentication.certificate=/nowhere.cer", "No such file"),
    ];
    for (line, problem) in lines {
        let key = line.split('=').next().unwrap();
        let text: String =
            LEAST.lines().filter(|other| !other.starts_with(key)).map(|line| format!("{line}\n")).collect();
        let failure = refused(&format!("{text}{line}\n"));
        assert!(failure.doing.contains(&format!("`{key}` (adconfig.env:")), "{failure}");
        assert!(failure.message.contains(problem), "{line}: {failure}");
        assert!(!failure.remedy.is_empty());
    }
    for key in ["connector.api.url", "qualys.customerUuid", "service.cron-expression"] {
        let text: String =
            LEAST.lines().filter(|other| !other.starts_with(key)).map(|line| format!("{line}\n")).collect();
        assert!(refused(&text).doing.contains(key));
    }
    let proxy = format!("{LEAST}proxy.enabled=true\nproxy.host=p\nproxy.port=1\n");
    assert!(refused(&format!("{proxy}proxy.password=x\n")).message.contains("no user"));
    assert!(refused(&format!("{proxy}service.http.proxy.host=http://p\n")).message.contains("no host"));
    assert!(refused(&proxy.replace("proxy.port=1", "proxy.port=0")).message.contains("no port"));
}

#[test]
fn the_zone_is_the_crons() {
    let text = LEAST.replace("*/10 * * * *", "30 2 * * *") + "service.timezone=Europe/Berlin\n";
    let next = settings(&text).schedule().unwrap().next_after(Instant::from_rfc3339("2026-01-01T00:00:00Z").unwrap());
    assert_eq!(next.unwrap().to_rfc3339(), "2026-01-01T01:30:00Z");
}

/// A secret that the agent holds itself reaches the connector's field; a DER certificate becomes PEM.
#[test]
fn secrets_of_the_source_may_be_held_here() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.cer");
    std::fs::write(&path, [0x30, 0x82, 0xff]).unwrap();
    let text = format!(
        "{LEAST}muster.authentication.password=held-canary\nmuster.authentication.certificate={}\n",
        path.display()
    );
    let gathered = gathered(text.as_bytes(), &[]);
    assert!(gathered.told.iter().all(|told| !told.value.contains("canary")));
    let settings = gathered.settings.unwrap();
    assert!(!format!("{settings:?}").contains("canary"));
    assert_eq!(settings.held["authentication.password"].reveal(), "held-canary");
    let pem = settings.held["authentication.certificate"].reveal();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----\nMIL/"), "{pem}");
}
