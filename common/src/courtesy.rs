//! Where processors are short, what has to be on time goes first: the live path, and the sending of what is due.

use std::thread;
use std::time::Duration;

use rustix::process::{getpriority_process, setpriority_process};
use thread_priority::unix::{
    DeadlineFlags, NormalThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
};
use thread_priority::{RealtimeThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy};

/// A third of the others' weight: the store's threads get what is left of a processor, and that much in any case.
const NICE: i32 = 5;
/// The shortest turn that Linux gives.
const TURN: Duration = Duration::from_micros(100);

/// Lets the others go before this thread, and before those that it will start: it has less weight, and when it is woken, it takes no
/// processor from one that is running (`SCHED_BATCH`).
pub fn give_way() {
    // Of Linux's threads each has a niceness of its own, and this is the caller's.
    let niceness = getpriority_process(None).unwrap_or_default().max(NICE);
    if let Err(error) = become_batch(niceness) {
        tracing::debug!(%error, "the store's threads may take the processor of others when they are woken");
        // What forbids the one need not forbid the other.
        if let Err(error) = setpriority_process(None, niceness) {
            tracing::debug!(%error, "the store's threads do not give way to others");
        }
    }
}

/// sched_setscheduler(2) and setpriority(2).
fn become_batch(niceness: i32) -> Result<(), thread_priority::Error> {
    let batch = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Batch);
    // The crate knows a hundred steps of its own, of which two or three are a niceness each.
    let step = (0..=u8::MAX)
        .filter_map(|step| ThreadPriorityValue::try_from(step).ok())
        .map(ThreadPriority::Crossplatform)
        .find(|step| step.to_posix(batch) == Ok(niceness))
        .ok_or(thread_priority::Error::Priority("no step of the crate's is that niceness"))?;
    set_thread_priority_and_policy(thread_native_id(), step, batch)
}

/// Asks Linux (6.12 or later) for short turns on the processor: this thread, and those that it will start, are put on one sooner after they
/// are woken, also from under a thread in the middle of a longer turn, and get no more of it than before. An older kernel stays as it is,
/// and so does a thread that is not at the usual niceness: the same call would set that.
pub fn take_short_turns() {
    if getpriority_process(None) == Ok(0)
        && let Err(error) = ask_for_turns_of(TURN)
    {
        tracing::debug!(%error, "the scheduler is not asked for short turns");
    }
}

/// sched_setattr(2). The crate has it for deadlines only; with this flag the policy stays what it is, for which `runtime` is the length of
/// a turn and the rest is nothing (kernel/sched/syscalls.c, `__setparam_fair`).
fn ask_for_turns_of(runtime: Duration) -> Result<(), thread_priority::Error> {
    const KEEP_POLICY: DeadlineFlags = DeadlineFlags::from_bits_retain(0x08);
    const THIS_THREAD: thread_priority::ThreadId = 0;
    let turns = ThreadPriority::Deadline { runtime, deadline: runtime, period: runtime, flags: KEEP_POLICY };
    set_thread_priority_and_policy(
        THIS_THREAD,
        turns,
        ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Deadline),
    )
}

/// Does what may start threads of a library's own, such that they give way too.
pub fn courteously<T: Send>(work: impl FnOnce() -> T + Send) -> thread::Result<T> {
    thread::scope(|scope| {
        let working = scope.spawn(|| {
            give_way();
            work()
        });
        working.join()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of `SCHED_BATCH`, as the kernel tells it.
    const BATCH: &str = "3";

    /// What sched(7) says of the calling thread, and how long its turns are. None where the kernel does not tell.
    fn policy_and_turn() -> (Option<String>, Option<Duration>) {
        let told = std::fs::read_to_string("/proc/thread-self/sched").unwrap_or_default();
        let value = |name: &str| told.lines().find_map(|l| Some(l.strip_prefix(name)?.rsplit_once(' ')?.1.to_owned()));
        (value("policy"), value("se.slice").and_then(|ns| ns.parse().ok()).map(Duration::from_nanos))
    }

    /// Since when Linux takes the length of a turn.
    fn kernel_takes_turns() -> bool {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        let mut numbers = release.split(['.', '-']).map(|n| n.trim().parse::<u32>().unwrap_or(0));
        (numbers.next().unwrap(), numbers.next().unwrap()) >= (6, 12)
    }

    #[test]
    fn threads_of_the_store_are_nice_and_take_nobodys_processor_and_others_stay_as_they_are() {
        let me = || (getpriority_process(None).unwrap(), policy_and_turn());
        let (niceness, (policy, turn)) = me();
        let inherited = courteously(|| thread::spawn(me).join().unwrap());
        let batch = policy.clone().map(|_| BATCH.to_owned());
        assert_eq!(inherited.unwrap(), (NICE.max(niceness), (batch, turn)));
        assert_eq!(me(), (niceness, (policy, turn)));
    }

    #[test]
    fn one_that_gives_way_already_gives_no_less() {
        let niceness = thread::spawn(|| {
            become_batch(NICE + 7).unwrap();
            give_way();
            getpriority_process(None).unwrap()
        });
        assert_eq!(niceness.join().unwrap(), NICE + 7);
    }

    #[test]
    fn short_turns_are_taken_and_nothing_else_of_the_thread_changes() {
        let ordinary = policy_and_turn();
        let (short, niceness) = thread::spawn(|| {
            take_short_turns();
            // A thread that it starts has them too.
            thread::spawn(|| (policy_and_turn(), getpriority_process(None).unwrap())).join().unwrap()
        })
        .join()
        .unwrap();
        assert_eq!((short.0, niceness), (ordinary.0, getpriority_process(None).unwrap()));
        assert_eq!(policy_and_turn().1, ordinary.1);
        if let Some(usual) = ordinary.1 {
            assert_eq!(short.1, Some(if kernel_takes_turns() && niceness == 0 { TURN } else { usual }));
        }
    }

    #[test]
    fn one_that_gives_way_keeps_its_niceness_and_its_turns() {
        let (before, after, niceness) = thread::spawn(|| {
            give_way();
            let before = policy_and_turn();
            take_short_turns();
            (before, policy_and_turn(), getpriority_process(None).unwrap())
        })
        .join()
        .unwrap();
        assert_eq!((before, niceness >= NICE), (after, true));
    }
}
