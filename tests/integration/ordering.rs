//! `--order session`: a session's exchanges one after the other, others free.

use std::sync::Arc;
use std::time::Duration;

use umbra_common::time::Timestamp;
use umbra_tests::exchanges::get;
use umbra_tests::origin::{Answer, Origin};
use umbra_tests::replayer::replay;
use umbra_tests::stores::TestStore;
use umbra_tests::wait::{Gate, eventually};

#[test]
fn a_session_waits_for_its_answers_and_holds_up_nobody_else() {
    let store = TestStore::sqlite();
    let users = [Some("ann"), Some("bob"), None];
    let exchanges: Vec<_> = (0..30_usize)
        .map(|n| {
            let user = users[n % 3];
            let at = Timestamp::now().before(Duration::from_secs(60)).after(Duration::from_millis(n as u64));
            let mut exchange = get(at, &format!("/{}/{n:02}", user.unwrap_or("free")));
            if let Some(user) = user {
                exchange.request.headers.push("x-user", user);
            }
            exchange
        })
        .collect();
    store.write(&exchanges);
    let gate: Arc<Gate> = Arc::default();
    let held = Arc::clone(&gate);
    let staging = Origin::with(move |head| match head.target() {
        b"/ann/00" => Answer::unread().wait(&held).then(Answer::ok("")),
        _ => Answer::ok(""),
    });
    let target = format!("staging={}", staging.url());
    let flags = ["--target", &target, "--rate", "max", "--order", "session", "--session-by", "header:x-user"];
    let report = std::thread::scope(|scope| {
        let run = scope.spawn(|| replay(&store, &flags));
        // Ann's first is under way; everything but her other nine has come.
        eventually("the others have come", || staging.begun() == 21);
        assert_eq!(staging.requests().iter().filter(|r| r.head.target().starts_with(b"/ann")).count(), 0);
        gate.open();
        run.join().unwrap()
    });
    assert_eq!(report.targets[0].ledger.state("answered"), 30);
    let came: Vec<_> =
        staging.wait_for(30).iter().map(|r| String::from_utf8(r.head.target().to_vec()).unwrap()).collect();
    for user in ["/ann", "/bob"] {
        let of_user: Vec<_> = came.iter().filter(|target| target.starts_with(user)).collect();
        assert!(of_user.len() == 10 && of_user.is_sorted(), "{of_user:?}");
    }
}
