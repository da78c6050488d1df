//! What changed between two definitions of an API, and whether its callers notice.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use crate::canonical::{Alternative, Canonical, Operation};
use crate::definition::{Body, Definition, Outgoing};

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Of what.
    pub subject: Subject,
    /// Which side of it.
    pub aspect: Aspect,
    /// What was; nothing where it was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What is; nothing where it was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Whether a caller that did well before may fail.
    pub breaking: bool,
    /// Why, or why not.
    pub reason: &'static str,
}

/// What a change is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", untagged)]
pub enum Subject {
    /// The definition as a whole.
    Definition,
    /// An operation, as it is written now, or was where it is gone.
    Operation {
        /// Its method.
        method: String,
        /// Its path.
        path: String,
    },
}

/// The side of an operation or definition that changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Aspect {
    /// `info.title`.
    Title,
    /// `info.version`.
    ApiVersion,
    /// The document's servers, or an operation's own.
    Server,
    /// A security scheme of the document.
    SecurityScheme,
    /// A webhook or callback.
    Outgoing,
    /// The operation itself.
    Operation,
    /// How the path is written.
    Path,
    /// The operation's id.
    OperationId,
    /// What tells the operation of SOAP.
    SoapAction,
    /// Whether callers are told to leave it.
    Deprecated,
    /// What has to be proven.
    Security,
    /// A parameter.
    Parameter,
    /// Whether it takes a body.
    Body,
    /// A media type of the body.
    RequestMediaType,
    /// The code of a response.
    Response,
    /// A media type of the responses.
    ResponseMediaType,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Subject::Operation { method, path } = &self.subject {
            write!(f, "{method} {path}: ")?;
        }
        let aspect = match self.aspect {
            Aspect::Title => "title",
            Aspect::ApiVersion => "version",
            Aspect::Server => "server",
            Aspect::SecurityScheme => "security scheme",
            Aspect::Outgoing => "outgoing call",
            Aspect::Operation => "operation",
            Aspect::Path => "path",
            Aspect::OperationId => "operation id",
            Aspect::SoapAction => "SOAP action",
            Aspect::Deprecated => "deprecated",
            Aspect::Security => "security",
            Aspect::Parameter => "parameter",
            Aspect::Body => "body",
            Aspect::RequestMediaType => "media type of the body",
            Aspect::Response => "response",
            Aspect::ResponseMediaType => "media type of the responses",
        };
        match (&self.before, &self.after) {
            (None, Some(after)) => write!(f, "{aspect} added: {after}")?,
            (Some(before), None) => write!(f, "{aspect} removed: {before}")?,
            (before, after) => {
                let shown = |text: &Option<String>| text.clone().unwrap_or_default();
                write!(f, "{aspect} changed: {} → {}", shown(before), shown(after))?;
            }
        }
        write!(f, " ({}: {})", if self.breaking { "breaking" } else { "not breaking" }, self.reason)
    }
}

/// What changed, the document's own first, then by path and method. Order, syntax, version of the format and words for
/// people are no change; what a schema says is not looked at.
pub fn difference(before: &Definition, after: &Definition) -> Vec<Change> {
    let (before, after) = (Canonical::of(before), Canonical::of(after));
    let mut found = Found { subject: Subject::Definition, changes: Vec::new() };
    found.value(Aspect::Title, before.title, after.title, "a name for people");
    found.value(Aspect::ApiVersion, before.api_version, after.api_version, "a name for people");
    found.set(Aspect::Server, &before.servers, &after.servers, SERVER);
    found.schemes(&before.schemes, &after.schemes);
    let calls = |found: &BTreeSet<&Outgoing>| found.iter().map(|call| outgoing(call)).collect::<BTreeSet<String>>();
    found.set(Aspect::Outgoing, &calls(&before.outgoing), &calls(&after.outgoing), OUTGOING);
    found.operations(&before.operations, &after.operations);
    found.changes
}

/// Whether a removal and an addition break callers, and why.
#[derive(Clone, Copy)]
struct Rule {
    removed: Verdict,
    added: Verdict,
}

type Verdict = (bool, &'static str);

const SERVER: Rule = Rule {
    removed: (true, "callers of this address may find nothing there"),
    added: (false, "the other addresses stay"),
};
const OUTGOING: Rule =
    Rule { removed: (false, "nothing that is called at the API"), added: (false, "nothing that is called at the API") };
const REQUEST_MEDIA_TYPE: Rule = Rule {
    removed: (true, "callers that send it may be refused"),
    added: (false, "what was taken before is taken still"),
};
const RESPONSE_MEDIA_TYPE: Rule = Rule {
    removed: (true, "callers that ask for it may be refused"),
    added: (false, "callers choose what they ask for"),
};

struct Found {
    subject: Subject,
    changes: Vec<Change>,
}

impl Found {
    fn add(&mut self, aspect: Aspect, before: Option<String>, after: Option<String>, (breaking, reason): Verdict) {
        self.changes.push(Change { subject: self.subject.clone(), aspect, before, after, breaking, reason });
    }

    fn value(&mut self, aspect: Aspect, before: Option<&str>, after: Option<&str>, reason: &'static str) {
        if before != after {
            self.add(aspect, before.map(str::to_owned), after.map(str::to_owned), (false, reason));
        }
    }

    fn set(&mut self, aspect: Aspect, before: &BTreeSet<String>, after: &BTreeSet<String>, rule: Rule) {
        for gone in before.difference(after) {
            self.add(aspect, Some(gone.clone()), None, rule.removed);
        }
        for new in after.difference(before) {
            self.add(aspect, None, Some(new.clone()), rule.added);
        }
    }

    fn schemes(&mut self, before: &BTreeMap<&str, String>, after: &BTreeMap<&str, String>) {
        let names: BTreeSet<&str> = before.keys().chain(after.keys()).copied().collect();
        for name in names {
            let shown = |words: Option<&String>| words.map(|words| format!("`{name}`: {words}"));
            let (was, is) = (before.get(name), after.get(name));
            let verdict = match (was, is) {
                (Some(was), Some(is)) if was == is => continue,
                (Some(_), Some(_)) => (true, "callers have to prove themselves in another way"),
                _ => (false, "what operations ask for stands with them"),
            };
            self.add(Aspect::SecurityScheme, shown(was), shown(is), verdict);
        }
    }

    /// Both sides are sorted by key; operations of one key are paired by their paths, then in order.
    fn operations(&mut self, before: &[Operation<'_>], after: &[Operation<'_>]) {
        let mut keys: Vec<_> = before.iter().chain(after).map(Operation::key).collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            let (same, was, is) = paired(of_key(before, key), of_key(after, key));
            same.into_iter()
                .chain(was.iter().copied().zip(is.iter().copied()))
                .for_each(|(was, is)| self.operation(was, is));
            let pairs = was.len().min(is.len());
            for gone in &was[pairs..] {
                self.about(gone);
                self.add(Aspect::Operation, Some(name(gone)), None, (true, "callers of it fail"));
            }
            for new in &is[pairs..] {
                self.about(new);
                self.add(Aspect::Operation, None, Some(name(new)), (false, "nobody called it before"));
            }
        }
    }

    fn about(&mut self, operation: &Operation<'_>) {
        self.subject = Subject::Operation { method: operation.method.to_owned(), path: operation.path.to_owned() };
    }

    fn operation(&mut self, was: &Operation<'_>, is: &Operation<'_>) {
        self.about(is);
        self.value(Aspect::Path, Some(was.path), Some(is.path), "the same requests lead there");
        self.value(Aspect::OperationId, was.operation_id, is.operation_id, "a name for programs that write clients");
        if was.soap_action != is.soap_action {
            let shown = |action: Option<&str>| action.map(str::to_owned);
            let verdict = (true, "callers that send the old one may be refused");
            self.add(Aspect::SoapAction, shown(was.soap_action), shown(is.soap_action), verdict);
        }
        if was.deprecated != is.deprecated {
            let reason = if is.deprecated { "it still answers" } else { "it stays" };
            let word = |deprecated: bool| Some(if deprecated { "yes" } else { "no" }.to_owned());
            self.add(Aspect::Deprecated, word(was.deprecated), word(is.deprecated), (false, reason));
        }
        self.set(Aspect::Server, &was.servers, &is.servers, SERVER);
        if was.security != is.security {
            let shown = |security| Some(shown_security(security));
            self.add(Aspect::Security, shown(&was.security), shown(&is.security), judged(&was.security, &is.security));
        }
        self.parameters(&was.parameters, &is.parameters);
        if was.body != is.body {
            let verdict = match (was.body, is.body) {
                (_, Body::Required) => (true, "callers that send none are refused"),
                (_, Body::None) => (true, "callers that send one may be refused"),
                _ => (false, "callers may go on as they did"),
            };
            let word = |body| Some(shown_body(body).to_owned());
            self.add(Aspect::Body, word(was.body), word(is.body), verdict);
        }
        self.set(Aspect::RequestMediaType, &was.request_media_types, &is.request_media_types, REQUEST_MEDIA_TYPE);
        for code in was.responses.symmetric_difference(&is.responses) {
            let success = code.starts_with('2');
            if is.responses.contains(code) {
                self.add(Aspect::Response, None, Some(code.clone()), (false, "the others stay"));
            } else {
                let reason = if success { "callers may wait for it" } else { "not what callers wish for" };
                self.add(Aspect::Response, Some(code.clone()), None, (success, reason));
            }
        }
        self.set(Aspect::ResponseMediaType, &was.response_media_types, &is.response_media_types, RESPONSE_MEDIA_TYPE);
    }

    fn parameters(&mut self, before: &BTreeMap<String, bool>, after: &BTreeMap<String, bool>) {
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for name in names {
            let shown = |required: &bool| format!("{name}, {}", if *required { "required" } else { "optional" });
            let (was, is) = (before.get(name), after.get(name));
            let verdict = match (was, is) {
                (Some(was), Some(is)) if was == is => continue,
                (_, Some(true)) => (true, "callers that do not give it are refused"),
                (Some(_), Some(false)) => (false, "callers may go on giving it"),
                (None, _) => (false, "callers need not give it"),
                (Some(_), None) => (true, "callers that give it may be refused, or answered otherwise"),
            };
            self.add(Aspect::Parameter, was.map(shown), is.map(shown), verdict);
        }
    }
}

fn of_key<'o, 'd>(operations: &'o [Operation<'d>], key: (&str, &str)) -> &'o [Operation<'d>] {
    let start = operations.partition_point(|operation| operation.key() < key);
    let end = operations.partition_point(|operation| operation.key() <= key);
    &operations[start..end]
}

type Pairs<'o, 'd> = Vec<(&'o Operation<'d>, &'o Operation<'d>)>;

/// Those whose paths are written alike, and the others of each side. Both are sorted by path.
fn paired<'o, 'd>(
    was: &'o [Operation<'d>],
    is: &'o [Operation<'d>],
) -> (Pairs<'o, 'd>, Vec<&'o Operation<'d>>, Vec<&'o Operation<'d>>) {
    let at =
        |side: &'o [Operation<'d>], path| side.binary_search_by(|found| found.path.cmp(path)).ok().map(|at| &side[at]);
    let same = was.iter().filter_map(|was| Some((was, at(is, was.path)?))).collect();
    let only = |one: &'o [Operation<'d>], other| one.iter().filter(|found| at(other, found.path).is_none()).collect();
    (same, only(was, is), only(is, was))
}

fn name(operation: &Operation<'_>) -> String {
    format!("{} {}", operation.method, operation.path)
}

fn outgoing(call: &Outgoing) -> String {
    let from = call.callback.as_ref().map(|from| format!(" of {from}")).unwrap_or_default();
    format!("{} `{}`{from}", call.method, call.name)
}

fn shown_body(body: Body) -> &'static str {
    match body {
        Body::None => "none",
        Body::Optional => "optional",
        Body::Required => "required",
    }
}

fn shown_security(security: &BTreeSet<Alternative<'_>>) -> String {
    let part = |(scheme, scopes): (&&str, &BTreeSet<&str>)| match scopes.is_empty() {
        true => (*scheme).to_owned(),
        false => format!("{scheme} ({})", scopes.iter().copied().collect::<Vec<_>>().join(", ")),
    };
    let all = |all: &Alternative<'_>| match all.is_empty() {
        true => "nothing".to_owned(),
        false => all.iter().map(part).collect::<Vec<_>>().join(" and "),
    };
    if security.is_empty() { "nothing".to_owned() } else { security.iter().map(all).collect::<Vec<_>>().join(", or ") }
}

/// Breaking when what was enough before is not any more.
fn judged(was: &BTreeSet<Alternative<'_>>, is: &BTreeSet<Alternative<'_>>) -> Verdict {
    let open = |security: &BTreeSet<Alternative<'_>>| security.is_empty() || security.iter().any(BTreeMap::is_empty);
    if open(is) {
        return (false, if open(was) { "open before and after" } else { "it is open now, to everybody" });
    }
    let enough = |given: &Alternative<'_>, asked: &Alternative<'_>| {
        asked.iter().all(|(scheme, scopes)| given.get(scheme).is_some_and(|held| scopes.is_subset(held)))
    };
    let still = |given: &Alternative<'_>| is.iter().any(|asked| enough(given, asked));
    if !open(was) && was.iter().all(still) {
        return (false, "what was enough before is enough still");
    }
    (true, "what was enough before is not any more")
}

#[cfg(test)]
mod tests;
