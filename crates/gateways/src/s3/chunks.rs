//! The `aws-chunked` content encoding, which SDKs send uploads in: chunks with their lengths (and, when signed, their
//! signatures), then trailing headers such as a checksum.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::Frame;

/// No line between chunks is longer.
const LONGEST_LINE: usize = 8192;

/// The trailing headers of an upload, names in lower case; there once its body was read to the end.
#[derive(Clone, Debug, Default)]
pub struct Trailers(Arc<Mutex<BTreeMap<String, String>>>);

impl Trailers {
    /// The value of a header.
    pub fn value(&self, name: &str) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn insert(&self, line: &str) {
        if let Some((name, value)) = line.split_once(':') {
            let mut trailers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            trailers.insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
}

/// A body with the chunking taken off.
pub struct Unchunked {
    inner: Body,
    waiting: Vec<u8>,
    state: State,
    trailers: Trailers,
}

/// An upload whose chunking is broken.
#[derive(Debug, thiserror::Error)]
pub enum ChunkError {
    /// The connection failed.
    #[error("the upload broke off: {0}")]
    Body(#[from] axum::Error),
    /// It ended before its last chunk.
    #[error("the upload ended before its last chunk")]
    Incomplete,
    /// No chunk where one was due.
    #[error("the upload isn't encoded as aws-chunked")]
    Malformed,
}

#[derive(Clone, Copy)]
enum State {
    /// The line with a chunk's length is due.
    Length,
    /// So many bytes of a chunk are due.
    Data(u64),
    /// The line end behind a chunk is due.
    DataEnd,
    /// Trailing headers are due.
    Trailers,
    Done,
}

impl Unchunked {
    /// Takes the chunking off `inner`; `trailers` will have the trailing headers.
    pub fn new(inner: Body, trailers: Trailers) -> Self {
        Self { inner, waiting: Vec::new(), state: State::Length, trailers }
    }

    /// Goes on as far as what is waiting allows. Gives content, or nothing when more is needed.
    fn advance(&mut self) -> Result<Option<Bytes>, ChunkError> {
        loop {
            match self.state {
                State::Data(0) => self.state = State::DataEnd,
                State::Data(_) if self.waiting.is_empty() => return Ok(None),
                State::Data(due) => {
                    let length = usize::try_from(due).map_or(self.waiting.len(), |due| due.min(self.waiting.len()));
                    self.state = State::Data(due - length as u64);
                    let rest = self.waiting.split_off(length);
                    return Ok(Some(std::mem::replace(&mut self.waiting, rest).into()));
                }
                State::Done => {
                    self.waiting.clear();
                    return Ok(None);
                }
                State::Length | State::DataEnd | State::Trailers => {
                    let Some(line) = self.line()? else { return Ok(None) };
                    self.state = match self.state {
                        State::DataEnd if line.is_empty() => State::Length,
                        State::DataEnd => return Err(ChunkError::Malformed),
                        State::Trailers if line.is_empty() => State::Done,
                        State::Trailers => {
                            self.trailers.insert(&line);
                            State::Trailers
                        }
                        _ => {
                            let digits = line.split(';').next().unwrap_or_default().trim();
                            match u64::from_str_radix(digits, 16).map_err(|_| ChunkError::Malformed)? {
                                0 => State::Trailers,
                                length => State::Data(length),
                            }
                        }
                    };
                }
            }
        }
    }

    /// Takes a line that is complete.
    fn line(&mut self) -> Result<Option<String>, ChunkError> {
        let Some(end) = self.waiting.iter().position(|byte| *byte == b'\n') else {
            return if self.waiting.len() > LONGEST_LINE { Err(ChunkError::Malformed) } else { Ok(None) };
        };
        let rest = self.waiting.split_off(end + 1);
        let line = std::mem::replace(&mut self.waiting, rest);
        let line = String::from_utf8(line).map_err(|_| ChunkError::Malformed)?;
        Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned()))
    }
}

impl HttpBody for Unchunked {
    type Data = Bytes;
    type Error = ChunkError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ChunkError>>> {
        loop {
            match self.advance() {
                Ok(Some(content)) => return Poll::Ready(Some(Ok(Frame::data(content)))),
                Err(error) => return Poll::Ready(Some(Err(error))),
                Ok(None) => {}
            }
            match ready!(Pin::new(&mut self.inner).poll_frame(context)) {
                Some(frame) => {
                    if let Ok(data) = frame?.into_data() {
                        self.waiting.extend_from_slice(&data);
                    }
                }
                // Some clients leave out the empty line at the very end.
                None if matches!(self.state, State::Done | State::Trailers) => {
                    let last = String::from_utf8_lossy(&self.waiting).into_owned();
                    self.trailers.insert(&last);
                    return Poll::Ready(None);
                }
                None => return Poll::Ready(Some(Err(ChunkError::Incomplete))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    async fn decode(text: &str, piece: usize) -> Result<(String, Trailers), String> {
        let trailers = Trailers::default();
        let pieces: Vec<Result<Bytes, std::io::Error>> =
            text.as_bytes().chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let body = Body::from_stream(futures_util::stream::iter(pieces));
        let body = Body::new(Unchunked::new(body, trailers.clone()));
        let content = axum::body::to_bytes(body, usize::MAX).await.map_err(|error| error.to_string())?;
        Ok((String::from_utf8(content.to_vec()).unwrap(), trailers))
    }

    const SIGNED: &str = "5;chunk-signature=ab\r\nhello\r\n6;chunk-signature=cd\r\n world\r\n0;chunk-signature=ef\r\n\r\n";
    const TRAILER: &str = "b\r\nhello\r\nworl\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\nX-Other: a\r\n\r\n";

    #[tokio::test]
    async fn content_comes_out_however_it_was_cut() {
        for piece in [1, 2, 3, 7, 1000] {
            assert_eq!(decode(SIGNED, piece).await.unwrap().0, "hello world");
            let (content, trailers) = decode(TRAILER, piece).await.unwrap();
            assert_eq!(content, "hello\r\nworl");
            assert_eq!(trailers.value("x-amz-checksum-crc32").unwrap(), "DUoRhQ==");
            assert_eq!(trailers.value("x-other").unwrap(), "a");
        }
        assert_eq!(decode("0\r\n\r\n", 1).await.unwrap().0, "");
        assert_eq!(decode("1\r\na\r\n0\r\nx-a:b\r\n", 100).await.unwrap().1.value("x-a").unwrap(), "b");
    }

    #[tokio::test]
    async fn what_breaks_off_or_is_no_chunk_fails() {
        for text in ["", "5\r\nhel", "5\r\nhello", "5\r\nhello\r\n", "zz\r\n", "5\r\nhelloX\r\n0\r\n\r\n", "-1\r\n"] {
            assert!(decode(text, 4).await.is_err(), "{text:?}");
        }
        assert!(decode(&"a".repeat(10_000), 100).await.is_err());
    }
}
