//! The files in a binary resource of Qt (.rcc): a tree of names beside data that are raw, zlib's or Zstandard's.
//!
//! Nobody but Qt's own sources describes the format; its versions 1 to 3 are read. All numbers are big-endian. The header
//! says where the tree, the data and the names begin. A node of the tree has 14 bytes, or 22 from version 2 on, of which the
//! last 8 tell when the file was changed: the place of its name, flags, then either how many children it has and which node
//! is the first, or territory, language and the place of its data.

use std::io::Read;
use std::ops::Range;

use flate2::read::ZlibDecoder;
use ruzstd::decoding::StreamingDecoder;

use crate::error::{Error, Result};

const MAGIC: [u8; 4] = *b"qres";
const ZLIB: u16 = 1;
const DIRECTORY: u16 = 2;
const ZSTD: u16 = 4;
const SMALL_WINDOW: usize = 1 << 20; // bytes, of Zstandard; it may be larger than what is packed
const MOST_NODES: usize = 1 << 16; // the largest resource of GCompris has some hundreds

/// The files of a resource, each with its path, in the order of the tree; a file in several languages comes several times.
///
/// An error when anything is cut short or contradicts itself, or when paths and files together are larger than `limit` bytes.
/// Whatever the bytes are, little more memory than that is taken.
pub fn files(bytes: &[u8], limit: usize) -> Result<Vec<(String, Vec<u8>)>> {
    let resource = Resource::of(bytes)?;
    let (mut files, mut room) = (Vec::new(), Room(limit));
    let mut seen = vec![false; resource.nodes()];
    let root = resource.node(0)?;
    let Kind::Directory(children) = root.kind else { return Err(broken("its first node is no folder")) };
    seen[0] = true;
    let mut open = vec![(children, String::new())];
    while let Some((children, folder)) = open.last_mut() {
        let Some(at) = children.next() else {
            open.pop();
            continue;
        };
        match seen.get_mut(at) {
            Some(seen) if !*seen => *seen = true,
            Some(_) => return Err(broken("a node lies in two folders, or a folder in itself")),
            None => return Err(broken("a folder names children that are not there")),
        }
        let node = resource.node(at)?;
        let name = resource.name(node.name)?;
        room.take(folder.len() + name.len() + 1)?;
        let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
        match node.kind {
            Kind::Directory(children) => open.push((children, path)),
            Kind::File { packing, at } => {
                let bytes = resource.unpacked(&path, packing, at, &mut room)?;
                files.push((path, bytes));
            }
        }
    }
    Ok(files)
}

fn broken(why: &str) -> Error {
    Error::failed(format!("the Qt resource is broken: {why}"))
}

/// How many bytes may still be unpacked.
struct Room(usize);

impl Room {
    fn take(&mut self, bytes: usize) -> Result<()> {
        self.0 = self.0.checked_sub(bytes).ok_or_else(|| broken("it unpacks to more than it may have"))?;
        Ok(())
    }
}

/// The three parts of a resource, each from its beginning to the end of the file.
struct Resource<'a> {
    tree: &'a [u8],
    data: &'a [u8],
    names: &'a [u8],
    node_bytes: usize,
}

struct Node {
    name: usize,
    kind: Kind,
}

enum Kind {
    Directory(Range<usize>),
    File { packing: u16, at: usize },
}

impl<'a> Resource<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self> {
        if array(bytes, 0)? != MAGIC {
            return Err(Error::failed("this is no Qt resource: it does not begin with `qres`"));
        }
        let version = number(bytes, 4)?;
        if !(1..=3).contains(&version) {
            return Err(Error::failed(format!("this Qt resource is of version {version}; versions 1 to 3 are read")));
        }
        let from = |at: usize| {
            let start = number(bytes, at)?;
            bytes.get(start..).ok_or_else(|| broken("a part of it begins behind its end"))
        };
        let node_bytes = if version == 1 { 14 } else { 22 };
        Ok(Resource { tree: from(8)?, data: from(12)?, names: from(16)?, node_bytes })
    }

    /// How many nodes there is room for; a resource does not say how many there are.
    fn nodes(&self) -> usize {
        (self.tree.len() / self.node_bytes).clamp(1, MOST_NODES)
    }

    fn node(&self, at: usize) -> Result<Node> {
        let node = self.tree.get(at * self.node_bytes..).unwrap_or_default();
        let node = node.get(..self.node_bytes).ok_or_else(cut)?;
        let flags = u16::from_be_bytes(array(node, 4)?);
        let kind = match flags {
            DIRECTORY => {
                let (count, first) = (number(node, 6)?, number(node, 10)?);
                let end = first.checked_add(count).filter(|end| *end <= self.nodes());
                Kind::Directory(first..end.ok_or_else(|| broken("a folder has more children than there are nodes"))?)
            }
            0 | ZLIB | ZSTD => Kind::File { packing: flags, at: number(node, 10)? },
            _ => return Err(broken(&format!("a node has the flags {flags}, which mean nothing"))),
        };
        Ok(Node { name: number(node, 0)?, kind })
    }

    /// A name: its length in UTF-16 units, a hash, the units.
    fn name(&self, at: usize) -> Result<String> {
        let name = self.names.get(at..).unwrap_or_default();
        let length = usize::from(u16::from_be_bytes(array(name, 0)?));
        let units = name.get(6..6 + 2 * length).ok_or_else(cut)?;
        let units = units.chunks_exact(2).map(|unit| u16::from_be_bytes([unit[0], unit[1]])).collect::<Vec<_>>();
        let name = String::from_utf16(&units).map_err(|_| broken("a name is not UTF-16"))?;
        if matches!(name.as_str(), "" | "." | "..") || name.contains(['/', '\\', '\0']) {
            return Err(broken(&format!("a file cannot be called {name:?}")));
        }
        Ok(name)
    }

    /// The data of a file: their length, then as many bytes. Before those of zlib stands how long they are unpacked.
    fn unpacked(&self, path: &str, packing: u16, at: usize, room: &mut Room) -> Result<Vec<u8>> {
        let data = self.data.get(at..).unwrap_or_default();
        let length = number(data, 0)?;
        let data = data[4..].get(..length).ok_or_else(cut)?;
        let broken = |why: &str| broken(&format!("{path} cannot be unpacked: {why}"));
        let mut bytes = Vec::new();
        let mut read = |packed: &mut dyn Read, most: usize| {
            packed.take(most as u64 + 1).read_to_end(&mut bytes).map_err(|error| broken(&error.to_string()))
        };
        match packing {
            ZLIB => {
                let length = number(data, 0)?;
                room.take(length)?;
                if read(&mut ZlibDecoder::new(&data[4..]), length)? != length {
                    return Err(broken("it is not as long as it says"));
                }
                return Ok(bytes);
            }
            ZSTD => {
                let window = room.0.max(SMALL_WINDOW) as u64; // a hostile one would take memory before anything is unpacked
                let frame = StreamingDecoder::new_with_max_window_size(data, window);
                let mut frame = frame.map_err(|error| broken(&error.to_string()))?;
                read(&mut frame, room.0)?;
            }
            _ => bytes = data.to_vec(),
        }
        room.take(bytes.len())?;
        Ok(bytes)
    }
}

fn cut() -> Error {
    broken("it is cut short")
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N]> {
    bytes.get(at..).and_then(|bytes| bytes.first_chunk()).copied().ok_or_else(cut)
}

fn number(bytes: &[u8], at: usize) -> Result<usize> {
    Ok(u32::from_be_bytes(array(bytes, at)?) as usize)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::ZlibEncoder;
    use std::io::Write;

    const ROOM: usize = 1000;

    /// A resource of version 3 whose root holds these files, each with its flags, in a folder `in`.
    pub(crate) fn resource(files: &[(&str, u16, &[u8])]) -> Vec<u8> {
        let (mut data, mut names, mut tree) = (Vec::new(), Vec::new(), Vec::new());
        let mut node = |names: &mut Vec<u8>, name: &str, flags: u16, numbers: [u32; 2]| {
            let at = names.len() as u32;
            let units = name.encode_utf16().collect::<Vec<_>>();
            names.extend((units.len() as u16).to_be_bytes());
            names.extend([0; 4]); // the hash, by which Qt finds a name fast
            names.extend(units.iter().flat_map(|unit| unit.to_be_bytes()));
            tree.extend(at.to_be_bytes());
            tree.extend(flags.to_be_bytes());
            tree.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
            tree.extend([0; 8]);
        };
        node(&mut names, "", DIRECTORY, [1, 1]);
        node(&mut names, "in", DIRECTORY, [files.len() as u32, 2]);
        for (name, flags, bytes) in files {
            node(&mut names, name, *flags, [0, data.len() as u32]);
            data.extend((bytes.len() as u32).to_be_bytes());
            data.extend(*bytes);
        }
        let starts = [24 + data.len() + names.len(), 24, 24 + data.len(), 0];
        let head = starts.iter().flat_map(|start| (*start as u32).to_be_bytes()).collect::<Vec<_>>();
        [&MAGIC[..], &[0, 0, 0, 3], &head, &data, &names, &tree].concat()
    }

    fn zlib(bytes: &[u8], said: u32) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(said.to_be_bytes().to_vec(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn small() -> Vec<u8> {
        resource(&[("ä.txt", 0, b"raw"), ("zeros", ZLIB, &zlib(&[0; 300], 300)), ("empty", 0, b"")])
    }

    fn error(bytes: &[u8], limit: usize) -> String {
        files(bytes, limit).unwrap_err().to_string()
    }

    #[test]
    fn a_resource_gives_its_files_with_their_paths() {
        let expected = [("in/ä.txt", b"raw".to_vec()), ("in/zeros", vec![0; 300]), ("in/empty", Vec::new())];
        assert_eq!(files(&small(), ROOM).unwrap(), expected.map(|(path, bytes)| (path.to_owned(), bytes)));
    }

    #[test]
    fn a_resource_cut_short_anywhere_is_an_error_and_any_changed_byte_no_panic() {
        let whole = small();
        for length in 0..whole.len() {
            error(&whole[..length], ROOM);
        }
        for at in 0..whole.len() {
            for value in [0, 1, 2, 4, 0x7F, 0x80, 0xFF] {
                let mut changed = whole.clone();
                changed[at] = value;
                let _ = files(&changed, ROOM); // some changes, as of the hash, do no harm
            }
        }
    }

    #[test]
    fn a_folder_within_itself_and_a_node_in_two_folders_are_refused() {
        let tree = |bytes: &[u8]| number(bytes, 8).unwrap();
        let mut cycle = small();
        let at = tree(&cycle) + 22 + 10; // the first child of the second node
        cycle[at + 3] = 1;
        assert_eq!(error(&cycle, ROOM), "the Qt resource is broken: a node lies in two folders, or a folder in itself");
        cycle[at + 3] = 0;
        assert!(error(&cycle, ROOM).contains("two folders"));
        cycle[at] = 0xFF;
        assert!(error(&cycle, ROOM).ends_with("a folder has more children than there are nodes"));
        let mut file = small();
        let at = tree(&file) + 4;
        file[at + 1] = 0;
        assert!(error(&file, ROOM).ends_with("its first node is no folder"));
        file[at + 1] = 3;
        assert!(error(&file, ROOM).ends_with("a node has the flags 3, which mean nothing"));
    }

    #[test]
    fn nothing_unpacks_to_more_than_the_limit_or_than_it_says() {
        let (paths, bytes) = ("in".len() + "in/ä.txt".len() + "in/zeros".len() + "in/empty".len() + 1, 303);
        assert!(files(&small(), paths + bytes).is_ok());
        assert!(error(&small(), paths + bytes - 1).ends_with("it unpacks to more than it may have"));
        for said in [299, 301] {
            let wrong = resource(&[("zeros", ZLIB, &zlib(&[0; 300], said))]);
            assert!(error(&wrong, ROOM).ends_with("in/zeros cannot be unpacked: it is not as long as it says"));
        }
        let liar = resource(&[("zeros", ZLIB, &zlib(&[0; 300], u32::MAX))]);
        assert!(error(&liar, ROOM).ends_with("it unpacks to more than it may have"));
        let vast = resource(&[("x", ZSTD, b"\x28\xB5\x2F\xFD\x00\x88\x01\x00\x00")]); // a window of 128 MiB for nothing
        assert!(error(&vast, ROOM).contains("in/x cannot be unpacked: "));
        let no_frame = resource(&[("x", ZSTD, b"no frame")]);
        assert!(error(&no_frame, ROOM).contains("in/x cannot be unpacked: "));
    }

    #[test]
    fn what_is_no_resource_or_of_another_version_or_has_odd_names_is_said() {
        assert_eq!(error(b"PK\x03\x04", ROOM), "this is no Qt resource: it does not begin with `qres`");
        let mut new = small();
        new[7] = 4;
        assert_eq!(error(&new, ROOM), "this Qt resource is of version 4; versions 1 to 3 are read");
        for name in ["", "..", "a/b"] {
            let odd = error(&resource(&[(name, 0, b"")]), ROOM);
            assert_eq!(odd, format!("the Qt resource is broken: a file cannot be called {name:?}"));
        }
    }

    /// The three resources hold the same files; tests/golden/rcc.sh makes them with Qt's own program.
    #[test]
    fn resources_made_by_qt_give_what_was_put_into_them() {
        let golden: [(&str, &[u8], u16); 3] = [
            ("version 1", include_bytes!("../../tests/golden/rcc-1.rcc"), ZLIB),
            ("version 2, zlib", include_bytes!("../../tests/golden/rcc-2.rcc"), ZLIB),
            ("version 3, zstd", include_bytes!("../../tests/golden/rcc-3.rcc"), ZSTD),
        ];
        let numbers = (1..=400).map(|number| format!("{number}\n")).collect::<String>();
        let expected = [("in/lines.txt", numbers.as_str()), ("in/ä/short.txt", "short\n"), ("in/ä/empty.txt", "")];
        for (name, bytes, packing) in golden {
            let mut found = files(bytes, 1 << 16).unwrap();
            found.sort_by_key(|(path, _)| expected.iter().position(|(known, _)| path == known));
            let expected = expected.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
            assert_eq!(found, expected, "{name}");
            let resource = Resource::of(bytes).unwrap();
            let packed = |at| matches!(resource.node(at).map(|node| node.kind), Ok(Kind::File { packing: p, .. }) if p == packing);
            assert!((0..resource.nodes()).any(packed), "{name}: nothing in it is packed in this way");
        }
    }
}
