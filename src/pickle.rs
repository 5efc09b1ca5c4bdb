//! Tensors by name of what `torch.save` makes of a state dict, in its zip files and in those from before PyTorch 1.6.
//!
//! The names stand in a pickle, which is a program; nobody runs it. Of its operations only those are understood that a state
//! dict is made of, and the names it may ask for are a dictionary, `_rebuild_tensor_v2` and the types of storages.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::rc::Rc;

use burn::tensor::{TensorData, bf16, f16};

use crate::parts::Tensors;

/// How a file from before PyTorch 1.6 begins: a pickle of the number 0x1950a86a20f9469cfc6c.
const OLD: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
const ZIP: &[u8] = b"PK\x03\x04";

/// A type of storage: its name, the bytes of a number, and what number they are.
type Kind = (&'static str, usize, fn(&[u8]) -> Option<f32>);
const KINDS: [Kind; 5] = [
    ("FloatStorage", 4, |b| Some(f32::from_le_bytes(b.try_into().ok()?))),
    ("HalfStorage", 2, |b| Some(f16::from_le_bytes(b.try_into().ok()?).to_f32())),
    ("BFloat16Storage", 2, |b| Some(bf16::from_le_bytes(b.try_into().ok()?).to_f32())),
    ("DoubleStorage", 8, |b| Some(f64::from_le_bytes(b.try_into().ok()?) as f32)),
    ("LongStorage", 8, |b| Some(i64::from_le_bytes(b.try_into().ok()?) as f32)),
];

/// Numbers that lie together in the file under a key.
#[derive(Clone)]
struct Storage {
    key: Rc<str>,
    kind: Kind,
}

/// Where a tensor's numbers are in its storage, in numbers.
#[derive(Clone)]
struct Place {
    storage: Storage,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

/// What a state dict's pickle is made of.
#[derive(Clone)]
enum Value {
    None,
    Flag,
    Number(i64),
    Text(Rc<str>),
    Tuple(Rc<[Value]>),
    List(Vec<Rc<str>>),
    /// What is no tensor is known by name alone.
    Dict(BTreeMap<Rc<str>, Option<Place>>),
    Storage(Storage),
    Tensor(Place),
    /// To call: an ordered dictionary, a tensor; or a type of storage.
    NewDict,
    NewTensor,
    Kind(Kind),
}

/// Whether a file's bytes begin as `torch.save`'s do.
pub fn is_pickled(bytes: &[u8]) -> bool {
    bytes.starts_with(OLD) || bytes.starts_with(ZIP)
}

/// The tensors of a file's bytes, numbers of every type as f32; or why there are none.
pub fn decode(bytes: &[u8]) -> Result<Tensors, String> {
    if bytes.starts_with(OLD) { decode_old(&bytes[OLD.len()..]) } else { decode_zip(bytes) }
}

fn decode_zip(bytes: &[u8]) -> Result<Tensors, String> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|error| error.to_string())?;
    let name = archive.file_names().find(|name| name.ends_with("/data.pkl")).ok_or("it holds no data.pkl")?.to_owned();
    let folder = name.trim_end_matches("data.pkl").to_owned();
    let mut left = bytes.len().saturating_mul(MOST_TIMES) as u64; // torch.save compresses nothing
    let mut member = |name: &str| {
        let mut bytes = Vec::new();
        let member = archive.by_name(name).map_err(|error| format!("{name}: {error}"))?;
        member.take(left).read_to_end(&mut bytes).map_err(|error| format!("{name}: {error}"))?;
        left -= bytes.len() as u64;
        Ok::<_, String>(bytes)
    };
    if member(&format!("{folder}byteorder")).is_ok_and(|order| order != b"little") {
        return Err("its numbers are not little-endian".to_owned());
    }
    let places = places(unpickle(&mut member(&name)?.as_slice())?, bytes.len())?;
    let mut places = places.into_iter().collect::<Vec<_>>();
    places.sort_by(|(_, one), (_, other)| one.storage.key.cmp(&other.storage.key)); // each storage is read once
    let mut at_hand = None::<(Rc<str>, Vec<u8>)>;
    let tensors = places.into_iter().map(|(name, place)| {
        let key = &place.storage.key;
        let numbers = match at_hand.take().filter(|(known, _)| known == key) {
            Some((_, numbers)) => numbers,
            None => member(&format!("{folder}data/{key}"))?,
        };
        let found = tensor(&name, &place, &numbers)?;
        at_hand = Some((key.clone(), numbers));
        Ok((name.to_string(), found))
    });
    tensors.collect()
}

/// What follows [`OLD`]: pickles of the version, of the machine, of the state dict and of the storages' keys; then the
/// storages, each after its count of numbers.
fn decode_old(mut bytes: &[u8]) -> Result<Tensors, String> {
    let whole = bytes.len();
    let bytes = &mut bytes;
    let (Value::Number(1001), _machine) = (unpickle(bytes)?, unpickle(bytes)?) else {
        return Err("its version is not 1001".to_owned());
    };
    let places = places(unpickle(bytes)?, whole)?;
    let kinds =
        places.values().map(|place| (place.storage.key.clone(), place.storage.kind)).collect::<BTreeMap<_, _>>();
    let Value::List(keys) = unpickle(bytes)? else { return Err("it does not list its storages".to_owned()) };
    let mut storages = BTreeMap::new();
    for key in keys {
        let (_, size, _) = kinds.get(&key).ok_or_else(|| format!("no tensor uses its storage {key}"))?;
        let count = number(bytes, 8)?;
        storages.insert(key, take(bytes, count.checked_mul(*size).ok_or(SHORT)?)?);
    }
    let tensors = places.into_iter().map(|(name, place)| {
        let numbers = storages.get(&place.storage.key).ok_or_else(|| format!("{name} has no storage"))?;
        Ok((name.to_string(), tensor(&name, &place, numbers)?))
    });
    tensors.collect()
}

/// The tensors of a state dict in a file so many bytes long; not much more may come of it.
fn places(value: Value, file: usize) -> Result<BTreeMap<Rc<str>, Place>, String> {
    let Value::Dict(entries) = value else { return Err("it is no state dict".to_owned()) };
    let places = entries.into_iter().map(|(name, place)| match place {
        Some(place) => Ok((name, place)),
        None => Err(format!("its entry {name} is no tensor; save a state dict alone")),
    });
    let places = places.collect::<Result<BTreeMap<_, _>, String>>()?;
    let count = |place: &Place| place.shape.iter().try_fold(1_usize, |count, side| count.checked_mul(*side));
    let all = places.values().try_fold(0_usize, |all, place| all.checked_add(count(place)?.checked_mul(4)?));
    match all {
        Some(all) if all / MOST_TIMES <= file => Ok(places),
        _ => Err("its tensors are together far longer than the file".to_owned()),
    }
}

fn tensor(name: &str, place: &Place, storage: &[u8]) -> Result<TensorData, String> {
    let (_, size, number) = place.storage.kind;
    let outside = || format!("{name} reaches out of its storage");
    let count = place.shape.iter().try_fold(1_usize, |count, side| count.checked_mul(*side)).ok_or_else(outside)?;
    if count > storage.len() / size {
        return Err(outside());
    }
    let mut at = if count == 0 { Vec::new() } else { vec![place.offset] };
    for (&side, &stride) in place.shape.iter().zip(&place.strides) {
        let along = at.iter().flat_map(|at| (0..side).map(move |i| at.checked_add(i.checked_mul(stride)?)));
        at = along.collect::<Option<Vec<usize>>>().ok_or_else(outside)?;
    }
    let bytes = |at: usize| storage.get(at.checked_mul(size)?..)?.get(..size);
    let values =
        at.into_iter().map(|at| bytes(at).and_then(number)).collect::<Option<Vec<f32>>>().ok_or_else(outside)?;
    Ok(TensorData::new(values, place.shape.clone()))
}

const SHORT: &str = "it ends too early";
/// Of a tensor's name, in bytes: dictionaries within dictionaries must end somewhere.
const LONGEST: usize = 300;
/// Sides of a tensor; a kernel has four.
const MOST_SIDES: usize = 8;
/// Values at hand at once; Python writes the entries of a dictionary a thousand at a time.
const MOST_VALUES: usize = 1 << 16;
/// How many times as long as its file what is made of it may be: tensors share storages, and halves become singles.
const MOST_TIMES: usize = 16;
const ODD: &str = "its pickle is not that of a state dict";

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Result<&'a [u8], String> {
    bytes.split_off(..count).ok_or_else(|| SHORT.to_owned())
}

/// A little-endian number of at most 8 bytes.
fn number(bytes: &mut &[u8], count: usize) -> Result<usize, String> {
    Ok(take(bytes, count)?.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}

/// Text after its length in `size` bytes.
fn text(bytes: &mut &[u8], size: usize) -> Result<Value, String> {
    let count = number(bytes, size)?;
    Ok(Value::Text(std::str::from_utf8(take(bytes, count)?).map_err(|_| ODD)?.into()))
}

/// A name up to the end of its line.
fn line<'a>(bytes: &mut &'a [u8]) -> Result<&'a str, String> {
    let end = bytes.iter().position(|byte| *byte == b'\n').ok_or(SHORT)?;
    Ok(std::str::from_utf8(&take(bytes, end + 1)?[..end]).map_err(|_| ODD)?)
}

/// What a pickle has made so far.
#[derive(Default)]
struct Stack {
    values: Vec<Value>,
    marks: Vec<usize>,
}

impl Stack {
    fn pop(&mut self) -> Result<Value, String> {
        self.values.pop().ok_or_else(|| ODD.to_owned())
    }

    fn last(&mut self, count: usize) -> Result<Vec<Value>, String> {
        let from = self.values.len().checked_sub(count).ok_or(ODD)?;
        Ok(self.values.split_off(from))
    }

    /// What lies above the last mark.
    fn marked(&mut self) -> Result<Vec<Value>, String> {
        let mark = self.marks.pop().ok_or(ODD)?;
        self.last(self.values.len().checked_sub(mark).ok_or(ODD)?)
    }
}

/// The value of the pickle that `bytes` begin with, which then begin behind it.
fn unpickle(bytes: &mut &[u8]) -> Result<Value, String> {
    let (mut stack, mut memo) = (Stack::default(), BTreeMap::new());
    loop {
        let value = match take(bytes, 1)?[0] {
            b'.' => return stack.pop(),
            0x80 => match number(bytes, 1)? {
                2 => continue,
                other => return Err(format!("its pickle is of protocol {other}; save it with PyTorch's own, 2")),
            },
            b'N' => Value::None,
            0x88 | 0x89 => Value::Flag,
            b'K' => Value::Number(number(bytes, 1)? as i64),
            b'M' => Value::Number(number(bytes, 2)? as i64),
            b'J' => Value::Number(i64::from(number(bytes, 4)? as i32)),
            0x8a => match number(bytes, 1)? {
                count @ 1..=8 => {
                    let above = 64 - 8 * count; // the sign is the highest bit's
                    Value::Number((number(bytes, count)? as i64) << above >> above)
                }
                _ => return Err(ODD.to_owned()),
            },
            b'X' => text(bytes, 4)?,
            b'U' => text(bytes, 1)?,
            b'c' => global(line(bytes)?, line(bytes)?)?,
            b'(' => {
                stack.marks.push(stack.values.len());
                continue;
            }
            b')' => Value::Tuple(Rc::new([])),
            count @ 0x85..=0x87 => tuple(stack.last(usize::from(count - 0x84))?)?,
            b't' => tuple(stack.marked()?)?,
            b']' => Value::List(Vec::new()),
            b'a' => listed(stack.last(1)?, stack.pop()?)?,
            b'e' => listed(stack.marked()?, stack.pop()?)?,
            b'}' => Value::Dict(BTreeMap::new()),
            b's' => entered(stack.last(2)?, stack.pop()?)?,
            b'u' => entered(stack.marked()?, stack.pop()?)?,
            b'Q' => storage(&stack.pop()?)?,
            b'R' => called(stack.pop()?, stack.pop()?)?,
            // Attributes of a dictionary, such as the versions of modules.
            b'b' => match [stack.pop()?, stack.pop()?] {
                [Value::Dict(_), dict @ Value::Dict(_)] => dict,
                _ => return Err(ODD.to_owned()),
            },
            put @ (b'q' | b'r') => {
                let at = number(bytes, if put == b'q' { 1 } else { 4 })?;
                match stack.values.last() {
                    // They grow, and a copy would not; no state dict holds one twice.
                    Some(Value::Dict(_) | Value::List(_)) => {}
                    Some(value) => drop(memo.insert(at, value.clone())),
                    None => return Err(ODD.to_owned()),
                }
                continue;
            }
            get @ (b'h' | b'j') => memo.get(&number(bytes, if get == b'h' { 1 } else { 4 })?).cloned().ok_or(ODD)?,
            other => return Err(format!("its pickle has the operation {other:#04x}, which no state dict needs")),
        };
        if stack.values.len() == MOST_VALUES {
            return Err(ODD.to_owned());
        }
        stack.values.push(value);
    }
}

fn global(module: &str, name: &str) -> Result<Value, String> {
    match (module, name, KINDS.iter().find(|kind| kind.0 == name)) {
        ("collections", "OrderedDict", _) => Ok(Value::NewDict),
        ("torch._utils", "_rebuild_tensor_v2", _) => Ok(Value::NewTensor),
        ("torch", _, Some(kind)) => Ok(Value::Kind(*kind)),
        _ => Err(format!("its pickle asks for {module}.{name}, which no state dict of plain tensors needs")),
    }
}

/// Tuples in tuples, and no deeper, as a tensor's sides are among its arguments.
fn tuple(items: Vec<Value>) -> Result<Value, String> {
    let holds_tuples = |item: &Value| matches!(item, Value::Tuple(i) if i.iter().any(|i| matches!(i, Value::Tuple(_))));
    if items.iter().any(holds_tuples) { Err(ODD.to_owned()) } else { Ok(Value::Tuple(items.into())) }
}

/// A list with more texts.
fn listed(items: Vec<Value>, list: Value) -> Result<Value, String> {
    let Value::List(mut list) = list else { return Err(ODD.to_owned()) };
    for item in items {
        let Value::Text(text) = item else { return Err(ODD.to_owned()) };
        list.push(text);
    }
    Ok(Value::List(list))
}

/// A dictionary with more entries: key, value, key, value. The entries of one within get its name before theirs.
fn entered(items: Vec<Value>, dict: Value) -> Result<Value, String> {
    let Value::Dict(mut dict) = dict else { return Err(ODD.to_owned()) };
    let mut items = items.into_iter();
    while let Some(key) = items.next() {
        match (key, items.next()) {
            (Value::Text(key), Some(Value::Tensor(place))) => drop(dict.insert(key, Some(place))),
            // A checkpoint that holds a state dict among others.
            (Value::Text(key), Some(Value::Dict(inner))) if inner.values().any(Option::is_some) => {
                for (name, place) in inner {
                    let name = format!("{key}.{name}");
                    if name.len() > LONGEST {
                        return Err(ODD.to_owned());
                    }
                    dict.insert(name.into(), place);
                }
            }
            (Value::Text(key), Some(_)) => drop(dict.insert(key, None)),
            _ => return Err(ODD.to_owned()),
        }
    }
    Ok(Value::Dict(dict))
}

/// A storage by its persistent id: "storage", type, key, device, count, and in old files which part of it.
fn storage(id: &Value) -> Result<Value, String> {
    match id {
        Value::Tuple(id) => match &id[..] {
            [Value::Text(_), Value::Kind(kind), Value::Text(key), Value::Text(_), Value::Number(_), rest @ ..]
                if rest.iter().all(|part| matches!(part, Value::None)) =>
            {
                Ok(Value::Storage(Storage { key: key.clone(), kind: *kind }))
            }
            _ => Err(ODD.to_owned()),
        },
        _ => Err(ODD.to_owned()),
    }
}

/// A new dictionary, or a tensor of storage, offset, sides, strides and what tells of gradients.
fn called(arguments: Value, function: Value) -> Result<Value, String> {
    let Value::Tuple(arguments) = arguments else { return Err(ODD.to_owned()) };
    let whole = |value: &Value| match value {
        Value::Number(number) => usize::try_from(*number).map_err(|_| ODD.to_owned()),
        _ => Err(ODD.to_owned()),
    };
    match (function, &arguments[..]) {
        (Value::NewDict, []) => Ok(Value::Dict(BTreeMap::new())),
        (Value::NewTensor, [Value::Storage(storage), offset, Value::Tuple(sides), Value::Tuple(strides), ..])
            if sides.len() == strides.len() && sides.len() <= MOST_SIDES =>
        {
            Ok(Value::Tensor(Place {
                storage: storage.clone(),
                offset: whole(offset)?,
                shape: sides.iter().map(whole).collect::<Result<_, _>>()?,
                strides: strides.iter().map(whole).collect::<Result<_, _>>()?,
            }))
        }
        _ => Err(ODD.to_owned()),
    }
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn a_pickle_that_asks_for_more_than_tensors_is_refused_by_what_it_asks_for() {
        let refused = |pickle: &[u8]| {
            let said = [old, zipped].map(|file| decode(&file(pickle, &[0; 16])).unwrap_err());
            assert_eq!(said[0], said[1]);
            said[0].clone()
        };
        let system = b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.";
        assert!(refused(system).contains("asks for os.system"), "{}", refused(system));
        let hidden = b"\x80\x02}X\x01\x00\x00\x00wcbuiltins\neval\nX\x01\x00\x00\x001\x85Rs.";
        assert!(refused(hidden).contains("asks for builtins.eval"), "{}", refused(hidden));
        // Storages are types here, not functions to call; and torch has more names than those.
        assert!(refused(b"\x80\x02ctorch\nFloatStorage\n)R.").contains("not that of a state dict"));
        assert!(refused(b"\x80\x02ctorch\nload\n.").contains("asks for torch.load"));
        // Protocol 4's STACK_GLOBAL, and an old way to make an object.
        assert!(refused(b"\x80\x04\x95.").contains("protocol 4"));
        assert!(refused(b"\x80\x02\x93.").contains("operation 0x93"));
        assert!(refused(b"\x80\x02ios\nsystem\n.").contains("operation 0x69"));
        assert!(refused(b"\x80\x02}X\x01\x00\x00\x00eK\x01s.").contains("entry e is no tensor"));
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
        for odd in
            [&b"\x80\x02u."[..], b"\x80\x02(0.", b"\x80\x02t.", b"\x80\x02R.", b"\x80\x02q\x00.", b"\x80\x02h\x00."]
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
        let nones = [b"\x80\x02".as_slice(), &b"N".repeat(MOST_VALUES + 1), b"."].concat();
        assert_eq!(decode(&old(&nones, &[])).unwrap_err(), ODD);
        let hollow = zipped(&large, &[0; 4 * 255 * 255]);
        assert!(decode(&hollow).unwrap_err().contains("far longer than the file"), "{} bytes", hollow.len());
    }
}
