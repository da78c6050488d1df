//! Progress on stderr: a bar on a terminal, plain lines otherwise.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressStyle};
use muster_engine::Progress;

/// The progress for this terminal, or none with `--json`.
pub(crate) fn progress(json: bool) -> Arc<dyn Progress> {
    if json {
        Arc::new(Silent)
    } else if std::io::stderr().is_terminal() {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} [{elapsed_precise}] {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(std::time::Duration::from_millis(120));
        Arc::new(Bar(bar))
    } else {
        Arc::new(Lines(Mutex::new(HashMap::new())))
    }
}

struct Silent;

impl Progress for Silent {
    fn scope(&self, _: &str, _: &str, _: u64, _: bool) {}
    fn phase(&self, _: &str) {}
}

struct Bar(ProgressBar);

impl Progress for Bar {
    fn scope(&self, stream: &str, scope: &str, received: u64, ended: bool) {
        if ended {
            self.0.println(format!("{stream}: {received} read from {scope}"));
        }
        self.0.set_message(format!("reading {stream}: {received}"));
    }

    fn phase(&self, words: &str) {
        self.0.set_message(words.to_owned());
    }

    fn note(&self, words: &str) {
        self.0.println(words);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// One line when a scope ends, and one for each 50,000 objects.
struct Lines(Mutex<HashMap<String, u64>>);

impl Progress for Lines {
    fn scope(&self, stream: &str, scope: &str, received: u64, ended: bool) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = told.entry(format!("{stream} {scope}")).or_insert(0);
        if ended || received / 50_000 > *last {
            *last = received / 50_000;
            eprintln!("{stream}: {received} read from {scope}{}", if ended { "" } else { " so far" });
        }
    }

    fn phase(&self, _: &str) {}

    fn note(&self, words: &str) {
        eprintln!("{words}");
    }
}
