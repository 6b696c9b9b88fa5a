//! How a test program tells its results: a line for each, and the count that `tests/run` adds up.

use std::process::ExitCode;

/// What has passed and failed so far.
pub(crate) struct Tally {
    program: &'static str,
    passed: usize,
    failed: usize,
}

impl Tally {
    pub(crate) fn new(program: &'static str) -> Self {
        Self {
            program,
            passed: 0,
            failed: 0,
        }
    }

    /// Tells how one case went: with its figures, or with the reason why it failed.
    pub(crate) fn tell(&mut self, name: &str, outcome: Result<String, String>) {
        let program = self.program;
        match outcome {
            Ok(figures) => {
                self.passed += 1;
                println!("{program}: {name} ... ok ({figures})");
            }
            Err(reason) => {
                self.failed += 1;
                println!("{program}: {name} ... FAILED\n{reason}");
            }
        }
    }

    /// Prints the count. A program in which nothing ran has failed.
    pub(crate) fn close(self) -> ExitCode {
        let Self { passed, failed, .. } = self;
        println!("{passed} passed, {failed} failed");
        ExitCode::from(u8::from(failed > 0 || passed == 0))
    }
}
