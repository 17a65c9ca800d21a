//! Pipes.

use bridge_client::pipe::{End, Options};
use bridge_client::{Body, ContentType, Payload, Pipe, Reason, Timeout};

use super::{LONG, ME, SHORT, connect, good, reason};

fn payload(text: &'static str) -> Payload {
    Payload::new(ContentType::Text, text)
}

fn received(pipe: &Pipe, end: End) -> String {
    match good(pipe.receive(ME, end, Timeout::After(LONG))).body {
        Body::Bytes(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        Body::Local(_) => panic!("bytes were sent"),
    }
}

/// Each end receives what the other sends, in order.
pub fn both_ways(url: &str) {
    let options = || Options { maxsize: Some(1), ..Options::default() };
    let [here, there] = [0, 1].map(|_| connect(url).pipe(Some("p"), options()).unwrap());
    assert_eq!(good(here.attach(ME, None)), End::A);
    good(here.send(ME, End::A, payload("1"), Timeout::NOW));
    assert_eq!(good(there.attach(ME, None)), End::B);
    assert_eq!(reason(here.send(ME, End::A, payload("x"), Timeout::After(SHORT))), Reason::Full);
    let second = here.send(ME, End::A, payload("2"), Timeout::Never);
    assert_eq!([received(&there, End::B), received(&there, End::B)], ["1", "2"]);
    good(second);
    assert_eq!(reason(there.receive(ME, End::B, Timeout::After(SHORT))), Reason::Empty);
    assert!(!good(here.poll(ME, End::A, Timeout::NOW)));
    let polls = here.poll(ME, End::A, Timeout::After(LONG));
    good(there.send(ME, End::B, payload("back"), Timeout::NOW));
    assert!(good(polls));
    assert_eq!(received(&here, End::A), "back");
    assert_eq!(reason(here.receive(ME, End::B, Timeout::NOW)), Reason::NotOwner);
}

/// Who is left learns that the other is gone, after it has received everything.
pub fn ends(url: &str) {
    let (bridge, other) = (connect(url), connect(url));
    let here = bridge.pipe(Some("p"), Options { duplex: Some(true), ..Options::default() }).unwrap();
    let there = other.pipe(Some("p"), Options::default()).unwrap();
    assert_eq!([good(here.attach(ME, Some(End::A))), good(there.attach(ME, None))], [End::A, End::B]);
    good(there.send(ME, End::B, payload("last"), Timeout::NOW));
    other.close(LONG).unwrap();
    assert_eq!(received(&here, End::A), "last");
    assert_eq!(reason(here.receive(ME, End::A, Timeout::After(LONG))), Reason::EndOfPipe);
    assert_eq!(reason(here.send(ME, End::A, payload("x"), Timeout::NOW)), Reason::BrokenPipe);
    assert!(good(here.describe(ME)).b.closed);
    assert!(good(here.close(ME, End::A)));
    assert_eq!(good(here.attach(ME, None)), End::A, "it begins anew");
}
