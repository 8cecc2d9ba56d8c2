//! All permutations of a few names.

/// Bits of one name in a packed order.
const NAME_BITS: usize = 3;

/// The permutations of `0..count`, the identity first, each with a number; names above some may
/// stay as they are.
pub(crate) struct Permutations {
    all: Vec<Box<[u8]>>,
    /// By first number, then by second: the number of doing the first and then the second.
    then: Vec<u16>,
    /// By pattern of ties: the numbers of those that only exchange neighbours which are tied.
    within_ties: Vec<Box<[u16]>>,
    /// By packed order of names: the number of the permutation that puts them in that order.
    sorting: Vec<u16>,
    /// How many names change.
    some: usize,
}

impl Permutations {
    /// Of the names below `some`; those from there to `count` stay.
    pub(crate) fn of_some(some: u8, count: u8) -> Self {
        let mut permutations = Self::of(some);
        for names in &mut permutations.all {
            *names = names.iter().copied().chain(some..count).collect();
        }
        permutations
    }

    fn of(count: u8) -> Self {
        let mut all: Vec<Vec<u8>> = vec![Vec::new()];
        for _ in 0..count {
            let longer = |names: &Vec<u8>| {
                let free: Vec<u8> = (0..count).filter(|it| !names.contains(it)).collect();
                let with = |name: u8| [names.as_slice(), &[name]].concat();
                free.into_iter().map(with).collect::<Vec<_>>()
            };
            all = all.iter().flat_map(longer).collect();
        }
        let mut permutations = Self {
            all: all.into_iter().map(Vec::into_boxed_slice).collect(),
            then: Vec::new(),
            within_ties: Vec::new(),
            sorting: Vec::new(),
            some: usize::from(count),
        };
        permutations.tabulate();
        permutations
    }

    fn tabulate(&mut self) {
        let number = |it: usize| u16::try_from(it).expect("at most 120 permutations");
        let count = self.some;
        self.sorting = vec![0; 1 << (NAME_BITS * count)];
        for (position, names) in self.all.iter().enumerate() {
            // Whoever is at place `p` of the order is called `p` afterwards.
            let mut order = vec![0; count];
            for (old, &new) in names.iter().enumerate() {
                order[usize::from(new)] = old;
            }
            self.sorting[pack(order.into_iter())] = number(position);
        }
        let compose = |first: &[u8], second: &[u8]| -> u16 {
            let names: Vec<u8> = first.iter().map(|&it| second[usize::from(it)]).collect();
            number(self.all.iter().position(|it| **it == *names).expect("they are a group"))
        };
        let pairs = self.all.iter().flat_map(|first| self.all.iter().map(move |it| (first, it)));
        self.then = pairs.map(|(first, second)| compose(first, second)).collect();
        let stays_tied = |names: &[u8], ties: usize| {
            let group = |place: usize| (0..place).filter(|it| ties & 1 << it == 0).count();
            (0..count).all(|place| group(place) == group(usize::from(names[place])))
        };
        let within = |ties: usize| {
            let numbered = self.all.iter().enumerate();
            numbered.filter(|(_, it)| stays_tied(it, ties)).map(|(it, _)| number(it)).collect()
        };
        self.within_ties = (0..1 << count.saturating_sub(1)).map(within).collect();
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn get(&self, number: usize) -> &[u8] {
        &self.all[number]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.all.iter().map(AsRef::as_ref)
    }

    /// The number of the permutation that first undoes `undone` and then does `done`.
    pub(crate) fn after_undoing(&self, done: usize, undone: usize) -> usize {
        let (done, undone) = (self.get(done), self.get(undone));
        let mut names = vec![0; done.len()];
        for (&from, &to) in undone.iter().zip(done) {
            names[usize::from(from)] = to;
        }
        self.iter().position(|it| it == names).expect("permutations are a group")
    }

    /// The numbers of the permutations that put `keys`, as far as their names change, in ascending
    /// order: one, unless some are equal.
    ///
    /// # Panics
    ///
    /// If there are fewer keys than names that change.
    pub(crate) fn sorting<K: Ord>(&self, keys: &[K]) -> impl ExactSizeIterator<Item = usize> {
        let mut order = [0_usize; 1 << NAME_BITS];
        let order = &mut order[..self.some];
        for place in 0..self.some {
            let mut at = place;
            while at > 0 && keys[order[at - 1]] > keys[place] {
                order[at] = order[at - 1];
                at -= 1;
            }
            order[at] = place;
        }
        let equal = |place: &usize| keys[order[*place]] == keys[order[*place + 1]];
        let ties = (0..self.some.saturating_sub(1)).filter(equal);
        let ties = ties.fold(0_usize, |ties, place| ties | 1 << place);
        let first = usize::from(self.sorting[pack(order.iter().copied())]);
        let row = &self.then[first * self.len()..][..self.len()];
        self.within_ties[ties].iter().map(move |&second| usize::from(row[usize::from(second)]))
    }
}

fn pack(order: impl Iterator<Item = usize>) -> usize {
    order.fold(0, |packed, name| packed << NAME_BITS | name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permutations_are_all_and_undo_themselves() {
        for (count, size) in [(1, 1), (2, 2), (3, 6), (4, 24), (5, 120)] {
            let all = Permutations::of(count);
            assert_eq!(all.len(), size);
            assert!(all.get(0).is_sorted(), "the identity comes first");
            for number in 0..all.len() {
                assert_eq!(all.after_undoing(number, number), 0);
                assert_eq!(all.after_undoing(number, 0), number);
            }
        }
    }

    #[test]
    fn sorting_finds_every_permutation_that_sorts() {
        let all = Permutations::of(4);
        for keys in (0..256_u32).map(|it| [it & 3, it >> 2 & 3, it >> 4 & 3, it >> 6]) {
            let mut found: Vec<usize> = all.sorting(&keys).collect();
            found.sort_unstable();
            let sorts = |number: &usize| {
                let mut renamed = [0; 4];
                for (&name, &key) in all.get(*number).iter().zip(&keys) {
                    renamed[usize::from(name)] = key;
                }
                renamed.is_sorted()
            };
            let expected: Vec<usize> = (0..all.len()).filter(sorts).collect();
            assert_eq!(found, expected, "{keys:?}");
        }
    }

    #[test]
    fn names_that_stay_are_not_sorted() {
        let some = Permutations::of_some(2, 4);
        assert_eq!(some.iter().collect::<Vec<_>>(), [[0, 1, 2, 3], [1, 0, 2, 3]]);
        assert_eq!(some.sorting(&[7, 5, 3, 1]).collect::<Vec<_>>(), [1]);
        let none = Permutations::of_some(0, 3);
        assert_eq!(none.len(), 1);
        assert_eq!(none.sorting(&[3, 2, 1]).collect::<Vec<_>>(), [0]);
    }
}
