//! The aggregates of a window and key.

/// A summary that can be computed in parts and combined.
///
/// `merge` is associative and commutative and `identity` is its neutral element, so a summary does
/// not depend on the order of the readings, nor on how they were split among shards and attempts.
pub trait Merge: Clone {
    /// The summary of no readings.
    fn identity() -> Self;

    /// Adds the readings that `other` summarizes.
    fn merge(&mut self, other: &Self);
}

/// A summary of readings of type `T`.
///
/// Adding a reading equals merging the summary of that reading alone.
pub trait Aggregate<T: ?Sized>: Merge {
    /// Adds one reading.
    fn add(&mut self, reading: &T);
}

/// The number of readings.
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
/// The sum has 128 bits and wraps beyond them, which keeps it associative. Floating point values
/// are deliberately not supported: their sums depend on the order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(i128);

impl Sum {
    /// A sum with the value `value`.
    pub fn of(value: i128) -> Self {
        Self(value)
    }

    /// The sum.
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

/// The lowest value; `None` if there are no values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Min<T>(Option<T>);

/// The highest value; `None` if there are no values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Max<T>(Option<T>);

macro_rules! extreme {
    ($name:ident, $choose:path) => {
        impl<T: Copy> $name<T> {
            /// The aggregate of `value` alone.
            pub fn of(value: T) -> Self {
                Self(Some(value))
            }

            /// The value; `None` if nothing was added.
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
    fn the_identity_has_no_extremes() {
        let (count, sum, min, max) = All::identity();
        assert_eq!(
            (count.value(), sum.value(), min.value(), max.value()),
            (0, 0, None, None)
        );
    }

    #[test]
    fn sums_exceed_64_bits() {
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
