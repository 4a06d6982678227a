//! The allocator of the binary: mimalloc, with every byte counted.
//!
//! The count is what the memory guard looks at, because it is exact and costs one relaxed addition,
//! while the resident size of a process lags behind and includes the page cache of mapped files.
//!
//! Invariant: the sum over all shards is the number of bytes that were asked for and not given back.
//! Shards may be negative (memory is given back on another thread than asked for); their sum is not.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use mimalloc::MiMalloc;

/// Counters, so that threads do not share a cache line: 32 is more than the cores of most machines.
const SHARDS: usize = 32;

#[repr(align(128))]
struct Shard(AtomicI64);

static ALLOCATED: [Shard; SHARDS] = [const { Shard(AtomicI64::new(0)) }; SHARDS];
static PEAK: AtomicI64 = AtomicI64::new(0);
static NEXT_SHARD: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    // Const and without a destructor: touching it never allocates and is valid at thread exit.
    static SHARD: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// mimalloc with a counter. Install it with `#[global_allocator]`.
pub struct CountingAllocator;

/// Bytes asked for and not given back; 0 when [`CountingAllocator`] is not installed.
pub fn allocated_bytes() -> u64 {
    let sum: i64 = ALLOCATED.iter().map(|shard| shard.0.load(Ordering::Relaxed)).sum();
    PEAK.fetch_max(sum, Ordering::Relaxed);
    u64::try_from(sum).unwrap_or(0)
}

/// The largest value that [`allocated_bytes`] has given (it is called for every request and once a
/// second).
pub fn peak_bytes() -> u64 {
    u64::try_from(PEAK.load(Ordering::Relaxed)).unwrap_or(0)
}

/// `mi_option_purge_delay` of mimalloc, which its bindings leave out: milliseconds until freed pages go back.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// Gives freed pages back to the system at once and takes no huge ones, from now on and for the whole
/// process. Many threads that each keep freed pages for a second, some of them of 2 MiB, hold more than twice what is in use.
pub fn stay_small() {
    // SAFETY: an option of mimalloc is an atomic number; it may be set at any time from any thread.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, 0) };
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "huge pages stay on");
    }
}

fn count(bytes: i64) {
    let shard = SHARD.with(|shard| {
        if shard.get() == usize::MAX {
            shard.set(NEXT_SHARD.fetch_add(1, Ordering::Relaxed) % SHARDS);
        }
        shard.get()
    });
    ALLOCATED[shard].0.fetch_add(bytes, Ordering::Relaxed);
}

// SAFETY: every call goes to MiMalloc unchanged, which keeps the contract of GlobalAlloc; counting
// touches statics and a const thread-local without destructor, so it neither allocates nor unwinds.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of alloc.
        let pointer = unsafe { MiMalloc.alloc(layout) };
        if !pointer.is_null() {
            count(layout.size() as i64);
        }
        pointer
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of alloc_zeroed.
        let pointer = unsafe { MiMalloc.alloc_zeroed(layout) };
        if !pointer.is_null() {
            count(layout.size() as i64);
        }
        pointer
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of dealloc.
        unsafe { MiMalloc.dealloc(pointer, layout) };
        count(-(layout.size() as i64));
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller keeps the contract of realloc.
        let moved = unsafe { MiMalloc.realloc(pointer, layout, new_size) };
        if !moved.is_null() {
            count(new_size as i64 - layout.size() as i64);
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_is_asked_for_and_given_back_over_threads() {
        let layout = Layout::from_size_align(1 << 20, 8).unwrap();
        let before = allocated_bytes();
        // SAFETY: the layout has a size; the pointer is freed once with the layout it ended up with.
        unsafe {
            let pointer = CountingAllocator.alloc(layout);
            assert_eq!(allocated_bytes() - before, 1 << 20);
            let grown = CountingAllocator.realloc(pointer, layout, 3 << 20) as usize;
            assert_eq!(allocated_bytes() - before, 3 << 20);
            std::thread::spawn(move || {
                let layout = Layout::from_size_align(3 << 20, 8).unwrap();
                CountingAllocator.dealloc(grown as *mut u8, layout);
            })
            .join()
            .unwrap();
        }
        assert_eq!(allocated_bytes(), before);
        assert!(peak_bytes() >= 3 << 20);
    }
}
