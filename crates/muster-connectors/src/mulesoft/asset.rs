//! What Exchange says of one version of an asset, and which of its files is the definition.

use data_encoding::HEXLOWER;
use md5::Digest as _;
use muster_core::connector::{ConnectorError, ErrorKind};
use muster_core::secret::Secret;
use muster_definition::{Definition, DefinitionError, Limits, read, read_main};
use serde_json::{Value as Json, json};

use super::instance::text;
use crate::kit::definition::{Found, State, ending};

/// What a record and a fingerprint are made of: no links, people, ratings or other versions.
const FACTS: [&str; 11] = [
    "groupId",
    "assetId",
    "version",
    "versionGroup",
    "name",
    "description",
    "isPublic",
    "type",
    "status",
    "originalFormat",
    "originalFormatVersion",
];

/// One version of an asset.
#[derive(Debug)]
pub(super) struct Asset {
    pub(super) facts: Json,
    /// Those that may be the definition, the best first; none where the asset has no file of its own.
    pub(super) files: Vec<File>,
    /// Better definitions, to which there is no link: what kind of file each is.
    pub(super) unlinked: Vec<String>,
}

/// A file of an asset.
#[derive(Debug, Clone)]
pub(super) struct File {
    classifier: Option<String>,
    packaging: Option<String>,
    external_link: Option<Secret>,
    md5: Option<String>,
    sha1: Option<String>,
    main_file: Option<String>,
    is_generated: Option<bool>,
}

impl Asset {
    /// Reads Exchange's answer. What is no asset is not taken for one that has nothing.
    pub(super) fn of(detail: &Json) -> Result<Self, &'static str> {
        text(&detail["assetId"]).ok_or("the answer is no asset: it has no `assetId`")?;
        let listed = detail["files"].as_array().ok_or("the answer is no asset: it has no list of files")?;
        let files: Vec<File> = listed.iter().filter_map(File::of).collect();
        let unreadable = listed.len() - files.len();
        let mut facts: serde_json::Map<String, Json> =
            FACTS.iter().map(|key| ((*key).to_owned(), detail[*key].clone())).collect();
        // A definition that is generated anew has other checksums.
        facts.insert("files".to_owned(), files.iter().map(File::facts).collect());
        let (linked, others): (Vec<File>, Vec<File>) =
            files.into_iter().filter(|file| file.rank().is_some()).partition(|file| file.link().is_some());
        let mut files = linked;
        files.sort_by_key(File::rank);
        let best = files.first().map(File::rank);
        let mut unlinked: Vec<String> =
            others.iter().filter(|file| best.is_none_or(|best| file.rank() < best)).map(File::kind).collect();
        unlinked.extend((unreadable > 0).then(|| format!("{unreadable} that cannot be told")));
        Ok(Self { facts: Json::Object(facts), files, unlinked })
    }
}

impl File {
    /// Reads a file of an asset; what cannot be read beside its kind is as if it were not there.
    fn of(file: &Json) -> Option<Self> {
        let part = |key: &str| text(&file[key]).map(str::to_owned);
        Some(Self {
            classifier: Some(part("classifier")?),
            packaging: part("packaging"),
            external_link: part("externalLink").map(Secret::new),
            md5: part("md5"),
            sha1: part("sha1"),
            main_file: part("mainFile"),
            is_generated: file["isGenerated"].as_bool(),
        })
    }

    fn facts(&self) -> Json {
        // A link that comes later makes it another state.
        let is_linked = self.link().is_some();
        json!([self.classifier, self.packaging, self.md5, self.sha1, self.main_file, self.is_generated, is_linked])
    }

    fn classifier(&self) -> &str {
        self.classifier.as_deref().unwrap_or_default()
    }

    /// How good a definition it is, the least the best: OpenAPI as written, as generated, RAML, WSDL, others as written.
    /// What holds its modules goes first among equals. None: it is no definition.
    fn rank(&self) -> Option<u8> {
        let generated = self.is_generated == Some(true);
        let rank = match (self.classifier(), generated) {
            ("fat-oas", false) => 0,
            ("oas", false) => 1,
            ("fat-oas", true) => 2,
            ("oas", true) => 3,
            ("fat-raml", false) => 4,
            ("raml", false) => 5,
            ("fat-raml", true) => 6,
            ("raml", true) => 7,
            ("wsdl", _) => 8,
            ("graphql" | "evented-api" | "async-api" | "custom" | "http-api", false) => 9,
            _ => return None,
        };
        Some(rank)
    }

    /// Whether it is the same file, though its link and content may be others.
    pub(super) fn is(&self, other: &Self) -> bool {
        let named = |file: &Self| (file.rank(), file.classifier.clone(), file.packaging.clone());
        named(self) == named(other)
    }

    /// What kind of file it is, in a sentence.
    pub(super) fn kind(&self) -> String {
        let made = if self.is_generated == Some(true) { ", generated" } else { "" };
        format!("`{}`{made}", self.classifier())
    }

    /// Whether it is read, or only kept.
    pub(super) fn is_read(&self) -> bool {
        self.rank().is_some_and(|rank| rank <= 8)
    }

    pub(super) fn link(&self) -> Option<&Secret> {
        self.external_link.as_ref().filter(|link| !link.is_empty())
    }

    /// Holds the bytes against the checksums that Exchange has of them.
    pub(super) fn check(&self, operation: &str, bytes: &[u8]) -> Result<(), ConnectorError> {
        let agrees = |name: &str, known: &Option<String>, found: String| match known.as_deref().map(str::trim) {
            Some(known) if !known.is_empty() && !known.eq_ignore_ascii_case(&found) => {
                let message = format!("its {name} is not the one that Exchange has: the file came damaged");
                Err(ConnectorError::new(ErrorKind::Unavailable, operation, message))
            }
            _ => Ok(()),
        };
        let sha1 = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, bytes);
        agrees("SHA-1", &self.sha1, HEXLOWER.encode(sha1.as_ref()))?;
        agrees("MD5", &self.md5, HEXLOWER.encode(&md5::Md5::digest(bytes)))
    }

    /// Whether Exchange says which bytes it has.
    fn is_vouched_for(&self) -> bool {
        [&self.md5, &self.sha1].into_iter().flatten().any(|sum| !sum.trim().is_empty())
    }

    /// What it says, and whether another file may say it better. What cannot be read is kept all the same, and told as
    /// such, where Exchange vouches for it: else it may be a page of whatever stands between.
    pub(super) fn read(&self, operation: &str, bytes: Vec<u8>) -> Result<(Found, bool), ConnectorError> {
        let packaging = self.packaging.as_deref().unwrap_or_default();
        let is_zip = bytes.starts_with(b"PK");
        let other = |what: String| {
            let message = format!("{what}, and Exchange has no checksum of it");
            Err(ConnectorError::new(ErrorKind::Protocol, operation, message))
        };
        if packaging == "zip" && !is_zip && !self.is_vouched_for() {
            return other("what came is no package".to_owned());
        }
        let kept = if is_zip { "zip" } else { packaging };
        let is_ending = (1..=8).contains(&kept.len()) && kept.bytes().all(|b| b.is_ascii_lowercase());
        let kept = if is_ending { kept } else { "bin" };
        if !self.is_read() {
            return Ok((Found::kept(self.classifier(), kept, bytes), false));
        }
        match self.definition(&bytes, is_zip) {
            Ok(definition) => {
                let main = self.main_file.clone().filter(|main| is_zip && !main.is_empty());
                let ending = if is_zip { "zip" } else { ending(&definition) };
                Ok((Found { main, ..Found::of(&definition, ending, bytes) }, false))
            }
            Err(error) if !is_zip && !self.is_vouched_for() => other(error.to_string()),
            Err(error) => {
                // What is too much of one kind is too much of any.
                let is_too_much = matches!(error, DefinitionError::Limit { .. });
                let kept = Found::kept(self.classifier(), kept, bytes);
                Ok((Found { state: State::Failed(error.to_string()), ..kept }, !is_too_much))
            }
        }
    }

    fn definition(&self, bytes: &[u8], is_zip: bool) -> Result<Definition, DefinitionError> {
        let limits = Limits::default();
        match self.main_file.as_deref().filter(|main| is_zip && !main.is_empty()) {
            Some(main) => read_main(bytes, main, &limits),
            None => read(bytes, &limits),
        }
    }
}
