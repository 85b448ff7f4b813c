//! Dense numbers for ids, kept from one compile to the next.

use std::hash::Hash;
use std::sync::Arc;

use super::Trie;
use super::chunked::Chunked;

/// Values found by id or by a dense index; a clone shares all that neither changes.
///
/// An id keeps its index as long as it is there, and an index is never given out twice, so that state kept by index
/// (tracked flows) can't be taken for another resource's. The price is one word per resource that ever existed.
#[derive(Clone, Debug)]
pub(crate) struct Slots<Id: Eq + Hash, T> {
    indexes: Trie<Id, u32>,
    values: Chunked<Option<Arc<T>>>,
}

impl<Id: Eq + Hash, T> Default for Slots<Id, T> {
    fn default() -> Self {
        Self { indexes: Trie::default(), values: Chunked::default() }
    }
}

impl<Id: Eq + Hash, T: PartialEq> PartialEq for Slots<Id, T> {
    fn eq(&self, other: &Self) -> bool {
        self.indexes == other.indexes && self.values == other.values
    }
}

impl<Id: Clone + Eq + Hash, T> Slots<Id, T> {
    /// The index of an id, new if the id wasn't there.
    pub fn reserve(&mut self, id: &Id) -> u32 {
        if let Some(index) = self.indexes.get(id) {
            return *index;
        }
        // 2^32 resources in one process life would need more memory than the ids of them fit in.
        let index = self.values.len() as u32;
        self.values.grow(self.values.len() + 1);
        self.indexes.insert_mut(id.clone(), index);
        index
    }

    /// Gives an id its value, and an index if it has none yet.
    pub fn set(&mut self, id: &Id, value: Arc<T>) -> u32 {
        let index = self.reserve(id);
        if let Some(slot) = self.values.get_mut(index as usize) {
            *slot = Some(value);
        }
        index
    }

    /// Takes an id and its value out.
    pub fn remove(&mut self, id: &Id) -> Option<Arc<T>> {
        let index = self.index(id)?;
        self.indexes.remove_mut(id);
        self.values.get_mut(index as usize)?.take()
    }

    /// The index of an id.
    pub fn index(&self, id: &Id) -> Option<u32> {
        self.indexes.get(id).copied()
    }

    /// The value at an index.
    #[inline]
    pub fn at(&self, index: u32) -> Option<&Arc<T>> {
        self.values.get(index as usize)?.as_ref()
    }

    /// The value of an id.
    pub fn find(&self, id: &Id) -> Option<&Arc<T>> {
        self.at(self.index(id)?)
    }

    /// All values with their indexes.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Arc<T>)> {
        self.values.iter().enumerate().filter_map(|(index, value)| Some((index as u32, value.as_ref()?)))
    }

    /// How many indexes were ever given out.
    pub fn given(&self) -> usize {
        self.values.len()
    }

    /// The indexes that had a value in an older state and have none now.
    pub fn gone_since<'a>(&'a self, older: &'a Self) -> impl Iterator<Item = u32> + 'a {
        let beside = self.values.beside(&older.values);
        let gone = beside.filter(|(_, now, before)| matches!((now, before), (None | Some(None), Some(Some(_)))));
        gone.map(|(index, ..)| index as u32)
    }

    /// The same ids and indexes, all without values.
    #[cfg(any(test, feature = "testing"))]
    pub fn emptied(&self) -> Self {
        let mut values = Chunked::default();
        values.grow(self.values.len());
        Self { indexes: self.indexes.clone(), values }
    }
}

impl<Id: Clone + Eq + Hash, T: Clone> Slots<Id, T> {
    /// The value of an id, to change.
    pub fn find_mut(&mut self, id: &Id) -> Option<&mut T> {
        let index = self.index(id)?;
        Some(Arc::make_mut(self.values.get_mut(index as usize)?.as_mut()?))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn an_index_stays_with_its_id_and_is_never_given_out_again() {
        let mut first = Slots::<&str, u8>::default();
        first.set(&"a", Arc::new(1));
        let b = first.set(&"b", Arc::new(2));

        let mut second = first.clone();
        second.set(&"b", Arc::new(3));
        second.remove(&"a");
        assert_eq!(second.index(&"a"), None);
        assert_eq!(second.find(&"b"), Some(&Arc::new(3)));
        assert_eq!(second.iter().count(), 1);
        assert_eq!(second.gone_since(&first).collect::<Vec<_>>(), [first.index(&"a").unwrap()]);
        assert_eq!((first.find(&"a"), first.find(&"b")), (Some(&Arc::new(1)), Some(&Arc::new(2))), "a clone of its own");

        let mut third = second.clone();
        assert_eq!(third.index(&"b"), Some(b));
        assert!(third.set(&"a", Arc::new(4)) > b, "a came back as a new resource");
    }
}
