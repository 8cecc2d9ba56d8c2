//! The files of the checkout, as far as they are ours and are text.

use std::fs;
use std::path::{Path, PathBuf};

/// A text file of the checkout.
pub(crate) struct File {
    /// Relative to the root of the checkout, with slashes.
    pub(crate) path: String,
    /// What it says.
    pub(crate) text: String,
}

impl File {
    /// A file that exists only in a test.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// Whether its name ends like this.
    pub(crate) fn is(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|it| it == extension)
    }
}

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("this crate lies two folders deep").to_owned()
}

/// Dot folders that are part of the project.
const DOT_FOLDERS: [&str; 3] = [".cargo", ".ci", ".config"];
/// Folders with what programs leave behind.
const LEFT_BEHIND: [&str; 4] = ["target", "ringleader-data", "__pycache__", "node_modules"];
/// Recorded by others, and not ours to word.
const FOREIGN: [&str; 1] = ["linearizability/tests/data"];

/// All files that we wrote.
pub(crate) fn files() -> Vec<File> {
    let root = root();
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    paths.sort();
    let relative = |path: &Path| {
        let path = path.strip_prefix(&root).expect("found below the root");
        path.to_str().expect("our names are UTF-8").to_owned()
    };
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).ok()?;
        Some(File { path: relative(path), text })
    };
    let ours = |file: &File| !FOREIGN.iter().any(|folder| file.path.starts_with(folder));
    paths.iter().filter_map(read).filter(ours).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).expect("the checkout can be read");
    for entry in entries {
        let path = entry.expect("the checkout can be read").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !path.is_dir() {
            // In a linked work tree this is a file that names the place of the repository.
            if name != ".git" {
                paths.push(path);
            }
        } else if is_ours(name) {
            collect(&path, paths);
        }
    }
}

fn is_ours(folder: &str) -> bool {
    let hidden = folder.starts_with('.') && !DOT_FOLDERS.contains(&folder);
    let left_behind = LEFT_BEHIND.contains(&folder) || folder.starts_with("target-");
    !hidden && !left_behind
}

#[test]
fn the_checkout_is_found() {
    let files = files();
    let has = |path: &str| files.iter().any(|file| file.path == path);
    assert!(has("Cargo.toml") && has(".cargo/config.toml") && has("model/core/src/lib.rs"));
    assert!(!files.iter().any(|file| file.path.starts_with("target")));
}
