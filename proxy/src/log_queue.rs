//! Writes log lines in a thread, so that a slow reader of standard error never delays a request.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait for the thread. At 1 KiB per line, at most 4 MiB.
const QUEUE_MAX: usize = 4096;
/// How long the thread collects lines before it writes them: one system call and one wake-up for many lines.
const BATCH_INTERVAL: Duration = Duration::from_millis(5);
/// Bytes that are written at once, at most, plus one line.
const BATCH_MAX: usize = 64 * 1024;
/// How long the end of the process waits for a slow reader.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// The queue. Lines that do not fit are dropped and counted. Dropping it writes the lines that wait.
#[derive(Debug)]
pub struct LogQueue {
    writer: LogWriter,
}

/// Puts lines into the queue.
#[derive(Clone, Debug)]
pub(crate) struct LogWriter {
    messages: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Message {
    Line(Vec<u8>),
    /// Reports that all lines before it are written.
    Flush(SyncSender<()>),
}

impl LogQueue {
    /// Starts the thread, which writes to standard error.
    pub(crate) fn start() -> Self {
        let (tx, rx) = sync_channel(QUEUE_MAX);
        thread::spawn(move || write_all(&rx, io::stderr()));
        Self { writer: LogWriter { messages: tx, dropped: Arc::default() } }
    }

    pub(crate) fn writer(&self) -> LogWriter {
        self.writer.clone()
    }

    /// Returns the counter of dropped lines.
    #[must_use]
    pub fn dropped_lines(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.writer.dropped)
    }
}

impl Drop for LogQueue {
    fn drop(&mut self) {
        flush(&self.writer.messages, FLUSH_TIMEOUT);
    }
}

/// Waits until all lines in the queue are written, which may be full of them.
fn flush(messages: &SyncSender<Message>, wait: Duration) {
    let (tx, rx) = sync_channel(1);
    let (end, mut flush) = (Instant::now() + wait, Message::Flush(tx));
    while let Err(TrySendError::Full(message)) = messages.try_send(flush) {
        if Instant::now() >= end {
            return;
        }
        flush = message;
        thread::sleep(BATCH_INTERVAL);
    }
    let _ = rx.recv_timeout(end.saturating_duration_since(Instant::now()));
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

impl LogWriter {
    /// Puts a line into the queue, or drops it.
    pub(crate) fn send(&self, line: Vec<u8>) {
        if self.messages.try_send(Message::Line(line)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Each call has one whole line.
impl io::Write for &LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.send(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes lines until all senders are dropped.
fn write_all(messages: &Receiver<Message>, mut out: impl io::Write) {
    let mut batch = Vec::new();
    while let Ok(first) = messages.recv() {
        let mut next = Some(first);
        if matches!(next, Some(Message::Line(_))) {
            thread::sleep(BATCH_INTERVAL);
        }
        while let Some(message) = next {
            match message {
                Message::Line(line) => batch.extend(line),
                Message::Flush(done) => {
                    write_batch(&mut batch, &mut out);
                    let _ = done.try_send(());
                }
            }
            next = if batch.len() < BATCH_MAX { messages.try_recv().ok() } else { None };
        }
        write_batch(&mut batch, &mut out);
    }
}

fn write_batch(batch: &mut Vec<u8>, out: &mut impl io::Write) {
    // If standard error is closed, there is no place to report it.
    let _ = out.write_all(batch);
    batch.clear();
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write as _,
        sync::mpsc::{Sender, channel},
    };

    use super::*;

    /// Blocks until the test lets it write.
    struct BlockedWriter(Receiver<()>, Sender<Vec<u8>>);

    impl io::Write for BlockedWriter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.recv().map_err(io::Error::other)?;
            self.1.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn stalled_reader_drops_lines_and_delays_nothing() {
        let ((open, gate), (written, lines)) = (channel(), channel());
        let (tx, rx) = sync_channel(QUEUE_MAX);
        thread::spawn(move || write_all(&rx, BlockedWriter(gate, written)));
        let writer = LogWriter { messages: tx, dropped: Arc::default() };
        let total = 10 * QUEUE_MAX;
        for _ in 0..total {
            (&writer).write_all(b"line\n").unwrap();
        }
        let dropped = usize::try_from(writer.dropped.load(Ordering::Relaxed)).unwrap();
        assert!(dropped > 0);
        let mut received = 0;
        while received < total - dropped {
            open.send(()).unwrap();
            received += lines.recv().unwrap().len() / b"line\n".len();
        }
        assert_eq!(received, total - dropped);
    }

    #[test]
    fn flush_waits_behind_a_full_queue() {
        let (written, lines) = channel();
        let (tx, rx) = sync_channel(QUEUE_MAX);
        for _ in 0..QUEUE_MAX {
            tx.send(Message::Line(b"line\n".to_vec())).unwrap();
        }
        let (open, gate) = channel();
        let waiting = thread::spawn(move || flush(&tx, Duration::from_secs(60)));
        thread::spawn(move || write_all(&rx, BlockedWriter(gate, written)));
        drop(std::iter::repeat_with(|| open.send(())).take(QUEUE_MAX).collect::<Vec<_>>());
        waiting.join().unwrap();
        let bytes: usize = lines.try_iter().map(|lines| lines.len()).sum();
        assert_eq!(bytes, QUEUE_MAX * b"line\n".len());
    }
}
