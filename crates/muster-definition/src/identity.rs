//! What tells one API's document from another's: for the check that a document belongs to the API it was asked for.

use std::collections::BTreeSet;

use crate::definition::Definition;

/// What can be compared with what a gateway itself says of an API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `info.title`.
    pub title: Option<String>,
    /// `info.version`.
    pub api_version: Option<String>,
    /// The paths of the servers, without a last slash: `/petstore/v2`, or nothing for the root.
    pub server_paths: BTreeSet<String>,
    /// Methods and normalised paths ([`normalise_path`]).
    pub operations: BTreeSet<(String, String)>,
}

impl Definition {
    /// What tells this document from another API's.
    pub fn identity(&self) -> Identity {
        let operations = self.endpoints.iter();
        Identity {
            title: self.title.clone(),
            api_version: self.api_version.clone(),
            server_paths: self.servers.iter().map(|server| path_of(&server.url)).collect(),
            operations: operations.map(|found| (found.method.clone(), normalise_path(&found.path))).collect(),
        }
    }
}

/// A path whose parameters have no names and that has no last slash: `/a/{id}/` is `/a/{}`, as is `/a/{key}`.
pub fn normalise_path(path: &str) -> String {
    let mut normalised = String::with_capacity(path.len());
    if !path.starts_with('/') {
        normalised.push('/');
    }
    let mut rest = path;
    while let Some((before, (name, after))) =
        rest.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
    {
        normalised.push_str(before);
        // `{+path}` and `{*rest}` take several segments, and stay what they are.
        normalised.push('{');
        normalised.extend(name.chars().next().filter(|first| ['+', '*'].contains(first)));
        normalised.push('}');
        rest = after;
    }
    normalised.push_str(rest);
    let end = normalised.trim_end_matches('/').len().max(1);
    normalised.truncate(end);
    normalised
}

/// The path of an address, absolute or not.
fn path_of(url: &str) -> String {
    let after_scheme = url.split_once("://").map(|(_, rest)| rest).or_else(|| url.strip_prefix("//"));
    let path = match after_scheme {
        Some(rest) => rest.find('/').map_or("", |at| &rest[at..]),
        None => url,
    };
    let path = path.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    if path.is_empty() || path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_parameters_and_a_last_slash_make_no_other_path() {
        let cases = [
            ("/a/{id}", "/a/{}"),
            ("/a/{key}/", "/a/{}"),
            ("/a/{id}.json", "/a/{}.json"),
            ("/a/{x}-{y}/b", "/a/{}-{}/b"),
            ("/a/{+rest}", "/a/{+}"),
            ("/a/{open", "/a/{open"),
            ("/a/{}", "/a/{}"),
            ("/", "/"),
            ("", "/"),
            ("a/b", "/a/b"),
            ("//", "/"),
            ("/A/?x={y}", "/A/?x={}"),
        ];
        for (path, expected) in cases {
            assert_eq!(normalise_path(path), expected, "{path}");
        }
    }

    #[test]
    fn a_servers_path_is_what_follows_its_host() {
        let cases = [
            ("https://h.example/a/v1/", "/a/v1"),
            ("https://h.example", ""),
            ("https://h.example/", ""),
            ("//h.example/a?x#y", "/a"),
            ("/v1", "/v1"),
            ("v1", "/v1"),
            ("{scheme}://h/a", "/a"),
        ];
        for (url, expected) in cases {
            assert_eq!(path_of(url), expected, "{url}");
        }
    }
}
