//! The work at load, which the first request does not wait for.

use super::{read_response, start};
use crate::{
    adapter::Running as _,
    raw_connection::RawConnection,
    upstream::RespondingUpstream,
    wire::{self, request},
    worker::Worker,
};

/// The settings are read when the module is loaded: the first request calls into the wasm nearly as often as the second one.
pub(super) fn read_before(worker: &Worker) {
    let upstream = RespondingUpstream::start(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec());
    let proxy = start(worker, upstream.address());
    let calls = || {
        let before = proxy.tally().0;
        let mut client = RawConnection::connect(proxy.address());
        client.send(request("GET", "/v1/models", ""));
        assert_eq!(read_response(&mut client).0.status(), 200);
        proxy.tally().0 - before
    };
    let (first, second) = (calls(), calls());
    // Reading them takes ten more.
    assert!(first < second + 5, "{first} calls, then {second}");
}

/// Early ends are logged.
pub(super) fn rehearsal(worker: &Worker) {
    let mut proxy = worker.serve(&wire::settings("http://127.0.0.1:1", &[]), "");
    proxy.process.signal("KILL");
    let (_, output) = proxy.process.wait();
    assert!(!output.contains("made-up exchange"), "{output}");
}
