//! What is looked at, and when it counts as growing.

use std::fs;
use std::path::PathBuf;

/// One look.
#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    resident_kb: u64,
    descriptors: u64,
    file_kb: u64,
}

/// Looks, oldest first.
pub(crate) struct Series {
    pid: u32,
    files: PathBuf,
    samples: Vec<Sample>,
}

impl Series {
    /// Of a process and the directory of its store.
    pub(crate) fn new(pid: u32, files: PathBuf) -> Self {
        Self {
            pid,
            files,
            samples: Vec::new(),
        }
    }

    /// Takes one more look.
    pub(crate) fn take(&mut self) -> Result<(), String> {
        let gone = |error: std::io::Error| format!("the service is gone: {error}");
        let proc = PathBuf::from(format!("/proc/{}", self.pid));
        let status = fs::read_to_string(proc.join("status")).map_err(gone)?;
        let resident = status.lines().find(|line| line.starts_with("VmRSS:"));
        let resident_kb = resident
            .and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
            .ok_or("no resident size")?;
        let descriptors = fs::read_dir(proc.join("fd")).map_err(gone)?.count() as u64;
        let sizes = fs::read_dir(&self.files).map_err(|error| error.to_string())?;
        let sizes = sizes.flatten().filter_map(|file| file.metadata().ok());
        let file_kb = sizes.map(|file| file.len()).sum::<u64>() / 1024;
        self.samples.push(Sample {
            resident_kb,
            descriptors,
            file_kb,
        });
        Ok(())
    }

    /// The newest look, for whoever watches.
    pub(crate) fn newest(&self) -> String {
        let Sample {
            resident_kb,
            descriptors,
            file_kb,
        } = self.samples.last().copied().unwrap_or_default();
        format!(
            "{resident_kb:>7} KB resident, {descriptors:>4} descriptors, {file_kb:>6} KB of files"
        )
    }
}

/// Compares the last quarter of the run with the second: the first warms up. What is spared is what fills
/// slowly and has an end: the page caches of the store, and its write-ahead log.
pub(crate) fn judge(series: &Series) -> Result<String, String> {
    let column = |name: &str, of: fn(&Sample) -> u64, spare: u64| {
        let values: Vec<u64> = series.samples.iter().map(of).collect();
        flat(name, &values, spare)
    };
    let seen = [
        column("KB resident", |sample| sample.resident_kb, 12_000),
        column("descriptors", |sample| sample.descriptors, 12),
        column("KB of files", |sample| sample.file_kb, 6_000),
    ];
    let seen: Result<Vec<String>, String> = seen.into_iter().collect();
    Ok(seen?.join(", "))
}

/// At most a tenth more, and something to spare for small numbers.
fn flat(name: &str, values: &[u64], spare: u64) -> Result<String, String> {
    let quarter = values.len() / 4;
    let middle = |from: usize| {
        let mut part = values
            .get(from..from + quarter)
            .unwrap_or_default()
            .to_vec();
        part.sort_unstable();
        part.get(quarter / 2).copied().unwrap_or_default()
    };
    let (before, after) = (middle(quarter), middle(values.len() - quarter));
    if after > before + before / 10 + spare {
        return Err(format!("{name} grew from {before} to {after}:\n{values:?}"));
    }
    Ok(format!("{name} {before} then {after}"))
}

/// A series that grows by 1 % a sample is refused, a flat one is not.
pub(crate) fn sees_leaks() -> Result<String, String> {
    let leak: Vec<u64> = (0..120_u64).map(|n| 50_000 + n * 500).collect();
    let noise: Vec<u64> = (0..120_u64).map(|n| 50_000 + n * 7919 % 3_000).collect();
    if flat("leaking", &leak, 6_000).is_ok() {
        return Err("a leak of 60 MB was not seen".to_owned());
    }
    flat("noisy", &noise, 6_000)
}
