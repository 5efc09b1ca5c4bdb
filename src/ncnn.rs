//! Networks as ncnn stores them: layers in a text, `.param`, and their numbers in the same order in a `.bin`.
//!
//! Only the layers of networks that enlarge pictures are read; any other is refused by its name. What a layer does is kept
//! whole, so that whoever takes the numbers can see that they belong to the network it has.

use std::collections::BTreeMap;

use burn::tensor::{TensorData, f16};

/// How a `.param` begins.
const MAGIC: &str = "7767517";
/// How weights begin that are stored as f16.
const HALF: u32 = 0x0130_6B47;
/// How weights begin that are stored as f32: either of these.
const SINGLE: [u32; 2] = [0, 0x0002_C056];
/// Most layers a text may have; the largest network of Real-ESRGAN has 999.
const MOST_LAYERS: usize = 100_000;

const SHORT: &str = "its numbers end too early";

/// What a layer does.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// The picture `[3, h, w]`, RGB in [0, 1].
    Input,
    /// A convolution, then leaky ReLU of a slope, 1 for none. Numbers: weight `[outputs, inputs, kernel, kernel]`, bias.
    Convolution {
        /// Channels it takes.
        inputs: usize,
        /// Channels it makes.
        outputs: usize,
        /// Side of the kernel.
        kernel: usize,
        /// Zeros around the picture.
        padding: usize,
        /// What values below 0 are multiplied by.
        slope: f32,
    },
    /// Leaky ReLU with a slope for each channel, its numbers.
    Prelu {
        /// How many channels.
        channels: usize,
    },
    /// The same for every pixel, a value for each channel: its numbers.
    Constant {
        /// How many channels.
        channels: usize,
    },
    /// Its inputs one after the other along the channels.
    Concat,
    /// The sum of two inputs, each times its weight.
    Sum([f32; 2]),
    /// The first of two inputs less the second.
    Difference,
    /// The product of two inputs.
    Product,
    /// Its input less a number.
    Less(f32),
    /// Its input times a number.
    Times(f32),
    /// 1 / (1 + e^-x).
    Sigmoid,
    /// x times its sigmoid.
    Swish,
    /// So many times the size by the nearest pixel.
    Nearest(f32),
    /// So many times the size by cubic interpolation, without a filter against aliasing.
    Bicubic(f32),
    /// Channels to pixels: a side so many times the size.
    PixelShuffle(usize),
}

/// A layer and what it takes.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Its name in the text.
    pub name: String,
    /// What it does.
    pub op: Op,
    /// The layers whose results it takes, by their places in the network.
    pub inputs: Vec<usize>,
    /// Its numbers, as its [`Op`] says.
    pub numbers: Vec<TensorData>,
}

/// The layers of a `.param` with the numbers of its `.bin`, each after those whose results it takes; or why it cannot be read.
pub fn decode(param: &str, bin: &[u8]) -> Result<Vec<Layer>, String> {
    let mut lines = param.lines().map(str::trim).filter(|line| !line.is_empty());
    if lines.next() != Some(MAGIC) {
        return Err(format!("its text does not begin with {MAGIC}, as an ncnn .param does"));
    }
    let counts = lines.next().and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    let count = counts.filter(|count| *count <= MOST_LAYERS).ok_or("its text does not say how many layers it has")?;
    let (mut layers, mut made, mut left, mut read) = (Vec::<Layer>::new(), BTreeMap::new(), bin, 0);
    for line in lines {
        read += 1;
        let Line { kind, name, inputs, outputs, values } =
            Line::parse(line).ok_or_else(|| format!("its line `{}` is no layer", start(line)))?;
        let inputs = inputs.iter().map(|blob| made.get(*blob).copied().ok_or(blob));
        let inputs = inputs.collect::<Result<Vec<usize>, _>>();
        let inputs = inputs.map_err(|blob| format!("its layer {name} takes {blob}, which no layer before it makes"))?;
        let at = match kind {
            "Split" => *inputs.first().ok_or_else(|| format!("its layer {name} splits nothing"))?,
            _ => {
                let (op, numbers) =
                    layer(kind, &values, &mut left).map_err(|why| format!("its layer {name}: {why}"))?;
                let wanted = match op {
                    Op::Input | Op::Constant { .. } => 0..=0,
                    Op::Concat => 1..=usize::MAX,
                    Op::Sum(_) | Op::Difference | Op::Product => 2..=2,
                    _ => 1..=1,
                };
                if !wanted.contains(&inputs.len()) {
                    return Err(format!("its layer {name} takes {} results of others", inputs.len()));
                }
                layers.push(Layer { name: name.to_owned(), op, inputs, numbers });
                layers.len() - 1
            }
        };
        made.extend(outputs.into_iter().map(|blob| (blob, at)));
    }
    if read != count {
        return Err(format!("its text has {read} layers and says {count}"));
    }
    match left.len() {
        0 => Ok(layers),
        more => Err(format!("its numbers go on for {more} bytes after the last layer")),
    }
}

/// A line of the text, cut into its words.
struct Line<'a> {
    kind: &'a str,
    name: &'a str,
    inputs: Vec<&'a str>,
    outputs: Vec<&'a str>,
    values: Values,
}

/// A layer's values by their keys; one for a number, several for an array.
type Values = BTreeMap<i32, Vec<f64>>;

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let (kind, name) = (words.next()?, words.next()?);
        let mut count = || words.next()?.parse::<usize>().ok().filter(|count| *count < MOST_LAYERS);
        let (inputs, outputs) = (count()?, count()?);
        let mut blobs = |count: usize| (0..count).map(|_| words.next()).collect::<Option<Vec<_>>>();
        let (inputs, outputs) = (blobs(inputs)?, blobs(outputs)?);
        let values = words.map(|word| {
            let (key, value) = word.split_once('=')?;
            let key = key.parse::<i32>().ok()?;
            let numbers = value.split(',').map(|number| number.parse::<f64>().ok()).collect::<Option<Vec<f64>>>()?;
            match (-23300_i32).checked_sub(key)? {
                id @ 0.. if numbers.first() == Some(&((numbers.len() - 1) as f64)) => Some((id, numbers[1..].to_vec())),
                0.. => None, // it does not count its numbers as it should
                _ => (numbers.len() == 1).then_some((key, numbers)),
            }
        });
        let values = values.collect::<Option<Values>>()?;
        Some(Line { kind, name, inputs, outputs, values })
    }
}

/// The beginning of a line, for people.
fn start(line: &str) -> String {
    line.chars().take(40).collect()
}

/// What a layer of this kind does, and its numbers, taken off the bytes.
fn layer(kind: &str, values: &Values, left: &mut &[u8]) -> Result<(Op, Vec<TensorData>), String> {
    let one = |key: i32, usual: f64| values.get(&key).and_then(|numbers| numbers.first()).copied().unwrap_or(usual);
    let whole = |key: i32, usual: usize| {
        let value = one(key, usual as f64);
        let fits = value >= 0.0 && value <= f64::from(u32::MAX) && value.fract() == 0.0;
        if fits { Ok(value as usize) } else { Err(format!("its value {key} is {value}")) }
    };
    // Every value but those of these keys must be what the format takes for granted.
    let plain = |but: &[i32], usual: &[(i32, f64)]| {
        let usual = |key: &i32| usual.iter().find(|(other, _)| other == key).map_or(0.0, |(_, value)| *value);
        let odd = values.iter().find(|(key, found)| !but.contains(key) && **found != [usual(key)]);
        odd.map_or(Ok(()), |(key, found)| Err(format!("its value {key} is {found:?}, which is not read here")))
    };
    let none = |op| Ok((op, Vec::new()));
    match kind {
        "Input" => none(Op::Input),
        "Convolution" => {
            plain(&[0, 1, 4, 6, 9, 10], &[(2, 1.0), (3, 1.0), (5, 1.0)])?;
            let (outputs, kernel, padding, count) = (whole(0, 0)?, whole(1, 0)?, whole(4, 0)?, whole(6, 0)?);
            if values.get(&5).is_none() {
                return Err("it has no bias".to_owned());
            }
            let slope = match (whole(9, 0)?, values.get(&10).map(Vec::as_slice)) {
                (0, _) => 1.0,
                (1, _) => 0.0,
                (2, Some([slope])) => *slope as f32,
                (other, _) => return Err(format!("its activation {other} is not read here")),
            };
            let each = outputs.checked_mul(kernel).and_then(|n| n.checked_mul(kernel)).filter(|each| *each > 0);
            let inputs = each.filter(|each| count > 0 && count.is_multiple_of(*each)).map(|each| count / each);
            let inputs =
                inputs.ok_or_else(|| format!("{count} weights are no {outputs} kernels of {kernel}x{kernel}"))?;
            let weight = TensorData::new(weights(left, count)?, [outputs, inputs, kernel, kernel]);
            let bias = TensorData::new(singles(left, outputs)?, [outputs]);
            Ok((Op::Convolution { inputs, outputs, kernel, padding, slope }, vec![weight, bias]))
        }
        "PReLU" => {
            plain(&[0], &[])?;
            let channels = whole(0, 0)?;
            Ok((Op::Prelu { channels }, vec![TensorData::new(singles(left, channels)?, [channels])]))
        }
        "Concat" => plain(&[], &[]).and_then(|()| none(Op::Concat)),
        "Eltwise" => {
            plain(&[1], &[(0, 1.0)])?;
            match values.get(&1).map(Vec::as_slice) {
                Some([a, b]) if values.contains_key(&0) => none(Op::Sum([*a as f32, *b as f32])),
                None if values.contains_key(&0) => none(Op::Sum([1.0, 1.0])),
                _ => Err("it is no sum of two".to_owned()),
            }
        }
        "BinaryOp" => {
            plain(&[0, 1, 2], &[])?;
            match (whole(0, 0)?, whole(1, 0)?) {
                (0, 0) => none(Op::Sum([1.0, 1.0])),
                (1, 0) => none(Op::Difference),
                (2, 0) => none(Op::Product),
                (1, 1) => none(Op::Less(one(2, 0.0) as f32)),
                (2, 1) => none(Op::Times(one(2, 0.0) as f32)),
                (other, _) => Err(format!("its operation {other} is not read here")),
            }
        }
        "MemoryData" => {
            plain(&[0, 1, 2], &[(0, 1.0), (1, 1.0)])?;
            let channels = whole(2, 0)?;
            if (whole(0, 0)?, whole(1, 0)?) != (1, 1) {
                return Err("it holds more than a value for each channel".to_owned());
            }
            Ok((Op::Constant { channels }, vec![TensorData::new(singles(left, channels)?, [channels])]))
        }
        "Sigmoid" => plain(&[], &[]).and_then(|()| none(Op::Sigmoid)),
        "Swish" => plain(&[], &[]).and_then(|()| none(Op::Swish)),
        "Interp" => {
            plain(&[0, 1, 2], &[])?;
            let (way, times) = (whole(0, 0)?, one(1, 1.0) as f32);
            if one(2, 1.0) as f32 != times || !(times > 0.0 && times.is_finite()) {
                return Err("it changes width and height unlike".to_owned());
            }
            match way {
                1 => none(Op::Nearest(times)),
                3 => none(Op::Bicubic(times)),
                other => Err(format!("its interpolation {other} is not read here")),
            }
        }
        "PixelShuffle" => {
            plain(&[0], &[])?;
            none(Op::PixelShuffle(whole(0, 1)?))
        }
        other => Err(format!("it is of the kind {}, which no network that is read here has", start(other))),
    }
}

fn take<'a>(left: &mut &'a [u8], count: Option<usize>) -> Result<&'a [u8], String> {
    count.and_then(|count| left.split_off(..count)).ok_or_else(|| SHORT.to_owned())
}

fn singles(left: &mut &[u8], count: usize) -> Result<Vec<f32>, String> {
    let bytes = take(left, count.checked_mul(4))?;
    Ok(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
}

/// Weights after the word that says how they are stored; those of two bytes are padded to a multiple of four.
fn weights(left: &mut &[u8], count: usize) -> Result<Vec<f32>, String> {
    let word = take(left, Some(4))?;
    match u32::from_le_bytes([word[0], word[1], word[2], word[3]]) {
        HALF => {
            let bytes = take(left, count.checked_mul(2).and_then(|bytes| bytes.checked_next_multiple_of(4)))?;
            Ok(bytes.chunks_exact(2).take(count).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect())
        }
        word if SINGLE.contains(&word) => singles(left, count),
        other => Err(format!("its weights are stored in the way {other:#010x}, which is not read here")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARAM: &str = "7767517
        7 9
        Input   in   0 1 data
        Split   s    1 2 data a b
        Convolution conv 1 1 a c 0=2 1=1 5=1 6=6 9=2 -23310=1,2.0e-1
        PReLU   act  1 1 c d 0=2
        Interp  up   1 1 b e 0=1 1=2.0 2=2.0
        Concat  join 2 1 d e f
        Eltwise sum  2 1 f d output 0=1 -23301=2,0.2,1.0";

    /// Six weights as f16 and padding, two biases, two slopes.
    fn bin() -> Vec<u8> {
        let mut bytes = HALF.to_le_bytes().to_vec();
        bytes.extend([1.0, 2.0, 3.0, 4.0, 5.0, 6.0].map(|value| f16::from_f32(value).to_le_bytes()).concat());
        bytes.extend([0.5_f32, -0.5, 0.25, 0.75].map(f32::to_le_bytes).concat());
        bytes
    }

    #[test]
    fn layers_their_numbers_and_what_they_take_are_read() {
        let layers = decode(PARAM, &bin()).unwrap();
        let ops = layers.iter().map(|layer| layer.op.clone()).collect::<Vec<_>>();
        let convolution = Op::Convolution { inputs: 3, outputs: 2, kernel: 1, padding: 0, slope: 0.2 };
        let wanted =
            [Op::Input, convolution, Op::Prelu { channels: 2 }, Op::Nearest(2.0), Op::Concat, Op::Sum([0.2, 1.0])];
        assert_eq!(ops, wanted);
        let inputs = layers.iter().map(|layer| layer.inputs.clone()).collect::<Vec<_>>();
        assert_eq!(inputs, [vec![], vec![0], vec![1], vec![0], vec![2, 3], vec![4, 2]]);
        assert_eq!(layers[1].numbers[0].shape().to_vec(), [2, 3, 1, 1]);
        assert_eq!(layers[1].numbers[0].try_to_vec::<f32>().unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(layers[1].numbers[1].try_to_vec::<f32>().unwrap(), [0.5, -0.5]);
        assert_eq!(layers[2].numbers[0].try_to_vec::<f32>().unwrap(), [0.25, 0.75]);
    }

    #[test]
    fn what_is_done_to_each_value_is_read_with_its_number() {
        let param = "7767517\n8 8\nInput in 0 1 data\nMemoryData m 0 1 mean 0=1 1=1 2=3\nBinaryOp a 2 1 data mean b 0=1
            BinaryOp t 1 1 b c 0=2 1=1 2=2.55e+02\nBinaryOp l 1 1 c d 0=1 1=1 2=5e-01\nSigmoid s 1 1 d e
            Swish w 1 1 e f\nBinaryOp p 2 1 e f g 0=2";
        let layers = decode(param, &[0.25_f32, 0.5, 0.75].map(f32::to_le_bytes).concat()).unwrap();
        let ops = layers.iter().map(|layer| layer.op.clone()).collect::<Vec<_>>();
        let constant = Op::Constant { channels: 3 };
        let each = [Op::Difference, Op::Times(255.0), Op::Less(0.5), Op::Sigmoid, Op::Swish, Op::Product];
        assert_eq!(ops, [vec![Op::Input, constant], each.to_vec()].concat());
        assert_eq!(layers[1].numbers[0].try_to_vec::<f32>().unwrap(), [0.25, 0.5, 0.75]);
        assert!(decode(&param.replace("0=2 1=1", "0=3 1=1"), &[0; 12]).unwrap_err().contains("operation 3"));
        assert!(
            decode(&param.replace("0=1 1=1 2=3", "0=2 1=1 2=3"), &[0; 12]).unwrap_err().contains("more than a value")
        );
        assert!(decode(param, &[0; 11]).unwrap_err().contains(SHORT));
    }

    #[test]
    fn an_odd_number_of_halves_is_padded_and_singles_are_not() {
        let param = "7767517\n2 2\nInput in 0 1 data\nConvolution c 1 1 data output 0=1 1=1 5=1 6=3";
        let halves = [1.0, 2.0, 3.0].map(|value| f16::from_f32(value).to_le_bytes()).concat();
        let half = [&HALF.to_le_bytes()[..], &halves, &[0, 0], &7.0_f32.to_le_bytes()].concat();
        let single = [&[0; 4][..], &[1.0_f32, 2.0, 3.0, 7.0].map(f32::to_le_bytes).concat()].concat();
        for bin in [half, single] {
            let layers = decode(param, &bin).unwrap();
            assert_eq!(layers[1].numbers[0].try_to_vec::<f32>().unwrap(), [1.0, 2.0, 3.0]);
            assert_eq!(layers[1].numbers[1].try_to_vec::<f32>().unwrap(), [7.0]);
        }
    }

    #[test]
    fn what_is_cut_short_or_no_such_network_is_one_sentence() {
        let said = |param: &str| decode(param, &bin()).unwrap_err();
        assert!((0..bin().len()).all(|end| decode(PARAM, &bin()[..end]).unwrap_err().ends_with(SHORT)));
        assert!(said(&format!("{PARAM}\nSplit s2 1 1 output o")).contains("has 8 layers and says 7"));
        assert!(decode(PARAM, &[bin(), vec![0]].concat()).unwrap_err().contains("1 bytes after"));
        assert!(said("PK").contains("does not begin with 7767517"));
        assert!(said("7767517\n99999999999 1").contains("how many layers"));
        assert!(said("7767517\n1 1\nLSTM l 0 1 a").contains("kind LSTM"));
        assert!(said("7767517\n1 1\nInput").contains("`Input` is no layer"));
        assert!(said("7767517\n1 1\nConcat c 1 1 a b").contains("takes a, which no layer before it makes"));
        assert!(said(&PARAM.replace("6=6", "6=99999999999")).contains("its value 6"));
        assert!(said(&PARAM.replace("0=2 1=1", "0=4000000000 1=4000000000")).contains("are no 4000000000 kernels"));
        assert!(said(&PARAM.replace("6=6", "6=4000000000").replace("0=2 1=1", "0=1 1=1")).contains(SHORT));
        assert!(said(&PARAM.replace("5=1", "5=1 3=2")).contains("value 3"));
        assert!(said(&PARAM.replace("9=2", "9=5")).contains("activation 5"));
        assert!(said(&PARAM.replace("-23301=2,0.2,1.0", "-23301=3,0.2,1.0")).contains("is no layer"));
        let other = [&7_u32.to_le_bytes()[..], &bin()[4..]].concat();
        assert!(decode(PARAM, &other).unwrap_err().contains("0x00000007"));
        assert!((0..PARAM.rfind('\n').unwrap()).all(|end| decode(&PARAM[..end], &bin()).is_err()));
    }
}
