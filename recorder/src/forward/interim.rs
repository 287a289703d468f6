//! Interim responses (1xx) of the origin on their way to the client (RFC 9110, 15.2).

use std::future::poll_fn;
use std::task::Poll;

use http::request::Parts;
use http::{Request, StatusCode};

use super::expect::Gate;
use super::hop;
use crate::edge::{Arrived, Hints, takes_interim};

/// Where interim responses to a request go; nowhere where its client knows none.
pub(super) async fn hints(parts: &Parts, arrived: Option<&Arrived>) -> Option<Hints> {
    let arrived = arrived.filter(|_| takes_interim(parts.version))?;
    Some(poll_fn(|cx| Poll::Ready(arrived.hints(cx.waker().clone()))).await)
}

/// Has interim responses passed on. `100 Continue` opens the gate instead, where there is one: the library tells the client.
pub(super) fn listen<B>(request: &mut Request<B>, gate: Option<&Gate>, hints: Option<Hints>) {
    let opening = gate.map(Gate::opening);
    if opening.is_none() && hints.is_none() {
        return;
    }
    hyper::ext::on_informational(request, move |response| match (&opening, &hints) {
        (Some(opening), _) if response.status() == StatusCode::CONTINUE => opening.open(),
        (_, Some(hints)) => {
            let mut headers = response.headers().clone();
            hop::strip(&mut headers);
            if !hints.send(response.status(), &headers) {
                tracing::debug!(status = %response.status(), "an interim response was dropped");
            }
        }
        _ => {}
    });
}
