//! An agent's env file, in the spelling of the vendor's sample: complete but for what is secret.

use muster_store::hub::BindingRow;

use super::agents::AgentEnv;

/// What an agent names itself by.
pub(super) struct Ids<'a> {
    pub(super) customer: &'a str,
    pub(super) connection: &'a str,
    pub(super) profile: &'a str,
}

/// Where the hub is, for whoever reached it under that name. A name that cannot be one is left to fill in.
pub(super) fn url(host: Option<&str>, tls: bool) -> String {
    let scheme = if tls { "https" } else { "http" };
    let allowed = |sign: char| sign.is_ascii_alphanumeric() || ".-:[]".contains(sign);
    match host.filter(|host| !host.is_empty() && host.chars().all(allowed)) {
        Some(host) => format!("{scheme}://{host}"),
        None => "https://<HUB>".to_owned(),
    }
}

/// The file's text and the command: (the hub's address, the connector's name), who may be its agent.
pub(super) fn make((url, name): (&str, &str), ids: Ids<'_>, bindings: &[BindingRow]) -> AgentEnv {
    let Ids { customer, connection, profile } = ids;
    let of_kind = |kind: &str| bindings.iter().find(|one| one.revoked_at.is_none() && one.subject_kind == kind);
    let signing_in = match (of_kind("client"), of_kind("user")) {
        (Some(client), _) => {
            let id = &client.subject;
            format!("qualys.OAuthClientLevel=\nqualys.clientId={id}\nqualys.clientSecret=<CLIENT_SECRET>\n")
        }
        (None, Some(user)) => {
            format!("qualys.user.username={}\nqualys.user.password=<PASSWORD>\n", user.subject_name)
        }
        (None, None) => "muster.enrolment.token=<ENROLMENT_TOKEN>\n".to_owned(),
    };
    let plain = match url.starts_with("http://") {
        true => "# Without TLS, secrets of signing in travel in clear: the agent then needs `--allow-http`.\n",
        false => "",
    };
    let text = format!(
        "# The agent of `{name}`. What stands in <…> is to be filled in; keep this file to whoever runs the agent.\n\
         {plain}connector.api.url={url}\n\
         qualys.customerUuid={customer}\nqualys.connectionUuid={connection}\nqualys.profileUuid={profile}\n\
         {signing_in}\
         service.cron-expression=0 0/10 * * * *\n\
         # service.timezone=Europe/Berlin\n\
         # service.http.proxy.enabled=true\n# service.http.proxy.host=\n# service.http.proxy.scheme=http\n\
         # service.http.proxy.port=8080\n\
         service.child-thread-pool=10\n"
    );
    let slug = slug(name);
    let version = env!("CARGO_PKG_VERSION");
    let file = format!("{slug}.env");
    let docker_run = format!("docker run --name {slug} --env-file {file} muster-agent:{version}");
    AgentEnv { file, text, docker_run }
}

/// A connector's name as a file and a container may have it.
fn slug(name: &str) -> String {
    let signs = name.chars().map(|sign| if sign.is_ascii_alphanumeric() { sign.to_ascii_lowercase() } else { '-' });
    let words: String = signs.take(40).collect();
    let words: Vec<&str> = words.split('-').filter(|word| !word.is_empty()).collect();
    ["agent"].into_iter().chain(words).collect::<Vec<_>>().join("-")
}
