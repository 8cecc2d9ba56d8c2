//! All permutations of a few names.

/// The permutations of `0..count`, the identity first.
pub(crate) struct Permutations(Vec<Box<[u8]>>);

impl Permutations {
    pub(crate) fn of(count: u8) -> Self {
        let mut all: Vec<Vec<u8>> = vec![Vec::new()];
        for _ in 0..count {
            let longer = |names: &Vec<u8>| {
                let free: Vec<u8> = (0..count).filter(|it| !names.contains(it)).collect();
                let with = |name: u8| [names.as_slice(), &[name]].concat();
                free.into_iter().map(with).collect::<Vec<_>>()
            };
            all = all.iter().flat_map(longer).collect();
        }
        Self(all.into_iter().map(Vec::into_boxed_slice).collect())
    }

    /// The identity alone: for worlds in which names matter.
    pub(crate) fn identity(count: u8) -> Self {
        Self(vec![(0..count).collect()])
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn get(&self, number: usize) -> &[u8] {
        &self.0[number]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(AsRef::as_ref)
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
}
