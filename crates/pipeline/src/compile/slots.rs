//! Dense numbers for ids, kept from one compile to the next.

use std::hash::Hash;
use std::sync::Arc;

use crate::Map;

/// Values found by id or by a dense index.
///
/// An id keeps its index as long as it is there, and an index is never given out twice, so that state kept by index
/// (tracked flows) can't be taken for another resource's. The price is one word per resource that ever existed.
#[derive(Clone, Debug)]
pub(crate) struct Slots<Id, T> {
    indexes: Map<Id, u32>,
    values: Vec<Option<Arc<T>>>,
}

impl<Id, T> Default for Slots<Id, T> {
    fn default() -> Self {
        Self { indexes: Map::default(), values: Vec::new() }
    }
}

impl<Id: Copy + Eq + Hash, T> Slots<Id, T> {
    /// The same ids and indexes, all without values: what a compile fills.
    pub fn emptied(&self) -> Self {
        Self { indexes: self.indexes.clone(), values: vec![None; self.values.len()] }
    }

    /// The index of an id, new if the id wasn't there.
    pub fn reserve(&mut self, id: Id) -> u32 {
        *self.indexes.entry(id).or_insert_with(|| {
            self.values.push(None);
            // 2^32 resources in one process life would need more memory than the ids of them fit in.
            (self.values.len() - 1) as u32
        })
    }

    /// Gives an index its value.
    pub fn set(&mut self, index: u32, value: Arc<T>) {
        if let Some(slot) = self.values.get_mut(index as usize) {
            *slot = Some(value);
        }
    }

    /// Forgets the ids that got no value.
    pub fn prune(&mut self) {
        let values = &self.values;
        self.indexes.retain(|_, index| values[*index as usize].is_some());
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
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn an_index_stays_with_its_id_and_is_never_given_out_again() {
        let mut first = Slots::<&str, u8>::default();
        let (a, b) = (first.reserve("a"), first.reserve("b"));
        first.set(a, Arc::new(1));
        first.set(b, Arc::new(2));

        let mut second = first.emptied();
        second.set(second.index(&"b").unwrap(), Arc::new(3));
        second.prune();
        assert_eq!(second.index(&"a"), None);
        assert_eq!(second.find(&"b"), Some(&Arc::new(3)));
        assert_eq!(second.iter().count(), 1);

        let mut third = second.emptied();
        assert_eq!(third.index(&"b"), Some(b));
        assert!(third.reserve("a") > b, "a came back as a new resource");
    }
}
