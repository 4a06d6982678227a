//! Clean shutdown, the lock, the three durabilities, memory at rest.

use pulsora_tests::answers::{count, sql_int};
use pulsora_tests::http::Client;
use pulsora_tests::server::{Launch, Server};

fn write_line(client: &Client, n: i64, durability: &str) {
    let path = format!("/write?precision=s&durability={durability}");
    let line = format!("seen,durability={durability} n={n}i {}", 1_700_000_000 + n);
    let answer = client.post(&path, &[], line.as_bytes()).unwrap();
    assert_eq!(answer.status, 204, "{answer:?}");
    assert!(answer.header("x-pulsora-seq").is_some_and(|seq| seq.parse::<u64>().is_ok()));
}

#[test]
fn a_row_is_visible_once_it_is_acknowledged_whatever_the_durability() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path().join("data"), &[]);
    let (writer, reader) = (server.client(), server.client());
    for n in 0..60 {
        write_line(&writer, n, ["fsync", "async", "off"][n as usize % 3]);
        assert_eq!(count(&reader, "seen"), n + 1, "by the row API");
        let statement = "SELECT count(*) FROM seen WHERE n >= 0";
        assert_eq!(sql_int(&reader, statement), n + 1, "by SQL");
    }
}

#[test]
fn sigterm_loses_nothing_even_of_what_was_not_logged() {
    let dir = tempfile::tempdir().unwrap();
    let launch = Launch::new(dir.path().join("data"));
    for life in 0..3 {
        let mut server = launch.start();
        let client = server.client();
        assert_eq!(count(&client, "seen"), life * 30, "rows at the start of life {life}");
        for n in 0..30 {
            write_line(&client, life * 30 + n, ["fsync", "async", "off"][n as usize % 3]);
        }
        let (status, output) = server.terminate();
        assert!(status.success(), "{status}: {output}");
    }
    let mut server = launch.start();
    let client = server.client();
    assert_eq!(count(&client, "seen"), 90);
    assert_eq!(sql_int(&client, "SELECT sum(n) FROM seen"), 89 * 90 / 2);
    assert_eq!(sql_int(&client, "SELECT count(DISTINCT durability) FROM seen"), 3);
}

#[test]
fn sigterm_waits_for_requests_on_their_way() {
    let dir = tempfile::tempdir().unwrap();
    let launch = Launch::new(dir.path().join("data"));
    let mut server = launch.start();
    let client = server.client();
    let lines: String = (0..50_000).map(|n| format!("big,k=v n={n}i {}\n", n + 1)).collect();
    let (body, begun) = begin_then_wait(lines.into_bytes());
    let sender = std::thread::spawn(move || client.post_chunked("/write?precision=s", &[], body));
    begun.recv().unwrap();
    let (status, output) = server.terminate();
    assert!(status.success(), "{status}: {output}");
    let answer = sender.join().unwrap();
    let mut server = launch.start();
    let stored = count(&server.client(), "big");
    match answer {
        Ok(answer) if answer.status == 204 => assert_eq!(stored, 50_000, "acknowledged"),
        refused => assert_eq!(stored, 0, "not acknowledged: {refused:?}"),
    }
}

/// A body, and a message as soon as its second half is asked for.
fn begin_then_wait(bytes: Vec<u8>) -> (impl std::io::Read + Send, std::sync::mpsc::Receiver<()>) {
    struct Halves {
        bytes: std::io::Cursor<Vec<u8>>,
        begun: std::sync::mpsc::Sender<()>,
    }
    impl std::io::Read for Halves {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if self.bytes.position() * 2 > self.bytes.get_ref().len() as u64 {
                // The test waits for the first message only.
                let _ = self.begun.send(());
            }
            self.bytes.read(buffer)
        }
    }
    let (begun, receiver) = std::sync::mpsc::channel();
    (Halves { bytes: std::io::Cursor::new(bytes), begun }, receiver)
}

#[test]
fn a_second_process_on_the_same_directory_ends_with_a_clear_message() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut first = Server::start(&data, &[]);
    let second = Launch::new(&data).run();
    let message = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success(), "the second started: {message}");
    assert!(message.contains(data.to_str().unwrap()), "it does not name the directory: {message}");
    assert!(message.contains("process"), "it does not say who holds it: {message}");
    assert!(!message.contains("panicked"), "{message}");
    write_line(&first.client(), 1, "fsync");
    first.kill();
    let mut third = Server::start(&data, &[]);
    assert_eq!(count(&third.client(), "seen"), 1, "a lock of a dead process holds nobody up");
}

#[test]
fn an_unknown_setting_is_refused_with_the_nearest_name() {
    let dir = tempfile::tempdir().unwrap();
    let output = Launch::new(dir.path().join("data")).set("storage.flush_agee", "1m").run();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{message}");
    assert!(message.contains("flush_age"), "{message}");
}

#[test]
fn an_idle_server_is_small() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path().join("data"), &[]);
    write_line(&server.client(), 1, "fsync");
    match server.anonymous_memory() {
        Some(bytes) => assert!(bytes < 80_000_000, "{bytes} bytes of anonymous memory"),
        None => println!("skipped: this system does not tell the memory of a process"),
    }
}
