//! What a window holds of a key.

/// A summary that two halves of the same work can be combined into.
///
/// `merge` is associative and commutative and `identity` is its neutral element, so a summary does
/// not depend on the order of the readings, nor on how they were split among shards and attempts.
pub trait Merge: Clone {
    /// The summary of no readings at all.
    fn identity() -> Self;

    /// Takes in the readings that `other` is the summary of.
    fn merge(&mut self, other: &Self);
}

/// A summary of readings of type `T`.
///
/// Adding a reading is the same as merging the summary of that one reading.
pub trait Aggregate<T: ?Sized>: Merge {
    /// Takes in one reading.
    fn add(&mut self, reading: &T);
}

/// How many readings there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count(u64);

impl Count {
    /// The number of readings.
    pub fn value(self) -> u64 {
        self.0
    }

    pub(crate) fn of(value: u64) -> Self {
        Self(value)
    }
}

impl Merge for Count {
    fn identity() -> Self {
        Self(0)
    }

    fn merge(&mut self, other: &Self) {
        self.0 = self.0.saturating_add(other.0);
    }
}

impl<T: ?Sized> Aggregate<T> for Count {
    fn add(&mut self, _: &T) {
        self.0 = self.0.saturating_add(1);
    }
}

/// The sum of integer values, exact for up to 2^64 values of 64 bits.
///
/// Held in 128 bits. Floating point values are left out on purpose: their sums depend on the order.
/// Past 128 bits the sum wraps, which keeps it associative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(i128);

impl Sum {
    /// A sum that stands at `value`.
    pub fn of(value: i128) -> Self {
        Self(value)
    }

    /// The sum so far.
    pub fn value(self) -> i128 {
        self.0
    }
}

impl Merge for Sum {
    fn identity() -> Self {
        Self(0)
    }

    fn merge(&mut self, other: &Self) {
        self.0 = self.0.wrapping_add(other.0);
    }
}

impl<T: Copy + Into<i128>> Aggregate<T> for Sum {
    fn add(&mut self, reading: &T) {
        self.0 = self.0.wrapping_add((*reading).into());
    }
}

/// The lowest value; none before the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Min<T>(Option<T>);

/// The highest value; none before the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Max<T>(Option<T>);

macro_rules! extreme {
    ($name:ident, $choose:path) => {
        impl<T: Copy> $name<T> {
            /// An aggregate that stands at `value`.
            pub fn of(value: T) -> Self {
                Self(Some(value))
            }

            /// The value, or none when nothing was added.
            pub fn value(self) -> Option<T> {
                self.0
            }

            pub(crate) fn of_option(value: Option<T>) -> Self {
                Self(value)
            }
        }

        impl<T: Copy + Ord> Merge for $name<T> {
            fn identity() -> Self {
                Self(None)
            }

            fn merge(&mut self, other: &Self) {
                if let Some(value) = &other.0 {
                    self.add(value);
                }
            }
        }

        impl<T: Copy + Ord> Aggregate<T> for $name<T> {
            fn add(&mut self, reading: &T) {
                self.0 = Some(match self.0 {
                    Some(value) => $choose(value, *reading),
                    None => *reading,
                });
            }
        }
    };
}

extreme!(Min, Ord::min);
extreme!(Max, Ord::max);

macro_rules! tuple {
    ($($name:ident $index:tt),+) => {
        impl<$($name: Merge),+> Merge for ($($name,)+) {
            fn identity() -> Self {
                ($($name::identity(),)+)
            }

            fn merge(&mut self, other: &Self) {
                $(self.$index.merge(&other.$index);)+
            }
        }

        impl<T: ?Sized, $($name: Aggregate<T>),+> Aggregate<T> for ($($name,)+) {
            fn add(&mut self, reading: &T) {
                $(self.$index.add(reading);)+
            }
        }
    };
}

tuple!(A 0);
tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
tuple!(A 0, B 1, C 2, D 3, E 4);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type All = (Count, Sum, Min<i64>, Max<i64>);

    fn fold(values: &[i64]) -> All {
        let mut all = All::identity();
        for value in values {
            all.add(value);
        }
        all
    }

    #[test]
    fn nothing_added_has_no_extremes() {
        let (count, sum, min, max) = All::identity();
        assert_eq!(
            (count.value(), sum.value(), min.value(), max.value()),
            (0, 0, None, None)
        );
    }

    #[test]
    fn sums_pass_64_bits() {
        let (_, sum, ..) = fold(&[i64::MAX, i64::MAX, i64::MAX]);
        assert_eq!(sum.value(), 3 * i128::from(i64::MAX));
    }

    proptest! {
        #[test]
        fn order_and_split_do_not_matter(
            values in proptest::collection::vec(any::<i64>(), 0..50)
                .prop_flat_map(|v| (Just(v.clone()), Just(v).prop_shuffle(), 0..50_usize)),
        ) {
            let (values, shuffled, cut) = values;
            let expected = fold(&values);
            prop_assert_eq!(&fold(&shuffled), &expected);
            let (left, right) = shuffled.split_at(cut.min(shuffled.len()));
            let (mut left, mut right) = (fold(left), fold(right));
            let right_alone = right;
            right.merge(&left);
            left.merge(&right_alone);
            prop_assert_eq!(&left, &expected);
            prop_assert_eq!(&right, &expected);
        }
    }
}
