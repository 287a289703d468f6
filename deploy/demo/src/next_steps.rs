//! What `--keep` prints: commands to try while everything runs.

use std::net::SocketAddr;

use umbra_common::store::StoreUrl;
use umbra_common::time::Window;

use crate::client::HOST;
use crate::screen::{Screen, Style};

/// What the commands need to know.
#[derive(Debug)]
pub struct NextSteps<'a> {
    /// Where clients connect.
    pub recorder: SocketAddr,
    /// Where operators connect.
    pub admin: SocketAddr,
    /// The store in use.
    pub store: &'a StoreUrl,
    /// What was replayed.
    pub window: Window,
    /// Staging.
    pub v2: &'a str,
}

impl NextSteps<'_> {
    /// Prints them.
    pub fn show(&self, screen: &Screen) {
        const REPLAYER: &str = "cargo run --release -p umbra-replayer --";
        let Self { recorder, admin, store, window, v2 } = self;
        let (from, to) = (window.from(), window.to());
        screen.step("Everything is still running. In another terminal:");
        for (what, command) in [
            (
                "send a request of your own through the recorder",
                format!("curl -H 'Host: {HOST}' 'http://{recorder}/get?mine=1'"),
            ),
            ("where every request ended", format!("curl http://{admin}/status")),
            ("what has been recorded", format!("{REPLAYER} traffic list --store '{store}' --from -15m --to now")),
            (
                "replay the same window, at two requests a second",
                format!("{REPLAYER} replay --store '{store}' --target v2={v2} --from {from} --to {to} --rate 2/s"),
            ),
            (
                "follow the live traffic: each new request goes to v2 as it comes",
                format!("{REPLAYER} follow --store '{store}' --target v2={v2}"),
            ),
        ] {
            screen.styled(Style::Dim, format_args!("   # {what}"));
            screen.line(format_args!("   {command}"));
            screen.line("");
        }
        screen.line("   Ctrl-C ends it.");
    }
}
