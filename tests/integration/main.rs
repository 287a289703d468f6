//! The integration tests: one binary, a module a topic.
//!
//! What the design promises, and the tests that would fail if it were not kept:
//!
//! | invariant | tests |
//! | --- | --- |
//! | 1 the live path never waits for the store | [`live_path`]: `a_dead_store_fails_no_request`, `a_kafka_that_goes_silent_…`, `a_sqlite_file_locked_for_a_moment_…`, `a_store_that_was_never_there_costs_a_bounded_drain`; [`faults`]: `a_recorder_serves_and_says_so_when_kafka_is_not_there`; [`store_faults`]; [`spooling`] |
//! | 2 every buffer has a byte budget | [`memory`], [`fairness`], [`bodies`]: all of them; [`live_path`]: `a_stream_longer_than_the_body_limit_passes_whole` |
//! | 3 each request ends in one state of the ledger | [`invariants`]: `the_sum_holds_while_…_breaks_at_random`; [`draining`]; [`handing_over`]; [`twenty_thousand`]; every drain and replay of the harness checks the sum |
//! | 4 what was recorded is what arrived | [`recording`]; [`replaying`]: `what_was_recorded_arrives_at_a_target`; [`grpc`]: `every_kind_of_call_is_recorded_and_replayed`; [`twenty_thousand`] |
//! | 5 secrets are removed before the store | [`redaction`], [`secrets`] |
//! | 6 only to targets, marked, and never recorded again | [`sampling`]: `a_replay_through_a_recorder_is_not_recorded_again`; [`replaying`]: `requests_are_edited_as_asked_and_keep_their_marker`, `the_service_that_was_recorded_is_no_target`; [`guards`] |
//! | 7 schedules are absolute | [`replaying`]: `requests_leave_in_order_of_arrival_over_all_partitions`, `a_constant_rate_is_kept`, `an_answer_that_is_late_moves_no_other_request`; [`pacing`]; [`control`]: `a_pause_lets_nothing_leave_…` |
//! | 8 targets are isolated | [`replaying`]: `every_target_gets_everything_whatever_happens_to_another`; [`following`]: `a_slow_target_holds_back_only_itself`; [`hostile_targets`]: both; [`breaking`]: `a_target_that_goes_and_comes_back_…` |
//! | 9 stored bytes are forever | golden bytes in `common/src/codec`; [`faults`]: `records_that_do_not_decode_are_counted_and_skipped` |
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "by these a test fails")]

mod administering;
mod bad_input;
mod bodies;
mod both_stores;
mod breaking;
mod carrying;
mod cluster;
mod configuration;
mod control;
mod controlled;
mod deployment;
mod dialing;
mod draining;
mod edge;
mod examples;
mod exit_status;
mod fairness;
mod faults;
mod follow_fleet;
mod following;
mod goodbyes;
mod grpc;
mod guards;
mod handing_over;
mod harness_itself;
mod hostile_targets;
mod invariants;
mod jobs;
mod listing;
mod live_path;
mod looking;
mod memory;
mod metrics;
mod mirrors;
mod operating;
mod ordering;
mod pacing;
mod probing;
mod programs;
mod progress;
mod recording;
mod redaction;
mod replaying;
mod reporting;
mod rules;
mod running;
mod sampling;
mod secrets;
mod secured_kafka;
mod service_manager;
mod sharing_targets;
mod showing;
mod shrinking;
mod spooling;
mod store_contract;
mod store_faults;
mod targets;
mod tls;
mod trailers;
mod tunnels;
mod twenty_thousand;
mod upstreams;
mod windows;
mod worked_profile;
