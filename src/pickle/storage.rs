//! Numbers as they lie in a file of `torch.save`, and where a tensor's are among them.

use std::rc::Rc;

use burn::tensor::{TensorData, bf16, f16};

/// What the numbers of a storage are.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    /// The class in PyTorch.
    name: &'static str,
    /// Bytes of a number.
    pub(super) size: usize,
    /// The number that some bytes are; none where a network has no such numbers.
    read: Option<Read>,
}

type Read = fn(&[u8]) -> Option<f32>;

macro_rules! kind {
    ($name:literal, $of:ty, $value:ident => $single:expr) => {
        Kind {
            name: $name,
            size: size_of::<$of>(),
            read: Some(|bytes| {
                let $value = <$of>::from_le_bytes(bytes.try_into().ok()?);
                Some($single)
            }),
        }
    };
}

const KINDS: [Kind; 15] = [
    kind!("FloatStorage", f32, value => value),
    kind!("HalfStorage", f16, value => value.to_f32()),
    kind!("BFloat16Storage", bf16, value => value.to_f32()),
    kind!("DoubleStorage", f64, value => value as f32),
    kind!("LongStorage", i64, value => value as f32),
    kind!("IntStorage", i32, value => value as f32),
    kind!("ShortStorage", i16, value => f32::from(value)),
    kind!("CharStorage", i8, value => f32::from(value)),
    kind!("ByteStorage", u8, value => f32::from(value)),
    kind!("BoolStorage", u8, value => f32::from(value)),
    Kind { name: "ComplexFloatStorage", size: 8, read: None },
    Kind { name: "ComplexDoubleStorage", size: 16, read: None },
    Kind { name: "QInt8Storage", size: 1, read: None },
    Kind { name: "QUInt8Storage", size: 1, read: None },
    Kind { name: "QInt32Storage", size: 4, read: None },
];

impl Kind {
    /// That of a class of PyTorch's.
    pub(super) fn of(class: &str) -> Option<Self> {
        KINDS.into_iter().find(|kind| kind.name == class)
    }
}

/// Numbers that lie together in the file under a key, from a place on.
#[derive(Clone)]
pub(super) struct Storage {
    pub(super) key: Rc<str>,
    pub(super) kind: Kind,
    pub(super) offset: usize,
}

/// Where a tensor's numbers are in its storage, in numbers.
pub(super) struct Place {
    pub(super) storage: Storage,
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

impl Place {
    /// How many numbers it has; none where that is more than can be counted.
    pub(super) fn count(&self) -> Option<usize> {
        self.shape.iter().try_fold(1_usize, |count, side| count.checked_mul(*side))
    }

    /// The tensor, called `name` in errors, of its storage's bytes; numbers of every type as f32.
    pub(super) fn tensor(&self, name: &str, storage: &[u8]) -> Result<TensorData, String> {
        let Kind { size, read, name: class } = self.storage.kind;
        let read = read.ok_or_else(|| format!("its {name} is of the type {class}, which no network here has"))?;
        let outside = || format!("its {name} reaches out of its storage");
        let count = self.count().filter(|count| *count <= storage.len() / size).ok_or_else(outside)?;
        let start = self.offset.checked_add(self.storage.offset).ok_or_else(outside)?;
        let bytes = |at: usize, count: usize| storage.get(at.checked_mul(size)?..)?.get(..count.checked_mul(size)?);
        if self.lies_together() {
            let bytes = if count == 0 { &[][..] } else { bytes(start, count).ok_or_else(outside)? };
            let values = bytes.chunks_exact(size).map(read).collect::<Option<Vec<f32>>>().ok_or_else(outside)?;
            return Ok(TensorData::new(values, self.shape.clone()));
        }
        let mut at = if count == 0 { Vec::new() } else { vec![start] };
        for (&side, &stride) in self.shape.iter().zip(&self.strides) {
            let along = at.iter().flat_map(|at| (0..side).map(move |i| at.checked_add(i.checked_mul(stride)?)));
            at = along.collect::<Option<Vec<usize>>>().ok_or_else(outside)?;
        }
        let values = at.into_iter().map(|at| read(bytes(at, 1)?)).collect::<Option<Vec<f32>>>();
        Ok(TensorData::new(values.ok_or_else(outside)?, self.shape.clone()))
    }

    /// Whether its numbers follow one another in the order of its axes.
    fn lies_together(&self) -> bool {
        let mut wanted = 1_usize;
        self.shape.iter().zip(&self.strides).rev().all(|(side, stride)| {
            let fits = *side == 1 || *stride == wanted;
            wanted = wanted.saturating_mul(*side);
            fits
        })
    }
}
