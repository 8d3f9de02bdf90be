//! The world, shared between clients, and the task that moves it along with virtual time.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::world::World;

pub(crate) struct Shared {
    world: Mutex<World>,
    /// The instant that the world's milliseconds count from.
    pub(crate) start: Instant,
    wake: Arc<Notify>,
}

impl Shared {
    /// Needs a tokio runtime: the driver is spawned on it.
    pub(crate) fn start(world: World) -> Arc<Self> {
        let wake = Arc::new(Notify::new());
        let shared = Arc::new(Self { world: Mutex::new(world), start: Instant::now(), wake: wake.clone() });
        tokio::spawn(drive(Arc::downgrade(&shared), wake, shared.start));
        shared
    }

    /// Brings the world up to date, and does something in it.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut world = self.world.lock().expect("a panic inside the simulated world has failed this run already");
        world.advance(now);
        let result = act(&mut world);
        let earlier = world.queue.next_due().is_some_and(|due| due < world.driver_until);
        drop(world);
        if earlier {
            self.wake.notify_one();
        }
        result
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.wake.notify_one();
    }
}

/// Wakes up whenever something is due in the world; ends with it.
async fn drive(shared: Weak<Shared>, wake: Arc<Notify>, start: Instant) {
    loop {
        let Some(strong) = shared.upgrade() else { return };
        let due = strong.with(|world| {
            let due = world.queue.next_due();
            world.driver_until = due.unwrap_or(u64::MAX);
            due
        });
        drop(strong);
        let Some(due) = due else {
            wake.notified().await;
            continue;
        };
        tokio::select! {
            biased;
            () = wake.notified() => {}
            () = tokio::time::sleep_until(start + Duration::from_millis(due)) => {}
        }
    }
}
