//! Batches in columns.

use super::*;

fn put_many(items: Vec<queue::NewItem>) -> pb::QueueServicePutManyRequest {
    let target = Target::Name(name("q"));
    let request =
        Request::Command(Command::Queue(target, queue::Command::PutMany { items, timeout: Timeout::Never }));
    match command(Op(1), ParticipantId(1), &request).body {
        Some(Body::QueuePutMany(message)) => message,
        other => panic!("not a put_many: {other:?}"),
    }
}

#[test]
fn a_batch_goes_in_columns_where_its_items_are_alike() {
    let alike: Vec<_> = (0..300_usize).map(|size| plain(&vec![7; size * 3 % 700])).collect();
    let message = put_many(alike.clone());
    assert!(message.items.is_empty() && message.packed.is_some());
    let read: Request = message.try_into().expect("valid");
    let expected = queue::Command::PutMany { items: alike, timeout: Timeout::Never };
    assert_eq!(read, Request::Command(Command::Queue(Target::Name(name("q")), expected)));

    let cbor = queue::NewItem { payload: Payload::new(ContentType::Cbor, "x"), ..plain(b"") };
    let large = plain(&vec![7; 300 << 10]);
    for odd in [item(b"k"), item(b""), cbor, large] {
        let message = put_many(vec![plain(b"a"), odd]);
        assert!(message.items.len() == 2 && message.packed.is_none());
    }
}

#[test]
fn deliveries_go_in_columns_where_they_are_alike() {
    let delivery = |id, token, attempt, age| queue::Delivery {
        id: ItemId(id),
        payload: Payload::new(ContentType::Cbor, vec![id as u8; id as usize]),
        key: queue::Key::default(),
        token: Token(token),
        attempt,
        age: Duration::from_micros(age),
    };
    let packed = |deliveries: &[queue::Delivery]| {
        let taken = Box::new(queue::Taken { mode: queue::Mode::Lease, deliveries: deliveries.into() });
        let expected = Ok(Reply::Queue(queue::Reply::Taken(taken)));
        let message = answer(Op(9), expected.clone(), true);
        let packed = match &message.body {
            Some(Answer::QueueLeaseMany(message)) => message.packed.clone(),
            _ => None,
        };
        assert_eq!(outcome(message), Ok((Op(9), expected)));
        packed
    };
    let mut deliveries = vec![
        delivery(3, 10, 1, 5),
        delivery(4, 11, 1, 5),
        delivery(5, 12, 2, 5),
        delivery(6, 13, 2, 6),
        delivery(8, 14, 2, 6),
    ];
    let runs: Vec<_> = packed(&deliveries).expect("packed").runs.iter().map(|run| run.count).collect();
    assert_eq!(runs, [2, 1, 1, 1]);
    assert_eq!(packed(&deliveries[..1]), None, "one goes by itself");
    deliveries[4].token = Token(15);
    assert_eq!(packed(&deliveries), None);
    deliveries[4] = queue::Delivery { key: b"k".into(), ..delivery(8, 14, 2, 6) };
    assert_eq!(packed(&deliveries), None);
}
