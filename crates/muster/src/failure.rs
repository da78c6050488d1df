//! How the command line ends when something went wrong: `error:`, `caused by:`, a blank line, `hint:`.

use std::process::ExitCode;

use muster_core::connector::{ConnectorError, SettingError};
use muster_engine::EngineError;

/// Everything was read to its end.
pub(crate) const COMPLETE: u8 = 0;
/// The command failed.
pub(crate) const FAILED: u8 = 1;
/// Wrong usage: the command line or a file it names.
pub(crate) const USAGE: u8 = 2;
/// A run ended partial or held.
pub(crate) const PARTIAL: u8 = 3;

/// A failure with its exit code and, where there is one, what to do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    error: anyhow::Error,
    hint: Option<String>,
}

impl Failure {
    pub(crate) fn failed(error: impl Into<anyhow::Error>) -> Self {
        Self { code: FAILED, error: error.into(), hint: None }
    }

    pub(crate) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { code: USAGE, error: error.into(), hint: None }
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Prints the failure once, at the edge, and gives the exit code.
    pub(crate) fn report(self, json: bool) -> ExitCode {
        let causes: Vec<String> = self.error.chain().skip(1).map(ToString::to_string).collect();
        if json {
            let document = serde_json::json!({ "error": self.error.to_string(), "causes": causes, "hint": self.hint });
            eprintln!("{document}");
        } else {
            eprintln!("error: {}", self.error);
            causes.iter().for_each(|cause| eprintln!("caused by: {cause}"));
            if let Some(hint) = &self.hint {
                eprintln!("\nhint: {hint}");
            }
        }
        ExitCode::from(self.code)
    }
}

impl From<muster_agent::failure::Failure> for Failure {
    fn from(failure: muster_agent::failure::Failure) -> Self {
        let (code, remedy) = (failure.kind.exit_code(), failure.remedy.clone());
        Self { code, error: failure.into(), hint: Some(remedy) }
    }
}

impl From<SettingError> for Failure {
    fn from(error: SettingError) -> Self {
        let hint = error.remedy.clone();
        Self::usage(error).with_hint(hint)
    }
}

impl From<ConnectorError> for Failure {
    fn from(error: ConnectorError) -> Self {
        let hint = error.remedy.clone();
        let failure = Self::failed(error);
        match hint {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Connector(error) => error.into(),
            EngineError::Store(error) => error.into(),
            other => Self::failed(other),
        }
    }
}

impl From<muster_store::StoreError> for Failure {
    fn from(error: muster_store::StoreError) -> Self {
        let remedy = error.remedy();
        let failure = Self::failed(error);
        match remedy {
            Some(remedy) => failure.with_hint(remedy),
            None => failure,
        }
    }
}
