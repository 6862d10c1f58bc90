//! Decides what a shard's poller does next. Pure: the records and the time are arguments.

use std::collections::VecDeque;
use std::time::Duration;

use windrow_core::window::{Tumbling, Window};
use windrow_read::ShardRecord;

/// What a poller knows about its shard.
#[derive(Clone, Copy, Debug)]
pub(super) struct ShardView<'a> {
    /// Records read and not yet handled, in the order of the shard.
    pub(super) records: &'a VecDeque<ShardRecord>,
    /// How many of them fit one event.
    pub(super) fit: usize,
    /// Every record that arrived before this time has been read (milliseconds since the epoch).
    pub(super) read_up_to: i64,
    /// Whether the shard is closed and read to its end.
    pub(super) ended: bool,
    /// Once everything that arrived before this time has been read, the poller flushes: it sends
    /// short batches, and ends windows early.
    pub(super) flush_from: i64,
    /// How long the oldest record has waited for its batch.
    pub(super) waited: Duration,
    /// The window that has state, if there is one.
    pub(super) open: Option<Window>,
}

impl ShardView<'_> {
    fn flush(&self) -> bool {
        self.read_up_to >= self.flush_from
    }
}

/// The next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PollStep {
    /// Invoke the function with the first `count` records, which belong to `window`.
    Invoke {
        /// How many records; 0 if the window ends without any more.
        count: usize,
        /// Their window, and whether it ends with them.
        window: Option<(Window, bool)>,
    },
    /// Read more.
    Read,
    /// The shard is finished.
    Done,
}

/// The rules by which records become invocations.
#[derive(Clone, Copy, Debug)]
pub(super) struct BatchRules {
    pub(super) batch_size: usize,
    pub(super) batching_window: Duration,
    pub(super) tumbling: Option<Tumbling>,
}

impl BatchRules {
    /// Decides the next step.
    pub(super) fn next(&self, view: ShardView<'_>) -> PollStep {
        let most = self.batch_size.min(view.fit).max(1);
        let first = view.records.front();
        let window = match (self.tumbling, view.open, first) {
            (None, ..) => None,
            (Some(_), Some(open), _) => Some(open),
            (Some(tumbling), None, Some(first)) => Some(tumbling.window_of(first.arrival.millis())),
            (Some(_), None, None) => None,
        };
        let Some(window) = window else {
            return self.next_plain(view, most);
        };

        // A record of another window ends this one, even if that window is earlier. Arrival times
        // can go back; such a record then forms a source range of its own in its window, which may
        // have been open before.
        let run = view
            .records
            .iter()
            .take_while(|record| window.contains(record.arrival.millis()))
            .count();
        if run > most {
            return PollStep::Invoke {
                count: most,
                window: Some((window, false)),
            };
        }
        let is_final =
            run < view.records.len() || view.read_up_to >= window.end || view.ended || view.flush();
        if is_final || run == most || (run > 0 && view.waited >= self.batching_window) {
            return PollStep::Invoke {
                count: run,
                window: Some((window, is_final)),
            };
        }
        PollStep::Read
    }

    fn next_plain(&self, view: ShardView<'_>, most: usize) -> PollStep {
        let waiting = view.records.len();
        if waiting == 0 {
            return if view.ended {
                PollStep::Done
            } else {
                PollStep::Read
            };
        }
        let due = view.ended || view.flush() || view.waited >= self.batching_window;
        if waiting >= most || due {
            return PollStep::Invoke {
                count: waiting.min(most),
                window: None,
            };
        }
        PollStep::Read
    }

    /// The time up to which everything that arrived has been handled: every window that ended by
    /// then is closed or, without windows, every record is done.
    pub(super) fn watermark(&self, view: ShardView<'_>) -> i64 {
        let start = |arrival| match self.tumbling {
            Some(tumbling) => tumbling.window_of(arrival).start,
            None => arrival,
        };
        // A waiting record may belong to an earlier window than the records before it.
        let waiting = view
            .records
            .iter()
            .map(|record| start(record.arrival.millis()));
        let open = view.open.map(|open| open.start);
        match waiting.chain(open).min() {
            // An arrival time may lie slightly in the future (the emulator does this in a new
            // shard), and the record is not done even so.
            Some(start) => start.min(view.flush_from.saturating_sub(1)),
            None => view.read_up_to,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use windrow_read::Timestamp;

    use super::*;

    const MINUTE: i64 = 60_000;

    fn records(arrivals: &[i64]) -> VecDeque<ShardRecord> {
        let record = |(number, arrival): (usize, &i64)| ShardRecord {
            sequence_number: number.to_string(),
            partition_key: String::new(),
            data: Default::default(),
            arrival: Timestamp::from_millis(*arrival),
        };
        arrivals.iter().enumerate().map(record).collect()
    }

    fn view(records: &VecDeque<ShardRecord>) -> ShardView<'_> {
        ShardView {
            records,
            fit: usize::MAX,
            read_up_to: 0,
            ended: false,
            flush_from: i64::MAX,
            waited: Duration::ZERO,
            open: None,
        }
    }

    fn rules(tumbling: bool) -> BatchRules {
        BatchRules {
            batch_size: 3,
            batching_window: Duration::from_secs(1),
            tumbling: tumbling.then(|| Tumbling::new(MINUTE).unwrap()),
        }
    }

    fn window(start: i64) -> Window {
        let end = start + MINUTE;
        Window { start, end }
    }

    fn invoke(count: usize, window: Option<(Window, bool)>) -> PollStep {
        PollStep::Invoke { count, window }
    }

    #[test]
    fn a_short_batch_waits_for_the_batching_window() {
        let records = records(&[1, 2]);
        for tumbling in [false, true] {
            let rules = rules(tumbling);
            let window = tumbling.then(|| (window(0), false));
            assert_eq!(rules.next(view(&records)), PollStep::Read);
            let waited = ShardView {
                waited: Duration::from_secs(1),
                ..view(&records)
            };
            assert_eq!(rules.next(waited), invoke(2, window));
        }
    }

    #[test]
    fn a_full_batch_or_a_full_event_is_sent_at_once() {
        let records = records(&[1, 2, 3, 4]);
        assert_eq!(rules(false).next(view(&records)), invoke(3, None));
        let fit = ShardView {
            fit: 2,
            ..view(&records)
        };
        assert_eq!(rules(true).next(fit), invoke(2, Some((window(0), false))));
        let too_large = ShardView {
            fit: 0,
            ..view(&records)
        };
        assert_eq!(rules(false).next(too_large), invoke(1, None));
    }

    #[test]
    fn a_record_of_the_next_window_ends_the_open_one() {
        let records = records(&[MINUTE + 1]);
        let open = ShardView {
            open: Some(window(0)),
            ..view(&records)
        };
        assert_eq!(rules(true).next(open), invoke(0, Some((window(0), true))));
        assert_eq!(rules(true).watermark(open), 0);
        assert_eq!(rules(true).watermark(view(&records)), MINUTE);
        let late = self::records(&[3 * MINUTE, 2 * MINUTE, MINUTE + 1]);
        assert_eq!(rules(true).watermark(view(&late)), MINUTE);
        assert_eq!(rules(false).watermark(view(&late)), MINUTE + 1);
    }

    #[test]
    fn the_final_invoke_has_the_last_records_of_its_window() {
        let records = records(&[5, 6, MINUTE]);
        assert_eq!(
            rules(true).next(view(&records)),
            invoke(2, Some((window(0), true)))
        );
    }

    #[test]
    fn an_idle_window_ends_once_all_of_its_records_are_read() {
        let records = records(&[]);
        let open = |read_up_to| ShardView {
            open: Some(window(0)),
            read_up_to,
            ..view(&records)
        };
        assert_eq!(rules(true).next(open(MINUTE - 1)), PollStep::Read);
        assert_eq!(
            rules(true).next(open(MINUTE)),
            invoke(0, Some((window(0), true)))
        );
    }

    #[test]
    fn the_end_of_the_shard_and_a_flush_end_the_window() {
        let records = records(&[5]);
        for (ended, flush_from) in [(true, i64::MAX), (false, 0)] {
            let view = ShardView {
                ended,
                flush_from,
                ..view(&records)
            };
            assert_eq!(rules(true).next(view), invoke(1, Some((window(0), true))));
            assert_eq!(rules(false).next(view), invoke(1, None));
        }
        let ahead = self::records(&[5 * MINUTE]);
        let flush = ShardView {
            flush_from: MINUTE,
            read_up_to: MINUTE,
            ..view(&ahead)
        };
        assert_eq!(rules(true).watermark(flush), MINUTE - 1);
        let empty = VecDeque::new();
        let ended = ShardView {
            ended: true,
            ..view(&empty)
        };
        assert_eq!(rules(true).next(ended), PollStep::Done);
    }

    proptest! {
        /// For any arrival times, and whatever the clock was when a page was read, every record is
        /// delivered once and in order, each invocation stays in one window, and each window that
        /// is opened is ended. The watermark never passes a window that is not done or, while a
        /// record waits, the time from which to flush.
        #[test]
        fn every_record_is_delivered_once(
            arrivals in proptest::collection::vec(-60 * MINUTE..60 * MINUTE, 0..40),
            jitter in proptest::collection::vec(0..2 * MINUTE, 40),
            pages in proptest::collection::vec((1..9_usize, -60 * MINUTE..60 * MINUTE), 1..50),
            flush_from in prop_oneof![Just(i64::MAX), -60 * MINUTE..60 * MINUTE],
            waited in 0..3_u64,
            is_near: bool,
            tumbling: bool,
        ) {
            let rules = rules(tumbling);
            // Arrival times within two minutes share windows; those within two hours rarely do.
            let arrivals: Vec<i64> = if is_near { jitter[..arrivals.len()].to_vec() } else { arrivals };
            let mut unread = records(&arrivals);
            let mut buffer = VecDeque::new();
            let mut delivered = Vec::new();
            let mut open: Option<Window> = None;
            let mut read_up_to = i64::MIN;
            let mut pages = pages.into_iter();
            loop {
                let view = ShardView {
                    ended: unread.is_empty(),
                    open,
                    read_up_to,
                    flush_from,
                    waited: Duration::from_secs(waited),
                    ..view(&buffer)
                };
                let watermark = rules.watermark(view);
                let waiting = buffer.iter().map(|record: &ShardRecord| record.arrival.millis());
                for arrival in waiting.chain(open.map(|open| open.start)) {
                    prop_assert!(watermark <= arrival && watermark < flush_from);
                }
                match rules.next(view) {
                    PollStep::Read => {
                        let (page, time) = pages.next().unwrap_or((1, 0));
                        read_up_to = time;
                        buffer.extend(unread.drain(..page.min(unread.len())));
                    }
                    PollStep::Invoke { count, window } => {
                        prop_assert!(count > 0 || window.is_some());
                        prop_assert!(count <= rules.batch_size);
                        let batch: Vec<ShardRecord> = buffer.drain(..count).collect();
                        if let Some((window, is_final)) = window {
                            prop_assert!(batch.iter().all(|record| window.contains(record.arrival.millis())));
                            prop_assert!(open.is_none() || open == Some(window));
                            open = (!is_final).then_some(window);
                        }
                        delivered.extend(batch);
                    }
                    PollStep::Done => break,
                }
            }
            prop_assert_eq!(open, None);
            let expected: Vec<ShardRecord> = records(&arrivals).into();
            prop_assert_eq!(delivered, expected);
        }
    }
}
