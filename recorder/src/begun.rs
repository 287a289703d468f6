//! Threads that say that they have begun: a recorder starts whole or not at all.

use std::cell::Cell;
use std::io;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};

/// Where each of some threads says once whether it could begin.
#[derive(Debug)]
pub(crate) struct Beginnings {
    say: Sender<io::Result<()>>,
    said: Receiver<io::Result<()>>,
    expected: usize,
}

/// One thread's word.
#[derive(Debug)]
pub(crate) struct Begun {
    say: Sender<io::Result<()>>,
    is_said: Cell<bool>,
}

impl Begun {
    /// It has all that it needs, and runs.
    pub(crate) fn now(&self) {
        self.say(Ok(()));
    }

    fn say(&self, word: io::Result<()>) {
        if self.is_said.replace(true) {
            if let Err(error) = word {
                tracing::error!(%error, "a thread could not go on");
            }
            return;
        }
        // There is room for each; who no longer listens has heard of another that failed.
        let _ = self.say.try_send(word);
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if !self.is_said.get() {
            self.say(Err(io::Error::other("it ended before it had begun")));
        }
    }
}

impl Beginnings {
    /// For so many threads at most.
    pub(crate) fn of(threads: usize) -> Self {
        let (say, said) = bounded(threads);
        Self { say, said, expected: 0 }
    }

    /// Starts a thread. It says `now`, or comes back with the reason why it cannot run.
    pub(crate) fn thread(
        &mut self,
        name: &str,
        run: impl FnOnce(&Begun) -> io::Result<()> + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        let begun = Begun { say: self.say.clone(), is_said: Cell::new(false) };
        self.expected += 1;
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            if let Err(error) = run(&begun) {
                begun.say(Err(error));
            }
        })
    }

    /// Waits until all of them run; the first reason otherwise.
    pub(crate) fn wait(self) -> io::Result<()> {
        // Each says something: `say` is kept, so that this ends by their number.
        self.said.iter().take(self.expected).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_run_are_waited_for() {
        let mut beginnings = Beginnings::of(2);
        let threads = [(); 2].map(|()| {
            let run = |begun: &Begun| {
                begun.now();
                Ok(())
            };
            beginnings.thread("test", run).unwrap()
        });
        beginnings.wait().unwrap();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }

    #[test]
    fn the_reason_of_one_that_cannot_is_told_although_another_runs() {
        let mut beginnings = Beginnings::of(2);
        let runs = beginnings.thread("runs", |begun| {
            begun.now();
            Ok(())
        });
        let fails = beginnings.thread("fails", |_| Err(io::Error::other("no files are left")));
        assert_eq!(beginnings.wait().unwrap_err().to_string(), "no files are left");
        runs.unwrap().join().unwrap();
        fails.unwrap().join().unwrap();
    }

    #[test]
    fn one_that_panics_is_no_beginning() {
        let mut beginnings = Beginnings::of(1);
        let thread = beginnings.thread("panics", |_| panic!("as it should")).unwrap();
        assert!(beginnings.wait().unwrap_err().to_string().contains("before it had begun"));
        assert!(thread.join().is_err());
    }
}
