//! Finding the images of a folder of class folders.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use super::{
    files::{Files, bytes_to_path, path_to_bytes},
    folder_index::{self, Index, Record, Stamp},
    listing::{Kind, Listing, Stop},
};

/// The images of a folder of class folders.
#[derive(Debug, Default)]
pub struct Folder {
    /// The images, class by class.
    pub files: Files,
    /// The class of each image.
    pub targets: Vec<i64>,
    /// Why the index could not be written, where it should have been.
    pub unsaved: Option<io::Error>,
}

/// A file that keeps what folders hold from one scan to the next.
#[derive(Debug, Clone, Copy)]
pub struct IndexFile<'a> {
    /// Where it is.
    pub path: &'a Path,
    /// How long a folder must not have changed to be relied upon. Times of files are as coarse as 2 s on some file
    /// systems (FAT): what is added to a folder sooner after its last change may leave its time as it is.
    pub settled: Duration,
}

/// Lists the files below `root/class` for each `(class, target)`, in the order of
/// `torchvision.datasets.folder.make_dataset`: classes as given, folders by their whole path, then files by name.
/// Links are followed. A file counts if its name ends in one of `extensions` (lower case), whatever its case.
///
/// Several threads list class folders at the same time: what costs is the waiting for the file system. With an `index`,
/// folders that did not change since it was written are looked at and not listed, and it is written again if any did.
///
/// # Errors
/// Where a class folder exists but cannot be listed. (A folder further down that cannot be listed is passed over, as
/// `os.walk` does.) [`io::ErrorKind::Interrupted`] where it was given up, see [`crate::interrupt`]; the index then stays as
/// it was.
pub fn scan(
    root: &Path,
    classes: &[(PathBuf, i64)],
    extensions: &[String],
    index: Option<IndexFile<'_>>,
) -> io::Result<Folder> {
    let known = index.map(|file| (Index::load(file.path), file.settled));
    let (next, stop) = (AtomicUsize::new(0), Stop::default());
    let found: Vec<Mutex<io::Result<Class<'_>>>> = classes.iter().map(|_| Mutex::new(Ok(Class::default()))).collect();
    let list = || {
        while let Some((slot, (class, _))) = {
            let number = next.fetch_add(1, Ordering::Relaxed);
            found.get(number).zip(classes.get(number))
        } {
            let known = known.as_ref().map(|(index, settled)| (index, *settled));
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = files_below(root, class, extensions, known, &stop);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS).min(classes.len());
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(list)).collect();
        list();
        // They know of no signals: this thread looks for them all.
        while !others.iter().all(|other| other.is_finished()) && !stop.asked() {
            std::thread::park_timeout(BETWEEN_LOOKS);
        }
    });
    if stop.asked() {
        return Err(io::ErrorKind::Interrupted.into());
    }
    let (mut folder, mut records) = (Folder::default(), Vec::new());
    for (class, (_, target)) in found.into_iter().zip(classes) {
        let class = class.into_inner().unwrap_or_else(PoisonError::into_inner)?;
        folder.targets.resize(folder.targets.len() + class.files.len(), *target);
        folder.files.append(&class.files);
        records.extend(class.records);
    }
    if let (Some(file), Some((known, _))) = (index, &known)
        && known.differs(&records)
    {
        folder.unsaved = folder_index::save(file.path, &records).err();
    }
    Ok(folder)
}

/// More would only wait for the same disk.
const MAX_THREADS: usize = 8;

/// How long the caller's thread sleeps while the others list.
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

/// The files of a class, and its folders for the index.
#[derive(Debug, Default)]
struct Class<'a> {
    files: Files,
    records: Vec<Record<'a>>,
}

/// Lists the files of one class; none if there is no such folder.
fn files_below<'a>(
    root: &Path,
    class: &Path,
    extensions: &[String],
    known: Option<(&'a Index, Duration)>,
    stop: &Stop,
) -> io::Result<Class<'a>> {
    let top = root.join(class);
    if !top.is_dir() {
        return Ok(Class::default());
    }
    let mut walk = Walk { extensions, known, stop, groups: Vec::new(), records: Vec::new(), above: Vec::new() };
    walk.folder(&top, path_to_bytes(class.as_os_str()).into_owned(), fs::canonicalize(&top)?)?;
    walk.groups.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    let mut files = Files::default();
    walk.groups.iter().for_each(|(_, group)| files.append(group));
    Ok(Class { files, records: walk.records })
}

/// A walk through the folders of a class.
struct Walk<'a, 'b> {
    extensions: &'b [String],
    /// The index of known folders, and how long a folder must not have changed to be known.
    known: Option<(&'a Index, Duration)>,
    stop: &'b Stop,
    /// The path of each folder, as bytes, and its files.
    groups: Vec<(Vec<u8>, Files)>,
    records: Vec<Record<'a>>,
    /// The real paths of the folders on the way down: a link back to one of them is not followed, where `os.walk` would
    /// run in circles.
    above: Vec<PathBuf>,
}

impl<'a> Walk<'a, '_> {
    /// Collects the files of a folder and of all folders below it. `key` is its path from the root.
    fn folder(&mut self, folder: &Path, key: Vec<u8>, real: PathBuf) -> io::Result<()> {
        if self.above.contains(&real) {
            return Ok(());
        }
        let path = path_to_bytes(folder.as_os_str()).into_owned();
        let (listing, record) = self.listing(folder, &key)?;
        let mut files = Files::default();
        self.above.push(real);
        for (kind, name) in listing.entries() {
            let entry = || folder.join(bytes_to_path(name));
            if kind == Kind::Folder || kind == Kind::Link && entry().is_dir() {
                // As `os.walk` with its default `onerror`: what cannot be listed is passed over.
                let _ = self.below(&entry(), kind, [&key, SEPARATOR, name].concat(), name);
            } else if has_extension(name, self.extensions) {
                files.push(&[&path, SEPARATOR, name]);
            }
        }
        self.above.pop();
        self.groups.push((path, files));
        self.records.extend(record.map(|(stamp, is_new)| Record { key, stamp, listing, is_new }));
        Ok(())
    }

    fn below(&mut self, folder: &Path, kind: Kind, key: Vec<u8>, name: &[u8]) -> io::Result<()> {
        let real = match self.above.last() {
            Some(above) if kind == Kind::Folder => above.join(bytes_to_path(name)),
            _ => fs::canonicalize(folder)?,
        };
        self.folder(folder, key, real)
    }

    /// What a folder holds, and for the index, if it is to be there, its state and whether that is new to it.
    fn listing(&self, folder: &Path, key: &[u8]) -> io::Result<Listed<'a>> {
        let Some((index, settled)) = self.known else { return Ok((Listing::read(folder, self.stop)?.0, None)) };
        // Before it is listed: what changes meanwhile shows next time.
        let (stamp, now) = (Stamp::of(&fs::metadata(folder)?), SystemTime::now());
        if let Some(listing) = index.get(key, stamp) {
            return Ok((listing, Some((stamp, false))));
        }
        let (listing, is_whole) = Listing::read(folder, self.stop)?;
        Ok((listing, (is_whole && stamp.is_settled(now, settled)).then_some((stamp, true))))
    }
}

/// A folder's entries, and what [`Record`] says of it besides.
type Listed<'a> = (Listing<'a>, Option<(Stamp, bool)>);

const SEPARATOR: &[u8] = std::path::MAIN_SEPARATOR_STR.as_bytes();

fn has_extension(name: &[u8], extensions: &[String]) -> bool {
    extensions
        .iter()
        .any(|end| name.len() >= end.len() && name[name.len() - end.len()..].eq_ignore_ascii_case(end.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interrupt;

    #[test]
    fn lists_in_torchvisions_order() {
        let root = std::env::temp_dir().join(format!("torchfeed-scan-{}", std::process::id()));
        for file in ["b/2.JPG", "b/10.jpg", "b/x/1.jpg", "b/x-y/1.jpg", "b/notes.txt", "a/1.png"] {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"").unwrap();
        }
        let classes = [("a".into(), 0), ("b".into(), 1), ("missing".into(), 2)];
        let folder = scan(&root, &classes, &[".jpg".into(), ".png".into()], None).unwrap();
        let names: Vec<_> = (0..folder.files.len())
            .map(|i| folder.files.path(i).strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/"))
            .collect();
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(names, ["a/1.png", "b/10.jpg", "b/2.JPG", "b/x/1.jpg", "b/x-y/1.jpg"]);
        assert_eq!(folder.targets, [0, 1, 1, 1, 1]);
    }

    #[test]
    fn a_scan_that_is_given_up_writes_no_index() {
        let root = std::env::temp_dir().join(format!("torchfeed-stop-{}", std::process::id()));
        for class in 0..20 {
            let path = root.join(format!("{class}/1.jpg"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"").unwrap();
        }
        let classes: Vec<_> = (0..20).map(|class| (class.to_string().into(), class)).collect();
        let path = root.join("index");
        let index = Some(IndexFile { path: &path, settled: Duration::ZERO });
        let scan = || scan(&root, &classes, &[".jpg".into()], index);
        let stopped = interrupt::watching(|| true, scan).map(|folder| folder.targets.len());
        assert_eq!(stopped.unwrap_err().kind(), io::ErrorKind::Interrupted);
        assert!(!path.exists());
        assert_eq!(interrupt::watching(|| false, scan).unwrap().targets.len(), 20);
        assert!(path.exists());
        fs::remove_dir_all(&root).unwrap();
    }
}
