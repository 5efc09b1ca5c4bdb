//! Networks as TensorFlow Lite stores them: a flatbuffer of tensors, operations and the numbers of constants, in one file.
//!
//! A flatbuffer is tables that point at tables. What is in them says TensorFlow's schema.fbs, by whose order fields are named here. A
//! node is called like the tensor that it makes. Numbers are f32; others, and what an operation has beside its result, such as an
//! activation, are refused only where they are needed, as an operation is that is not run.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::Device;

use crate::graph::{Convolution, Graph, MOST_SIDES, Node, Op};

/// How a file goes on after the place of its first table.
const MAGIC: &[u8] = b"TFL3";
/// Most tables that a list may have.
const MOST_TABLES: usize = 100_000;
/// So many times its own bytes are read of a file. Several tables may point at the same ones, and without an end a small file could
/// ask for any amount.
const MOST_READ: usize = 4;
/// The only kind of numbers that is read, as the schema counts them.
const FLOAT32: i32 = 0;

/// The operations as the schema counts them, without the last ones.
const OPERATIONS: &str = "\
    ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE EMBEDDING_LOOKUP FLOOR \
    FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D LOCAL_RESPONSE_NORMALIZATION LOGISTIC \
    LSH_PROJECTION LSTM MAX_POOL_2D MUL RELU RELU_N1_TO_1 RELU6 RESHAPE RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH \
    SVDF TANH CONCAT_EMBEDDINGS SKIP_GRAM CALL CUSTOM EMBEDDING_LOOKUP_SPARSE PAD UNIDIRECTIONAL_SEQUENCE_RNN \
    GATHER BATCH_TO_SPACE_ND SPACE_TO_BATCH_ND TRANSPOSE MEAN SUB DIV SQUEEZE UNIDIRECTIONAL_SEQUENCE_LSTM \
    STRIDED_SLICE BIDIRECTIONAL_SEQUENCE_RNN EXP TOPK_V2 SPLIT LOG_SOFTMAX DELEGATE BIDIRECTIONAL_SEQUENCE_LSTM \
    CAST PRELU MAXIMUM ARG_MAX MINIMUM LESS NEG PADV2 GREATER GREATER_EQUAL LESS_EQUAL SELECT SLICE SIN \
    TRANSPOSE_CONV SPARSE_TO_DENSE TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT RSQRT SHAPE POW ARG_MIN \
    FAKE_QUANT REDUCE_PROD REDUCE_MAX PACK LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT UNPACK REDUCE_MIN FLOOR_DIV \
    REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD RANGE RESIZE_NEAREST_NEIGHBOR LEAKY_RELU SQUARED_DIFFERENCE \
    MIRROR_PAD ABS SPLIT_V UNIQUE CEIL REVERSE_V2 ADD_N GATHER_ND COS WHERE RANK ELU REVERSE_SEQUENCE MATRIX_DIAG \
    QUANTIZE MATRIX_SET_DIAG ROUND HARD_SWISH IF WHILE NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 SCATTER_ND \
    SELECT_V2 DENSIFY SEGMENT_SUM BATCH_MATMUL PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM CALL_ONCE BROADCAST_TO \
    RFFT2D CONV_3D IMAG REAL COMPLEX_ABS HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE REDUCE_ALL \
    CONV_3D_TRANSPOSE VAR_HANDLE READ_VARIABLE ASSIGN_VARIABLE BROADCAST_ARGS RANDOM_STANDARD_NORMAL BUCKETIZE \
    RANDOM_UNIFORM MULTINOMIAL GELU DYNAMIC_UPDATE_SLICE RELU_0_TO_1 UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_MAX \
    UNSORTED_SEGMENT_SUM ATAN2 UNSORTED_SEGMENT_MIN SIGN BITCAST BITWISE_XOR RIGHT_SHIFT";

const BROKEN: &str = "points at bytes that it does not have";
const ENDLESS: &str = "points at the same bytes again and again";

/// The first network of a file; or why it cannot be read, as a sentence without its subject, the file.
pub fn decode(bytes: &[u8], device: &Device) -> Result<Graph, String> {
    if bytes.get(4..8) != Some(MAGIC) {
        return Err("is no file of TensorFlow Lite".to_owned());
    }
    let file = File { bytes, left: Cell::new(bytes.len().saturating_mul(MOST_READ)) };
    let model = Table { file: &file, at: file.behind(0)? };
    let (kinds, graphs, buffers) = (model.tables(1)?, model.tables(2)?, model.tables(4)?);
    let graph = graphs.first().ok_or("holds no network")?;
    let tensors = graph.tables(0)?;
    let names = tensors.iter().map(|tensor| tensor.text(3)).collect::<Result<Vec<_>, _>>()?;
    if names.iter().collect::<BTreeSet<_>>().len() < names.len() {
        return Err("has several tensors of one name".to_owned());
    }
    let mut nodes = BTreeMap::new();
    for (tensor, name) in tensors.iter().zip(&names) {
        let op = constant(*tensor, &buffers, device).unwrap_or_else(|why| Some(Op::Other(why)));
        if let Some(op) = op {
            nodes.insert((*name).to_owned(), Node { op, inputs: Vec::new() });
        }
    }
    for operator in graph.tables(3)? {
        let named = |places: Vec<i32>| {
            let name = |place: i32| usize::try_from(place).ok().and_then(|place| names.get(place)).copied();
            places.into_iter().map(|place| name(place).ok_or(BROKEN)).collect::<Result<Vec<_>, _>>()
        };
        let (inputs, outputs) = (operator.wholes(1)?, operator.wholes(2)?);
        let node = operation(operator, &kinds).and_then(|op| match (&op, inputs.len(), outputs.len()) {
            (Op::Abs | Op::Relu, 1, 1) | (Op::Add | Op::Sub | Op::Mul, 2, 1) | (Op::Convolution(_), 3, 1) => {
                Ok(Node { op, inputs: named(inputs)?.into_iter().map(str::to_owned).collect() })
            }
            (_, taken, made) => Err(format!("takes {taken} results and makes {made}")),
        });
        let node = node.unwrap_or_else(|why| Node { op: Op::Other(why), inputs: Vec::new() });
        nodes.extend(named(outputs)?.into_iter().map(|output| (output.to_owned(), node.clone())));
    }
    Ok(Graph { nodes })
}

/// What a tensor holds, where it is a constant; or why that is not read, as a sentence without its subject, the node.
fn constant(tensor: Table<'_>, buffers: &[Table<'_>], device: &Device) -> Result<Option<Op>, String> {
    let buffer = usize::try_from(tensor.whole(2, 0)?).ok().and_then(|place| buffers.get(place)).ok_or(BROKEN)?;
    let bytes = buffer.bytes(0)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if tensor.byte(1)? != FLOAT32 {
        return Err("holds other numbers than FLOAT32, which are not read here".to_owned());
    }
    let sides = tensor.wholes(0)?;
    if sides.len() > MOST_SIDES {
        return Err(format!("has {} sides, and {MOST_SIDES} at most are read", sides.len()));
    }
    let shape = sides.iter().map(|side| usize::try_from(*side).ok()).collect::<Option<Vec<_>>>();
    let shape = shape.filter(|shape| {
        shape.iter().try_fold(size_of::<f32>(), |count, side| count.checked_mul(*side)) == Some(bytes.len())
    });
    let shape = shape.ok_or_else(|| format!("holds {} bytes for the sides {sides:?}", bytes.len()))?;
    let (values, _) = bytes.as_chunks();
    Ok(Some(Op::constant(&shape, values.iter().map(|value| f32::from_le_bytes(*value)).collect(), device)))
}

/// What an operator does, of these kinds; or why that is not run, as a sentence without its subject, the node.
fn operation(operator: Table<'_>, kinds: &[Table<'_>]) -> Result<Op, String> {
    let kind = usize::try_from(operator.whole(0, 0)?).ok().and_then(|place| kinds.get(place)).ok_or(BROKEN)?;
    // Files of before there were so many have it as a byte.
    let number = kind.byte(0)?.max(kind.whole(3, 0)?);
    let name = usize::try_from(number).ok().and_then(|number| OPERATIONS.split(' ').nth(number));
    let options = operator.table(4)?;
    let byte = |field| options.map_or(Ok(0), |options| options.byte(field));
    let whole = |field, default| options.map_or(Ok(default), |options| options.whole(field, default));
    let convolution = |is_depthwise, kernel, gaps: [usize; 2]| {
        let is_same = match byte(0)? {
            0 => true,
            1 => false,
            other => return Err(format!("has the padding {other}, which is not run here")),
        };
        let (across, down) = (whole(1, 0)?, whole(2, 0)?);
        let stride = usize::try_from(across).ok().filter(|stride| *stride > 0 && across == down);
        let stride = stride.ok_or_else(|| format!("has the strides {down} and {across}"))?;
        if whole(gaps[0], 1)? != 1 || whole(gaps[1], 1)? != 1 {
            return Err("has a kernel with gaps, which is not run here".to_owned());
        }
        Ok(Op::Convolution(Convolution { is_depthwise, kernel, stride, is_same, is_rectified: false, top: None }))
    };
    let (op, activation) = match name {
        Some("ABS") => return Ok(Op::Abs),
        Some("RELU") => return Ok(Op::Relu),
        Some("ADD") => (Op::Add, 0),
        Some("SUB") => (Op::Sub, 0),
        Some("MUL") => (Op::Mul, 0),
        // [outputs, height, width, inputs], and for one of each channel [1, height, width, outputs].
        Some("CONV_2D") => (convolution(false, [0, 3, 1, 2], [4, 5])?, 3),
        Some("DEPTHWISE_CONV_2D") => (convolution(true, [3, 0, 1, 2], [5, 6])?, 4),
        Some(other) => return Err(format!("does {other}, which is not run here")),
        None => return Err(format!("does the operation {number}, which is not run here")),
    };
    match byte(activation)? {
        0 => Ok(op),
        _ => Err("has an activation of its own, which is not run here".to_owned()),
    }
}

/// A file, and how many bytes may still be read of it.
struct File<'a> {
    bytes: &'a [u8],
    left: Cell<usize>,
}

impl File<'_> {
    fn number<const N: usize>(&self, at: usize) -> Result<[u8; N], &'static str> {
        self.bytes.get(at..).and_then(<[u8]>::first_chunk).copied().ok_or(BROKEN)
    }

    /// Where it points at, from `at` on.
    fn behind(&self, at: usize) -> Result<usize, &'static str> {
        at.checked_add(u32::from_le_bytes(self.number(at)?) as usize).ok_or(BROKEN)
    }
}

/// A table, which begins by how far before it lies what says where its fields are.
#[derive(Clone, Copy)]
struct Table<'a> {
    file: &'a File<'a>,
    at: usize,
}

impl<'a> Table<'a> {
    /// Where a field lies; none where it is left at its default.
    fn field(self, field: usize) -> Result<Option<usize>, &'static str> {
        let before = i64::from(i32::from_le_bytes(self.file.number(self.at)?));
        let places = usize::try_from(self.at as i64 - before).map_err(|_| BROKEN)?;
        let length = usize::from(u16::from_le_bytes(self.file.number(places)?));
        let place = 4 + 2 * field; // after two lengths
        if place + 2 > length {
            return Ok(None);
        }
        match u16::from_le_bytes(self.file.number(places + place)?) {
            0 => Ok(None),
            place => Ok(Some(self.at + usize::from(place))),
        }
    }

    /// A byte, 0 by default.
    fn byte(self, field: usize) -> Result<i32, &'static str> {
        let byte = self.field(field)?.map(|at| self.file.number(at)).transpose()?;
        Ok(byte.map_or(0, |byte| i32::from(i8::from_le_bytes(byte))))
    }

    fn whole(self, field: usize, default: i32) -> Result<i32, &'static str> {
        let whole = self.field(field)?.map(|at| self.file.number(at)).transpose()?;
        Ok(whole.map_or(default, i32::from_le_bytes))
    }

    fn table(self, field: usize) -> Result<Option<Self>, &'static str> {
        let at = self.field(field)?.map(|at| self.file.behind(at)).transpose()?;
        Ok(at.map(|at| Table { at, ..self }))
    }

    /// Where a list's parts begin, of so many bytes each, and how many there are; none by default.
    fn list(self, field: usize, size: usize) -> Result<(usize, usize), &'static str> {
        let Some(at) = self.field(field)? else { return Ok((0, 0)) };
        let at = self.file.behind(at)?;
        let count = u32::from_le_bytes(self.file.number(at)?) as usize;
        let length =
            count.checked_mul(size).filter(|length| *length <= self.file.bytes.len() - at - 4).ok_or(BROKEN)?;
        self.file.left.set(self.file.left.get().checked_sub(length).ok_or(ENDLESS)?);
        Ok((at + 4, count))
    }

    fn bytes(self, field: usize) -> Result<&'a [u8], &'static str> {
        let (at, count) = self.list(field, 1)?;
        Ok(&self.file.bytes[at..at + count])
    }

    fn text(self, field: usize) -> Result<&'a str, &'static str> {
        std::str::from_utf8(self.bytes(field)?).map_err(|_| "has a name that is no text")
    }

    fn wholes(self, field: usize) -> Result<Vec<i32>, &'static str> {
        let (at, count) = self.list(field, 4)?;
        (0..count).map(|i| self.file.number(at + 4 * i).map(i32::from_le_bytes)).collect()
    }

    fn tables(self, field: usize) -> Result<Vec<Self>, &'static str> {
        let (at, count) = self.list(field, 4)?;
        if count > MOST_TABLES {
            return Err("has too many parts");
        }
        (0..count).map(|i| self.file.behind(at + 4 * i).map(|at| Table { at, ..self })).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::{assert_each_near, numbers, wave};
    use burn::tensor::Tensor;

    const SMALL: &[u8] = include_bytes!("../tests/golden/small.tflite");

    /// What a file's network makes of the picture that tests/golden/mobilefacenet.py gives it, or what is said of it.
    fn run<const N: usize>(bytes: &[u8], wanted: [&str; N]) -> Result<[Tensor<4>; N], String> {
        decode(bytes, &Device::flex())?.run("in", wave([1, 5, 6, 2], 0.37).permute([0, 3, 1, 2]), wanted)
    }

    #[test]
    fn every_operation_makes_what_litert_makes() {
        let golden = include_str!("../tests/golden/mobilefacenet.json");
        let golden = &serde_json::from_str::<serde_json::Value>(golden).unwrap()["small"];
        let names = ["conv", "above", "size", "below", "slight", "prelu", "each", "mixed", "sum"];
        assert_eq!(golden.as_object().unwrap().len(), names.len());
        for (found, name) in run(SMALL, names).unwrap().into_iter().zip(names) {
            assert_each_near(2e-6, found.permute([0, 2, 3, 1]), &numbers(&golden[name]), name);
        }
    }

    #[test]
    fn what_cannot_be_run_is_said_by_the_name_of_the_tensor() {
        let said = |name: &str| run(SMALL, [name]).unwrap_err();
        assert_eq!(said("flat"), "has a node flat that does RESHAPE, which is not run here");
        assert_eq!(said("bent"), "has a node bent that does TANH, which is not run here");
        assert_eq!(said("smooth"), "has a node smooth that does GELU, which is not run here", "the number is no byte");
        assert_eq!(said("right"), "has a node right that does SPLIT, which is not run here");
        assert_eq!(said("cut"), "has a node cut that has an activation of its own, which is not run here");
        assert_eq!(said("bounded"), "has a node bounded that has an activation of its own, which is not run here");
        assert_eq!(said("sparse"), "has a node sparse that has a kernel with gaps, which is not run here");
        assert_eq!(said("uneven"), "has a node uneven that has the strides 1 and 2");
        assert_eq!(said("shape"), "has a node shape that holds other numbers than FLOAT32, which are not read here");
        assert_eq!(said("deeper"), "has a node deep that has 5 sides, and 4 at most are read");
        assert_eq!(said("nowhere"), "takes nowhere, which no node makes");
        assert_eq!(decode(b"PK\x03\x04PK\x03\x04", &Device::flex()).unwrap_err(), "is no file of TensorFlow Lite");
    }

    #[test]
    fn a_file_that_is_cut_or_spoilt_is_refused_or_run_and_nothing_panics() {
        let names = ["sum", "flat", "deep"];
        for end in 0..SMALL.len() {
            assert!(names.iter().any(|name| run(&SMALL[..end], [name]).is_err_and(|why| !why.is_empty())), "{end}");
        }
        let mut refused = 0;
        for place in 0..SMALL.len() {
            for change in [0x01, 0x80, 0xff] {
                let mut spoilt = SMALL.to_vec();
                spoilt[place] ^= change;
                refused += usize::from(run(&spoilt, ["sum"]).is_err());
            }
        }
        assert!((SMALL.len() / 4..SMALL.len()).contains(&(refused / 3)), "{refused}");
    }

    /// Three tables of one form, each of which points with all fields at what follows it: `count` times the second, `count` times the
    /// third, and a text of `length` bytes.
    fn folded(count: usize, length: usize) -> Vec<u8> {
        let word = |value: usize| (value as u32).to_le_bytes();
        let table = |at: usize| {
            let fields = (1..=5).flat_map(|field| word(24 - 4 * field)); // the list behind this table
            [word(at - 8).to_vec(), fields.collect()].concat()
        };
        let list = |count: usize| (0..=count).flat_map(move |i| word(if i == 0 { count } else { 4 * (count + 1 - i) }));
        let form = [14_u16, 24, 4, 8, 12, 16, 20, 0].map(u16::to_le_bytes).concat();
        let mut file = [word(24).to_vec(), MAGIC.to_vec(), form].concat();
        for _ in 0..2 {
            file.extend(table(file.len()));
            file.extend(list(count));
        }
        file.extend(table(file.len()));
        file.extend(word(length));
        file.extend(vec![b'a'; length]);
        file
    }

    #[test]
    fn a_small_file_cannot_ask_for_much_by_pointing_at_the_same_bytes_again_and_again() {
        let said = |count, length| decode(&folded(count, length), &Device::flex()).unwrap_err();
        assert_eq!(said(2, 4), "has several tensors of one name");
        assert_eq!(said(100, 1000), ENDLESS);
        assert_eq!(said(MOST_TABLES + 1, 1), "has too many parts");
        assert_eq!(said(0, 1), "holds no network");
    }
}
