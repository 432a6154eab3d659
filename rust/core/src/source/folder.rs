//! Finding the images of a folder of class folders.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::files::{Files, path_to_bytes};

/// The images of a folder of class folders.
#[derive(Debug, Default)]
pub struct Folder {
    /// The images, class by class.
    pub files: Files,
    /// The class of each image.
    pub targets: Vec<i64>,
}

/// Lists the files below `root/class` for each `(class, target)`, in the order of
/// `torchvision.datasets.folder.make_dataset`: classes as given, folders by their whole path, then files by name.
/// Links are followed. A file counts if its name ends in one of `extensions` (lower case), whatever its case.
///
/// Several threads list class folders at the same time: what costs is the waiting for the file system.
///
/// # Errors
/// Where a class folder exists but cannot be listed. (A folder further down that cannot be listed is passed over, as
/// `os.walk` does.)
pub fn scan(root: &Path, classes: &[(PathBuf, i64)], extensions: &[String]) -> io::Result<Folder> {
    let next = AtomicUsize::new(0);
    let found: Vec<Mutex<io::Result<Files>>> = classes.iter().map(|_| Mutex::new(Ok(Files::default()))).collect();
    let list = || {
        while let Some((slot, (class, _))) = {
            let number = next.fetch_add(1, Ordering::Relaxed);
            found.get(number).zip(classes.get(number))
        } {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = files_below(&root.join(class), extensions);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS).min(classes.len());
    std::thread::scope(|scope| {
        (1..threads).for_each(|_| drop(scope.spawn(list)));
        list();
    });
    let mut folder = Folder::default();
    for (files, (_, target)) in found.into_iter().zip(classes) {
        let files = files.into_inner().unwrap_or_else(PoisonError::into_inner)?;
        folder.targets.resize(folder.targets.len() + files.len(), *target);
        folder.files.append(&files);
    }
    Ok(folder)
}

/// More would only wait for the same disk.
const MAX_THREADS: usize = 8;

/// Lists the files of one class; none if there is no such folder.
fn files_below(top: &Path, extensions: &[String]) -> io::Result<Files> {
    let mut files = Files::default();
    if !top.is_dir() {
        return Ok(files);
    }
    let mut groups = Vec::new();
    walk(top, &mut groups, &mut Vec::new())?;
    groups.sort_unstable();
    for (directory, mut names) in groups {
        names.retain(|name| has_extension(name, extensions));
        names.sort_unstable();
        for name in &names {
            files.push(&[&directory, std::path::MAIN_SEPARATOR_STR.as_bytes(), name]);
        }
    }
    Ok(files)
}

/// A folder's path and the names of its files; both as bytes.
type Group = (Vec<u8>, Vec<Vec<u8>>);

/// Collects `directory` and all folders below it. `above` holds the real paths of the folders on the way down: a link
/// back to one of them is not followed, where `os.walk` would run in circles.
fn walk(directory: &Path, groups: &mut Vec<Group>, above: &mut Vec<PathBuf>) -> io::Result<()> {
    let real = fs::canonicalize(directory)?;
    if above.contains(&real) {
        return Ok(());
    }
    let entries = fs::read_dir(directory)?;
    above.push(real);
    let mut names = Vec::new();
    for entry in entries.flatten() {
        // The kind comes with the directory's entry; only links are looked up.
        let kind = entry.file_type();
        let is_link = kind.as_ref().is_ok_and(fs::FileType::is_symlink);
        if if is_link { entry.path().is_dir() } else { kind.is_ok_and(|kind| kind.is_dir()) } {
            // As `os.walk` with its default `onerror`: what cannot be listed is passed over.
            let _ = walk(&entry.path(), groups, above);
        } else {
            names.push(path_to_bytes(&entry.file_name()).into_owned());
        }
    }
    above.pop();
    groups.push((path_to_bytes(directory.as_os_str()).into_owned(), names));
    Ok(())
}

fn has_extension(name: &[u8], extensions: &[String]) -> bool {
    extensions
        .iter()
        .any(|end| name.len() >= end.len() && name[name.len() - end.len()..].eq_ignore_ascii_case(end.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_in_torchvisions_order() {
        let root = std::env::temp_dir().join(format!("torchfeed-scan-{}", std::process::id()));
        for file in ["b/2.JPG", "b/10.jpg", "b/x/1.jpg", "b/x-y/1.jpg", "b/notes.txt", "a/1.png"] {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"").unwrap();
        }
        let classes = [("a".into(), 0), ("b".into(), 1), ("missing".into(), 2)];
        let folder = scan(&root, &classes, &[".jpg".into(), ".png".into()]).unwrap();
        let names: Vec<_> = (0..folder.files.len())
            .map(|i| folder.files.path(i).strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/"))
            .collect();
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(names, ["a/1.png", "b/10.jpg", "b/2.JPG", "b/x/1.jpg", "b/x-y/1.jpg"]);
        assert_eq!(folder.targets, [0, 1, 1, 1, 1]);
    }
}
