//! Projections: which parts of an item a reader wants.
//!
//! The parts come back in their place: `a.b` of an item gives a map `a` that holds only `b`, and
//! `l[5]` a list `l` that holds only that element. A path that leads nowhere adds nothing, not even
//! the maps on its way.

use crate::limits::{PATH_LENGTH_MAX, PATHS_MAX};
use crate::update::clash;
use crate::{AttributeValue, Item, Path, PathElement};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Which parts of an item to keep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Path>", into = "Vec<Path>")]
pub struct Projection {
    parts: BTreeMap<String, Part>,
    paths: Vec<Path>,
}

/// What to keep below one name or index.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// Everything.
    Whole,
    /// Some entries of a map.
    Map(BTreeMap<String, Part>),
    /// Some elements of a list.
    List(BTreeMap<usize, Part>),
}

/// Why paths cannot be projected together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProjectionError {
    /// One path is the other, or leads to a place inside it.
    #[error("two paths overlap")]
    Overlap,
    /// One path takes a place for a map and the other for a list.
    #[error("two paths conflict")]
    Conflict,
    /// More paths, or longer ones, than any accepted expression has.
    #[error("more than {PATHS_MAX} paths, or one of more than {PATH_LENGTH_MAX} elements")]
    TooLong,
}

impl TryFrom<Vec<Path>> for Projection {
    type Error = ProjectionError;

    fn try_from(paths: Vec<Path>) -> Result<Self, ProjectionError> {
        Self::new(&paths)
    }
}

impl From<Projection> for Vec<Path> {
    fn from(projection: Projection) -> Self {
        projection.paths
    }
}

/// The first two paths that cannot stand together, and why.
#[must_use]
pub fn first_clash(paths: &[Path]) -> Option<(&Path, &Path, ProjectionError)> {
    let (first, second, error) = clash(&paths.iter().collect::<Vec<_>>())?;
    Some((&paths[first], &paths[second], error))
}

/// How two paths stand to each other.
#[must_use]
pub fn relation(left: &Path, right: &Path) -> Option<ProjectionError> {
    if left.root != right.root {
        return None;
    }
    for (left, right) in left.elements.iter().zip(&right.elements) {
        match (left, right) {
            (left, right) if left == right => {}
            (PathElement::Name(_), PathElement::Name(_))
            | (PathElement::Index(_), PathElement::Index(_)) => return None,
            _ => return Some(ProjectionError::Conflict),
        }
    }
    Some(ProjectionError::Overlap)
}

impl Projection {
    /// Keeps what these paths lead to.
    ///
    /// # Errors
    /// When two paths overlap or conflict.
    pub fn new(paths: &[Path]) -> Result<Self, ProjectionError> {
        let too_long = |path: &Path| path.elements.len() > PATH_LENGTH_MAX;
        if paths.len() > PATHS_MAX || paths.iter().any(too_long) {
            return Err(ProjectionError::TooLong);
        }
        if let Some((_, _, error)) = first_clash(paths) {
            return Err(error);
        }
        let all: Vec<_> = paths.iter().map(|path| (&path.root, &path.elements[..])).collect();
        Ok(Self { parts: group(all), paths: paths.to_vec() })
    }

    /// The top-level attributes of which something is kept, each once.
    pub fn roots(&self) -> impl Iterator<Item = &str> {
        self.parts.keys().map(String::as_str)
    }

    /// The wanted parts of an item.
    #[must_use]
    pub fn apply(&self, item: &Item) -> Item {
        let keep = |(name, part): (&String, &Part)| Some((name.clone(), part.of(item.get(name)?)?));
        self.parts.iter().filter_map(keep).collect()
    }
}

/// Paths that do not overlap, grouped by where they lead first.
fn group<K: Ord + Clone>(paths: Vec<(&K, &[PathElement])>) -> BTreeMap<K, Part> {
    let mut groups: BTreeMap<K, Vec<&[PathElement]>> = BTreeMap::new();
    for (first, rest) in paths {
        groups.entry(first.clone()).or_default().push(rest);
    }
    groups.into_iter().map(|(first, rests)| (first, Part::new(&rests))).collect()
}

impl Part {
    /// Invariant of the callers: no path is empty unless it is the only one, and all first
    /// elements are of one kind.
    fn new(paths: &[&[PathElement]]) -> Self {
        let (mut names, mut indexes) = (Vec::new(), Vec::new());
        for path in paths {
            match path.split_first() {
                None => return Self::Whole,
                Some((PathElement::Name(name), rest)) => names.push((name, rest)),
                Some((PathElement::Index(index), rest)) => indexes.push((*index as usize, rest)),
            }
        }
        if indexes.is_empty() {
            return Self::Map(group(names));
        }
        Self::List(group(indexes.iter().map(|(index, rest)| (index, *rest)).collect()))
    }

    /// What there is of a value; `None` if no wanted path leads anywhere.
    fn of(&self, value: &AttributeValue) -> Option<AttributeValue> {
        match (self, value) {
            (Self::Whole, value) => Some(value.clone()),
            (Self::Map(parts), AttributeValue::M(map)) => {
                let keep =
                    |(name, part): (&String, &Part)| Some((name.clone(), part.of(map.get(name)?)?));
                let kept: BTreeMap<_, _> = parts.iter().filter_map(keep).collect();
                (!kept.is_empty()).then_some(AttributeValue::M(kept))
            }
            (Self::List(parts), AttributeValue::L(list)) => {
                let keep = |(index, part): (&usize, &Part)| part.of(list.get(*index)?);
                let kept: Vec<_> = parts.iter().filter_map(keep).collect();
                (!kept.is_empty()).then_some(AttributeValue::L(kept))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(root: &str, elements: &[PathElement]) -> Path {
        Path { root: root.into(), elements: elements.to_vec() }
    }

    fn name(name: &str) -> PathElement {
        PathElement::Name(name.into())
    }

    fn map<const N: usize>(entries: [(&str, AttributeValue); N]) -> AttributeValue {
        AttributeValue::M(entries.map(|(name, value)| (name.to_owned(), value)).into())
    }

    #[test]
    fn parts_keep_their_place() {
        let list = AttributeValue::L(vec!["x".into(), map([("k", 1_u64.into())]), "z".into()]);
        let item = Item::from([
            ("a", map([("b", "1".into()), ("c", map([("d", "2".into()), ("e", "3".into())]))])),
            ("l", list),
            ("n", 7_u64.into()),
        ]);
        let keep = |paths: &[Path]| Projection::new(paths).unwrap().apply(&item);
        assert_eq!(keep(&[path("n", &[])]), Item::from([("n", 7_u64.into())]));
        assert_eq!(
            keep(&[path("a", &[name("c"), name("e")]), path("a", &[name("b")])]),
            Item::from([("a", map([("b", "1".into()), ("c", map([("e", "3".into())]))]))])
        );
        let at = PathElement::Index;
        assert_eq!(
            keep(&[path("l", &[at(2)]), path("l", &[at(1), name("k")]), path("l", &[at(9)])]),
            Item::from([("l", AttributeValue::L(vec![map([("k", 1_u64.into())]), "z".into()]))])
        );
        assert_eq!(keep(&[path("a", &[name("none")]), path("n", &[at(0)])]), Item::new());
    }

    #[test]
    fn paths_must_not_overlap_or_conflict() {
        let (b, c, at) = (name("b"), name("c"), PathElement::Index(0));
        let of = |left: &[&PathElement], right: &[&PathElement]| {
            let path = |elements: &[&PathElement]| Path {
                root: "a".into(),
                elements: elements.iter().map(|&element| element.clone()).collect(),
            };
            Projection::new(&[path(left), path(right)]).err()
        };
        assert_eq!(of(&[], &[]), Some(ProjectionError::Overlap));
        assert_eq!(of(&[&b], &[]), Some(ProjectionError::Overlap));
        assert_eq!(of(&[&b, &c], &[&b]), Some(ProjectionError::Overlap));
        assert_eq!(of(&[&b], &[&at]), Some(ProjectionError::Conflict));
        assert_eq!(of(&[&b], &[&c, &at]), None);
    }
}
