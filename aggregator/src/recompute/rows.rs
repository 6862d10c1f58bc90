//! The rows that come out.

use std::sync::Arc;

use unicorn::status_time::StatusTime;
use unicorn::totals::{Figures, Totals};
use windowing::batch::Batch;

use super::threads::share_out;

/// Every unicorn's windows, by window and name.
#[derive(Clone, Debug)]
pub struct Rows {
    window_seconds: u32,
    /// In the order of the text.
    names: Vec<Arc<str>>,
    panes: Vec<Pane>,
}

/// A unicorn's window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// The unicorn.
    pub name: &'a str,
    /// Start of the window.
    pub window_start: StatusTime,
    /// Length of the window in seconds.
    pub window_seconds: u32,
    /// How many distinct readings there are.
    pub readings: u64,
    /// How many more there were that are left out.
    pub repeats: u64,
    /// The figures of the distinct readings.
    pub figures: Figures,
}

#[derive(Clone, Copy, Debug)]
struct Pane {
    window_start: i64,
    /// Place in `names`.
    name: usize,
    readings: u64,
    repeats: u64,
    figures: Figures,
}

impl Pane {
    fn order(&self) -> (i64, usize) {
        (self.window_start, self.name)
    }
}

impl Rows {
    /// The rows of some batches, of which no two hold the same pane; their keys are places in `names`.
    pub(super) fn new(
        names: Vec<Arc<str>>,
        window_seconds: u32,
        batches: Vec<Batch<Totals>>,
    ) -> Self {
        let mut order: Vec<usize> = (0..names.len()).collect();
        order.sort_unstable_by(|&a, &b| names[a].cmp(&names[b]));
        let mut places = vec![0; names.len()];
        for (place, &key) in order.iter().enumerate() {
            places[key] = place;
        }

        let mut sorted: Vec<Vec<Vec<Pane>>> = vec![Vec::new(); batches.len()];
        share_out(&mut sorted, batches.into_iter(), |sorted, batch| {
            let panes = batch.into_panes().filter_map(|pane| {
                Some(Pane {
                    window_start: pane.window.start,
                    name: places[pane.key],
                    readings: pane.readings,
                    repeats: pane.repeats,
                    figures: pane.aggregate.figures()?,
                })
            });
            let mut panes: Vec<Pane> = panes.collect();
            panes.sort_unstable_by_key(Pane::order);
            sorted.push(panes);
        });
        let mut panes: Vec<Pane> = sorted.into_iter().flatten().flatten().collect();
        // Runs that are sorted already are merged.
        panes.sort_by_key(Pane::order);
        Self {
            window_seconds,
            names: order.iter().map(|&key| Arc::clone(&names[key])).collect(),
            panes,
        }
    }

    /// Length of the windows in seconds.
    pub fn window_seconds(&self) -> u32 {
        self.window_seconds
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.panes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.panes.is_empty()
    }

    /// All rows, by window and name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Row<'_>> {
        self.panes.iter().map(|pane| self.row(pane))
    }

    /// All rows, the rows of one window together.
    pub fn windows(&self) -> impl Iterator<Item = (StatusTime, Vec<Row<'_>>)> {
        let same = |a: &Pane, b: &Pane| a.window_start == b.window_start;
        self.panes.chunk_by(same).map(|panes| {
            let start = panes.first().map_or(0, |pane| pane.window_start);
            let rows = panes.iter().map(|pane| self.row(pane)).collect();
            (StatusTime::from_millis(start), rows)
        })
    }

    fn row(&self, pane: &Pane) -> Row<'_> {
        Row {
            name: &self.names[pane.name],
            window_start: StatusTime::from_millis(pane.window_start),
            window_seconds: self.window_seconds,
            readings: pane.readings,
            repeats: pane.repeats,
            figures: pane.figures,
        }
    }
}
