//! The programs as their own health check: an image holds nothing else that could ask.

use umbra_tests::ports::Refusing;
use umbra_tests::stores::TestStore;
use umbra_tests::wait::eventually;

use crate::controlled::Controlled;
use crate::programs::{assert_refused, recorder, recorder_in, replayer};
use crate::running::Running;

#[test]
fn a_recorder_says_whether_it_is_ready() {
    let store = TestStore::sqlite();
    let running = Running::start(&["--sink", "--store", store.url()]);
    let admin = running.admin_addr().to_string();
    recorder(&["--probe", "--admin", &admin]).finish().expect(0);
    recorder_in(&[("UMBRA_ADMIN", &admin)], &["--probe"]).finish().expect(0);
    let nobody = Refusing::new().addr().to_string();
    assert_refused(recorder(&["--probe", "--admin", &nobody]), 1, &[&nobody, "--admin"]);
}

#[test]
fn a_follower_says_whether_it_is_ready() {
    let (store, nobody) = (TestStore::sqlite(), Refusing::new());
    // A store begins with a recorder.
    let _recorder = Running::start(&["--sink", "--store", store.url()]);
    let target = format!("staging=http://{}", nobody.addr());
    let follower = Controlled::start(&["follow", "--store", store.url(), "--target", &target]);
    let admin = follower.admin().to_string();
    eventually("the follower is ready", || replayer(&["probe", "--admin", &admin]).finish().status == Some(0));
    let refusing = nobody.addr().to_string();
    assert_refused(replayer(&["probe", "--admin", &refusing]), 1, &[&refusing, "--admin"]);
}
