//! What an operator can ask of a run.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;

use super::plain;
use crate::schedule::{Control, Pace, RateOrMax, Speed};
use crate::stop::Stop;

/// The handles that commands act on.
#[derive(Clone, Debug)]
pub(crate) struct Commands {
    /// Pauses and paces.
    pub(crate) control: Arc<Control>,
    /// The end.
    pub(crate) stop: Stop,
    /// What runs.
    pub(crate) mode: Mode,
}

/// What runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A window.
    Replay,
    /// The live tail.
    Follow,
}

impl Commands {
    pub(super) fn take(&self, path: &str, body: &[u8]) -> Response<Full<Bytes>> {
        let now = Instant::now();
        match path {
            "/pause" if self.control.pause(now) => {
                tracing::info!("paused by an operator");
                plain(StatusCode::OK, "paused: what is in flight goes on, nothing more leaves\n")
            }
            "/pause" => plain(StatusCode::OK, "paused already\n"),
            "/resume" if self.control.resume(now) => {
                tracing::info!("resumed by an operator");
                plain(StatusCode::OK, "resumed\n")
            }
            "/resume" => plain(StatusCode::OK, "not paused\n"),
            "/rate" => self.rate(body),
            _ => {
                // As the first Ctrl-C; never as the second, which gives up what is in flight.
                if !self.stop.is_stopped() {
                    tracing::info!("stopped by an operator");
                    self.stop.stop();
                }
                plain(StatusCode::ACCEPTED, "finishing what is in flight\n")
            }
        }
    }

    fn rate(&self, body: &[u8]) -> Response<Full<Bytes>> {
        match pace(body, self.mode) {
            Ok(pace) => {
                tracing::info!(%pace, "the pace was changed by an operator");
                let said = format!("from now on at {pace}\n");
                self.control.set_pace(pace);
                plain(StatusCode::OK, said)
            }
            Err(why) => plain(StatusCode::BAD_REQUEST, format!("{why}\n")),
        }
    }
}

fn pace(body: &[u8], mode: Mode) -> Result<Pace, String> {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    if text.ends_with('x') && text != "max" {
        let speed: Speed = text.parse().map_err(|error| format!("{error}"))?;
        return match mode {
            Mode::Replay => Ok(Pace::Recorded(speed)),
            Mode::Follow => Err(format!("'{text}' is a speed, and the live tail has none: give a rate, or max")),
        };
    }
    match text.parse() {
        Ok(RateOrMax::Rate(rate)) => Ok(Pace::Constant(rate)),
        Ok(RateOrMax::Max) => Ok(Pace::Max),
        Err(_) => Err(format!("'{text}' is no pace: give a rate as 200/s, a speed as 2x, or max")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_a_rate_a_speed_or_max() {
        let of = |text: &str| pace(text.as_bytes(), Mode::Replay).map(|pace| pace.to_string());
        assert_eq!(of("200/s\n").unwrap(), "200/s");
        assert_eq!(of("2x").unwrap(), "recorded x 2");
        assert_eq!(of(" max").unwrap(), "max");
        for bad in ["", "fast", "200", "0/s", "2000x", "\u{fffd}"] {
            assert!(of(bad).unwrap_err().contains("give a"), "{bad}");
        }
        assert!(pace(b"2x", Mode::Follow).unwrap_err().contains("the live tail has none"));
        assert_eq!(pace(b"6/m", Mode::Follow), Ok(Pace::Constant("6/m".parse().unwrap())));
    }
}
