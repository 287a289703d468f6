//! Where the rules in force came from, and how others take their place.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use umbra_common::time::Timestamp;

use super::live::Live;
use super::{RulesError, RulesSetting};

/// A rules file is a page or two.
pub(crate) const LARGEST_RULES: u64 = 1 << 20;

/// The rules of a running recorder.
#[derive(Debug)]
pub(crate) struct Rules {
    live: Arc<ArcSwap<Live>>,
    setting: RulesSetting,
    /// Set by an operator; the rules can say so too.
    paused: Arc<AtomicBool>,
    state: Mutex<State>,
    reloads: AtomicU64,
    failures: AtomicU64,
}

/// Who gave rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The start: the command line, the configuration file, and the rules file where there is one.
    Start,
    /// The rules file, when it changed or by SIGHUP.
    File,
    /// `PUT /rules`.
    Admin,
}

impl Origin {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::File => "file",
            Self::Admin => "admin",
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct State {
    /// Who gave the rules in force, and when.
    pub(crate) from: Origin,
    pub(crate) since: Timestamp,
    /// The last that were refused, until others are taken.
    pub(crate) refused: Option<Refused>,
}

/// Rules that were not taken.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    pub(crate) from: Origin,
    pub(crate) at: Timestamp,
    pub(crate) why: String,
}

impl RulesSetting {
    /// The rules to start with.
    pub(crate) fn start(&self) -> Result<Live, RulesError> {
        let text = match &self.file {
            Some(file) => read(file)?,
            None => String::new(),
        };
        Live::compile(&self.floor, &text, None)
    }
}

impl Rules {
    pub(crate) fn new(setting: RulesSetting, live: Live) -> Arc<Self> {
        Arc::new(Self {
            live: Arc::new(ArcSwap::from_pointee(live)),
            setting,
            paused: Arc::default(),
            state: Mutex::new(State { from: Origin::Start, since: Timestamp::now(), refused: None }),
            reloads: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        })
    }

    /// The snapshot in force.
    pub(crate) fn live(&self) -> Arc<Live> {
        self.live.load_full()
    }

    /// For a worker's own view.
    pub(super) fn shared(&self) -> (Arc<ArcSwap<Live>>, Arc<AtomicBool>) {
        (Arc::clone(&self.live), Arc::clone(&self.paused))
    }

    /// The file they are read from.
    pub(crate) fn file(&self) -> Option<&PathBuf> {
        self.setting.file.as_ref()
    }

    /// Puts other rules in force, or says why not and leaves those that are.
    pub(crate) fn put(&self, text: &str, from: Origin) -> Result<Arc<Live>, RulesError> {
        // Held while compiling, so that of two that come at once the later one stays.
        let mut state = self.locked();
        match Live::compile(&self.setting.floor, text, Some(&self.live.load())) {
            Ok(live) => {
                let live = Arc::new(live);
                self.live.store(Arc::clone(&live));
                *state = State { from, since: Timestamp::now(), refused: None };
                self.reloads.fetch_add(1, Ordering::Relaxed);
                tracing::info!(
                    version = live.version(),
                    from = from.as_str(),
                    rules = live.list().count() - 1,
                    recording = live.is_recording(),
                    "other rules are in force; {}",
                    live.redactor()
                );
                Ok(live)
            }
            Err(error) => {
                self.refuse(&mut state, from, &error);
                Err(error)
            }
        }
    }

    /// The rules file is not there, or cannot be read.
    pub(super) fn unreadable(&self, error: &RulesError) {
        self.refuse(&mut self.locked(), Origin::File, error);
    }

    fn refuse(&self, state: &mut State, from: Origin, error: &RulesError) {
        let why = match self.file().filter(|_| from == Origin::File) {
            Some(file) => format!("{}: {error}", file.display()),
            None => error.to_string(),
        };
        self.failures.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(from = from.as_str(), %why, "rules are refused; those in force stay");
        state.refused = Some(Refused { from, at: Timestamp::now(), why });
    }

    /// Stops recording, or goes on with it. Requests are served either way.
    pub(crate) fn pause(&self, paused: bool) {
        if self.paused.swap(paused, Ordering::Relaxed) != paused {
            tracing::info!("recording is {} by the admin listener", if paused { "paused" } else { "resumed" });
        }
    }

    /// Why nothing is recorded; nothing where recording is on.
    pub(crate) fn paused_by(&self) -> Option<Origin> {
        if self.paused.load(Ordering::Relaxed) {
            Some(Origin::Admin)
        } else {
            (!self.live.load().is_recording()).then(|| self.state().from)
        }
    }

    pub(crate) fn state(&self) -> State {
        self.locked().clone()
    }

    /// How often others took the place of those in force, and how often some were refused.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.reloads.load(Ordering::Relaxed), self.failures.load(Ordering::Relaxed))
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The text of a rules file.
pub(super) fn read(file: &Path) -> Result<String, RulesError> {
    let mut text = String::new();
    std::fs::File::open(file)?.take(LARGEST_RULES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST_RULES {
        return Err(RulesError::TooLarge(LARGEST_RULES));
    }
    Ok(text)
}
