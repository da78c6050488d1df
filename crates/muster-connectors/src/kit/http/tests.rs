//! Over real sockets on loopback.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::Mutex;

use super::*;

const CANARY: &str = "sig=Canary4711";

/// A server that gives prepared answers, byte for byte, and keeps what it was sent. With no answer left it cuts off.
struct Server {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(answers: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let mut answers: VecDeque<Vec<u8>> = answers.iter().map(|answer| answer.as_bytes().to_vec()).collect();
        let account = Arc::clone(&heard);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = Vec::new();
                let mut chunk = [0; 4096];
                while !request.windows(4).any(|window| window == b"\r\n\r\n") {
                    match stream.read(&mut chunk) {
                        Ok(0) | Err(_) => break,
                        Ok(length) => request.extend_from_slice(&chunk[..length]),
                    }
                }
                account.lock().unwrap().push(String::from_utf8_lossy(&request).into_owned());
                match answers.pop_front() {
                    Some(answer) if answer == b"SILENCE" => std::mem::forget(stream),
                    Some(answer) if answer.starts_with(b"DRIP") => {
                        std::thread::spawn(move || drip(&mut stream, &answer[4..]));
                    }
                    Some(answer) => stream.write_all(&answer).unwrap_or_default(),
                    None => drop(stream),
                }
            }
        });
        Self { address, heard }
    }

    fn url(&self, path: &str) -> Url {
        Url::parse(&format!("http://{}{path}", self.address)).unwrap()
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    fn http(&self) -> Http {
        self.limited(Limits::default())
    }

    fn limited(&self, limits: Limits) -> Http {
        Http::new(Hosts::default().with(&self.url("/")), limits, Arc::default(), &RootCertStore::empty()).unwrap()
    }
}

/// A byte at a time, for as long as somebody listens.
fn drip(stream: &mut std::net::TcpStream, answer: &[u8]) {
    for byte in answer {
        if stream.write_all(&[*byte]).is_err() {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}", body.len())
}

fn bucket() -> (Bucket, Rate) {
    let bucket = Bucket { principal: "p".into(), host: "h".into(), holder: "s".into(), kind: "reads" };
    (bucket, Rate { burst: 250, per_second: 25.0 })
}

#[tokio::test]
async fn an_answer_is_given_whole_and_counted() {
    let server = Server::start(&[&answer("200 OK", "Content-Type: application/json\r\n", r#"{"value":[1,2]}"#)]);
    let http = server.http();
    let got = http.send(&Call::get("listing", server.url("/things?x=1")), &|| true).await.unwrap();
    let read: serde_json::Value = got.json("listing").unwrap();
    assert_eq!(read["value"][1], 2);
    assert_eq!(http.traffic(), Traffic { calls: 1, throttled_ms: 0, bytes: 15 });
    assert_eq!(http.metered().traffic(), Traffic::default(), "an account of its own");
    let heard = server.heard().remove(0);
    assert!(heard.starts_with("GET /things?x=1 HTTP/1.1"), "{heard}");
    assert!(!heard.to_ascii_lowercase().contains("authorization"), "{heard}");
}

#[tokio::test]
async fn a_host_that_is_not_allowed_hears_nothing() {
    let (server, other) = (Server::start(&[]), Server::start(&[&answer("200 OK", "", "{}")]));
    let error = server.http().send(&Call::get("following a page", other.url(&format!("/?{CANARY}"))), &|| true).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Protocol);
    assert!(error.to_string().contains(&format!("http://{}", other.address)), "{error}");
    assert!(!error.to_string().contains(CANARY), "{error}");
    assert!(other.heard().is_empty());
}

#[tokio::test]
async fn a_credential_goes_to_its_own_origin_alone() {
    let (home, away) = (Server::start(&[&answer("200 OK", "", "{}")]), Server::start(&[&answer("200 OK", "", "{}")]));
    let hosts = Hosts::default().with(&home.url("/")).with(&away.url("/"));
    let http = Http::new(hosts, Limits::default(), Arc::default(), &RootCertStore::empty()).unwrap();
    let bearer = Bearer { origin: Origin::of(&home.url("/")).unwrap(), token: Secret::new("tok-1".to_owned()) };
    let call = |url: Url| Call { bearer: Some(bearer.clone()), ..Call::get("asking", url) };
    http.send(&call(home.url("/")), &|| true).await.unwrap();
    assert!(home.heard()[0].contains("authorization: Bearer tok-1"), "{}", home.heard()[0]);
    let error = http.send(&call(away.url("/")), &|| true).await.unwrap_err();
    assert!(!error.to_string().contains("tok-1"), "{error}");
    assert!(away.heard().is_empty());
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Server::start(&[&answer("200 OK", "", "{}")]);
    let place = format!("Location: {}\r\n", other.url(&format!("/take?{CANARY}")));
    let server = Server::start(&[&answer("307 Temporary Redirect", &place, "")]);
    let error = server.http().send(&Call::get("asking", server.url("/")), &|| true).await.unwrap_err();
    assert!(error.to_string().contains(&format!("a redirect to `http://{}`", other.address)), "{error}");
    assert!(!error.to_string().contains(CANARY), "{error}");
    assert!(other.heard().is_empty());
}

#[tokio::test]
async fn a_server_that_asks_to_wait_is_asked_again_then() {
    let server =
        Server::start(&[&answer("429 Too Many Requests", "Retry-After: 1\r\n", ""), &answer("200 OK", "", "{}")]);
    let http = server.http();
    let call = Call { bucket: Some(bucket()), ..Call::get("asking", server.url("/")) };
    let begun = Instant::now();
    let got = http.send(&call, &|| true).await.unwrap();
    assert_eq!((got.status, server.heard().len()), (StatusCode::OK, 2));
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert!(http.traffic().throttled_ms >= 1_000, "{:?}", http.traffic());
}

#[tokio::test]
async fn who_asks_for_longer_than_a_run_lasts_ends_the_call() {
    let server = Server::start(&[&answer("429 Too Many Requests", "Retry-After: 372\r\n", "")]);
    let http = server.http();
    let call = Call { bucket: Some(bucket()), ..Call::get("asking", server.url("/")) };
    let error = http.send(&call, &|| true).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::RateLimited { retry_after_ms: 372_000 });
    // Who shares the bucket need not ask to hear the same.
    let error = http.send(&call, &|| true).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::RateLimited { retry_after_ms: 300_000..=372_000 }), "{error:?}");
    assert_eq!(server.heard().len(), 1);
}

#[tokio::test]
async fn a_failure_of_the_servers_is_asked_again_and_then_stands() {
    let failing = answer("503 Service Unavailable", "Retry-After: 0\r\n", "<html>busy</html>");
    let server = Server::start(&[&failing, &failing, &failing]);
    let got = server.limited(Limits { attempts: 3, ..Limits::default() });
    let got = got.send(&Call::get("asking", server.url("/")), &|| true).await.unwrap();
    assert_eq!((got.status.as_u16(), server.heard().len()), (503, 3));
    let error = got.json::<serde_json::Value>("asking").unwrap_err().to_string();
    assert!(!error.contains("busy") && error.contains("status 503"), "{error}");
}

#[tokio::test]
async fn what_is_refused_is_not_asked_again() {
    let server = Server::start(&[&answer("403 Forbidden", "", "{}")]);
    let got = server.http().send(&Call::get("asking", server.url("/")), &|| true).await.unwrap();
    assert_eq!((got.status.as_u16(), server.heard().len()), (403, 1));
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_asked_for_again() {
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"half\":";
    let server = Server::start(&[cut, &answer("200 OK", "", "{}")]);
    let got = server.http().send(&Call::get("asking", server.url("/")), &|| true).await.unwrap();
    assert_eq!((got.body.as_slice(), server.heard().len()), (b"{}".as_slice(), 2));

    let server = Server::start(&[]);
    let http = server.limited(Limits { attempts: 2, ..Limits::default() });
    let error = http.send(&Call::get("asking", server.url(&format!("/?{CANARY}"))), &|| true).await.unwrap_err();
    assert_eq!((error.kind.clone(), server.heard().len()), (ErrorKind::Unavailable, 2));
    assert!(!error.to_string().contains(CANARY), "{error}");
}

#[tokio::test]
async fn an_answer_is_bounded() {
    let server = Server::start(&[&answer("200 OK", "", &"x".repeat(5_000))]);
    let http = server.limited(Limits { body: 4_999, ..Limits::default() });
    let error = http.send(&Call::get("downloading", server.url("/")), &|| true).await.unwrap_err();
    assert_eq!(error.to_string(), "downloading: the answer is larger than 4999 bytes");
    assert_eq!(server.heard().len(), 1, "it would be as large again");
}

#[tokio::test]
async fn an_answer_may_be_bounded_more_than_others() {
    let server = Server::start(&[&answer("200 OK", "", &"x".repeat(5_000))]);
    let call = Call { most: Some(100), ..Call::get("listing", server.url("/")) };
    let error = server.http().send(&call, &|| true).await.unwrap_err();
    assert_eq!(error.to_string(), "listing: the answer is larger than 100 bytes");
}

#[tokio::test]
async fn an_answer_that_never_ends_is_given_up() {
    let slow = format!("DRIP{}", answer("200 OK", "", &"x".repeat(100_000)));
    let server = Server::start(&[&slow, &slow]);
    let limits = Limits { attempts: 2, timeout: Duration::from_millis(300), ..Limits::default() };
    let begun = Instant::now();
    let error = server.limited(limits).send(&Call::get("downloading", server.url("/")), &|| true).await.unwrap_err();
    assert_eq!((error.kind.clone(), server.heard().len()), (ErrorKind::Unavailable, 2));
    assert_eq!(error.to_string(), "downloading: no answer in time");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn the_waits_of_a_call_have_a_budget() {
    let refusal = answer("429 Too Many Requests", "Retry-After: 1\r\n", "");
    let server = Server::start(&[&refusal, &refusal]);
    let http = server.limited(Limits { waits: Duration::from_millis(900), ..Limits::default() });
    let got = http.send(&Call::get("asking", server.url("/")), &|| true).await.unwrap();
    assert_eq!((got.status.as_u16(), server.heard().len(), http.traffic().throttled_ms), (429, 1, 0));
}

/// A platform that says in several ways that it wants fewer calls.
const THROTTLING: Throttling = Throttling {
    statuses: &[429, 500, 503],
    reset: Some(Reset { at: "x-ratelimit-reset", left: "x-ratelimit-remaining" }),
    first_wait: Duration::from_secs(2),
};

fn told(status: u16, headers: &[(&'static str, &str)]) -> Answer {
    let headers = headers
        .iter()
        .map(|(name, value)| (reqwest::header::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
    Answer {
        status: StatusCode::from_u16(status).unwrap(),
        headers: headers.collect(),
        body: Vec::new(),
        secrets: Vec::new(),
    }
}

#[test]
fn how_long_a_server_asks_to_wait_is_read_by_its_own_clock() {
    let date = ("date", "Sun, 22 Nov 2026 18:00:00 GMT");
    let at = 1_795_370_400_u64;
    let reset = |seconds: u64| seconds.to_string();
    let wait =
        |headers: &[(&'static str, &str)]| told(429, headers).asks_to_wait(&THROTTLING).map(|wait| wait.as_secs());
    assert_eq!(wait(&[("retry-after", "7"), date, ("x-ratelimit-reset", &reset(at + 30))]), Some(7), "it goes first");
    assert_eq!(wait(&[date, ("x-ratelimit-reset", &reset(at + 30))]), Some(30));
    for (headers, why) in [
        (vec![("x-ratelimit-reset", reset(at + 30))], "no clock to hold it against"),
        (vec![(date.0, date.1.to_owned()), ("x-ratelimit-reset", reset(at))], "it is over"),
        (vec![(date.0, date.1.to_owned()), ("x-ratelimit-reset", reset(30))], "no such time"),
        (vec![(date.0, date.1.to_owned()), ("x-ratelimit-reset", reset((at + 30) * 1000))], "far ahead"),
        (vec![("retry-after", "soon".to_owned())], "no number"),
    ] {
        let headers: Vec<(&'static str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(wait(&headers), None, "{why}");
    }
    let headers = [date, ("x-ratelimit-reset", &*reset(at + 30))];
    let of = |status: u16, left: &str| {
        let headers = [headers.as_slice(), &[("x-ratelimit-remaining", left)]].concat();
        told(status, &headers).asks_to_wait(&THROTTLING).map(|wait| wait.as_secs())
    };
    assert_eq!((of(429, "0"), of(503, "0"), of(429, "480")), (Some(30), Some(30), None), "calls are left");
    assert_eq!((of(500, "0"), of(502, "0"), of(408, "0")), (None, None, None), "said of no failure of its own");
    assert_eq!(told(429, &headers).asks_to_wait(&Throttling::default()), None, "not every server means the same by it");
}

#[tokio::test(start_paused = true)]
async fn what_means_fewer_calls_pauses_all_of_a_bucket() {
    let (bucket, rate) = bucket();
    let url = Url::parse("http://127.0.0.1/").unwrap();
    let call = Call { bucket: Some((bucket.clone(), rate)), ..Call::get("asking", url.clone()) };
    let of = |throttling| {
        let hosts = Hosts::default().with(&url);
        let limits = Limits { throttling, ..Limits::default() };
        Http::new(hosts, limits, Arc::default(), &RootCertStore::empty()).unwrap()
    };
    let second = Duration::from_secs;
    let http = of(THROTTLING);
    let waits = (1..=4).map(|attempt| http.asked_to_wait(&call, &told(429, &[]), attempt).unwrap().unwrap());
    assert_eq!(waits.collect::<Vec<_>>(), [2, 4, 8, 16].map(second));
    for (status, attempt, throttling, shut) in [
        (429, 1, THROTTLING, Some(second(2))),
        (503, 3, THROTTLING, Some(second(8))),
        (500, 1, THROTTLING, Some(second(2))),
        // All others may be well.
        (500, 2, THROTTLING, None),
        (502, 1, THROTTLING, None),
        (503, 1, Throttling::default(), None),
        (429, 1, Throttling::default(), Some(Duration::from_millis(500))),
    ] {
        let http = of(throttling);
        http.asked_to_wait(&call, &told(status, &[]), attempt).unwrap();
        assert_eq!(http.planner.shut_for(&bucket), shut, "{status}, attempt {attempt}");
    }
    assert_eq!(of(THROTTLING).asked_to_wait(&call, &told(403, &[]), 1).unwrap(), None);

    // Who waits for a turn waits on where the bucket is shut meanwhile.
    let http = of(THROTTLING);
    http.planner.left(&bucket, rate, 0);
    let begun = Instant::now();
    let paused = async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        http.asked_to_wait(&call, &told(503, &[]), 1).unwrap();
    };
    let (turn, ()) = tokio::join!(http.turn(&call, &|| true), paused);
    turn.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(2010), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_cancelled_run_waits_for_nobody() {
    let server = Server::start(&["SILENCE"]);
    let begun = Instant::now();
    let wanted = move || begun.elapsed() < Duration::from_millis(300);
    let error = server.http().send(&Call::get("asking", server.url("/")), &wanted).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Cancelled);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[test]
fn hosts_are_matched_whole() {
    let base = Url::parse("https://management.azure.com/").unwrap();
    let hosts = Hosts::default().with(&base).with_below("blob.core.windows.net");
    for (url, allowed) in [
        ("https://management.azure.com/subscriptions?api-version=1", true),
        ("https://MANAGEMENT.azure.com:443/", true),
        ("http://management.azure.com/", false),
        ("https://management.azure.com:8443/", false),
        ("https://management.azure.com.evil.example/", false),
        ("https://evil.example/management.azure.com", false),
        ("https://management.azure.com@evil.example/", false),
        ("https://user:word@management.azure.com/", false),
        ("https://store1.blob.core.windows.net/api-export/a%20b.json", true),
        ("https://a.b.blob.core.windows.net/", true),
        ("https://blob.core.windows.net/", false),
        ("https://evilblob.core.windows.net/", false),
        ("http://store1.blob.core.windows.net/", false),
        ("https://store1.blob.core.windows.net:4443/", false),
        ("https://127.0.0.1/", false),
        ("file:///etc/passwd", false),
        ("data:text/plain,x", false),
    ] {
        assert_eq!(hosts.check(&Url::parse(url).unwrap()).is_ok(), allowed, "{url}");
    }
}

/// 250 at once, 25 a second after that: a thousand calls take 30 s.
#[tokio::test(start_paused = true)]
async fn calls_take_their_turns() {
    let (planner, (bucket, rate)) = (Planner::default(), bucket());
    assert_eq!(planner.earliest(&bucket, rate, 1_000), Duration::from_secs(30));
    let waits: Vec<Duration> = (0..1_000).map(|_| planner.take(&bucket, rate)).collect();
    assert_eq!(waits.iter().filter(|wait| wait.is_zero()).count(), 250);
    assert_eq!(waits[999], Duration::from_secs(30));
    let other = Bucket { holder: "t".into(), ..bucket.clone() };
    assert_eq!(planner.take(&other, rate), Duration::ZERO, "another holder has a bucket of its own");

    tokio::time::advance(Duration::from_secs(40)).await;
    // 750 calls stood in the row, 1,000 came in: the bucket is full again.
    assert_eq!(planner.earliest(&bucket, rate, 250), Duration::ZERO);
    planner.left(&bucket, rate, 3);
    assert_eq!(planner.earliest(&bucket, rate, 28), Duration::from_secs(1));
    planner.shut(&bucket, rate, Duration::from_secs(7));
    assert_eq!(planner.take(&bucket, rate), Duration::from_secs(7));
}
