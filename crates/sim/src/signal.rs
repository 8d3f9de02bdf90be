//! A value whose changes wake those who wait for them, in the order in which they began to wait.
//!
//! `tokio::sync::watch` wakes them in a random order, on purpose. Two replicas that watch the same resource would then ask in
//! one order today and in another tomorrow, and the same seed would not be the same history.

use std::pin::pin;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

/// The side that changes the value.
pub(crate) struct Signal<T>(Arc<Shared<T>>);

/// One who waits for changes.
pub(crate) struct Listener<T> {
    shared: Arc<Shared<T>>,
    seen: u64,
}

struct Shared<T> {
    /// How often it was changed, and what it is.
    value: Mutex<(u64, T)>,
    changed: Notify,
}

impl<T: Copy> Shared<T> {
    fn get(&self) -> (u64, T) {
        *self.value.lock().expect("nothing panics while it is held")
    }
}

impl<T: Copy> Signal<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Arc::new(Shared { value: Mutex::new((0, value)), changed: Notify::new() }))
    }

    pub(crate) fn get(&self) -> T {
        self.0.get().1
    }

    pub(crate) fn set(&self, value: T) {
        let mut held = self.0.value.lock().expect("nothing panics while it is held");
        *held = (held.0 + 1, value);
        drop(held);
        self.0.changed.notify_waiters();
    }

    /// One who has seen all changes so far.
    pub(crate) fn subscribe(&self) -> Listener<T> {
        Listener { shared: self.0.clone(), seen: self.0.get().0 }
    }
}

impl<T: Copy> Listener<T> {
    /// Notes all changes so far as seen.
    pub(crate) fn mark_unchanged(&mut self) {
        self.seen = self.shared.get().0;
    }

    /// Waits for a change that was not seen yet.
    pub(crate) async fn changed(&mut self) {
        loop {
            let mut changed = pin!(self.shared.changed.notified());
            // Before the look, or a change between the two would go unnoticed.
            changed.as_mut().enable();
            let (version, _) = self.shared.get();
            if version != self.seen {
                self.seen = version;
                return;
            }
            changed.await;
        }
    }

    /// Waits until the value is such a one.
    pub(crate) async fn wait_for(&mut self, is_such: impl Fn(T) -> bool) -> T {
        loop {
            let (version, value) = self.shared.get();
            self.seen = version;
            if is_such(value) {
                return value;
            }
            self.changed().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::Signal;

    #[test]
    fn listeners_are_woken_in_the_order_in_which_they_began_to_wait() {
        let order = Arc::new(Mutex::new(Vec::new()));
        crate::run(async {
            let signal = Signal::new(0);
            let tasks: Vec<_> = (0..20)
                .map(|number| {
                    let (mut listener, order) = (signal.subscribe(), order.clone());
                    tokio::spawn(async move {
                        listener.changed().await;
                        order.lock().expect("nobody panics").push(number);
                    })
                })
                .collect();
            tokio::task::yield_now().await;
            signal.set(1);
            for task in tasks {
                task.await.expect("it does not panic");
            }
        });
        assert_eq!(*order.lock().expect("nobody panics"), (0..20).collect::<Vec<_>>());
    }

    #[test]
    fn a_change_before_the_wait_is_not_missed_and_one_that_was_seen_is_not_told_again() {
        crate::run(async {
            let signal = Signal::new('a');
            let mut listener = signal.subscribe();
            signal.set('b');
            listener.changed().await;
            assert_eq!(listener.wait_for(|value| value == 'b').await, 'b');
            signal.set('c');
            listener.mark_unchanged();
            let again = tokio::time::timeout(std::time::Duration::from_secs(1), listener.changed()).await;
            assert!(again.is_err());
        });
    }
}
