//! Numbers for the windows of a fold.

use std::collections::BTreeMap;

use crate::window::Window;

/// Assigns a number to every window.
#[derive(Clone, Debug, Default)]
pub(super) struct WindowNumbers {
    numbers: BTreeMap<Window, usize>,
    /// The window that was looked up last, and its number. Usually, the next reading has the same.
    last: Option<(Window, usize)>,
}

impl WindowNumbers {
    /// Assigns numbers to `windows`. Also returns the number of each, in order; equal windows share
    /// one.
    pub(super) fn assign(windows: &[Window]) -> (Self, Vec<usize>) {
        let mut assigned = Self::default();
        let numbers = windows.iter().map(|window| assigned.number(*window).0);
        let numbers = numbers.collect();
        (assigned, numbers)
    }

    /// The number of a window, and whether it has just been assigned.
    pub(super) fn number(&mut self, window: Window) -> (usize, bool) {
        if let Some((last, number)) = self.last
            && last == window
        {
            return (number, false);
        }
        let next = self.numbers.len();
        let number = *self.numbers.entry(window).or_insert(next);
        self.last = Some((window, number));
        (number, number == next)
    }

    /// How many windows have a number.
    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// The windows, ascending.
    pub(super) fn in_order(&self) -> impl Iterator<Item = &Window> {
        self.numbers.keys()
    }

    /// The windows that are `open` or whose number is in `used`, ascending. Also returns, for every
    /// number, the index of its window in that list.
    pub(super) fn table<'a>(
        &self,
        open: impl Iterator<Item = Window>,
        used: impl Iterator<Item = &'a (usize, usize)>,
    ) -> (Vec<Window>, Vec<usize>) {
        let mut is_used = vec![false; self.numbers.len()];
        for window in open {
            if let Some(number) = self.numbers.get(&window) {
                is_used[*number] = true;
            }
        }
        for (number, _) in used {
            is_used[*number] = true;
        }
        let mut windows = Vec::new();
        let mut indices = vec![0; self.numbers.len()];
        for (window, number) in &self.numbers {
            if is_used[*number] {
                indices[*number] = windows.len();
                windows.push(*window);
            }
        }
        (windows, indices)
    }
}
