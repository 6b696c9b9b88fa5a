//! A look at the files before the database opens them.
//!
//! The database drops whatever follows the first bad checksum of its write-ahead log without a word,
//! which is right after a loss of power: the last transaction was being written and nobody had been
//! told of it. It is wrong when the damage came later. What tells the two apart is that a transaction
//! begins only after the one before it was synced: a bad frame that a whole transaction and the
//! beginning of another follow was intact once.
//!
//! Layout of the log: a header of 32 bytes, then frames of 24 bytes and one page each; big-endian
//! numbers; a running checksum over header and frames (SQLite's file format, section 4).

use std::fs::{self, File};
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

const LOG_HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;

/// Either magic number; its last bit says in which order checksums read their words.
const MAGIC: u32 = 0x377f_0682;

/// The largest page there is.
const PAGE_BYTES_MAX: u32 = 65_536;

/// Refuses files from which commits would be lost silently.
///
/// # Errors
///
/// A sentence that says what is damaged and what to do, or the failure to read.
pub(super) fn examine(path: &Path) -> io::Result<()> {
    let log_path = suffixed(path, "-wal");
    if bytes(&log_path)? == 0 {
        return Ok(());
    }
    if bytes(path)? == 0 {
        return Err(refusal(format!(
            "it is missing or empty, but its write-ahead log {} is not; restore both from a backup, \
             or remove the log to begin with an empty store",
            log_path.display()
        )));
    }
    let Some(damage) = Log::read(&log_path)? else {
        return Ok(());
    };
    Err(refusal(format!(
        "{damage}; restore the store and its log from a backup, or run `truncate -s {} {}` to give up \
         the commits from there on",
        damage.intact_bytes(),
        log_path.display()
    )))
}

/// The path of a file that belongs to the database.
fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    // The database follows links before it names its other files.
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut name = real.into_os_string();
    name.push(suffix);
    name.into()
}

/// The size of a file; a missing one has none.
fn bytes(path: &Path) -> io::Result<u64> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

fn refusal(reason: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, reason)
}

/// Damage that followed the writing.
enum Damage {
    /// Of the header, without which no frame can be checked.
    Header,
    /// Of the frame with this number, from 1, so many bytes into the file.
    Frame { number: u64, at: u64 },
}

impl Damage {
    /// How much of the file comes before it.
    fn intact_bytes(&self) -> u64 {
        match self {
            Self::Header => 0,
            Self::Frame { at, .. } => *at,
        }
    }
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Header => write!(f, "the header of its write-ahead log is damaged"),
            Self::Frame { number, .. } => write!(
                f,
                "frame {number} of its write-ahead log is damaged, and commits that were \
                 acknowledged follow it"
            ),
        }
    }
}

/// A frame as far as its checksum goes.
struct Frame {
    salts: [u8; 8],
    /// Whether it ends a transaction.
    commits: bool,
    /// What it says its checksum is.
    claimed: Sums,
    /// What is summed: the beginning of its header, and its page.
    summed: ([u8; 8], Vec<u8>),
}

/// A running checksum.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Sums(u32, u32);

/// A log being read.
struct Log {
    file: BufReader<File>,
    page_bytes: usize,
    is_big_endian: bool,
    salts: [u8; 8],
}

impl Log {
    /// Reads a log to its end; `None` when it holds nothing that could be lost by opening it.
    fn read(path: &Path) -> io::Result<Option<Damage>> {
        let mut file = BufReader::new(File::open(path)?);
        let mut header = [0; LOG_HEADER_BYTES];
        // A log that never got its header was never written to.
        if !fill(&mut file, &mut header)? || header == [0; LOG_HEADER_BYTES] {
            return Ok(None);
        }
        let page_bytes = word(&header, 8);
        let is_big_endian = word(&header, 0) & 1 == 1;
        let sums = Sums(0, 0).over(&header[..24], is_big_endian);
        let is_page = page_bytes.is_power_of_two() && (512..=PAGE_BYTES_MAX).contains(&page_bytes);
        if word(&header, 0) & !1 != MAGIC || !is_page || sums != claimed(&header, 24) {
            return Ok(Some(Damage::Header));
        }
        let mut log = Self {
            file,
            page_bytes: usize::try_from(page_bytes).unwrap_or(usize::MAX),
            is_big_endian,
            salts: eight(&header, 16),
        };
        log.read_frames(sums)
    }

    fn read_frames(&mut self, mut sums: Sums) -> io::Result<Option<Damage>> {
        let mut number = 0;
        let mut before = loop {
            let Some(frame) = self.next()? else {
                return Ok(None);
            };
            sums = self.follow(sums, &frame);
            if frame.salts != self.salts || sums != frame.claimed {
                break frame;
            }
            number += 1;
        };
        while let Some(frame) = self.next()? {
            let follows = self.follow(before.claimed, &frame) == frame.claimed;
            if before.commits && follows && before.salts == self.salts && frame.salts == self.salts
            {
                let frame_bytes = (FRAME_HEADER_BYTES + self.page_bytes) as u64;
                return Ok(Some(Damage::Frame {
                    number: number + 1,
                    at: LOG_HEADER_BYTES as u64 + number * frame_bytes,
                }));
            }
            before = frame;
        }
        Ok(None)
    }

    /// The next whole frame.
    fn next(&mut self) -> io::Result<Option<Frame>> {
        let mut header = [0; FRAME_HEADER_BYTES];
        let mut page = vec![0; self.page_bytes];
        if !fill(&mut self.file, &mut header)? || !fill(&mut self.file, &mut page)? {
            return Ok(None);
        }
        Ok(Some(Frame {
            salts: eight(&header, 8),
            commits: word(&header, 4) != 0,
            claimed: claimed(&header, 16),
            summed: (eight(&header, 0), page),
        }))
    }

    fn follow(&self, sums: Sums, frame: &Frame) -> Sums {
        let (header, page) = &frame.summed;
        sums.over(header, self.is_big_endian)
            .over(page, self.is_big_endian)
    }
}

impl Sums {
    /// The checksum after more bytes, a multiple of eight.
    fn over(self, bytes: &[u8], is_big_endian: bool) -> Self {
        let Self(mut a, mut b) = self;
        for pair in bytes.as_chunks::<8>().0 {
            let [x0, x1, x2, x3, y0, y1, y2, y3] = *pair;
            let (x, y) = ([x0, x1, x2, x3], [y0, y1, y2, y3]);
            let (x, y) = if is_big_endian {
                (u32::from_be_bytes(x), u32::from_be_bytes(y))
            } else {
                (u32::from_le_bytes(x), u32::from_le_bytes(y))
            };
            a = a.wrapping_add(x).wrapping_add(b);
            b = b.wrapping_add(y).wrapping_add(a);
        }
        Self(a, b)
    }
}

fn claimed(bytes: &[u8], at: usize) -> Sums {
    Sums(word(bytes, at), word(bytes, at + 4))
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_be_bytes(word)
}

fn eight(bytes: &[u8], at: usize) -> [u8; 8] {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[at..at + 8]);
    eight
}

/// Fills `buffer`; false when the file ends before.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
