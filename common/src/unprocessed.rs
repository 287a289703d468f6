//! What an HTTP/2 peer says that it has not looked at, which may then be sent to it again, whatever it is.

use std::error::Error;

/// What HTTP/2 itself has to say of a failure.
pub fn h2_of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a h2::Error> {
    error.source()?.downcast_ref()
}

/// Whether the peer has not looked at a request (RFC 9113, 6.8 and 8.7): its stream lies beyond the last one that a goodbye names,
/// or was refused. Of streams up to that one, the library says that they broke.
pub fn is_unprocessed(error: &(dyn Error + 'static)) -> bool {
    h2_of(error)
        .is_some_and(|h2| h2.is_remote() && (h2.is_go_away() || h2.reason() == Some(h2::Reason::REFUSED_STREAM)))
}
