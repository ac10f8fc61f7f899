//! Lambda freezes a function between two events, and the world goes on.

use super::{OK, STREAMED, Test, answer, asked, get};
use crate::raw_connection::RawConnection;

pub(super) const TESTS: &[Test] = &[("a_connection_that_closed_in_a_freeze_costs_nothing", closed)];

fn closed() {
    let (function, upstream, mut client, mut serving) = asked(STREAMED, &[]);
    serving.send(OK);
    assert_eq!(answer(&mut client).1, b"ok");
    for _ in 0..20 {
        function.process.signal("STOP");
        serving.close();
        // The event is there before the function runs again.
        let mut client = RawConnection::connect(crate::adapter::Running::address(&function));
        client.send(get("/v1/models"));
        function.process.signal("CONT");
        serving = upstream.accept();
        serving.head();
        serving.send(OK);
        let (head, body) = answer(&mut client);
        assert_eq!((head.status(), body.as_slice()), (200, &b"ok"[..]));
    }
}
