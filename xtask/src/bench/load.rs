//! A small load generator: clients that each keep one connection open and wait for every answer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A connection that is made anew when the server closes it.
pub struct Client {
    address: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
    body: Vec<u8>,
}

/// What a client was answered.
pub struct Answer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: &'a [u8],
}

impl Answer<'_> {
    /// What stands between the first pair of such tags.
    pub fn element(&self, name: &str) -> Option<String> {
        let text = std::str::from_utf8(self.body).ok()?;
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        rest.split_once('<').map(|(value, _)| value.to_owned())
    }
}

impl Client {
    /// A client of a server.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, stream: None, body: Vec::new() }
    }

    /// The address, as a Host header has it.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Sends a request and reads the answer to its end.
    pub fn ask(&mut self, request: &[u8]) -> Result<Answer<'_>, String> {
        match self.exchange(request) {
            Ok((status, keep)) => {
                if !keep {
                    self.stream = None;
                }
                Ok(Answer { status, body: &self.body })
            }
            Err(error) => {
                self.stream = None;
                Err(error.to_string())
            }
        }
    }

    fn exchange(&mut self, request: &[u8]) -> std::io::Result<(u16, bool)> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                let stream = TcpStream::connect(self.address)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(Duration::from_secs(60)))?;
                none.insert(BufReader::with_capacity(64 << 10, stream))
            }
        };
        stream.get_mut().write_all(request)?;
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let malformed = || std::io::Error::other("the answer isn't HTTP");
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(malformed)?;
        let mut keep = line.starts_with("HTTP/1.1");
        let mut length = None;
        loop {
            line.clear();
            stream.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse::<usize>().ok();
            } else if name.eq_ignore_ascii_case("connection") {
                keep = !value.trim().eq_ignore_ascii_case("close");
            }
        }
        self.body.clear();
        match length {
            Some(length) => {
                self.body.resize(length, 0);
                stream.read_exact(&mut self.body)?;
            }
            None => {
                stream.read_to_end(&mut self.body)?;
                keep = false;
            }
        }
        Ok((status, keep))
    }
}

/// What clients measured.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// One duration per answered request.
    pub latencies: Vec<Duration>,
    /// Requests that failed, or were answered with an error.
    pub errors: usize,
    /// The first of their messages.
    pub first_error: Option<String>,
    /// The time of the whole run.
    pub elapsed: Duration,
    /// The processor time that the server took meanwhile, where that was measured.
    pub busy: Duration,
}

impl Figures {
    /// Requests answered per second.
    pub fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// The latency that so many of a hundred stay under.
    pub fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
    }

    /// The processor time that the server took for a request.
    pub fn cost(&self) -> Duration {
        self.busy / u32::try_from(self.latencies.len()).unwrap_or(u32::MAX).max(1)
    }

    /// Adds another run of the same.
    pub fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
        self.elapsed += other.elapsed;
        self.busy += other.busy;
    }
}

/// One client's work: the next request, or none at its end; and what to note of an answer.
pub trait Work: Send {
    /// The next request.
    fn next(&mut self, host: &str) -> Option<Vec<u8>>;
    /// Looks at an answer that was no error.
    fn note(&mut self, _answer: &Answer<'_>) {}
}

/// Lets every worker ask until its work or the time is over; gives the workers back.
pub fn drive<W: Work>(address: SocketAddr, workers: Vec<W>, time: Duration) -> (Figures, Vec<W>) {
    let start = Instant::now();
    let mut figures = Figures::default();
    let mut back = Vec::new();
    std::thread::scope(|scope| {
        let running: Vec<_> = workers.into_iter().map(|worker| scope.spawn(move || run(address, worker, time))).collect();
        for thread in running {
            // A panic of a worker is a bug of this program, and is reported as such.
            let (own, worker) = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            figures.add(own);
            back.push(worker);
        }
    });
    figures.elapsed = start.elapsed();
    (figures, back)
}

fn run<W: Work>(address: SocketAddr, mut worker: W, time: Duration) -> (Figures, W) {
    let mut client = Client::new(address);
    let host = client.host();
    let mut figures = Figures::default();
    let end = Instant::now() + time;
    while Instant::now() < end {
        let Some(request) = worker.next(&host) else { break };
        let sent = Instant::now();
        let outcome = client.ask(&request);
        let took = sent.elapsed();
        let error = match outcome {
            Ok(answer) if answer.status == 200 => {
                figures.latencies.push(took);
                worker.note(&answer);
                continue;
            }
            Ok(answer) => String::from_utf8_lossy(answer.body).chars().take(400).collect(),
            Err(error) => error,
        };
        figures.errors += 1;
        figures.first_error.get_or_insert(error);
    }
    (figures, worker)
}
