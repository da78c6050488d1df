//! The binary: command line, settings, wiring.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};

use muster_core::clock::{Clock, SystemClock};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let path = std::env::args().nth(2).unwrap_or_default();
    let text = std::fs::read_to_string(&path)?;
    let table: serde_json::Map<String, serde_json::Value> = toml::from_str(&text)?;
    let kind = muster_connectors::find(table.get("type").and_then(|v| v.as_str()).unwrap_or_default())
        .ok_or_else(|| anyhow::anyhow!("type"))?;
    let settings = muster_connectors::Settings { sections: table, base_directory: ".".into() };
    let connector = (kind.open)(&settings)?;
    let model = (kind.model)();
    let mut maps = BTreeMap::new();
    for stream in &model.streams {
        let map = muster_core::map::compile(kind.default_map(&stream.name).unwrap_or_default(), stream)?;
        maps.insert(stream.name.clone(), Arc::new(map));
    }
    let out = Mutex::new(std::io::BufWriter::new(std::io::stdout()));
    let ledger = muster_engine::print::run(connector.as_ref(), &maps, SystemClock.now(), &|class, asset| {
        let mut out = out.lock().unwrap();
        serde_json::to_writer(&mut *out, &serde_json::json!({"class": class, "asset": asset}))?;
        out.write_all(b"\n")
    })
    .await?;
    eprintln!("{}", serde_json::to_string_pretty(&ledger)?);
    Ok(())
}
