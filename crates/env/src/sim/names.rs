//! The directory tree of the simulated disk: what names exist, and which of them would survive.
//!
//! A change of names (create, link, unlink, rename, make or remove a directory) sets *slots*: a name
//! in a directory becomes a file or nothing. It is visible at once, and pending until a directory it
//! touches is synced. At a loss of power each pending change survives or not by itself, with two
//! rules: a change is atomic (a rename never leaves both names or none), and one that survives takes
//! with it every earlier change of the same slots, as the log of a file system would.
//!
//! Invariants
//! - A name never points to a file that does not exist.
//! - A file without a name that is visible, durable or pending, and without a handle, is forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Component, Path};

use fastrand::Rng;

use super::content::{Content, survival_chance};

/// The number of a file or directory; never used twice.
pub(super) type NodeId = u64;

const ROOT: NodeId = 0;

/// A name in a directory.
type Slot = (NodeId, String);

/// All files and directories. `/a` and `a` are the same path.
pub(super) struct Tree {
    nodes: BTreeMap<NodeId, Node>,
    next_id: NodeId,
    /// Oldest first.
    pending: Vec<Change>,
    /// How many open handles a file has.
    handles: BTreeMap<NodeId, usize>,
}

enum Node {
    File(Content),
    Dir(Dir),
}

/// The names in a directory, and those that the disk has.
#[derive(Default)]
struct Dir {
    now: BTreeMap<String, NodeId>,
    durable: BTreeMap<String, NodeId>,
}

/// A change of names that has not reached the disk.
struct Change {
    slots: Vec<(Slot, Option<NodeId>)>,
    /// Moves of directories stay in order, so that no cycle can come of them.
    moves_dir: bool,
}

impl Tree {
    pub(super) fn new() -> Tree {
        Tree {
            nodes: BTreeMap::from([(ROOT, Node::Dir(Dir::default()))]),
            next_id: ROOT + 1,
            pending: Vec::new(),
            handles: BTreeMap::new(),
        }
    }

    /// The node of `path`.
    pub(super) fn find(&self, path: &Path) -> io::Result<NodeId> {
        let mut id = ROOT;
        for name in parts(path)? {
            let dir = self.dir(id)?;
            id = *dir.now.get(name).ok_or(io::ErrorKind::NotFound)?;
        }
        Ok(id)
    }

    /// The slot of `path`, whose directory must exist.
    fn slot(&self, path: &Path) -> io::Result<Slot> {
        let mut names = parts(path)?;
        let name = names.pop().ok_or(io::ErrorKind::InvalidInput)?;
        let mut id = ROOT;
        for part in names {
            id = *self.dir(id)?.now.get(part).ok_or(io::ErrorKind::NotFound)?;
        }
        self.dir(id)?;
        Ok((id, name.to_owned()))
    }

    fn dir(&self, id: NodeId) -> io::Result<&Dir> {
        match self.nodes.get(&id) {
            Some(Node::Dir(dir)) => Ok(dir),
            _ => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    /// The content of a file.
    pub(super) fn content(&mut self, id: NodeId) -> io::Result<&mut Content> {
        match self.nodes.get_mut(&id) {
            Some(Node::File(content)) => Ok(content),
            Some(Node::Dir(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Names in a directory, each with the length of the file or `None` for a directory.
    pub(super) fn list(&self, path: &Path) -> io::Result<Vec<(String, Option<u64>)>> {
        let dir = self.dir(self.find(path)?)?;
        let names = dir.now.iter().map(|(name, id)| {
            let len = match self.nodes.get(id) {
                Some(Node::File(content)) => Some(content.len()),
                _ => None,
            };
            (name.clone(), len)
        });
        Ok(names.collect())
    }

    /// Space taken by all files that have a name or a handle.
    pub(super) fn space_bytes(&self) -> u64 {
        let mut live: BTreeSet<NodeId> = self.handles.keys().copied().collect();
        for node in self.nodes.values() {
            if let Node::Dir(dir) = node {
                live.extend(dir.now.values());
            }
        }
        let files = live.iter().filter_map(|id| match self.nodes.get(id) {
            Some(Node::File(content)) => Some(content.space_bytes()),
            _ => None,
        });
        files.sum()
    }

    pub(super) fn create_file(&mut self, path: &Path) -> io::Result<NodeId> {
        self.add(path, Node::File(Content::default()))
    }

    pub(super) fn make_dir(&mut self, path: &Path) -> io::Result<NodeId> {
        self.add(path, Node::Dir(Dir::default()))
    }

    fn add(&mut self, path: &Path, node: Node) -> io::Result<NodeId> {
        let slot = self.free_slot(path)?;
        let id = self.next_id;
        self.next_id += 1;
        self.nodes.insert(id, node);
        self.change(vec![(slot, Some(id))], false);
        Ok(id)
    }

    fn free_slot(&self, path: &Path) -> io::Result<Slot> {
        let slot = self.slot(path)?;
        if self.dir(slot.0)?.now.contains_key(&slot.1) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        Ok(slot)
    }

    pub(super) fn link(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let id = self.find(from)?;
        self.content(id)?;
        let slot = self.free_slot(to)?;
        self.change(vec![(slot, Some(id))], false);
        Ok(())
    }

    pub(super) fn unlink(&mut self, path: &Path) -> io::Result<()> {
        let id = self.find(path)?;
        self.content(id)?;
        let slot = self.slot(path)?;
        self.change(vec![(slot, None)], false);
        Ok(())
    }

    pub(super) fn remove_dir(&mut self, path: &Path) -> io::Result<()> {
        let id = self.find(path)?;
        if !self.dir(id)?.now.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        let slot = self.slot(path)?;
        self.change(vec![(slot, None)], false);
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let id = self.find(from)?;
        let old = self.slot(from)?;
        let new = self.slot(to)?;
        let moves_dir = self.dir(id).is_ok();
        let replaced = self.dir(new.0)?.now.get(&new.1).copied();
        if replaced == Some(id) {
            return Ok(());
        }
        if moves_dir {
            if parts(to)?.starts_with(&parts(from)?) {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            let blocked = replaced.map(|id| self.dir(id)).transpose()?;
            if blocked.is_some_and(|dir| !dir.now.is_empty()) {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
        } else if let Some(replaced) = replaced {
            self.content(replaced)?;
        }
        self.change(vec![(old, None), (new, Some(id))], moves_dir);
        Ok(())
    }

    /// Makes a change visible, and pending.
    fn change(&mut self, slots: Vec<(Slot, Option<NodeId>)>, moves_dir: bool) {
        for ((dir, name), id) in &slots {
            if let Some(Node::Dir(dir)) = self.nodes.get_mut(dir) {
                set(&mut dir.now, name, *id);
            }
        }
        self.pending.push(Change { slots, moves_dir });
    }

    /// Brings the pending changes of a directory to the disk.
    pub(super) fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        let id = self.find(path)?;
        self.dir(id)?;
        self.commit(|change| change.slots.iter().any(|((dir, _), _)| *dir == id));
        self.forget_unreachable();
        Ok(())
    }

    /// Brings to the disk, in order, the pending changes that are `chosen` and the earlier ones they
    /// rest on. The others stay pending.
    fn commit(&mut self, mut chosen: impl FnMut(&Change) -> bool) {
        let mut wanted: BTreeSet<&Slot> = BTreeSet::new();
        let mut wants_moves = false;
        let mut commits = vec![false; self.pending.len()];
        for (change, commits) in self.pending.iter().zip(&mut commits).rev() {
            let rests = change.slots.iter().any(|(slot, _)| wanted.contains(slot));
            *commits = chosen(change) || rests || (wants_moves && change.moves_dir);
            if *commits {
                wanted.extend(change.slots.iter().map(|(slot, _)| slot));
                wants_moves |= change.moves_dir;
            }
        }
        let mut commits = commits.into_iter();
        for change in std::mem::take(&mut self.pending) {
            if !commits.next().unwrap_or(false) {
                self.pending.push(change);
                continue;
            }
            for ((dir, name), id) in &change.slots {
                if let Some(Node::Dir(dir)) = self.nodes.get_mut(dir) {
                    set(&mut dir.durable, name, *id);
                }
            }
        }
    }

    /// Leaves only what the disk has, after a random part of what is pending has reached it.
    pub(super) fn lose_power(&mut self, rng: &mut Rng) {
        let chance = survival_chance(rng);
        self.commit(|_| rng.f64() < chance);
        self.pending.clear();
        self.handles.clear();
        for node in self.nodes.values_mut() {
            if let Node::Dir(dir) = node {
                dir.now = dir.durable.clone();
            }
        }
        self.forget_unreachable();
        for node in self.nodes.values_mut() {
            if let Node::File(content) = node {
                content.lose_power(rng);
            }
        }
    }

    /// The end of a process: all handles are closed, everything else stays as it is.
    pub(super) fn close_handles(&mut self) {
        self.handles.clear();
        self.forget_unreachable();
    }

    /// Counts one more handle of `id`.
    pub(super) fn opened(&mut self, id: NodeId) {
        *self.handles.entry(id).or_insert(0) += 1;
    }

    /// Counts one handle less.
    pub(super) fn closed(&mut self, id: NodeId) {
        if let Some(count) = self.handles.get_mut(&id) {
            *count -= 1;
            if *count == 0 {
                self.handles.remove(&id);
            }
        }
    }

    fn forget_unreachable(&mut self) {
        let mut reached = BTreeSet::from([ROOT]);
        reached.extend(self.handles.keys());
        let pending = self.pending.iter().flat_map(|change| &change.slots);
        let mut frontier: Vec<NodeId> =
            pending.flat_map(|((dir, _), id)| [Some(*dir), *id]).flatten().chain([ROOT]).collect();
        while let Some(id) = frontier.pop() {
            reached.insert(id);
            let Some(Node::Dir(dir)) = self.nodes.get(&id) else {
                continue;
            };
            let inner = dir.now.values().chain(dir.durable.values());
            frontier.extend(inner.filter(|id| !reached.contains(id)));
        }
        self.nodes.retain(|id, _| reached.contains(id));
    }
}

fn set(names: &mut BTreeMap<String, NodeId>, name: &str, id: Option<NodeId>) {
    match id {
        Some(id) => names.insert(name.to_owned(), id),
        None => names.remove(name),
    };
}

/// The names along `path`.
fn parts(path: &Path) -> io::Result<Vec<&str>> {
    let mut parts = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => {
                parts.push(name.to_str().ok_or(io::ErrorKind::InvalidFilename)?);
            }
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                return Err(io::ErrorKind::InvalidInput.into());
            }
        }
    }
    Ok(parts)
}
