//! Testing the connection: named steps, each with its remedy.

use muster_core::connector::{ConnectorError, ErrorKind, StepSink};

use super::records::filter;
use super::session::{Session, explain, refused};
use super::{Config, MODEL};
use crate::kit::ldap::{Connection, Encryption, ResultCode, Search, SearchControls};
use crate::kit::steps::Steps;

const STEPS: [&str; 7] = ["resolve", "connect", "TLS", "bind", "base context", "read users", "read groups"];

/// Runs all steps.
pub(super) fn check(config: &Config, sink: &dyn StepSink) -> bool {
    let mut reporter = Steps::new(&STEPS, sink);
    let result = steps(config, &mut reporter);
    reporter.ended(result)
}

fn steps(config: &Config, reporter: &mut Steps<'_>) -> Result<(), ConnectorError> {
    let settings = &config.connection;
    let addresses = Connection::resolve(settings).map_err(|error| explain(error, config))?;
    let list = addresses.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>().join(", ");
    reporter.passed(format!("`{}` is {list}", settings.host));
    let mut connection = Connection::connect(settings, &addresses).map_err(|error| explain(error, config))?;
    let peer = connection.peer().map_err(|error| explain(error, config))?;
    reporter.passed(format!("connected to {peer}"));
    connection.encrypt().map_err(|error| explain(error, config))?;
    reporter.passed(match settings.encryption {
        Encryption::Ldap => {
            "not encrypted, as configured: passwords and data cross the network in clear text".to_owned()
        }
        Encryption::Ldaps => "encrypted, and the certificate is the one expected".to_owned(),
        Encryption::StartTls => "encrypted by StartTLS, and the certificate is the one expected".to_owned(),
    });
    connection.bind(&config.bind_dn, &config.password).map_err(|error| explain(error, config))?;
    reporter.passed(format!("bound as `{}`", config.bind_dn));
    let mut session = Session::begin(config, connection)?;
    let bases = session.check_bases()?;
    reporter.passed(bases.iter().map(|base| format!("`{base}`")).collect::<Vec<_>>().join(", "));
    for stream in ["users", "groups"] {
        let (message, remedy) = sample(&mut session, stream, &bases)?;
        reporter.passed_with(message, remedy);
    }
    Ok(())
}

/// Reads the first page of a stream and says what came of it, and what to do where that is little.
fn sample(session: &mut Session, stream: &str, bases: &[String]) -> Result<(String, Option<String>), ConnectorError> {
    let model = MODEL.stream(stream).cloned();
    let attributes = model.iter().flat_map(|model| &model.attributes);
    let required: Vec<String> = attributes.filter(|found| found.required).map(|found| found.name.clone()).collect();
    let (mut entries, mut readable, mut more) = (0_u64, 0_u64, false);
    let config = session.config.clone();
    for base in bases {
        let search = Search {
            base: base.clone(),
            scope: config.search_scope,
            filter: filter(stream),
            attributes: required.clone(),
            page_size: config.page_size.min(100),
            controls: SearchControls::default(),
        };
        let end = session.each(&search, &[], &mut |entry| {
            if let Some(entry) = entry {
                entries += 1;
                readable += u64::from(required.iter().all(|name| entry.first(name).is_some()));
            }
            Ok(())
        });
        let end = end.map_err(|error| explain(error, &config))?;
        if end.code != ResultCode::SUCCESS {
            return Err(explain(refused(&end, format!("reading {stream}")), &config));
        }
        more |= !end.cookie.is_empty();
    }
    let count = if more { format!("{entries} or more") } else { entries.to_string() };
    if entries == 0 {
        let remedy = "widen `profile.baseContext`, or grant the account Read Property below it";
        return Ok((format!("no {stream} below the base context"), Some(remedy.to_owned())));
    }
    if readable == entries {
        return Ok((format!("{count} {stream}"), None));
    }
    let remedy = format!("grant the account Read Property on {}", required.join(" and "));
    let unreadable = entries - readable;
    let message = format!("{count} {stream}, {unreadable} of them without a readable {}", required.join(" or "));
    if readable > 0 {
        return Ok((message, Some(remedy)));
    }
    let kind = ErrorKind::Forbidden { permission: "Read Property".to_owned() };
    Err(ConnectorError::new(kind, format!("reading {stream}"), message).with_remedy(remedy))
}
