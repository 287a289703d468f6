//! Exchanges to store: every field that can be odd is.

use std::time::Duration;

use umbra_common::exchange::{Body, Exchange};
use umbra_common::time::Timestamp;
use umbra_tests::exchanges;

/// A moment like any other, far from the edges of every window in here.
pub(super) fn noon() -> Timestamp {
    Timestamp::from_millis(1_762_945_200_000)
}

pub(super) fn at(millis_after_noon: u64) -> Timestamp {
    noon().after(Duration::from_millis(millis_after_noon))
}

/// Small exchanges, one each 10 ms from noon, told apart by their targets.
pub(super) fn every_10_ms(count: u64) -> Vec<Exchange> {
    (0..count).map(|i| exchanges::get(at(i * 10), &format!("/{i}"))).collect()
}

/// Exchanges with bytes that are no text, duplicate fields, trailers, truncated and empty bodies.
pub(super) fn odd(count: u64) -> Vec<Exchange> {
    (0..count)
        .map(|i| {
            let body: Vec<u8> = (0..fastrand::usize(..5_000)).map(|_| fastrand::u8(..)).collect();
            let mut exchange = exchanges::post(at(i), "/odd?\u{fc}=%00", &body);
            exchange.request.headers.push("x-odd", vec![b'\xff', b'\0', 0x80]);
            exchange.request.headers.push("x-odd", "again");
            exchange.request.trailers.push("grpc-status", "0");
            exchange.client = None;
            if i % 3 == 0 {
                exchange.response = None;
            }
            if i % 5 == 0 {
                exchange.request.body = Body { bytes: vec![7; 10].into(), length: 1 << 40, truncated: true };
            }
            exchange
        })
        .collect()
}

/// One exchange whose record is a little larger than `bytes`.
pub(super) fn large(arrival: Timestamp, bytes: usize) -> Exchange {
    // Random: what compresses well would not be large on the wire.
    let body: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(bytes).collect();
    exchanges::post(arrival, "/large", &body)
}
