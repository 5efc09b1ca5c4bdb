//! The files in a Debian package (.deb): an `ar` archive that holds, among others, an archive `data.tar.xz`.

use std::collections::BTreeMap;

use crate::data::fetch;
use crate::error::{Error, Result};

const MAGIC: &[u8] = b"!<arch>\n";
const HEADER: usize = 60; // bytes: name 16, time 12, owner 6, group 6, mode 8, size 10, an end of 2

/// The files of a package that are `wanted`, by their path from the root (`usr/share/...`). `name` is the package's, for
/// people. An error when the package is broken, or packed by something else than xz, as some of Ubuntu's are.
pub fn unpack(package: &[u8], name: &str, wanted: impl Fn(&str) -> bool) -> Result<BTreeMap<String, Vec<u8>>> {
    let broken = |why: &str| Error::failed(format!("the package {name} is broken: {why}"));
    let mut rest = package.strip_prefix(MAGIC).ok_or_else(|| broken("it is no ar archive"))?;
    while !rest.is_empty() {
        let (header, after) = rest.split_at_checked(HEADER).ok_or_else(|| broken("it is cut short"))?;
        let text = |from: usize, to: usize| String::from_utf8_lossy(&header[from..to]).trim_end().to_owned();
        let size = text(48, 58).parse::<usize>().map_err(|_| broken("a member has no size"))?;
        let (member, after) = after.split_at_checked(size).ok_or_else(|| broken("it is cut short"))?;
        let member_name = text(0, 16);
        match member_name.trim_end_matches('/') {
            "data.tar.xz" => {
                let tar = lzma_rust2::XzReader::new(member, false);
                let files = fetch::untar(tar, name, |path| wanted(path.trim_start_matches("./")))?;
                let plain = |(path, bytes): (String, Vec<u8>)| (path.trim_start_matches("./").to_owned(), bytes);
                return Ok(files.into_iter().map(plain).collect());
            }
            other if other.starts_with("data.tar") => {
                return Err(Error::failed(format!("the package {name} holds {other}; only data.tar.xz can be read")));
            }
            _ => rest = after.get(size % 2..).unwrap_or_default(), // members begin at even places
        }
    }
    Err(broken("it holds no data.tar.xz"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Holds `usr/a`, "one", and `usr/b`, "three", beside two other members. Made by tests/golden/deb.sh.
    const SMALL: &[u8] = include_bytes!("../../tests/golden/small.deb");

    fn error(package: &[u8]) -> String {
        unpack(package, "x", |_| true).unwrap_err().to_string()
    }

    #[test]
    fn a_package_gives_the_wanted_files_by_their_paths_from_the_root() {
        let files = unpack(SMALL, "small", |path| path != "usr/b").unwrap();
        assert_eq!(files.into_iter().collect::<Vec<_>>(), [("usr/a".to_owned(), b"one\n".to_vec())]);
        assert_eq!(unpack(SMALL, "small", |path| path.starts_with("usr")).unwrap()["usr/b"], b"three\n");
    }

    #[test]
    fn a_broken_package_is_an_error_and_so_is_one_packed_otherwise() {
        assert_eq!(error(b"PK"), "the package x is broken: it is no ar archive");
        assert_eq!(error(MAGIC), "the package x is broken: it holds no data.tar.xz");
        assert_eq!(error(&SMALL[..70]), "the package x is broken: it is cut short");
        for length in 0..SMALL.len() - 1 {
            error(&SMALL[..length]); // the last byte pads
        }
        let at = SMALL.windows(11).position(|window| window == b"data.tar.xz").unwrap();
        let mut other = SMALL.to_vec();
        other[at..at + 12].copy_from_slice(b"data.tar.zst");
        assert_eq!(error(&other), "the package x holds data.tar.zst; only data.tar.xz can be read");
        let mut sizeless = SMALL.to_vec();
        sizeless[MAGIC.len() + 48] = b'-';
        assert_eq!(error(&sizeless), "the package x is broken: a member has no size");
    }
}
