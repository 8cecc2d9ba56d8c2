//! Projection expressions: paths, separated by commas.

use super::cursor::Cursor;
use super::placeholders::Placeholders;
use super::wording::Wrong;
use crate::ApiError;
use ringleader_item::projection::first_clash;
use ringleader_item::{Path, Projection};

/// Parses a projection. `member` is the parameter's name in error texts.
pub(crate) fn parse(
    member: &str,
    text: &str,
    placeholders: &mut Placeholders<'_>,
) -> Result<Projection, ApiError> {
    Cursor::start(text, placeholders)
        .and_then(paths)
        .and_then(|paths| Projection::new(&paths).map_err(|_| describe(&paths)))
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
fn describe(paths: &[Path]) -> String {
    let (first, second, error) =
        first_clash(paths).expect("the text bounds the paths' number, the cursor their length");
    Wrong::Paths(first, second, error).into()
}
