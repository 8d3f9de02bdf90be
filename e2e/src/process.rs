//! A child process with a name, a log file, and a recorded process id.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};

/// How often a process that is starting is asked whether it is ready. It is on this machine and has nothing to watch.
const PROBE_INTERVAL: Duration = Duration::from_millis(20);

/// Lines of its log that are shown when a process fails.
const LOG_TAIL_LINES: usize = 30;

/// A child that is killed and reaped when this is dropped, by its own process id and never by name.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    record: PathBuf,
}

impl Process {
    /// Starts `command` with its output appended to `<directory>/logs/<name>.log`, and records its process id in
    /// `<directory>/processes`, from where [`kill_recorded`] can find it when this process dies.
    pub fn spawn(directory: &Path, name: &str, mut command: Command) -> Result<Self> {
        let logs = directory.join("logs");
        let records = directory.join("processes");
        std::fs::create_dir_all(&logs)?;
        std::fs::create_dir_all(&records)?;
        let log = logs.join(format!("{name}.log"));
        let output = File::options().create(true).append(true).open(&log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            // Its own group: an interrupt at the terminal reaches the starter alone, which then stops all in order.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {name} ({})", command.get_program().display()))?;
        let record = records.join(child.id().to_string());
        std::fs::write(&record, format!("{name}\n{}", started_at(child.id()).unwrap_or_default()))?;
        Ok(Self { name: name.to_owned(), child, log, record })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its log file.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Its exit status, once it has exited.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits until `ready` says yes. Fails as soon as the process exits, or after `limit`, with the end of its log.
    pub async fn ready(&mut self, limit: Duration, ready: impl AsyncFn() -> bool) -> Result<()> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.exited()? {
                bail!("{} ended ({status}) before it was ready:\n{}", self.name, self.log_tail());
            }
            if ready().await {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "{} was not ready after {} s:\n{}",
                self.name,
                limit.as_secs(),
                self.log_tail()
            );
            sleep(PROBE_INTERVAL).await;
        }
    }

    /// SIGTERM, then waits for it to exit for at most `limit`.
    pub async fn terminate(&mut self, limit: Duration) -> Result<ExitStatus> {
        signal(self.id(), Signal::TERM)?;
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.exited()? {
                return Ok(status);
            }
            ensure!(
                Instant::now() < deadline,
                "{} was still running {} s after SIGTERM:\n{}",
                self.name,
                limit.as_secs(),
                self.log_tail()
            );
            sleep(PROBE_INTERVAL).await;
        }
    }

    /// SIGHUP: many read their configuration anew.
    pub fn hang_up(&self) -> Result<()> {
        signal(self.id(), Signal::HUP)
    }

    /// SIGKILL, and waits for it to be gone.
    pub fn kill(&mut self) {
        // Both fail only when it has been reaped already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.record);
    }

    /// The last lines of its log, with the file's path above them.
    pub fn log_tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = &lines[lines.len().saturating_sub(LOG_TAIL_LINES)..];
        format!("--- end of {}\n{}", self.log.display(), tail.join("\n"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Kills what [`Process::spawn`] recorded in `directory` under a name that begins with `prefix`, as far as it still
/// runs. Returns the names of what it killed.
pub fn kill_recorded(directory: &Path, prefix: &str) -> Result<Vec<String>> {
    let mut killed = Vec::new();
    for record in recorded(directory)? {
        if !record.name.starts_with(prefix) {
            continue;
        }
        if record.is_running() {
            signal(record.id, Signal::KILL)?;
            killed.push(record.name);
        }
        std::fs::remove_file(record.file)?;
    }
    Ok(killed)
}

/// Names and process ids of what was recorded in `directory` and still runs.
pub fn running(directory: &Path) -> Result<Vec<(String, u32)>> {
    let records = recorded(directory)?.into_iter();
    Ok(records.filter(Record::is_running).map(|record| (record.name, record.id)).collect())
}

struct Record {
    file: PathBuf,
    id: u32,
    name: String,
    started_at: String,
}

impl Record {
    // A process id alone proves nothing: it may have been given to another process since.
    fn is_running(&self) -> bool {
        started_at(self.id).is_some_and(|started_at| started_at == self.started_at)
    }
}

fn recorded(directory: &Path) -> Result<Vec<Record>> {
    let directory = directory.join("processes");
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    let mut records = Vec::new();
    for entry in std::fs::read_dir(&directory)? {
        let file = entry?.path();
        let id = file.file_name().and_then(|name| name.to_str()?.parse().ok());
        let text = std::fs::read_to_string(&file)?;
        let (Some(id), Some((name, started_at))) = (id, text.split_once('\n')) else {
            bail!("{} is no record of a process: remove it", file.display());
        };
        records.push(Record { id, name: name.to_owned(), started_at: started_at.to_owned(), file });
    }
    records.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(records)
}

/// When a running process was started, in the kernel's own words: field 22 of `/proc/<id>/stat` (proc(5)), counted
/// after the command, which may itself contain spaces. None when it is gone or a zombie.
fn started_at(id: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?;
    (state != "Z").then(|| fields.nth(18).map(str::to_owned))?
}

fn signal(id: u32, signal: Signal) -> Result<()> {
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
    let pid = pid.with_context(|| format!("{id} is no process id"))?;
    match kill_process(pid, signal) {
        // Already gone, which is what was wanted.
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot signal process {id}")),
    }
}
