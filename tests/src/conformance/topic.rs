//! Topics.

use bridge_client::Reason;
use bridge_client::queue::Options;
use bridge_client::topic::{Binding, Options as TopicOptions};

use super::{ME, connect, end, get, good, item, put, reason, try_get};

/// What is published reaches every queue that is bound for its key.
pub fn publish(url: &str) {
    let (bridge, other) = (connect(url), connect(url));
    let topic = bridge.topic(Some("t"), TopicOptions::default()).unwrap();
    let [images, all] = ["images", "all"].map(|name| bridge.queue(Some(name), Options::default()).unwrap());
    assert!(good(topic.bind(ME, &images, "image.*")));
    assert!(good(topic.bind(ME, &all, "*")));
    assert!(!good(topic.bind(ME, &all, "*")));
    let there = other.topic(Some("t"), TopicOptions::default()).unwrap();
    let reached = good(there.publish(ME, "image.new", item("a")));
    assert_eq!(reached.iter().map(|one| one.queue.as_str()).collect::<Vec<_>>(), ["images", "all"]);
    assert_eq!(good(there.publish(ME, "text", item("b"))).len(), 1);
    assert_eq!([get(&images), get(&all), get(&all)], ["a", "a", "b"]);
    assert_eq!(try_get(&images), Err(Reason::Empty));
    assert!(good(topic.unbind(ME, &all, "*")));
    assert_eq!(good(there.publish(ME, "text", item("c"))), []);
    let elsewhere = connect("mem:elsewhere").queue(Some("q"), Options::default()).unwrap();
    assert_eq!(reason(topic.bind(ME, &elsewhere, "*")), Reason::CrossNamespace);
}

/// All queues get it or none; one of its own goes with its last handle.
pub fn all_or_none(url: &str) {
    let bridge = connect(url);
    let topic = bridge.topic(None, TopicOptions::default()).unwrap();
    let options = Options { maxsize: Some(1), ..Options::default() };
    let [one, full] = ["one", "full"].map(|name| bridge.queue(Some(name), options.clone()).unwrap());
    for queue in [&one, &full] {
        assert!(good(topic.bind(ME, queue, "k")));
    }
    put(&full, "x");
    let error = end(topic.publish(ME, "k", item("a"))).unwrap_err();
    assert_eq!((error.reason, error.detail("queue")), (Reason::Full, Some("full")));
    assert_eq!(try_get(&one), Err(Reason::Empty));
    good(full.shutdown(ME, false));
    assert_eq!(good(topic.publish(ME, "k", item("a"))).len(), 1);
    assert_eq!(good(topic.describe(ME)).bindings, 2);
    let page = good(topic.bindings(ME, 1, None));
    let first = Binding { pattern: "k".into(), queue: bridge_client::Name::parse("queue", "full").unwrap() };
    assert_eq!((page.bindings.as_slice(), page.more), (&[first][..], true));
    assert!(!good(topic.bindings(ME, 1, page.bindings.last().cloned())).more);
}
