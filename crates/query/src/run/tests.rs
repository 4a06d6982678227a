//! The queue for slots: who goes first, who has to leave, and that nothing is lost on the way.

use std::sync::Arc;
use std::time::Duration;

use pulsora_model::Code;
use tokio::time::Instant;

use super::queue::{Entered, Slot, SlotQueue};
use crate::queries::{About, Priority, Queries, QueriesOptions, Ticket};

struct Bench {
    queries: Arc<Queries>,
    queue: Arc<SlotQueue>,
    began: Instant,
}

impl Bench {
    fn new(slots: usize, queue_max: usize) -> Bench {
        let timeout = Duration::from_secs(60);
        let options = QueriesOptions { opening: 1, timeout, history: 0, slow: Duration::ZERO };
        Bench {
            queries: Arc::new(Queries::new(options)),
            queue: Arc::new(SlotQueue::new(slots, queue_max)),
            began: Instant::now(),
        }
    }

    fn ticket(&self, priority: Priority, client: Option<&str>) -> Ticket {
        let client = client.map(Into::into);
        self.queries.open(About { priority, client, ..About::new("test", "", "default") }, 0)
    }

    /// Comes so many seconds after the beginning.
    fn comes(&self, seconds: u64, priority: Priority, client: Option<&str>) -> Entered {
        let ticket = self.ticket(priority, client);
        self.queue.enter(ticket.query(), self.began + Duration::from_secs(seconds))
    }

    fn slot(&self) -> Slot {
        match self.comes(0, Priority::Normal, None) {
            Entered::Slot(slot) => slot,
            Entered::Waiting(..) => panic!("no slot is free"),
        }
    }
}

/// What has become of one that waits: a slot, a refusal, or nothing yet.
fn outcome(entered: &mut Entered) -> Option<Result<Slot, Code>> {
    match entered {
        Entered::Slot(_) => panic!("it did not wait"),
        Entered::Waiting(_, called) => {
            called.try_recv().ok().map(|called| called.map_err(|error| error.code()))
        }
    }
}

/// The order in which those that wait get the one slot.
fn order(bench: &Bench, slot: Slot, mut waiting: Vec<Entered>) -> Vec<usize> {
    let mut order = Vec::new();
    let mut held = Some(slot);
    while order.len() < waiting.len() {
        drop(held.take());
        for (index, entered) in waiting.iter_mut().enumerate() {
            if let Some(called) = outcome(entered) {
                order.push(index);
                held = Some(called.unwrap());
            }
        }
    }
    drop(held);
    assert_eq!((bench.queue.stats().idle, bench.queue.stats().queue_depth), (1, 0));
    order
}

#[test]
fn urgent_ones_go_first_and_equals_in_the_order_they_came() {
    use Priority::{Critical, High, Low, Normal};
    let bench = Bench::new(1, 10);
    let slot = bench.slot();
    let came = [Low, Normal, High, Critical, Normal, Critical];
    let waiting = came.map(|priority| bench.comes(0, priority, None)).into();
    assert_eq!(bench.queue.stats().queue_by_priority, [2, 1, 2, 1]);
    assert_eq!(order(&bench, slot, waiting), [3, 5, 2, 1, 4, 0]);
    let started = bench.queue.stats().waits.map(|waits| waits.count);
    assert_eq!(started, [2, 1, 3, 1]);
}

#[test]
fn nothing_waits_for_ever_behind_what_is_more_urgent() {
    use Priority::{Critical, High, Low, Normal};
    let bench = Bench::new(1, 10);
    let slot = bench.slot();
    let came = [(0, Low), (1, Normal), (8, High), (10, Critical), (29, Critical), (31, Critical)];
    let waiting =
        came.map(|(seconds, priority)| bench.comes(seconds, priority, None)).into_iter().collect();
    // Low counts from second 30 on, normal from 11, high from 10.
    assert_eq!(order(&bench, slot, waiting), [2, 3, 1, 4, 0, 5]);
}

#[test]
fn a_full_queue_refuses_the_last_one_which_may_be_an_earlier_one() {
    use Priority::{Critical, Low, Normal};
    let bench = Bench::new(1, 2);
    let slot = bench.slot();
    let mut low = bench.comes(0, Low, None);
    let mut normal = bench.comes(1, Normal, None);
    let mut late = bench.comes(30, Low, None);
    assert_eq!(outcome(&mut late).unwrap().err(), Some(Code::Overloaded));
    let mut critical = bench.comes(2, Critical, None);
    assert_eq!(outcome(&mut low).unwrap().err(), Some(Code::Overloaded));
    assert!(outcome(&mut normal).is_none() && outcome(&mut critical).is_none());
    assert_eq!((bench.queue.stats().refused, bench.queue.stats().queue_depth_peak), (2, 2));
    drop(slot);
    let got = outcome(&mut critical).unwrap();
    assert!(got.is_ok() && outcome(&mut normal).is_none());
}

#[test]
fn one_client_cannot_take_the_queue_of_all() {
    use Priority::Normal;
    let bench = Bench::new(1, 4);
    let _slot = bench.slot();
    let mut greedy: Vec<Entered> =
        (0..4).map(|second| bench.comes(second, Normal, Some("greedy"))).collect();
    // Alone it may have all of it, and no more.
    let mut fifth = bench.comes(5, Normal, Some("greedy"));
    assert_eq!(outcome(&mut fifth).unwrap().err(), Some(Code::ClientLimit));
    let mut modest = bench.comes(6, Normal, Some("modest"));
    assert_eq!(outcome(&mut greedy[3]).unwrap().err(), Some(Code::ClientLimit));
    let mut other = bench.comes(7, Normal, None);
    assert_eq!(outcome(&mut greedy[2]).unwrap().err(), Some(Code::ClientLimit));
    // It has half of it now: whoever comes last is one too many.
    let mut last = bench.comes(8, Normal, Some("modest"));
    assert_eq!(outcome(&mut last).unwrap().err(), Some(Code::Overloaded));
    for waiting in greedy[..2].iter_mut().chain([&mut modest, &mut other]) {
        assert!(outcome(waiting).is_none());
    }
}

#[test]
fn a_queue_of_no_places_refuses_at_once() {
    let bench = Bench::new(1, 0);
    let slot = bench.slot();
    let mut refused = bench.comes(0, Priority::Critical, Some("one"));
    assert_eq!(outcome(&mut refused).unwrap().err(), Some(Code::Overloaded));
    drop((slot, refused));
    drop(bench.slot());
    assert_eq!(bench.queue.stats().idle, 1);
}

#[test]
fn slots_pass_by_those_that_have_left() {
    let bench = Bench::new(1, 10);
    let slot = bench.slot();
    let gone = bench.comes(0, Priority::Critical, Some("gone"));
    let Entered::Waiting(place, called) = bench.comes(1, Priority::Critical, None) else {
        panic!("it did not wait")
    };
    let mut waits = bench.comes(2, Priority::Low, None);
    drop(gone);
    assert_eq!(bench.queue.stats().queue_by_priority, [1, 0, 0, 1]);
    // It leaves between its call and its answer.
    drop(called);
    drop(slot);
    drop(place);
    let got = outcome(&mut waits).unwrap();
    assert!(got.is_ok());
    drop(got);
    let stats = bench.queue.stats();
    assert_eq!((stats.idle, stats.queue_depth, stats.started, stats.finished), (1, 0, 3, 3));
}
