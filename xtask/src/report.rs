//! The stages of a test run: what each counted, how long it took, and the closing lines.

use std::time::{Duration, Instant};

use anyhow::Result;

#[derive(Default)]
pub struct Report {
    stages: Vec<Stage>,
}

struct Stage {
    name: String,
    took: Duration,
    tests: Counts,
    /// Why the stage failed, if it did.
    failure: Option<String>,
    /// Why the stage was not run, though nothing failed.
    skipped: Option<String>,
}

/// Tests counted from a runner's closing lines.
#[derive(Clone, Copy, Default, Debug, PartialEq)]
pub struct Counts {
    pub passed: u64,
    pub failed: u64,
}

impl Report {
    /// Runs one stage and notes how it went. Returns whether it succeeded, so that a stage that
    /// builds on it can be left out.
    pub fn stage(&mut self, name: &str, work: impl FnOnce(&mut Counts) -> Result<()>) -> bool {
        println!();
        crate::process::say(&format!("== {name}"));
        let start = Instant::now();
        let mut tests = Counts::default();
        let failure = work(&mut tests).err().map(|error| format!("{error:#}"));
        if let Some(why) = &failure {
            eprintln!("error: {why}");
            // A stage that fails without a test to blame is still one failure.
            tests.failed = tests.failed.max(1);
        }
        let succeeded = failure.is_none() && tests.failed == 0;
        self.stages.push(Stage {
            name: name.to_owned(),
            took: start.elapsed(),
            tests,
            failure,
            skipped: None,
        });
        succeeded
    }

    /// Notes a stage that cannot run because an earlier one failed.
    pub fn left_out(&mut self, name: &str, why: &str) {
        let failure = Some(format!("not run: {why}"));
        self.stages.push(Stage {
            name: name.to_owned(),
            took: Duration::ZERO,
            tests: Counts {
                passed: 0,
                failed: 1,
            },
            failure,
            skipped: None,
        });
    }

    /// Notes a stage that this machine cannot run. It fails nothing, and does not count as passed.
    pub fn skipped(&mut self, name: &str, why: &str) {
        println!();
        crate::process::say(&format!("== {name}"));
        println!("skipped: {why}");
        self.stages.push(Stage {
            name: name.to_owned(),
            took: Duration::ZERO,
            tests: Counts::default(),
            failure: None,
            skipped: Some(why.to_owned()),
        });
    }

    /// Prints the summary and the closing line; returns whether everything passed.
    pub fn close(&self) -> bool {
        println!();
        for stage in &self.stages {
            let mark = if stage.skipped.is_some() {
                "skip  "
            } else if stage.failure.is_none() && stage.tests.failed == 0 {
                "ok    "
            } else {
                "FAILED"
            };
            let counts = match stage.tests {
                Counts {
                    passed: 0,
                    failed: 0,
                } => String::new(),
                Counts { passed, failed } => format!("{passed} passed, {failed} failed"),
            };
            let why = stage
                .failure
                .as_deref()
                .or(stage.skipped.as_deref())
                .and_then(|why| why.lines().next())
                .unwrap_or_default();
            println!(
                "{mark} {:<28} {:>8}  {counts}  {why}",
                stage.name,
                minutes(stage.took)
            );
        }
        let all = self.total();
        let skipped = match self
            .stages
            .iter()
            .filter(|one| one.skipped.is_some())
            .count()
        {
            0 => String::new(),
            1 => ", 1 stage skipped".to_owned(),
            count => format!(", {count} stages skipped"),
        };
        println!("\n{} passed, {} failed{skipped}", all.passed, all.failed);
        all.failed == 0
    }

    fn total(&self) -> Counts {
        self.stages
            .iter()
            .fold(Counts::default(), |sum, stage| Counts {
                passed: sum.passed + stage.tests.passed,
                failed: sum.failed + stage.tests.failed,
            })
    }
}

impl Counts {
    /// Adds what a runner's closing line tells; other lines tell nothing.
    ///
    /// Known are cargo test (`test result: ok. 3 passed; 0 failed; …`), Node's runner
    /// (`ℹ pass 3`, or `# pass 3`) and pytest (`1 failed, 2 passed in 0.34s`).
    pub fn read(&mut self, line: &str) {
        let line = without_colour(line);
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("test result: ") {
            self.passed += number_before(rest, " passed");
            self.failed += number_before(rest, " failed");
        } else if let Some(rest) = line.strip_prefix("ℹ ").or_else(|| line.strip_prefix("# ")) {
            match rest.split_once(' ') {
                Some(("pass", count)) => self.passed += count.parse().unwrap_or(0),
                Some(("fail" | "cancelled", count)) => self.failed += count.parse().unwrap_or(0),
                _ => {}
            }
        } else if let Some(counts) = pytest_counts(line) {
            self.passed += counts.passed;
            self.failed += counts.failed;
        }
    }
}

/// What pytest's closing line counts; `None` for any other line.
fn pytest_counts(line: &str) -> Option<Counts> {
    let (counted, time) = line.trim_matches(['=', ' ']).split_once(" in ")?;
    if !time.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let mut counts = Counts::default();
    for part in counted.split(", ") {
        let (count, what) = part.split_once(' ')?;
        let count: u64 = count.parse().ok()?;
        match what {
            "passed" => counts.passed += count,
            "failed" | "error" | "errors" => counts.failed += count,
            "skipped" | "deselected" | "warning" | "warnings" | "xfailed" | "xpassed" => {}
            _ => return None,
        }
    }
    Some(counts)
}

fn number_before(text: &str, word: &str) -> u64 {
    let Some((before, _)) = text.split_once(word) else {
        return 0;
    };
    before
        .rsplit(' ')
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

fn without_colour(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    plain + rest
}

fn minutes(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds >= 60 {
        format!("{}m{:02}s", seconds / 60, seconds % 60)
    } else {
        format!("{:.1}s", time.as_secs_f32())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(lines: &[&str]) -> Counts {
        let mut counts = Counts::default();
        lines.iter().for_each(|line| counts.read(line));
        counts
    }

    #[test]
    fn reads_the_runners_it_knows() {
        let cargo = "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(
            counted(&["running 15 tests", cargo, cargo]),
            Counts {
                passed: 24,
                failed: 6
            }
        );
        assert_eq!(
            counted(&["ℹ tests 9", "ℹ pass 7", "ℹ fail 1", "ℹ cancelled 1"]),
            Counts {
                passed: 7,
                failed: 2
            }
        );
        assert_eq!(
            counted(&["# pass 2", "# fail 0"]),
            Counts {
                passed: 2,
                failed: 0
            }
        );
        assert_eq!(
            counted(&["\x1b[34mℹ pass 4\x1b[39m"]),
            Counts {
                passed: 4,
                failed: 0
            }
        );
        assert_eq!(
            counted(&[
                "1 failed, 4 passed, 2 warnings in 3.20s",
                "===== \x1b[32m3 passed\x1b[0m, 1 error in 62.10s (0:01:02) =====",
                "9 passed in our hearts",
                "3 apples in 4 baskets",
                "see 4 passed in 3.2s",
            ]),
            Counts {
                passed: 7,
                failed: 2
            }
        );
        let coloured = "test result: \x1b[32mok\x1b[m. 5 passed; 0 failed; 0 ignored";
        assert_eq!(
            counted(&[coloured]),
            Counts {
                passed: 5,
                failed: 0
            }
        );
    }

    #[test]
    fn a_failing_stage_counts_once() {
        let mut report = Report::default();
        assert!(!report.stage("check", |_| anyhow::bail!("no")));
        assert!(report.stage("tests", |tests| {
            tests.passed = 3;
            Ok(())
        }));
        report.left_out("browser", "the build failed");
        assert_eq!(
            report.total(),
            Counts {
                passed: 3,
                failed: 2
            }
        );
        assert!(!report.close());
    }

    #[test]
    fn a_skipped_stage_neither_fails_nor_passes() {
        let mut report = Report::default();
        report.skipped("notebooks", "no JupyterLab");
        assert_eq!(report.total(), Counts::default());
        assert!(report.close());
    }
}
