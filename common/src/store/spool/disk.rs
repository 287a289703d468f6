//! The files: numbered segments that are only appended to, the place up to which they are delivered, and a lock.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::segment::{self, Frame, HEAD, Kept};
use super::{SpoolConfig, SpoolFigures};
use crate::store::StoreError;

/// A segment gets about this large: what is delivered is given back to the disk in such steps.
const SEGMENT: u64 = 64 << 20;
const LEAST_SEGMENT: u64 = 64 << 10;
/// What is kept is somebody's traffic: nobody else reads it.
const OWN_FILE: u32 = 0o600;
const OWN_DIR: u32 = 0o700;
const POSITION: &str = "position";
const EXTENSION: &str = "segment";

/// A place in the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    segment: u64,
    offset: u64,
}

#[derive(Debug)]
struct Segment {
    number: u64,
    length: u64,
}

/// The queue on disk, used by one thread.
#[derive(Debug)]
pub(super) struct Disk {
    dir: PathBuf,
    /// Held for as long as this lives.
    _lock: File,
    limit: u64,
    segment_size: u64,
    /// Oldest first.
    segments: VecDeque<Segment>,
    /// The last segment, where this process has begun it.
    writer: Option<File>,
    unsynced: bool,
    reader: Option<BufReader<File>>,
    read: Place,
    next_number: u64,
    figures: Arc<SpoolFigures>,
}

impl Disk {
    pub(super) fn open(config: &SpoolConfig, figures: Arc<SpoolFigures>) -> Result<Self, StoreError> {
        let dir = &config.dir;
        let unusable = |why: String| StoreError::Spool { dir: dir.clone(), why };
        let failed = |e: io::Error| unusable(format!("{e}; check the path, its permissions and the room on its disk"));
        DirBuilder::new().recursive(true).mode(OWN_DIR).create(dir).map_err(failed)?;
        let lock = own_file().create(true).truncate(false).open(dir.join("lock")).map_err(failed)?;
        lock.try_lock().map_err(|e| match e {
            TryLockError::WouldBlock => unusable("another process uses it; give each recorder one of its own".into()),
            TryLockError::Error(e) => failed(e),
        })?;
        let mut segments = segments(dir).map_err(failed)?;
        let mut read = position(dir).unwrap_or_default();
        let next_number = segments.back().map_or(0, |last| last.number).max(read.segment) + 1;
        while segments.front().is_some_and(|first| first.number < read.segment)
            && let Some(delivered) = segments.pop_front()
        {
            fs::remove_file(name(dir, delivered.number)).map_err(failed)?;
        }
        match segments.front() {
            Some(first) if first.number == read.segment => {}
            first => read = Place { segment: first.map_or(next_number, |first| first.number), offset: 0 },
        }
        let disk = Self {
            dir: dir.clone(),
            _lock: lock,
            limit: config.limit.bytes(),
            segment_size: (config.limit.bytes() / 8).clamp(LEAST_SEGMENT, SEGMENT),
            segments,
            writer: None,
            unsynced: false,
            reader: None,
            read,
            next_number,
            figures,
        };
        disk.tell_size();
        Ok(disk)
    }

    /// Whether everything that was written is delivered.
    pub(super) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    fn size(&self) -> u64 {
        self.segments.iter().map(|s| s.length).sum()
    }

    fn tell_size(&self) {
        self.figures.bytes.store(self.size(), Ordering::Relaxed);
    }

    /// How many of these records there is room for.
    pub(super) fn fits<'a>(&self, records: impl Iterator<Item = &'a Kept>) -> usize {
        let mut room = self.limit.saturating_sub(self.size() + HEAD.len() as u64);
        records.take_while(|r| room.checked_sub(r.frame_len()).inspect(|left| room = *left).is_some()).count()
    }

    /// Appends records, all or none.
    pub(super) fn write<'a>(&mut self, records: impl Iterator<Item = &'a Kept>) -> io::Result<u64> {
        let full = self.segments.back().is_none_or(|last| last.length >= self.segment_size);
        if full || self.writer.is_none() {
            self.begin_segment()?;
        }
        let (Some(last), Some(writer)) = (self.segments.back_mut(), &mut self.writer) else { return Ok(0) };
        let mut frames = Vec::new();
        records.for_each(|record| record.write(&mut frames));
        if let Err(error) = writer.write_all(&frames) {
            // Half a record must not stand before the next. Where it cannot be cut off, the next goes to a new file.
            let cut = writer.set_len(last.length).and_then(|()| writer.seek(SeekFrom::Start(last.length)));
            if cut.is_err() {
                self.writer = None;
            }
            return Err(error);
        }
        last.length += frames.len() as u64;
        self.unsynced = true;
        self.tell_size();
        Ok(frames.len() as u64)
    }

    fn begin_segment(&mut self) -> io::Result<()> {
        self.sync()?;
        let number = self.next_number;
        let path = name(&self.dir, number);
        let mut file = own_file().create_new(true).open(&path)?;
        self.next_number += 1;
        if let Err(error) = file.write_all(&HEAD) {
            let _ = fs::remove_file(path);
            return Err(error);
        }
        if self.segments.is_empty() {
            self.read = Place { segment: number, offset: 0 };
            self.reader = None;
        }
        self.segments.push_back(Segment { number, length: HEAD.len() as u64 });
        self.writer = Some(file);
        Ok(())
    }

    /// What was written is on the disk itself when this returns.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.unsynced)
            && let Some(writer) = &self.writer
        {
            writer.sync_data()?;
        }
        Ok(())
    }

    /// The next records, of about so many bytes: none only where everything has been read.
    pub(super) fn read(&mut self, bytes: usize) -> io::Result<Vec<Kept>> {
        let mut records = Vec::new();
        let mut came = 0;
        while came < bytes
            && let Some(length) = self.segments.iter().find(|s| s.number == self.read.segment).map(|s| s.length)
        {
            match self.read_one()? {
                Frame::Record(record) => {
                    self.read.offset += record.frame_len();
                    came += record.value.len();
                    records.push(record);
                }
                Frame::End if self.read.offset >= length => {
                    let Some(next) = self.segments.iter().find(|s| s.number > self.read.segment) else { break };
                    self.read = Place { segment: next.number, offset: 0 };
                    self.reader = None;
                }
                Frame::End | Frame::Broken => self.pass_over(length),
            }
        }
        Ok(records)
    }

    fn read_one(&mut self) -> io::Result<Frame> {
        let reader = match &mut self.reader {
            Some(reader) => reader,
            absent => {
                let mut file = File::open(name(&self.dir, self.read.segment))?;
                let mut head = [0; HEAD.len()];
                if file.read_exact(&mut head).is_err() || head != HEAD {
                    return Ok(Frame::Broken);
                }
                self.read.offset = self.read.offset.max(HEAD.len() as u64);
                file.seek(SeekFrom::Start(self.read.offset))?;
                absent.insert(BufReader::with_capacity(256 << 10, file))
            }
        };
        segment::read(reader)
    }

    /// Nothing behind a broken record can be told from it: the rest of its segment is lost.
    fn pass_over(&mut self, length: u64) {
        let lost = length.saturating_sub(self.read.offset);
        tracing::warn!(
            dir = %self.dir.display(), segment = self.read.segment, at = self.read.offset, lost,
            "the rest of a spool segment cannot be read: its writer ended in the middle of a record, or it is damaged"
        );
        SpoolFigures::add(&self.figures.unreadable_bytes, lost);
        self.read.offset = length;
        self.reader = None;
        if self.segments.back().is_some_and(|last| last.number == self.read.segment) {
            self.writer = None;
        }
        self.skip_broken();
    }

    /// Goes on behind a segment that is given up, or to nowhere where it is the last.
    fn skip_broken(&mut self) {
        let next = self.segments.iter().map(|s| s.number).find(|number| *number > self.read.segment);
        self.read = Place { segment: next.unwrap_or(self.next_number), offset: 0 };
    }

    /// Everything that was read is delivered.
    pub(super) fn delivered(&mut self) -> io::Result<()> {
        let done =
            |s: &Segment, read: Place| s.number < read.segment || (s.number == read.segment && read.offset >= s.length);
        while let Some(first) = self.segments.front()
            && done(first, self.read)
        {
            let number = first.number;
            self.segments.pop_front();
            if self.segments.is_empty() {
                (self.writer, self.reader, self.unsynced) = (None, None, false);
            }
            fs::remove_file(name(&self.dir, number))?;
        }
        self.go_on();
        self.tell_size();
        self.keep_position()
    }

    /// A segment that was begun after the last of the one before it had been read is what is read next.
    fn go_on(&mut self) {
        if let Some(first) = self.segments.front()
            && first.number > self.read.segment
        {
            self.read = Place { segment: first.number, offset: 0 };
            self.reader = None;
        }
    }

    /// Written beside and renamed: a reader finds the old one or the new one.
    fn keep_position(&self) -> io::Result<()> {
        let path = self.dir.join(POSITION);
        let beside = self.dir.join("position.new");
        let mut file = own_file().create(true).truncate(true).open(&beside)?;
        writeln!(file, "{} {}", self.read.segment, self.read.offset)?;
        fs::rename(beside, path)
    }
}

fn own_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(OWN_FILE);
    options
}

fn name(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:016}.{EXTENSION}"))
}

fn segments(dir: &Path) -> io::Result<VecDeque<Segment>> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        if let Some(number) = number.filter(|_| path.extension().is_some_and(|e| e == EXTENSION)) {
            segments.push(Segment { number, length: entry.metadata()?.len() });
        }
    }
    segments.sort_unstable_by_key(|s| s.number);
    Ok(segments.into())
}

/// Where delivery had come to. Where that cannot be read, it begins at the beginning: twice is better than never.
fn position(dir: &Path) -> Option<Place> {
    let text = fs::read_to_string(dir.join(POSITION)).ok()?;
    let (segment, offset) = text.trim_end().split_once(' ')?;
    Some(Place { segment: segment.parse().ok()?, offset: offset.parse().ok()? })
}
