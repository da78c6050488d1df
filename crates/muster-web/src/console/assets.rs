//! The console's files: part of the program, under names that change with their contents.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use muster_core::fold::fingerprint;

use crate::error::{Code, Problem};

/// A file that pages refer to.
struct Asset {
    stem: &'static str,
    extension: &'static str,
    kind: &'static str,
    text: &'static str,
}

static ASSETS: &[Asset] = &[
    Asset { stem: "console", extension: "css", kind: "text/css", text: include_str!("../../assets/console.css") },
    Asset { stem: "console", extension: "js", kind: "text/javascript", text: include_str!("../../assets/console.js") },
    Asset { stem: "htmx", extension: "js", kind: "text/javascript", text: include_str!("../../assets/htmx.min.js") },
    Asset { stem: "mark", extension: "svg", kind: "image/svg+xml", text: include_str!("../../assets/mark.svg") },
];

/// The names under which they are served: stem, hash, extension.
static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let hash = |asset: &Asset| data_encoding::HEXLOWER.encode(&fingerprint(asset.text.as_bytes())[..6]);
    ASSETS.iter().map(|asset| format!("{}-{}.{}", asset.stem, hash(asset), asset.extension)).collect()
});

pub(super) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/console/assets/{name}", get(file))
}

/// The address of a file, by its plain name.
pub(super) fn url(name: &str) -> String {
    let is_it = |asset: &Asset| name.split_once('.') == Some((asset.stem, asset.extension));
    let found = ASSETS.iter().position(is_it).and_then(|index| NAMES.get(index));
    format!("/console/assets/{}", found.map_or(name, String::as_str))
}

async fn file(Path(name): Path<String>, asked: HeaderMap) -> Result<Response, Problem> {
    let index = NAMES.iter().position(|known| *known == name).ok_or_else(|| Problem::new(Code::NotFound))?;
    let asset = ASSETS.get(index).ok_or_else(|| Problem::new(Code::NotFound))?;
    let tag = format!("\"{name}\"");
    let known = asked.get(header::IF_NONE_MATCH).is_some_and(|given| given.as_bytes() == tag.as_bytes());
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, asset.kind)], asset.text).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    /// Variable → its value in light and in dark.
    fn colours() -> HashMap<&'static str, [&'static str; 2]> {
        let sheet = include_str!("../../assets/console.css");
        let line = |line: &'static str| {
            let (name, value) = line.trim().strip_prefix("--")?.split_once(": light-dark(")?;
            let (light, dark) = value.trim_end_matches(");").split_once(", ")?;
            Some((name, [light, dark]))
        };
        sheet.lines().filter_map(line).collect()
    }

    /// The relative luminance of a colour (WCAG 2.2).
    fn luminance(colour: &str) -> f64 {
        let channel = |at: usize| {
            let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    #[test]
    fn words_stand_out_from_what_is_behind_them_in_both_lights() {
        let colours = colours();
        let pairs = [
            ("ink", ["paper", "surface", "raised", "tint", "warn-tint", "bad-tint", "good-tint"].as_slice(), 7.0),
            ("muted", ["paper", "surface", "raised", "warn-tint"].as_slice(), 4.5),
            ("accent", ["paper", "surface", "raised", "tint"].as_slice(), 4.5),
            ("on-accent", ["accent"].as_slice(), 4.5),
            ("good", ["good-tint"].as_slice(), 4.5),
            ("warn", ["warn-tint"].as_slice(), 4.5),
            ("bad", ["bad-tint", "surface"].as_slice(), 4.5),
            ("busy", ["busy-tint"].as_slice(), 4.5),
            ("strong-line", ["paper", "surface"].as_slice(), 3.0),
        ];
        for (front, backs, least) in pairs {
            for (back, light) in backs.iter().flat_map(|back| [(back, 0), (back, 1)]) {
                let (one, other) = (luminance(colours[front][light]), luminance(colours[back][light]));
                let ratio = (one.max(other) + 0.05) / (one.min(other) + 0.05);
                assert!(ratio >= least, "{front} on {back}, light {light}: {ratio:.2}");
            }
        }
    }
}
