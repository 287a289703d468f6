//! The run: record in one place, replay in another, compare.

use std::net::Ipv4Addr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tempfile::TempDir;
use umbra_common::ledger::Snapshot;
use umbra_common::store::{StoreConfig, StoreSetting, StoreUrl};
use umbra_common::time::{Timestamp, Window};
use umbra_recorder::config::AdminFlags;
use umbra_recorder::{Flags, Recorder};
use umbra_replayer::{ReplayConfig, Stop};

use crate::agreement::Evidence;
use crate::next_steps::NextSteps;
use crate::options::Options;
use crate::screen::Screen;
use crate::service::Service;
use crate::show::{self, Places};
use crate::{client, recorded};

/// A store on this machine confirms a dozen records in milliseconds, a Kafka that has to make the topic in seconds.
const STORED_WITHIN: Duration = Duration::from_secs(8);

/// Runs the demo. True where every count agrees.
pub async fn run(options: Options, screen: &Screen) -> anyhow::Result<bool> {
    let dir = TempDir::with_prefix("umbra-demo-").context("cannot make a temporary directory")?;
    let store = match options.store {
        Some(store) => store,
        None => format!("sqlite:{}", dir.path().join("traffic.db").display()).parse()?,
    };
    let v1 = Service::start("v1", screen.clone()).await?;
    let v2 = Service::start("v2", screen.clone()).await?;
    let recorder = start_recorder(v1.url(), store.clone())?;
    let address = recorder.addr();
    Places { recorder: &format!("http://{address}"), v1: &v1.url(), store: &store.to_string(), v2: &v2.url() }
        .show(screen);

    screen.step("1  A client sends real traffic through the recorder; v1 answers it");
    let from = Timestamp::now();
    let sent = client::send_all(address).await?;
    let window = Window::new(from, Timestamp::now())?;

    screen.step("2  The recorder has put each exchange into the store, secrets masked");
    let (recorder, ledger) = on_thread({
        let store = store.clone();
        move || all_stored(recorder, &store)
    })
    .await?;
    let records = on_thread({
        let store = store.clone();
        move || recorded::read(&store, window)
    })
    .await?;
    show::masking(&sent, &records, screen);

    screen.step("3  The replayer sends that window to v2, as shadow traffic");
    let replay = ReplayConfig::new(StoreConfig::new(store.clone()), window, vec![format!("v2={}", v2.url()).parse()?]);
    let report = on_thread(move || Ok(umbra_replayer::replay(replay, Stop::new())?)).await?;
    let target = report.targets.into_iter().next().context("the replayer reports nothing of its target")?;

    let evidence = Evidence {
        sent,
        v1: v1.take_seen(),
        recorded: records,
        v2: v2.take_seen(),
        recorder: ledger,
        replayer: target.ledger,
    };
    screen.step("4  Side by side");
    evidence.show_side_by_side(screen);

    screen.step("5  The sums");
    let agree = evidence.show_sums(screen);
    if options.keep {
        NextSteps { recorder: address, admin: recorder.admin_addr(), store: &store, window, v2: &v2.url() }
            .show(screen);
        tokio::signal::ctrl_c().await?;
    }
    let last = on_thread(move || Ok(recorder.drain())).await?;
    if options.keep {
        screen.line(format_args!("\n   recorder's ledger, drained   {last}"));
    }
    Ok(agree)
}

/// The recorder with the defaults of its command line, on free ports. What the environment says is for other recorders.
fn start_recorder(upstream: String, store: StoreUrl) -> anyhow::Result<Recorder> {
    let any_port = Some((Ipv4Addr::LOCALHOST, 0).into());
    let flags = Flags {
        listen: any_port,
        admin: AdminFlags { admin: any_port, admin_token: None },
        upstream: Some(upstream),
        store: Some(StoreSetting { url: Some(store), ..StoreSetting::default() }),
        workers: Some(1),
        instance: Some("umbra-demo".to_owned()),
        ..Flags::default()
    };
    Ok(Recorder::start(flags.into_config()?)?)
}

/// Waits until the store has confirmed every record, which a client never does.
fn all_stored(recorder: Recorder, store: &StoreUrl) -> anyhow::Result<(Recorder, Snapshot)> {
    /// Between two looks at the ledger.
    const LOOK: Duration = Duration::from_millis(10);
    let end = Instant::now() + STORED_WITHIN;
    loop {
        let ledger = recorder.ledger();
        if ledger.balances() {
            return Ok((recorder, ledger));
        }
        ensure!(
            Instant::now() < end,
            "{store} did not take every record within {STORED_WITHIN:?} ({ledger}; it is {}): give a --store that is there",
            recorder.store_state().as_str()
        );
        sleep(LOOK);
    }
}

/// Runs what blocks, as stores and the replayer do, beside the services.
async fn on_thread<T: Send + 'static>(work: impl FnOnce() -> anyhow::Result<T> + Send + 'static) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await?
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn the_whole_path_agrees_on_sqlite_and_is_shown_in_its_order() {
        let page = Page::default();
        let agree = run(Options::default(), &Screen::plain(page.clone())).await.unwrap();
        let page = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        assert!(agree, "{page}");
        let mut rest = page.as_str();
        for part in [
            "v1  GET    /get ",
            "host=shop.example.com  200",
            "v1  POST   /helloworld.Greeter/SayHello ",
            "200, grpc 3",
            "the client sent   authorization: Bearer",
            "the store keeps   authorization: ",
            "v2  GET    /get ",
            "host=shop.example.com-shadow  200",
            r"v2 received       x-odd: caf\xe9 \xff",
            "client sent 13  ·  v1 received 13  ·  recorded 13  ·  v2 received 13",
            "recorder's ledger   seen 13 = recorded 13",
            "replayer's ledger   seen 13 = answered 13",
            "All agree",
        ] {
            let at = rest.find(part).unwrap_or_else(|| panic!("'{part}' does not follow in:\n{page}"));
            rest = &rest[at + part.len()..];
        }
        assert_eq!(page.matches(client::SECRET).count(), 1, "the secret is shown where the client sent it alone");
    }

    #[tokio::test]
    async fn a_store_that_cannot_be_written_is_an_error_and_no_agreement() {
        let store = Some("sqlite:/does/not/exist/traffic.db".parse().unwrap());
        let error = run(Options { store, keep: false }, &Screen::plain(std::io::sink())).await.unwrap_err();
        assert!(format!("{error:#}").contains("/does/not/exist"), "{error:#}");
    }
}
