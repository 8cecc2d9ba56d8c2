//! Projection expressions: paths, separated by commas.

use super::cursor::{Cursor, display};
use super::placeholders::Placeholders;
use crate::ApiError;
use ringleader_item::projection::{ProjectionError, first_clash};
use ringleader_item::{Path, Projection};

/// Parses a projection. `member` is the parameter's name in error texts.
pub(crate) fn parse(
    member: &str,
    text: &str,
    placeholders: &mut Placeholders<'_>,
) -> Result<Projection, ApiError> {
    Cursor::start(text, placeholders)
        .and_then(paths)
        .and_then(|paths| Projection::new(&paths).map_err(|error| describe(error, &paths)))
        .map_err(|message| ApiError::validation(format!("Invalid {member}: {message}")))
}

fn paths(mut cursor: Cursor<'_, '_, '_>) -> Result<Vec<Path>, String> {
    let mut paths = Vec::new();
    loop {
        paths.extend(cursor.path()?);
        if cursor.at_end() {
            break;
        }
        cursor.require_sign(",")?;
    }
    cursor.finish()?;
    Ok(paths)
}

/// Names the first two paths that cannot stand together.
fn describe(error: ProjectionError, paths: &[Path]) -> String {
    let stand = match error {
        ProjectionError::Overlap => "overlap",
        ProjectionError::Conflict => "conflict",
        ProjectionError::TooLong => {
            unreachable!("the text bounds the paths' number, the cursor their length")
        }
    };
    let (first, second, _) = first_clash(paths).expect("some pair made the projection impossible");
    format!(
        "Two document paths {stand} with each other; must remove or rewrite one of these paths; path one: {}, path two: {}",
        display(first),
        display(second)
    )
}
