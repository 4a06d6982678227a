//! Things by text, as many as fit; the one used longest ago leaves first.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Things by text, within bounds of number and size.
#[derive(Debug)]
pub(crate) struct Kept<T> {
    entries: HashMap<Arc<str>, Entry<T>>,
    /// Keys by their last use, which no two share.
    by_use: BTreeMap<u64, Arc<str>>,
    size_bytes: usize,
    entries_max: usize,
    bytes_max: usize,
    /// Counts uses.
    now: u64,
    evictions: u64,
}

#[derive(Debug)]
struct Entry<T> {
    kept: Arc<T>,
    size_bytes: usize,
    used: u64,
}

impl<T> Kept<T> {
    pub(crate) fn new(entries_max: usize, bytes_max: usize) -> Kept<T> {
        Kept {
            entries: HashMap::new(),
            by_use: BTreeMap::new(),
            size_bytes: 0,
            entries_max,
            bytes_max,
            now: 0,
            evictions: 0,
        }
    }

    pub(crate) fn find(&mut self, key: &str) -> Option<Arc<T>> {
        let entry = self.entries.get_mut(key)?;
        self.now += 1;
        let key = self.by_use.remove(&std::mem::replace(&mut entry.used, self.now))?;
        self.by_use.insert(self.now, key);
        Some(Arc::clone(&entry.kept))
    }

    /// Keeps a thing in the place of an earlier one of the same key.
    pub(crate) fn keep(&mut self, key: String, kept: Arc<T>, size_bytes: usize) {
        self.remove(&key);
        self.now += 1;
        let key: Arc<str> = key.into();
        self.size_bytes += size_bytes;
        self.by_use.insert(self.now, Arc::clone(&key));
        self.entries.insert(key, Entry { kept, size_bytes, used: self.now });
        while self.entries.len() > self.entries_max || self.size_bytes > self.bytes_max {
            let Some((_, oldest)) = self.by_use.first_key_value() else { return };
            let oldest = Arc::clone(oldest);
            self.remove(&oldest);
            self.evictions += 1;
        }
    }

    pub(crate) fn remove(&mut self, key: &str) {
        if let Some(entry) = self.entries.remove(key) {
            self.by_use.remove(&entry.used);
            self.size_bytes -= entry.size_bytes;
        }
    }

    /// Throws out what is not to be kept any more; gives the number of things.
    pub(crate) fn retain(&mut self, keep: impl Fn(&T) -> bool) -> usize {
        let gone = self.entries.iter().filter(|(_, entry)| !keep(&entry.kept));
        let gone: Vec<Arc<str>> = gone.map(|(key, _)| Arc::clone(key)).collect();
        gone.iter().for_each(|key| self.remove(key));
        gone.len()
    }

    /// Throws everything out; gives the number of things.
    pub(crate) fn clear(&mut self) -> usize {
        self.by_use.clear();
        self.size_bytes = 0;
        std::mem::take(&mut self.entries).len()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// Things that made room for others.
    pub(crate) fn evictions(&self) -> u64 {
        self.evictions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thing_used_longest_ago_makes_room() {
        let mut kept = Kept::new(3, 100);
        for key in ["a", "b", "c"] {
            kept.keep(key.into(), Arc::new(key), 10);
        }
        assert!(kept.find("a").is_some());
        kept.keep("d".into(), Arc::new("d"), 10);
        assert!(kept.find("b").is_none() && kept.find("a").is_some());
        assert_eq!((kept.len(), kept.size_bytes(), kept.evictions()), (3, 30, 1));
        kept.keep("e".into(), Arc::new("e"), 85);
        assert!(kept.find("c").is_none() && kept.find("d").is_none() && kept.find("a").is_some());
        assert_eq!((kept.len(), kept.size_bytes(), kept.evictions()), (2, 95, 3));
        kept.keep("e".into(), Arc::new("other"), 5);
        assert_eq!((kept.len(), kept.size_bytes(), *kept.find("e").unwrap()), (2, 15, "other"));
        assert_eq!(kept.retain(|thing| *thing != "a"), 1);
        assert!(kept.find("a").is_none());
        assert_eq!(kept.clear(), 1);
        assert_eq!((kept.len(), kept.size_bytes()), (0, 0));
    }
}
