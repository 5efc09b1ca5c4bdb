//! What the tests of the library share to meet the numbers that the scripts under tests/golden/ made: the scripts' formulas,
//! and how near is near enough.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use serde_json::Value;

use crate::nn::Linear;

/// The numbers of a list.
pub fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

/// A tensor's values.
pub fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

/// In single precision, by the flat index.
fn of_index<const D: usize>(shape: [usize; D], value: impl Fn(usize) -> f64) -> Tensor<D> {
    let values = (0..shape.iter().product()).map(|i| value(i) as f32).collect::<Vec<f32>>();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

/// sin(rate (i + 1) + 0.3 sin(0.01 i²)).
pub fn wave_at(i: usize, rate: f64) -> f64 {
    let i = i as f64;
    (rate * (i + 1.0) + 0.3 * (0.01 * i * i).sin()).sin()
}

/// [`wave_at`] the flat index.
pub fn wave<const D: usize>(shape: [usize; D], rate: f64) -> Tensor<D> {
    scaled_wave(shape, rate, [1.0, 0.0])
}

/// `scale` times [`wave`] plus `offset`.
fn scaled_wave<const D: usize>(shape: [usize; D], rate: f64, [scale, offset]: [f64; 2]) -> Tensor<D> {
    of_index(shape, |i| scale * f64::from(wave_at(i, rate) as f32) + offset)
}

/// `offset` plus `scale` sin(rate i + phase) at the flat index i.
pub fn sine<const D: usize>(shape: [usize; D], [rate, phase]: [f64; 2], [scale, offset]: [f64; 2]) -> Tensor<D> {
    of_index(shape, |i| offset + scale * (rate * i as f64 + phase).sin())
}

/// A layer whose weights are a hash of the flat index, without a pattern in [-bound, bound]; the j-th bias is
/// 0.01 sin(0.2 j + phase).
pub fn hashed_linear([inputs, outputs]: [usize; 2], seed: u32, bound: f64, phase: f64) -> Linear {
    let hash = |i: usize| {
        let mut h = (i as u32).wrapping_mul(2654435761).wrapping_add(seed + 12345);
        h ^= h >> 15;
        h = h.wrapping_mul(2246822519);
        h ^ h >> 13
    };
    let weight = of_index([inputs, outputs], |i| (hash(i) as f64 / 2f64.powi(31) - 1.0) * bound);
    Linear::of(weight.autodiff(), sine([outputs], [0.2, phase], [0.01, 0.0]).autodiff())
}

/// What a batch norm keeps beside its parameters, and whether a stage has begun.
const RUNNING: [&str; 3] = ["mean", "variance", "begun"];

/// The last of a path's names.
fn name(path: &[String]) -> &str {
    path.last().map_or("", String::as_str)
}

/// Gives every parameter its values by its place in the order of the visit.
struct Fill<F> {
    scales: F,
    path: Vec<String>,
    count: usize,
}

impl<F: Fn(&[String], &[usize]) -> [f64; 2]> ModuleMapper for Fill<F> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if RUNNING.contains(&name(&self.path)) {
            return param;
        }
        let (shape, rate) = (param.dims(), 0.37 + 0.05 * self.count as f64);
        self.count += 1;
        let value = scaled_wave(shape, rate, (self.scales)(&self.path, &shape)).autodiff();
        let required = param.val().is_require_grad();
        param.map(|_| value.set_require_grad(required))
    }
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }
}

/// The network with a script's parameters, on the autodiff device: waves of the rate 0.37 + 0.05 p for the p-th, times the
/// first and plus the second of what `scales` says of a path and a shape.
pub fn filled_by<M: Module>(net: M, scales: impl Fn(&[String], &[usize]) -> [f64; 2]) -> M {
    net.map(&mut Fill { scales, path: Vec::new(), count: 0 })
}

/// [`filled_by`] what tests/golden/translation.py says, and most scripts with it.
pub fn filled<M: Module>(net: M) -> M {
    filled_with(1.0, net)
}

/// [`filled`], with weights that are so many times as large.
pub fn filled_with<M: Module>(gain: f64, net: M) -> M {
    filled_by(net, |path, shape| match name(path) {
        "weight" => {
            let fan_in = if shape.len() == 2 { shape[0] } else { shape[1..].iter().product() };
            [gain * 1.5 / (fan_in as f64).sqrt(), 0.0]
        }
        "gamma" => [0.2, 1.0],
        _ => [0.1, 0.0],
    })
}

/// Nearer than this share of the size of `scale`.
pub fn assert_close(what: &str, found: f64, wanted: f64, scale: f64, share: f64) {
    let error = (found - wanted).abs() / scale.abs();
    assert!(error < share, "{what}: {found} instead of {wanted}, off by {error:.1e} of {scale}");
}

/// Each number to a share of itself, or of 1 where it is smaller.
pub fn assert_each_near<const D: usize>(share: f64, found: Tensor<D>, wanted: &[f64], what: &str) {
    let found = floats(found);
    let near = found.iter().zip(wanted).all(|(a, b)| (a - b).abs() <= share * b.abs().max(1.0));
    assert!(near && found.len() == wanted.len(), "{what}: {found:?}, not {wanted:?}");
}

/// A number, or each of a list, to a ten thousandth of the largest.
pub fn assert_near<const D: usize>(found: Tensor<D>, wanted: &Value, what: &str) {
    assert_near_within(1e-4, found, wanted, what);
}

/// [`assert_near`], to another share of the largest.
pub fn assert_near_within<const D: usize>(share: f64, found: Tensor<D>, wanted: &Value, what: &str) {
    let found = floats(found);
    let wanted = if wanted.is_number() { vec![wanted.as_f64().unwrap()] } else { numbers(wanted) };
    assert_eq!(found.len(), wanted.len(), "{what}");
    let size = wanted.iter().fold(0.0, |size: f64, v| size.max(v.abs()));
    for (i, (a, b)) in found.iter().zip(&wanted).enumerate() {
        assert!((a - b).abs() <= share * size, "{what}[{i}] is {a}, not {b}");
    }
}

/// Every parameter's gradient against its norm and its product with a wave.
struct Compare<'a> {
    gradients: &'a Gradients,
    wanted: std::slice::Iter<'a, Value>,
    what: &'a str,
    shares: [f64; 2],
    largest: f64, // of the gradients' norms: f32 cannot tell what is far below it
    path: Vec<String>,
    met: usize,
}

impl ModuleVisitor for Compare<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if RUNNING.contains(&name(&self.path)) {
            return;
        }
        let wanted = numbers(self.wanted.next().unwrap());
        let found = match param.val().grad(self.gradients) {
            Some(gradient) => {
                let gradient = gradient.without_autodiff();
                let along = wave(gradient.dims(), 0.71);
                [gradient.clone().square().sum().sqrt(), (gradient * along).sum()]
                    .map(|value| value.into_scalar::<f64>())
            }
            None => {
                assert_eq!(wanted, [0.0; 2], "{}: parameter {} has no gradient", self.what, self.met);
                [0.0; 2]
            }
        };
        for (a, b) in found.iter().zip(&wanted) {
            // Where f32 takes the other side of a kink, of an absolute value or a ReLU, one value's share is lost.
            let close = (a - b).abs() <= self.shares[0] * wanted[0] + self.shares[1] * self.largest;
            assert!(close, "{}: parameter {} has {found:?}, not {wanted:?}", self.what, self.met);
        }
        self.met += 1;
    }
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }
}

/// Every parameter's gradient, to a thousandth of its norm and 2e-6 of the largest norm.
pub fn assert_gradients<M: Module>(net: &M, gradients: &Gradients, wanted: &Value, what: &str) {
    assert_gradients_within([1e-3, 2e-6], net, gradients, wanted, what);
}

/// [`assert_gradients`], to other shares.
pub fn assert_gradients_within<M: Module>(
    shares: [f64; 2],
    net: &M,
    gradients: &Gradients,
    wanted: &Value,
    what: &str,
) {
    let wanted = wanted.as_array().unwrap();
    let largest = wanted.iter().map(|pair| numbers(pair)[0]).fold(0.0, f64::max);
    let mut compare = Compare { gradients, wanted: wanted.iter(), what, shares, largest, path: Vec::new(), met: 0 };
    net.visit(&mut compare);
    assert_eq!(compare.met, wanted.len(), "{what}");
}

/// The files in a folder of tests/golden/checkpoints.zip, by name.
pub fn checkpoints(folder: &str) -> Vec<(String, Vec<u8>)> {
    files(include_bytes!("../tests/golden/checkpoints.zip"), folder)
}

/// The files of tests/golden/enlargers.zip whose names begin so.
pub fn enlargers(name: &str) -> Vec<(String, Vec<u8>)> {
    files(include_bytes!("../tests/golden/enlargers.zip"), name)
}

/// The files of an archive whose names begin so.
fn files(archive: &[u8], beginning: &str) -> Vec<(String, Vec<u8>)> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(archive)).unwrap();
    let begins = |name: &&str| name.starts_with(beginning);
    let names = archive.file_names().filter(begins).map(str::to_owned).collect::<Vec<_>>();
    let read = |name: String| {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut archive.by_name(&name).unwrap(), &mut bytes).unwrap();
        (name, bytes)
    };
    names.into_iter().map(read).collect()
}

/// A file as torch.save makes it of tensors in this order.
pub fn torch_saved(tensors: &[(&str, TensorData)]) -> Vec<u8> {
    let text = |text: &str| [b"X".as_slice(), &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat();
    let number = |number: usize| [b"J".as_slice(), &(number as u32).to_le_bytes()].concat();
    let tuple = |numbers: &[usize]| {
        [b"(".to_vec(), numbers.iter().flat_map(|n| number(*n)).collect::<Vec<u8>>(), b"t".to_vec()].concat()
    };
    let mut pickle = b"\x80\x02}(".to_vec();
    let mut members = Vec::new();
    for (i, (name, data)) in tensors.iter().enumerate() {
        let sides = data.shape().to_vec();
        let strides = (0..sides.len()).map(|axis| sides[axis + 1..].iter().product()).collect::<Vec<usize>>();
        pickle.extend([text(name), b"ctorch._utils\n_rebuild_tensor_v2\n((".to_vec(), text("storage")].concat());
        pickle.extend([b"ctorch\nFloatStorage\n".to_vec(), text(&i.to_string()), text("cpu"), number(0)].concat());
        pickle.extend([b"tQ".to_vec(), number(0), tuple(&sides), tuple(&strides), b"\x89NtR".to_vec()].concat());
        let numbers = data.iter::<f32>().flat_map(f32::to_le_bytes).collect::<Vec<u8>>();
        members.push((format!("net/data/{i}"), numbers));
    }
    pickle.extend(b"u.");
    members.insert(0, ("net/data.pkl".to_owned(), pickle));
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in members {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut archive, &bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}
