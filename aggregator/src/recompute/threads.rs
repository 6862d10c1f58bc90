//! Work shared out among threads.

use std::sync::{Mutex, PoisonError};
use std::thread;

/// Does `work` with every item, on as many threads as there are workers, of which this one is the first.
/// Each thread takes an item when it is done with the one before. A thread that cannot be started
/// leaves its share to the others.
pub(super) fn share_out<W: Send, T: Send>(
    workers: &mut [W],
    items: impl Iterator<Item = T> + Send,
    work: impl Fn(&mut W, T) + Sync,
) {
    let Some((first, others)) = workers.split_first_mut() else {
        return;
    };
    let queue = Mutex::new(items);
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let run = |worker: &mut W| {
        while let Some(item) = next() {
            work(worker, item);
        }
    };
    let run = &run;
    thread::scope(|scope| {
        for worker in others {
            // That it cannot be started is no fault: the others take its share.
            let _ = thread::Builder::new().spawn_scoped(scope, move || run(worker));
        }
        run(first);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_taken_once() {
        for threads in [1, 2, 7] {
            let mut sums = vec![0_u64; threads];
            share_out(&mut sums, 0..1000_u64, |sum, item| *sum += item);
            assert_eq!(sums.iter().sum::<u64>(), 499_500);
        }
        share_out(&mut [], 0..3, |(): &mut (), _| panic!("nobody is there"));
    }
}
