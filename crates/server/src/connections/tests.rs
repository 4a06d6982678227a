use std::time::Duration;

use tokio::time::Instant;

use super::seats::Seats;
use super::state::{Phase, State};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_connection_goes_from_idle_to_head_to_busy_and_back() {
    let begun = Instant::now();
    let state = State::new(begun);
    assert_eq!(state.now(), (Phase::Idle, begun));
    state.received(|| begun + SECOND);
    state.received(|| begun + 2 * SECOND);
    assert_eq!(state.now(), (Phase::Head, begun + SECOND), "a head begins with its first byte");
    let request = state.begin(begun + 2 * SECOND);
    state.received(|| begun + 3 * SECOND);
    assert_eq!(state.now(), (Phase::Busy, begun + 2 * SECOND), "bytes of a body are no head");
    assert!(!state.close_if_quiet(begun + 9 * SECOND));
    drop(request);
    assert_eq!(state.now().0, Phase::Idle);
    state.stalled(true);
    assert_eq!(state.now().0, Phase::Busy, "its answer is on its way");
    assert!(!state.close_if_quiet(begun + 9 * SECOND));
    state.stalled(false);
    assert!(state.close_if_quiet(begun + 9 * SECOND));
    assert!(!state.close_if_quiet(begun + 9 * SECOND), "only once");
    state.asked_to_close().await;
}

#[test]
fn the_quietest_makes_room_and_nobody_with_a_request() {
    let begun = Instant::now();
    let seats = Seats::new(3);
    let first = seats.take(begun).unwrap();
    let second = seats.take(begun + SECOND).unwrap();
    let third = seats.take(begun + SECOND).unwrap();
    let request = first.state().begin(begun + SECOND);
    assert!(seats.take(begun + SECOND).is_none(), "two have just come, one is answered");
    third.state().received(|| begun + 2 * SECOND);
    let fourth = seats.take(begun + 2 * SECOND).unwrap();
    assert_eq!(second.state().now().0, Phase::Closing);
    assert!(seats.take(begun + 2 * SECOND).is_none(), "the third has just begun");
    drop(second);
    assert!(seats.take(begun + 2 * SECOND).is_none(), "a seat that was given away is not free");
    drop(request);
    drop(fourth);
    assert!(seats.take(begun + 2 * SECOND).is_some());
}
