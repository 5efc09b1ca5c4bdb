//! Files of torch.save, made byte by byte.

use super::program::{MOST_OPERATIONS, MOST_SIDES};
use super::*;

/// The pickle of a state dict `{"w": [[1, 2], [3, 4]] or its transpose}`, its one storage under the key "7".
fn pickled(kind: &str, strides: [u8; 2]) -> Vec<u8> {
    let mut bytes = b"\x80\x02ccollections\nOrderedDict\nq\x00)Rq\x01(X\x01\x00\x00\x00wq\x02".to_vec();
    bytes.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\n");
    bytes.extend(kind.as_bytes());
    bytes.extend(b"\nX\x01\x00\x00\x007X\x03\x00\x00\x00cpuK\x04NtQK\x00K\x02K\x02\x86q\x03");
    bytes.extend([b'K', strides[0], b'K', strides[1], 0x86]);
    bytes.extend(b"\x89ccollections\nOrderedDict\n)RtRq\x04u}X\x09\x00\x00\x00_metadata}sb.");
    bytes
}

/// A file from before PyTorch 1.6.
fn old(pickle: &[u8], storage: &[u8]) -> Vec<u8> {
    let before = b"\x80\x02M\xe9\x03.\x80\x02}X\x0d\x00\x00\x00little_endian\x88s.";
    let keys = b"\x80\x02]X\x01\x00\x00\x007a.";
    [OLD, before, pickle, keys, &4_u64.to_le_bytes(), storage].concat()
}

fn zipped(pickle: &[u8], storage: &[u8]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in [("net/data.pkl", pickle), ("net/data/7", storage)] {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut archive, bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn values(bytes: &[u8]) -> Vec<f32> {
    let tensors = decode(bytes).unwrap();
    assert!(is_pickled(bytes) && tensors.len() == 1 && tensors["w"].shape().to_vec() == [2, 2], "{tensors:?}");
    assert!(Contents::of(bytes).unwrap().others().is_empty(), "what PyTorch says of versions is nothing left");
    tensors["w"].try_to_vec().unwrap()
}

#[test]
fn tensors_of_old_and_new_files_and_of_every_type_are_read_along_their_strides() {
    let singles = [1.0_f32, 2.0, 3.0, 4.0].map(f32::to_le_bytes).concat();
    for file in [old, zipped] {
        assert_eq!(values(&file(&pickled("FloatStorage", [2, 1]), &singles)), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(values(&file(&pickled("FloatStorage", [1, 2]), &singles)), [1.0, 3.0, 2.0, 4.0]);
        for (kind, numbers) in [
            ("HalfStorage", [0x3c00_u16, 0x4000, 0x4200, 0x4400].map(u16::to_le_bytes).concat()),
            ("BFloat16Storage", [0x3f80_u16, 0x4000, 0x4040, 0x4080].map(u16::to_le_bytes).concat()),
            ("DoubleStorage", [1.0_f64, 2.0, 3.0, 4.0].map(f64::to_le_bytes).concat()),
            ("LongStorage", [1_i64, 2, 3, 4].map(i64::to_le_bytes).concat()),
        ] {
            assert_eq!(values(&file(&pickled(kind, [2, 1]), &numbers)), [1.0, 2.0, 3.0, 4.0], "{kind}");
        }
    }
}

fn refused(pickle: &[u8]) -> String {
    let said = [old, zipped].map(|file| decode(&file(pickle, &[0; 16])).unwrap_err());
    assert_eq!(said[0], said[1]);
    said[0].clone()
}

#[test]
fn a_pickle_that_could_run_a_program_is_refused_by_what_it_asks_for() {
    for (pickle, name) in [
        (b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.".as_slice(), "os.system"),
        (b"\x80\x02}X\x01\x00\x00\x00wcbuiltins\neval\nX\x01\x00\x00\x001\x85Rs.", "builtins.eval"),
        (b"\x80\x02c__builtin__\nexec\n.", "__builtin__.exec"),
        (b"\x80\x02csubprocess\nPopen\n.", "subprocess.Popen"),
        (b"\x80\x02ctorch\nload\n.", "torch.load"),
        (b"\x80\x02ctorch.hub\nload_state_dict_from_url\n.", "torch.hub.load_state_dict_from_url"),
        // Protocol 4 takes names from the stack.
        (b"\x80\x04\x8c\x05posix\x8c\x06system\x93.", "posix.system"),
    ] {
        assert!(
            refused(pickle).contains(&format!("asks for {name}, which could run a program")),
            "{}",
            refused(pickle)
        );
    }
    // Old ways to make an object, and a protocol that is none.
    assert!(refused(b"\x80\x02ios\nsystem\n.").contains("operation 0x69"));
    assert!(refused(b"\x80\x06.").contains("protocol 6"));
}

#[test]
fn what_a_training_keeps_beside_its_network_is_skipped_and_no_class_of_it_is_needed() {
    let singles = [1.0_f32, 2.0, 3.0, 4.0].map(f32::to_le_bytes).concat();
    let pickle = pickled("FloatStorage", [2, 1]);
    let inner = &pickle[2..pickle.len() - 1]; // without its protocol and its end
    let text = |text: &str| [b"X".as_slice(), &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat();
    for other in [
        b"K\x03".as_slice(),
        b"G\x3f\xf8\x00\x00\x00\x00\x00\x00",
        b"cmy.options\nOptions\n)\x81}X\x02\x00\x00\x00lrG\x3f\xf8\x00\x00\x00\x00\x00\x00sb",
        b"cmy.options\nOptions\n)}\x92",
        b"cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nX\x02\x00\x00\x00f8\x89\x88\x87RC\x01a\x86R",
        b"(]](K\x01e1", // made and thrown away again
        b"\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01",
        b"c__builtin__\nset\n](K\x01e\x85R",
    ] {
        let before = [
            b"}(".to_vec(),
            text("epoch"),
            if other.starts_with(b"(]") { [other, b"N"].concat() } else { other.to_vec() },
        ];
        let whole = [b"\x80\x02".to_vec(), before.concat(), text("model"), inner.to_vec(), b"u.".to_vec()].concat();
        for file in [old, zipped] {
            let bytes = file(&whole, &singles);
            let contents = Contents::of(&bytes).unwrap();
            assert_eq!(contents.tensors().collect::<Vec<_>>(), [("model.w", [2, 2].as_slice())]);
            assert_eq!(contents.others(), ["epoch"]);
            assert_eq!(contents.read(&[0]).unwrap()[0].try_to_vec::<f32>().unwrap(), [1.0, 2.0, 3.0, 4.0]);
        }
    }
    assert_eq!(refused(b"\x80\x02}X\x01\x00\x00\x00eK\x01s."), "it holds no tensors");
    assert_eq!(refused(b"\x80\x02ctorch\nFloatStorage\n)R."), "it holds no tensors");
}

#[test]
fn entries_that_python_2_gives_at_once_are_read() {
    let singles = [1.0_f32, 2.0, 3.0, 4.0].map(f32::to_le_bytes).concat();
    let pickle = pickled("FloatStorage", [2, 1]);
    let start = pickle.windows(6).position(|window| window == b"ctorch").unwrap();
    let end = pickle.windows(2).position(|window| window == b"q\x04").unwrap();
    let listed = [b"\x80\x02ccollections\nOrderedDict\n]](U\x01w".as_slice(), &pickle[start..end], b"ea\x85R."];
    for file in [old, zipped] {
        assert_eq!(values(&file(&listed.concat(), &singles)), [1.0, 2.0, 3.0, 4.0]);
    }
}

#[test]
fn a_state_dict_within_another_is_read_under_both_names_and_endless_ones_are_refused() {
    let singles = [1.0_f32, 2.0, 3.0, 4.0].map(f32::to_le_bytes).concat();
    let nested = |times: usize| {
        let pickle = pickled("FloatStorage", [2, 1]);
        let inner = &pickle[2..pickle.len() - 1]; // without its protocol and its end
        let opened = b"}X\x01\x00\x00\x00g".repeat(times);
        [b"\x80\x02", opened.as_slice(), inner, b"s".repeat(times).as_slice(), b"."].concat()
    };
    for file in [old, zipped] {
        let tensors = decode(&file(&nested(1), &singles)).unwrap();
        assert_eq!(tensors.keys().collect::<Vec<_>>(), ["g.w"]);
        assert_eq!(decode(&file(&nested(2), &singles)).unwrap().keys().collect::<Vec<_>>(), ["g.g.w"]);
        assert_eq!(decode(&file(&nested(200), &singles)).unwrap_err(), ODD);
    }
    // One that holds itself, and thirty that each hold the one before twice: a billion ways.
    assert_eq!(refused(b"\x80\x02}q\x00X\x01\x00\x00\x00gh\x00s."), "it holds no tensors");
    let doubled = [b"\x80\x02}q\x00".as_slice(), &b"0](h\x00h\x00eq\x00".repeat(30), b"."].concat();
    assert_eq!(refused(&doubled), ODD);
}

#[test]
fn a_damaged_file_is_an_error_wherever_it_ends_and_no_tensor_leaves_its_storage() {
    let singles = [1.0_f32, 2.0, 3.0, 4.0].map(f32::to_le_bytes).concat();
    for file in [old, zipped] {
        let whole = file(&pickled("FloatStorage", [2, 1]), &singles);
        assert!((4..whole.len()).all(|end| decode(&whole[..end]).is_err()));
        assert!(decode(&file(&pickled("FloatStorage", [3, 1]), &singles)).unwrap_err().contains("w reaches out"));
        let pickle = pickled("FloatStorage", [2, 1]);
        for at in 0..pickle.len() {
            let mut damaged = pickle.clone();
            damaged[at] ^= 0x55;
            let _ = decode(&file(&damaged, &singles)); // an error or not, but no panic
        }
    }
    for odd in [&b"\x80\x02u."[..], b"\x80\x02(0.", b"\x80\x02t.", b"\x80\x02R.", b"\x80\x02q\x00.", b"\x80\x02h\x00."]
    {
        assert!(decode(&zipped(odd, &singles)).is_err());
    }
}

/// Files of a quarter of a megabyte took gigabytes.
#[test]
fn what_is_made_of_a_small_file_is_small() {
    let replaced = |pickle: &[u8], what: &[u8], with: &[u8]| {
        let at = pickle.windows(what.len()).position(|window| window == what).unwrap();
        [&pickle[..at], with, &pickle[at + what.len()..]].concat()
    };
    // A tensor of 255x255 under a hundred names.
    let large = replaced(&pickled("FloatStorage", [255, 1]), b"K\x02K\x02\x86", b"K\xffK\xff\x86");
    let names = (0..100).flat_map(|i| [format!("X\x03\0\0\0{i:03}").into_bytes(), b"h\x04".to_vec()].concat());
    let shared = replaced(&large, b"q\x04", &[b"q\x04".to_vec(), names.collect()].concat());
    let storage = (0..255 * 255_u32).flat_map(|i| i.wrapping_mul(2_654_435_769).to_le_bytes()).collect::<Vec<u8>>();
    assert_eq!(decode(&zipped(&large, &storage)).unwrap()["w"].shape().to_vec(), [255, 255]);
    for file in [old, zipped] {
        assert!(decode(&file(&shared, &storage)).unwrap_err().contains("far longer than the file"));
    }
    // A tensor of many sides, which each of its copies had.
    let sides = |count: usize| [b"(".as_slice(), &b"K\x01".repeat(count), b"t"].concat();
    let of = |count: usize| {
        let (what, with) = (b"K\x02K\x02\x86q\x03K\x02K\x01\x86", [sides(count), sides(count)].concat());
        decode(&old(&replaced(&pickled("FloatStorage", [2, 1]), what, &with), &[0; 16]))
    };
    assert_eq!(of(MOST_SIDES).unwrap()["w"].shape().to_vec(), [1; MOST_SIDES]);
    assert_eq!(of(MOST_SIDES + 1).unwrap_err(), ODD);
    // Values that nothing takes, and a storage of zeros in next to no bytes.
    let nones = [b"\x80\x02".as_slice(), &b"N".repeat(MOST_OPERATIONS + 1), b"."].concat();
    assert!(decode(&old(&nones, &[])).unwrap_err().contains("too many for a network"));
    let hollow = zipped(&large, &[0; 4 * 255 * 255]);
    assert!(decode(&hollow).unwrap_err().contains("far longer than the file"), "{} bytes", hollow.len());
}

/// Bytes changed, left out, repeated and taken from elsewhere, in the pickles of tests/golden/checkpoints.zip: as many of each as
/// GANVAS_MUTANTS says.
#[test]
fn mutants_of_what_trainings_save_are_read_or_refused_with_a_reason() {
    let times = std::env::var("GANVAS_MUTANTS").map_or(200, |times| times.parse::<usize>().unwrap());
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % n.max(1) as u64) as usize
    };
    let (mut read, mut refused) = (0, 0);
    for (name, bytes) in ["dcgan/", "compact/"].into_iter().flat_map(crate::golden::checkpoints) {
        if !bytes.starts_with(ZIP) {
            continue;
        }
        let mut members = Members::of(&bytes).unwrap();
        let pickle = members.archive.file_names().find(|name| name.ends_with("/data.pkl")).unwrap().to_owned();
        let whole = members.bytes(&pickle).unwrap();
        for _ in 0..times {
            let mut mutant = whole.clone();
            for _ in 0..=below(4) {
                let (at, other, length) = (below(mutant.len()), below(mutant.len()), 1 + below(12));
                let some = mutant[other..mutant.len().min(other + length)].to_vec();
                match below(4) {
                    0 => mutant[at] = below(256) as u8,
                    1 => drop(mutant.drain(at..mutant.len().min(at + length))),
                    2 => drop(mutant.splice(at..at, some)),
                    _ => mutant[at] ^= 1 << below(8),
                }
                if mutant.is_empty() {
                    break;
                }
            }
            // The storage is that of one tensor, so what is read must reach out of it or fit.
            let file = zipped(&mutant, &[0; 64]);
            match Contents::of(&file) {
                Err(why) => {
                    assert!(!why.is_empty() && why.len() < 2000, "{name}: {why}");
                    refused += 1;
                }
                Ok(contents) => {
                    let all = (0..contents.tensors().count()).collect::<Vec<_>>();
                    assert!(contents.read(&all).map_or_else(|why| !why.is_empty(), |found| found.len() == all.len()));
                    read += 1;
                }
            }
        }
    }
    assert!(read > 0 && refused > 0, "{read} read, {refused} refused");
    println!("{read} mutants were read, {refused} were refused");
}
