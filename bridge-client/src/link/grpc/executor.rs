//! The run queue on which tonic's tasks live. It has no thread: whoever drives the connection polls it.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Wake, Waker};

use slab::Slab;

use crate::mutex::lock;

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Spawns tasks and polls those that were woken. Clones share one queue.
#[derive(Clone, Default)]
pub(super) struct Executor {
    queue: Arc<Queue>,
}

#[derive(Default)]
struct Queue {
    ready: Mutex<VecDeque<Arc<Task>>>,
    /// Every unfinished task, so that [`Executor::clear`] finds those that nobody would ever wake again.
    tasks: Mutex<Tasks>,
}

#[derive(Default)]
struct Tasks {
    live: Slab<Arc<Task>>,
    closed: bool,
}

struct Task {
    key: usize,
    queue: Weak<Queue>,
    /// In the ready queue already.
    queued: AtomicBool,
    job: Mutex<Option<Job>>,
}

impl Executor {
    /// Adds a task; it is polled by the next [`drive`](Self::drive).
    pub(super) fn spawn(&self, job: Job) {
        let mut tasks = lock(&self.queue.tasks);
        if tasks.closed {
            drop(tasks);
            return;
        }
        let entry = tasks.live.vacant_entry();
        let task = Arc::new(Task {
            key: entry.key(),
            queue: Arc::downgrade(&self.queue),
            queued: AtomicBool::new(true),
            job: Mutex::new(Some(job)),
        });
        entry.insert(task.clone());
        drop(tasks);
        lock(&self.queue.ready).push_back(task);
    }

    /// Polls woken tasks until none is left. One caller at a time.
    pub(super) fn drive(&self) {
        loop {
            let Some(task) = lock(&self.queue.ready).pop_front() else { return };
            task.queued.store(false, Ordering::Release);
            let waker = Waker::from(task.clone());
            let mut job = lock(&task.job);
            let Some(running) = job.as_mut() else { continue };
            if running.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                *job = None;
                drop(job);
                lock(&self.queue.tasks).live.try_remove(task.key);
            }
        }
    }

    /// Drops all tasks and refuses new ones. Tasks and queue hold each other, so a connection that is given up
    /// must be cleared.
    pub(super) fn clear(&self) {
        let tasks = {
            let mut tasks = lock(&self.queue.tasks);
            tasks.closed = true;
            std::mem::take(&mut tasks.live)
        };
        for (_, task) in tasks {
            let job = lock(&task.job).take();
            drop(job);
        }
        lock(&self.queue.ready).clear();
    }
}

impl hyper::rt::Executor<Job> for Executor {
    fn execute(&self, job: Job) {
        self.spawn(job);
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        if self.queued.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Some(queue) = self.queue.upgrade() {
            lock(&queue.ready).push_back(self);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::task::Poll;

    use super::*;

    #[test]
    fn polls_what_was_woken_and_nothing_else() {
        let executor = Executor::default();
        let polls = Arc::new(AtomicUsize::new(0));
        let waker = Arc::new(Mutex::new(None::<Waker>));
        executor.spawn(Box::pin({
            let (polls, waker) = (polls.clone(), waker.clone());
            std::future::poll_fn(move |cx| {
                *lock(&waker) = Some(cx.waker().clone());
                match polls.fetch_add(1, Ordering::Relaxed) {
                    2 => Poll::Ready(()),
                    _ => Poll::Pending,
                }
            })
        }));
        executor.drive();
        executor.drive();
        assert_eq!(polls.load(Ordering::Relaxed), 1);
        for expected in [2, 3, 3] {
            let woken = lock(&waker).clone().unwrap();
            woken.wake_by_ref();
            woken.wake();
            executor.drive();
            assert_eq!(polls.load(Ordering::Relaxed), expected);
        }
    }

    #[test]
    fn clear_drops_sleeping_tasks_and_refuses_new_ones() {
        let executor = Executor::default();
        let held = Arc::new(());
        for _ in 0..2 {
            let guard = held.clone();
            executor.spawn(Box::pin(async move {
                std::future::pending::<()>().await;
                drop(guard);
            }));
            executor.drive();
            executor.clear();
        }
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
