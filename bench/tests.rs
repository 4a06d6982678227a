//! The generator and its questions, against what others have published.

use crate::bodies::{Bodies, Protocol};
use crate::cpu::{Fleet, Workload};
use crate::random::Random;
use crate::statements::{TYPES, questions};

#[test]
fn the_stream_of_seed_one_begins_as_everyone_has_seen_it() {
    let mut random = Random::new(1);
    let numbers: Vec<u32> = (0..10).map(|_| random.below(100)).collect();
    assert_eq!(numbers, [81, 87, 47, 59, 81, 18, 25, 40, 56, 0]);
}

#[test]
fn the_first_line_is_that_of_the_benchmark_suite() {
    let workload = Workload { start_ns: 1_451_606_400_000_000_000, ..Workload::of_hosts(100) };
    let mut fleet = Fleet::new(workload);
    let rows = fleet.rows(1);
    let line = Bodies::new(Protocol::Line, "cpu", &fleet).body(&rows);
    assert_eq!(
        String::from_utf8_lossy(&line),
        "cpu,hostname=host_0,region=eu-central-1,datacenter=eu-central-1a,rack=6,os=Ubuntu15.10,\
         arch=x86,team=SF,service=19,service_version=1,service_environment=test usage_user=58i,\
         usage_system=2i,usage_idle=24i,usage_nice=61i,usage_iowait=22i,usage_irq=63i,\
         usage_softirq=6i,usage_steal=44i,usage_guest=80i,usage_guest_nice=38i \
         1451606400000000000\n"
    );
}

#[test]
fn questions_are_the_same_each_time_and_lie_within_the_rows() {
    let workload = Workload::of_hosts(100);
    let end = workload.start_ns + 24 * 3_600_000_000_000 + 1_000_000_000;
    for of in TYPES {
        let texts = |runs| -> Vec<String> {
            questions(of, workload, 24.0, runs).iter().map(|one| one.sql("cpu", false)).collect()
        };
        assert_eq!(texts(3), texts(5)[..3], "{}", of.name);
        for question in questions(of, workload, 24.0, 50) {
            assert!(
                question.window.start >= workload.start_ns && question.window.end <= end,
                "{question:?}"
            );
        }
    }
}

#[test]
fn a_window_is_written_as_a_time_of_the_calendar() {
    let workload = Workload { start_ns: 951_782_399_000_000_000, ..Workload::of_hosts(1) };
    let of = TYPES[0];
    let question = &questions(of, workload, 0.0, 1)[0];
    assert_eq!(
        question.sql("cpu", false),
        "SELECT date_bin(INTERVAL '1 minute', time) AS bucket, max(usage_user) AS max_usage_user \
         FROM cpu WHERE hostname IN ('host_0') AND time >= '2000-02-28T23:59:59.000Z' \
         AND time < '2000-02-29T00:00:00.000Z' GROUP BY 1 ORDER BY 1"
    );
}
