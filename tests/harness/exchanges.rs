//! Exchanges made by hand, for tests that need a store with something in it.

use std::time::Duration;

use umbra_common::exchange::{Body, Ending, Exchange, ExchangeId, Fields, HttpVersion, Request, Response, Scheme};
use umbra_common::fraction::Fraction;
use umbra_common::time::Timestamp;

/// A `GET /` to `api.example.com` that arrived at `arrival` and was answered with 200.
pub fn exchange(arrival: Timestamp) -> Exchange {
    let random = fastrand::u64(..);
    Exchange {
        id: ExchangeId::new(arrival, random),
        arrival,
        client: Some(([127, 0, 0, 1], 50_000).into()),
        request: Request {
            method: "GET".into(),
            target: "/".into(),
            version: HttpVersion::Http11,
            scheme: Scheme::Http,
            authority: "api.example.com".into(),
            headers: [("host", "api.example.com")].into_iter().collect(),
            body: Body::default(),
            trailers: Fields::default(),
        },
        session: random.to_be_bytes().to_vec().into(),
        sampled_at: Fraction::ALL,
        upstream: "http://127.0.0.1:1".into(),
        recorder: "test".into(),
        ending: Ending::Complete,
        total: Duration::from_millis(2),
        response: Some(Response {
            status: 200,
            headers: Fields::default(),
            body: Body::default(),
            trailers: Fields::default(),
            first_byte: Duration::from_millis(1),
        }),
    }
}

/// The same with another target.
pub fn get(arrival: Timestamp, target: &str) -> Exchange {
    let mut exchange = exchange(arrival);
    exchange.request.target = target.to_owned().into();
    exchange
}

/// A `POST` with a body.
pub fn post(arrival: Timestamp, target: &str, body: &[u8]) -> Exchange {
    let mut exchange = get(arrival, target);
    exchange.request.method = "POST".into();
    exchange.request.headers.push("content-length", body.len().to_string());
    exchange.request.body = Body::whole(body.to_vec());
    exchange
}
