//! Freezes: Lambda stops the process between two events.

use super::{OK, STREAMING, Test, get, read_response, start_request};
use crate::raw_connection::RawConnection;

pub(super) const TESTS: &[Test] = &[("connection_closed_during_a_freeze_is_replaced", closed)];

fn closed() {
    let (function, upstream, mut client, mut serving) = start_request(STREAMING, &[]);
    serving.send(OK);
    assert_eq!(read_response(&mut client).1, b"ok");
    for _ in 0..20 {
        function.process.signal("STOP");
        serving.close();
        // The event waits before the process continues.
        let mut client = RawConnection::connect(crate::adapter::Running::address(&function));
        client.send(get("/v1/models"));
        function.process.signal("CONT");
        serving = upstream.accept();
        serving.head();
        serving.send(OK);
        let (head, body) = read_response(&mut client);
        assert_eq!((head.status(), body.as_slice()), (200, &b"ok"[..]));
    }
}
