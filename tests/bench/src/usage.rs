//! What processes use, from /proc: the CPU time of all their threads, also of those that have ended, and their memory.

use std::collections::HashMap;
use std::fs::read_to_string;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// /proc counts CPU time in these, on every architecture (`USER_HZ`).
const TICKS_PER_SECOND: u64 = 100;

/// A process and all of its descendants, the process first.
pub fn tree(root: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_str().and_then(|n| n.parse::<u32>().ok());
        if let Some((pid, parent)) = pid.and_then(|p| Some((p, stat(p)?.parent))) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut all = vec![root];
    let mut at = 0;
    while let Some(pid) = all.get(at) {
        all.extend(children.remove(pid).unwrap_or_default());
        at += 1;
    }
    all
}

/// User and system time of a process tree.
pub fn cpu(root: u32) -> Duration {
    let ticks: u64 = tree(root).into_iter().filter_map(stat).map(|s| s.ticks).sum();
    Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
}

/// [`cpu`] once the tree has come to rest: what a load has queued belongs to the load.
pub fn cpu_at_rest(root: u32) -> Duration {
    /// Longer than any linger of a producer.
    const QUIET: Duration = Duration::from_millis(400);
    const LONGEST: Duration = Duration::from_secs(15);
    const LOOK: Duration = Duration::from_millis(50);
    /// A process at rest still ticks now and then.
    const NOISE: Duration = Duration::from_millis(10);
    let end = Instant::now() + LONGEST;
    let (mut busy, mut since) = (cpu(root), Instant::now());
    while since.elapsed() < QUIET && Instant::now() < end {
        sleep(LOOK);
        let now = cpu(root);
        if now > busy + NOISE {
            (busy, since) = (now, Instant::now());
        }
    }
    cpu(root)
}

/// User and system time of all children of this process that have ended and been waited for.
pub fn cpu_of_ended_children() -> Duration {
    let ticks = stat(std::process::id()).map_or(0, |s| s.ended_children_ticks);
    Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
}

/// User and system time of the thread that asks.
pub fn cpu_of_this_thread() -> Duration {
    let ticks = read_to_string("/proc/thread-self/stat").ok().and_then(|s| parse(&s)).map_or(0, |s| s.ticks);
    Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
}

/// Resident memory of a process tree, in bytes.
pub fn resident(root: u32) -> u64 {
    let kib = |pid: u32| -> Option<u64> {
        let status = read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
        line.trim().strip_suffix(" kB")?.parse().ok()
    };
    tree(root).into_iter().filter_map(kib).sum::<u64>() * 1024
}

/// Whether a process still runs. One that has ended and that nobody has waited for does not.
pub fn is_running(pid: u32) -> bool {
    stat(pid).is_some_and(|s| !s.ended)
}

struct Stat {
    ended: bool,
    parent: u32,
    ticks: u64,
    ended_children_ticks: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    parse(&read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// proc(5): fields 3 (state), 4 (ppid), 14 (utime), 15 (stime), 16 (cutime) and 17 (cstime). The name before them may hold spaces and brackets.
fn parse(stat: &str) -> Option<Stat> {
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(Stat {
        ended: fields.first() == Some(&"Z"),
        parent: u32::try_from(number(4)?).ok()?,
        ticks: number(14)? + number(15)?,
        ended_children_ticks: number(16)? + number(17)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_moves_no_field() {
        let stat = parse("7 (a) b) (c) S 42 7 7 0 -1 4194560 1 2 3 4 150 25 9 9 20 0 1").unwrap();
        assert_eq!((stat.parent, stat.ticks, stat.ended_children_ticks), (42, 175, 18));
    }

    #[test]
    fn this_process_uses_memory_and_its_work_is_counted() {
        let me = std::process::id();
        assert!(tree(me).contains(&me) && resident(me) > 1 << 20);
        let (before, mine) = (cpu(me), cpu_of_this_thread());
        let mut n = 0u64;
        while cpu(me) == before || cpu_of_this_thread() == mine {
            n = std::hint::black_box(n + 1);
        }
        assert!(cpu(me) - before >= Duration::from_millis(10));
    }
}
