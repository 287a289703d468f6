//! What a shadow request takes in memory while it waits.

use http::{HeaderMap, HeaderName, HeaderValue, Request};
use umbra_common::exchange::allocated;

use super::RecordedBody;
use crate::carry::{Carried, Wanted};

/// One entry of a header map: the name, the value, a hash, links to further values of the name.
const ENTRY: usize = size_of::<HeaderName>() + size_of::<HeaderValue>() + 4 * size_of::<usize>();
/// One place of the table in front of the entries, of which a fourth more are kept.
const PLACE: usize = 2 * size_of::<u16>();

/// A request with all that it holds, in bytes.
pub(super) fn of_request(request: &Request<RecordedBody>) -> usize {
    let path = request.uri().path_and_query().map_or(0, |path| allocated(path.as_str().len()));
    let body = request.body();
    let trailers = body.trailers().map_or(0, |trailers| allocated(size_of::<HeaderMap>()) + of_headers(trailers));
    let own = allocated(size_of::<Request<RecordedBody>>());
    own + path + of_headers(request.headers()) + allocated(body.bytes().len()) + trailers
}

/// Well-known names take nothing, and are counted all the same: nobody says which they are.
fn of_headers(headers: &HeaderMap) -> usize {
    let table = allocated(headers.capacity() * ENTRY) + allocated(headers.capacity() * PLACE * 4 / 3);
    let fields = headers.iter().map(|(name, value)| allocated(name.as_str().len()) + allocated(value.len()));
    table + fields.sum::<usize>()
}

/// What carry rules want of the answer.
pub(super) fn of_carried(carried: &Carried) -> usize {
    let values = carried.wanted.iter().flatten().filter_map(|wanted| wanted.recorded.as_ref());
    let list = allocated(carried.wanted.capacity() * size_of::<Option<Wanted>>());
    allocated(size_of::<Carried>()) + list + values.map(|value| allocated(value.len())).sum::<usize>()
}
