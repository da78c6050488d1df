//! Reading YAML files: YAML 1.2 booleans (`n` and `NO` stay text: a country is not a truth), bounded.

use serde::de::DeserializeOwned;

/// Reads a document; the message has line and column where the reader knows them.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| error.to_string().trim_end().to_owned())
}
