//! Where hyper's HTTP/2 tasks run: on the worker that has the connection.

use std::future::Future;

/// Spawns on the current thread's runtime, so that nothing needs a lock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalExecutor;

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}
