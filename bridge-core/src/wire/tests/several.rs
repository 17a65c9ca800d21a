//! Calls about several objects.

use super::*;

pub(super) fn requests() -> [Request; 2] {
    [select(), acquire_all()]
}

pub(super) fn replies() -> Vec<Reply> {
    let grant = || lock::Grant { token: Token(9), abandoned: None };
    let selected = |branch, reply| Reply::Selected { branch, reply: Box::new(reply) };
    vec![
        Reply::AcquiredAll(vec![
            Reply::Semaphore(semaphore::Reply::Acquired(Token(8))),
            Reply::Lock(lock::Reply::Acquired(grant())),
            Reply::RwLock(rwlock::Reply::Acquired(grant())),
        ]),
        selected(0, Reply::Queue(queue::Reply::Put(ItemId(5)))),
        selected(3, Reply::Event(event::Reply::Waited { is_set: true, version: 7 })),
        selected(1, Reply::Semaphore(semaphore::Reply::Acquired(Token(8)))),
        selected(2, Reply::Lock(lock::Reply::Acquired(grant()))),
        selected(2, Reply::Latch(latch::Reply::Waited { is_open: true })),
    ]
}

fn acquire_all() -> Request {
    use crate::command::acquire_all::AcquireAll;
    let (target, timeout) = (|| Target::Existing(name("x")), Timeout::Never);
    let acquire = semaphore::Acquire { permits: 2, by_token: true, barge: false, timeout };
    let parts = vec![
        Command::Semaphore(target(), semaphore::Command::Acquire(acquire)),
        Command::Lock(target(), lock::Command::Acquire(lock::Acquire::within(timeout))),
        Command::RwLock(
            target(),
            rwlock::Command::Acquire(rwlock::Acquire::within(rwlock::Mode::Write, timeout)),
        ),
    ];
    let timeout = Timeout::After(Duration::from_millis(1500));
    Request::Command(Command::AcquireAll(Box::new(AcquireAll { parts, timeout })))
}

fn select() -> Request {
    use crate::command::select::Select;
    let (target, timeout) = (|| Target::Existing(name("x")), Timeout::Never);
    let take = |mode, batch| queue::Command::Take { taking: queue::Taking::new(mode, batch), timeout };
    let many = queue::Batch { max: 3, min: 2, linger: Duration::from_secs(1) };
    let queues = [
        take(queue::Mode::Get, queue::Batch::ONE),
        take(queue::Mode::Lease, queue::Batch::ONE),
        take(queue::Mode::Get, many),
        take(queue::Mode::Lease, many),
        queue::Command::Put { item: item(b"k"), timeout },
        queue::Command::PutMany { items: vec![timed(5), item(b"")], timeout },
    ];
    let acquire = semaphore::Acquire { permits: 2, by_token: true, barge: false, timeout };
    let key = Some("k".into());
    let others = [
        Command::Event(target(), event::Command::Wait { timeout, after: Some(3) }),
        Command::Semaphore(target(), semaphore::Command::Acquire(acquire)),
        Command::Lock(
            target(),
            lock::Command::Acquire(lock::Acquire {
                barge: true,
                lease: Some(Duration::from_secs(9)),
                timeout,
            }),
        ),
        Command::RwLock(
            target(),
            rwlock::Command::Acquire(rwlock::Acquire::within(rwlock::Mode::Write, timeout)),
        ),
        Command::Latch(target(), latch::Command::Wait { timeout }),
        Command::Dict(target(), value::Command::Watch { key, after: 5, timeout }),
        Command::Value(
            Target::Name(name("v")),
            value::Command::Watch { key: Some("".into()), after: 0, timeout },
        ),
        Command::List(
            Target::Handle(Handle { slot: 1, generation: 2 }),
            list::Command::Watch { after: 6, timeout },
        ),
    ];
    let queues = queues.map(|command| Command::Queue(target(), command));
    let branches = queues.into_iter().chain(others).collect();
    let timeout = Timeout::After(Duration::from_millis(1500));
    Request::Command(Command::Select(Box::new(Select { branches, timeout })))
}
