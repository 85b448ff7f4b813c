//! A vector that shares with its clones what wasn't changed since.

use std::sync::Arc;

/// Values by index in chunks: a clone costs one pointer, a change the copy of one chunk and of the list of chunks.
#[derive(Clone, Debug)]
pub(crate) struct Chunked<T> {
    chunks: Arc<[Chunk<T>]>,
    len: usize,
}

type Chunk<T> = Arc<[T; CHUNK]>;

/// Where copying a chunk and copying the list of chunks cost about the same with 100,000 values.
const CHUNK: usize = 256;

impl<T> Default for Chunked<T> {
    fn default() -> Self {
        Self { chunks: Arc::default(), len: 0 }
    }
}

impl<T: Clone + Default + PartialEq> PartialEq for Chunked<T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<T: Clone + Default> Chunked<T> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub fn get(&self, index: usize) -> Option<&T> {
        self.chunks.get(index / CHUNK)?.get(index % CHUNK)
    }

    /// The value at an index below [`Self::len`], to change.
    pub fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        let chunk = Arc::make_mut(&mut self.chunks).get_mut(index / CHUNK)?;
        Arc::make_mut(chunk).get_mut(index % CHUNK)
    }

    /// Makes it that long, if it is shorter.
    pub fn grow(&mut self, len: usize) {
        self.len = self.len.max(len);
        if self.len > self.chunks.len() * CHUNK {
            let more = self.len.div_ceil(CHUNK).max(self.chunks.len() * 9 / 8);
            let fresh = (self.chunks.len()..more).map(|_| Arc::new(std::array::from_fn(|_| T::default())));
            self.chunks = self.chunks.iter().cloned().chain(fresh).collect();
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flat_map(|chunk| chunk.iter()).take(self.len)
    }

    /// The indexes and values, these and the older ones, of all chunks that aren't shared with an older state.
    pub fn beside<'a>(&'a self, older: &'a Self) -> impl Iterator<Item = (usize, Option<&'a T>, Option<&'a T>)> {
        let same = Arc::ptr_eq(&self.chunks, &older.chunks);
        let chunks = if same { 0 } else { self.chunks.len().max(older.chunks.len()) };
        let shared = move |at: &usize| match (self.chunks.get(*at), older.chunks.get(*at)) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        };
        let indexes = (0..chunks).filter(move |at| !shared(at)).flat_map(|at| at * CHUNK..(at + 1) * CHUNK);
        indexes.map(|index| (index, self.get(index), older.get(index)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_keeps_what_it_was_and_tells_what_changed() {
        let mut now = Chunked::<u64>::default();
        now.grow(CHUNK * 3 + 1);
        let before = now.clone();
        if let Some(value) = now.get_mut(CHUNK + 7) {
            *value = 9;
        }
        assert_eq!((before.get(CHUNK + 7), now.get(CHUNK + 7)), (Some(&0), Some(&9)));
        let differing: Vec<_> = now.beside(&before).filter(|(_, new, old)| new != old).collect();
        assert_eq!(differing, [(CHUNK + 7, Some(&9), Some(&0))]);
        assert_eq!(now.beside(&before).count(), CHUNK, "the other chunks are shared");
        assert_eq!(now.beside(&now.clone()).count(), 0);
        assert_eq!((now.iter().sum::<u64>(), now.len()), (9, CHUNK * 3 + 1));
    }

    #[test]
    fn it_grows_and_what_was_there_stays() {
        let mut now = Chunked::<u64>::default();
        for index in 0..CHUNK * 20 {
            now.grow(index + 1);
            if let Some(value) = now.get_mut(index) {
                *value = index as u64;
            }
        }
        assert!(now.iter().copied().eq(0..(CHUNK * 20) as u64));
        assert_eq!(now.get_mut(CHUNK * 100), None);
    }
}
