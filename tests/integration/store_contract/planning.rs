//! Windows and their plans.

use std::time::Duration;

use umbra_common::store::SLACK;
use umbra_common::time::Window;
use umbra_tests::exchanges;

use super::fresh::Fresh;
use super::samples::{at, every_10_ms, noon};

const HOUR: Duration = Duration::from_secs(3600);

fn a_window_has_its_beginning_and_not_its_end(store: &Fresh) {
    let exchanges = every_10_ms(10);
    store.append(&exchanges);
    assert_eq!(store.window(at(20), at(50)), exchanges[2..5]);
    assert_eq!(store.window(at(21), at(51)), exchanges[3..6]);
    assert_eq!(store.window(noon(), at(1_000_000)), exchanges);
}

fn records_that_arrived_out_of_order_are_all_found(store: &Fresh) {
    let mut exchanges = every_10_ms(900);
    let in_order = exchanges.clone();
    fastrand::shuffle(&mut exchanges);
    store.append(&exchanges);
    assert_eq!(store.window(at(1_000), at(8_000)), in_order[100..800]);
}

fn a_late_record_is_found_within_the_slack(store: &Fresh) {
    let late = exchanges::get(at(5), "/late");
    // A record that is written when its exchange has ended stands behind others that arrived after it.
    let between = (0..50).map(|i| exchanges::get(at(500 * i), "/between"));
    let mut all: Vec<_> = between.collect();
    all.push(late.clone());
    store.append(&all);
    assert_eq!(store.window(at(1), at(10)), [late]);
}

fn a_window_without_records_has_nothing_to_read(store: &Fresh) {
    store.append(&every_10_ms(10));
    for (from, to) in [(noon().before(HOUR), noon().before(HOUR / 2)), (noon().after(HOUR), noon().after(HOUR * 2))] {
        let plan = store.plan(from, to);
        assert_eq!((plan.partitions.len(), plan.at_most()), (0, 0), "{plan:?}");
        assert_eq!(store.read(&plan).len(), 0);
    }
}

fn an_empty_store_has_nothing_to_read(store: &Fresh) {
    let plan = store.make().plan(Window::ALL).unwrap();
    assert_eq!(plan.partitions, []);
    assert_eq!(store.read(&plan).len(), 0);
}

fn a_plan_does_not_see_what_is_appended_later(store: &Fresh) {
    let before = every_10_ms(100);
    store.append(&before);
    let plan = store.plan(noon(), at(1_000_000));
    store.append(&every_10_ms(100));
    assert_eq!(store.read(&plan).len(), 100);
    assert_eq!(store.read(&plan).len(), 100, "a plan can be read again");
    assert_eq!(store.read(&store.plan(noon(), at(1_000_000))).len(), 200);
}

fn a_window_in_a_long_log_is_read_without_the_rest(store: &Fresh) {
    // One record a second for two hours.
    let log: Vec<_> = (0..7_200).map(|s| exchanges::get(at(s * 1_000), &format!("/{s}"))).collect();
    store.append(&log);
    let plan = store.plan(at(3_600_000), at(3_660_000));
    let most = 60 + 2 * SLACK.as_secs() + 3;
    assert!((60..=most).contains(&plan.at_most()), "{plan:?}");
    assert_eq!(store.window(at(3_600_000), at(3_660_000)), log[3_600..3_660]);
}

super::on_both_stores!(
    a_window_has_its_beginning_and_not_its_end,
    records_that_arrived_out_of_order_are_all_found,
    a_late_record_is_found_within_the_slack,
    a_window_without_records_has_nothing_to_read,
    an_empty_store_has_nothing_to_read,
    a_plan_does_not_see_what_is_appended_later,
    a_window_in_a_long_log_is_read_without_the_rest,
);
