//! What the fuzz targets share: files made of a fuzzer's bytes, and what must hold of every network that was read.

use std::io::{Cursor, Write};

use ganvas::{Candidate, Foreign, Op};
use serde_json::{json, Map, Value};

/// Files by name, as [`Foreign::decode`] takes them.
pub type Files = Vec<(String, Vec<u8>)>;

/// How a file of PyTorch's begins, from before version 1.6.
pub const OLD: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
/// How a file of PyTorch's begins since.
pub const ZIP: &[u8] = b"PK\x03\x04";

/// Most numbers of a tensor that [`state_dict`] makes, and of all of them.
const MOST: [usize; 2] = [1 << 14, 1 << 18];

pub fn file(name: &str, bytes: &[u8]) -> Files {
    vec![(name.to_owned(), bytes.to_vec())]
}

/// Two parts: as many bytes as the first two say, and the rest.
pub fn parts(bytes: &[u8]) -> Option<[&[u8]; 2]> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let (first, second) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    Some([first, second])
}

/// ncnn's two files.
pub fn ncnn(bytes: &[u8]) -> Option<Files> {
    let [param, bin] = parts(bytes)?;
    Some(vec![("network.param".to_owned(), param.to_vec()), ("network.bin".to_owned(), bin.to_vec())])
}

/// A file of torch.save from before version 1.6: what follows its version and its machine is given.
pub fn old(rest: &[u8]) -> Vec<u8> {
    [OLD, b"\x80\x02M\xe9\x03.\x80\x02}X\x0d\x00\x00\x00little_endian\x88s.", rest].concat()
}

/// A file of torch.save: a pickle, and two storages of the same numbers. It needs no luck with checksums.
pub fn zipped(pickle: &[u8], storage: &[u8]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in [("net/data.pkl", pickle), ("net/data/0", storage), ("net/data/1", storage)] {
        archive.start_file(name, options).expect("a member begins in memory");
        archive.write_all(bytes).expect("a member is written to memory");
    }
    archive.finish().expect("an archive ends in memory").into_inner()
}

/// A safetensors file of the tensors that the bytes describe, one after the other:
///
///     length of the name | name | type: 0 F32, 1 F64, 2 I64, 3 F16, then again | number of sides, modulo 6 | sides
///
/// All are bytes. The numbers follow from their places, so that shapes are cheap to change.
pub fn state_dict(mut bytes: &[u8]) -> Vec<u8> {
    let (mut header, mut data, mut left) = (Map::new(), Vec::new(), MOST[1]);
    while let Some((name, kind, sides)) = described(&mut bytes) {
        let count = sides.iter().try_fold(1_usize, |count, side| count.checked_mul(*side));
        let Some(count) = count.filter(|count| *count <= MOST[0].min(left)) else { continue };
        if header.contains_key(&name) {
            continue;
        }
        left -= count;
        let start = data.len();
        for i in 0..count {
            let value = ((i * 7 % 16) as f32 - 7.0) / 16.0;
            match kind {
                0 => data.extend(value.to_le_bytes()),
                1 => data.extend(f64::from(value).to_le_bytes()),
                2 => data.extend((i as i64).to_le_bytes()),
                _ => data.extend([0, 0x3c]), // 1 as f16
            }
        }
        let dtype = ["F32", "F64", "I64", "F16"][usize::from(kind)];
        header.insert(name, json!({ "dtype": dtype, "shape": sides, "data_offsets": [start, data.len()] }));
    }
    let header = Value::Object(header).to_string().into_bytes();
    [&(header.len() as u64).to_le_bytes()[..], &header, &data].concat()
}

fn described(bytes: &mut &[u8]) -> Option<(String, u8, Vec<usize>)> {
    let length = take(bytes, 1)?[0];
    let name = String::from_utf8_lossy(take(bytes, usize::from(length))?).into_owned();
    let [kind, rank] = [take(bytes, 1)?[0] % 4, take(bytes, 1)?[0] % 6];
    let sides = take(bytes, usize::from(rank))?.iter().map(|side| usize::from(*side)).collect();
    Some((name, kind, sides))
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(taken)
}

/// Reads a network; what comes of it must fit together.
pub fn read(files: &Files) {
    match Foreign::decode(files) {
        Err(why) => assert!(!why.is_empty()),
        Ok(foreign @ Foreign::StateDict(_)) => {
            let Foreign::StateDict(dict) = &foreign else { return };
            assert!(!dict.tensors().is_empty() || !files[0].0.ends_with("pth"), "no tensors are a reason");
            for candidate in foreign.candidates() {
                let Candidate::Tensors(part) = candidate else { panic!("a state dict has no layers") };
                let wanted = part.sides().map(|(name, sides)| (name.to_owned(), sides.to_vec())).collect::<Vec<_>>();
                let Ok(tensors) = part.tensors(&wanted) else { continue };
                for (name, tensor) in &tensors {
                    let count = tensor.shape().to_vec().iter().product::<usize>();
                    assert_eq!(count * tensor.dtype().size(), tensor.as_bytes().len(), "{name}");
                }
                let [like, left] = part.left();
                assert!(like.len() <= dict.tensors().len() * 8 && left.len() < 10);
            }
        }
        Ok(Foreign::Ncnn(layers)) => {
            for (i, layer) in layers.iter().enumerate() {
                assert!(layer.inputs.iter().all(|input| *input < i), "{layer:?} takes what is not yet made");
                let shapes = layer.numbers.iter().map(|tensor| tensor.shape().to_vec()).collect::<Vec<_>>();
                let wanted = match layer.op {
                    Op::Convolution { inputs, outputs, kernel, .. } => {
                        vec![vec![outputs, inputs, kernel, kernel], vec![outputs]]
                    }
                    Op::Prelu { channels } => vec![vec![channels]],
                    _ => Vec::new(),
                };
                assert_eq!(shapes, wanted, "{}", layer.name);
            }
        }
    }
}
