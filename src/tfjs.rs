//! Networks as TensorFlow.js stores them: a graph of operations in a `.json`, and the numbers of its constants in a `.bin`.

use std::collections::BTreeMap;

use burn::tensor::{Device, f16};
use serde_json::Value;

use crate::graph::{Convolution, Graph, MOST_SIDES, Node, Op};

/// The strings that operations are described by, as the file has them: in base64.
const SAME: &str = "U0FNRQ==";
const VALID: &str = "VkFMSUQ=";
const BIAS: &str = "Qmlhc0FkZA==";
const RELU: &str = "UmVsdQ==";
const RELU6: &str = "UmVsdTY=";

const SHORT: &str = "its numbers end too early";

/// The sides and the numbers of a constant.
type Numbers = (Vec<usize>, Vec<f32>);

/// The network of a `.json` with the numbers of its `.bin`; or why it cannot be read, as a sentence without its subject.
pub fn decode(json: &[u8], bin: &[u8], device: &Device) -> Result<Graph, String> {
    let file: Value = serde_json::from_slice(json).map_err(|error| format!("is no JSON: {error}"))?;
    let list = file["modelTopology"]["node"].as_array().ok_or("describes no graph of TensorFlow.js")?;
    let numbers = constants(&file["weightsManifest"], bin)?;
    let mut nodes = BTreeMap::new();
    for node in list {
        let (Some(name), Some(kind)) = (node["name"].as_str(), node["op"].as_str()) else {
            return Err("has a node without a name or an operation".to_owned());
        };
        // `^NAME` only says what comes first.
        let inputs = node["input"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let mut inputs = inputs.filter(|input| !input.starts_with('^')).map(str::to_owned).collect::<Vec<_>>();
        let op = operation(kind, name, &inputs, &node["attr"], &numbers, device);
        let op = op.map_err(|why| format!("has a node {name} that {why}"))?;
        inputs.truncate(match op {
            Op::Constant(_) | Op::Other(_) => 0,
            Op::Bilinear(_) => 1, // the second is the size, which is known
            _ => usize::MAX,
        });
        nodes.insert(name.to_owned(), Node { op, inputs });
    }
    Ok(Graph { nodes })
}

/// What a node does; or why not, as a sentence without its subject, the node.
fn operation(
    kind: &str,
    name: &str,
    inputs: &[String],
    attributes: &Value,
    numbers: &BTreeMap<String, Numbers>,
    device: &Device,
) -> Result<Op, String> {
    let is_same = || match attributes["padding"]["s"].as_str() {
        Some(SAME) => Ok(true),
        Some(VALID) => Ok(false),
        other => Err(format!("has the padding {other:?}, which is not run here")),
    };
    let has_gaps =
        || attributes["dilations"]["list"]["i"].as_array().into_iter().flatten().any(|side| whole(side) != Some(1));
    let stride = || {
        let list = attributes["strides"]["list"]["i"].as_array().into_iter().flatten();
        let list = list.filter_map(whole).collect::<Vec<_>>();
        match list[..] {
            [1, down, across, 1] if down == across && down > 0 => Ok(down),
            _ => Err(format!("has the strides {list:?}")),
        }
    };
    let sides = || {
        let (_, sides) = inputs.get(1).and_then(|name| numbers.get(name)).ok_or("does not say a size")?;
        match sides[..] {
            [height, width] if height >= 1.0 && width >= 1.0 => Ok([height as usize, width as usize]),
            _ => Err(format!("has the size {sides:?}")),
        }
    };
    Ok(match kind {
        "Const" => {
            let (shape, values) = numbers.get(name).ok_or("has no numbers")?;
            Op::constant(shape, values.clone(), device)
        }
        "_FusedConv2D" | "Conv2D" | "FusedDepthwiseConv2dNative" | "DepthwiseConv2dNative" => {
            let after = attributes["fused_ops"]["list"]["s"].as_array().into_iter().flatten();
            let after = after.filter_map(Value::as_str).collect::<Vec<_>>();
            let (is_rectified, top) = match after[..] {
                [] | [BIAS] => (false, None),
                [BIAS, RELU] => (true, None),
                [BIAS, RELU6] => (true, Some(6.0)),
                _ => return Err(format!("is followed by {after:?}, which is not run here")),
            };
            if has_gaps() {
                return Err("has a kernel with gaps, which is not run here".to_owned());
            }
            let is_depthwise = kind.contains("Depthwise");
            // [height, width, inputs, outputs], and for one of each channel [height, width, channels, 1].
            let kernel = if is_depthwise { [2, 3, 0, 1] } else { [3, 2, 0, 1] };
            let (stride, is_same) = (stride()?, is_same()?);
            Op::Convolution(Convolution { is_depthwise, kernel, stride, is_same, is_rectified, top })
        }
        "AddV2" | "Add" => Op::Add,
        "Sub" => Op::Sub,
        "Mul" => Op::Mul,
        "Sigmoid" => Op::Sigmoid,
        "ResizeBilinear" if attributes["half_pixel_centers"]["b"] == true => Op::Bilinear(sides()?),
        other => Op::Other(format!("does {other}, which is not run here")),
    })
}

/// A whole number, which the file may have as a string.
fn whole(value: &Value) -> Option<usize> {
    value.as_u64().map(|number| number as usize).or_else(|| value.as_str()?.parse().ok())
}

/// The constants by their names. A group's numbers lie one after the other.
fn constants(manifest: &Value, bin: &[u8]) -> Result<BTreeMap<String, Numbers>, String> {
    let (mut left, mut found) = (bin, BTreeMap::new());
    let groups = manifest.as_array().into_iter().flatten();
    for weight in groups.flat_map(|group| group["weights"].as_array().into_iter().flatten()) {
        let name = weight["name"].as_str().ok_or("has a constant without a name")?;
        let shape = weight["shape"].as_array().and_then(|sides| sides.iter().map(whole).collect::<Option<Vec<_>>>());
        let shape = shape.filter(|shape| shape.len() <= MOST_SIDES);
        let shape =
            shape.ok_or_else(|| format!("has a constant {name} without sides, or with more than {MOST_SIDES}"))?;
        let count = shape.iter().try_fold(1_usize, |count, side| count.checked_mul(*side)).ok_or(SHORT)?;
        let kind = weight["quantization"]["dtype"].as_str().or(weight["dtype"].as_str()).unwrap_or_default();
        let mut take = |bytes: usize| {
            let taken = count.checked_mul(bytes).and_then(|bytes| left.split_off(..bytes));
            taken.ok_or_else(|| SHORT.to_owned())
        };
        let values = match kind {
            "float16" => take(2)?.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
            "float32" => take(4)?.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
            "int32" => take(4)?.chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]) as f32).collect(),
            other => return Err(format!("has a constant {name} of the kind {other}, which is not read here")),
        };
        found.insert(name.to_owned(), (shape, values));
    }
    match left.len() {
        0 => Ok(found),
        more => Err(format!("has {more} bytes of numbers after the last constant")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::floats;
    use burn::tensor::{Tensor, TensorData};
    use serde_json::json;

    /// A 3 x 3 convolution of each of two channels by itself with the stride 2, its sum with a constant, and that to 4 x 4.
    fn file() -> (Value, Vec<u8>) {
        let weight = |name: &str, shape: &[usize], dtype: &str| json!({ "name": name, "shape": shape, "dtype": dtype });
        let half = json!({ "name": "kernel", "shape": [3, 3, 2, 1], "dtype": "float32", "quantization": { "dtype": "float16" } });
        let strides = json!({ "list": { "i": ["1", "2", "2", "1"] } });
        let ops = json!({ "list": { "s": [BIAS, RELU6] } });
        let json = json!({
            "modelTopology": { "node": [
                { "name": "in", "op": "Placeholder" },
                { "name": "kernel", "op": "Const" }, { "name": "bias", "op": "Const" },
                { "name": "more", "op": "Const" }, { "name": "sides", "op": "Const" },
                { "name": "conv", "op": "FusedDepthwiseConv2dNative", "input": ["in", "kernel", "bias"],
                  "attr": { "strides": strides, "padding": { "s": SAME }, "fused_ops": ops } },
                { "name": "sum", "op": "AddV2", "input": ["conv", "more", "^in"] },
                { "name": "large", "op": "ResizeBilinear", "input": ["sum", "sides"],
                  "attr": { "half_pixel_centers": { "b": true } } },
                { "name": "odd", "op": "LSTM", "input": ["sum"] },
                { "name": "round", "op": "AddV2", "input": ["round", "sum"] },
            ] },
            "weightsManifest": [{ "weights": [
                half, weight("bias", &[2], "float32"), weight("more", &[2], "float32"), weight("sides", &[2], "int32"),
            ] }],
        });
        // Of the first channel the sum of all nine, of the second the one in the middle.
        let kernel = (0..9).flat_map(|at| [1.0, if at == 4 { 1.0 } else { 0.0 }]);
        let mut bin = kernel.flat_map(|value| f16::from_f32(value).to_le_bytes()).collect::<Vec<_>>();
        bin.extend([0.0_f32, -1.0, 10.0, 20.0].map(f32::to_le_bytes).concat());
        bin.extend([4_i32, 4].map(i32::to_le_bytes).concat());
        (json, bin)
    }

    fn graph(json: &Value, bin: &[u8]) -> Result<Graph, String> {
        decode(json.to_string().as_bytes(), bin, &Device::flex())
    }

    fn picture() -> Tensor<4> {
        let levels = (0..32).map(|at| if at < 16 { 0.25 } else { (at - 16) as f32 }).collect::<Vec<f32>>();
        Tensor::from_data(TensorData::new(levels, [1, 2, 4, 4]), &Device::flex())
    }

    #[test]
    fn a_graph_is_run_as_far_as_what_is_asked_for_needs_it() {
        let (json, bin) = file();
        let graph = graph(&json, &bin).unwrap();
        let [conv, sum, large] = graph.run("in", picture(), ["conv", "sum", "large"]).unwrap();
        // The zeros are below and to the right: the first window lies wholly in the picture. Nothing is above 6.
        let wanted = [2.25, 1.5, 1.5, 1.0, 4.0, 6.0, 6.0, 6.0];
        assert_eq!(floats(conv), wanted);
        let wanted = wanted.iter().zip([10.0; 4].into_iter().chain([20.0; 4])).map(|(a, b)| a + b).collect::<Vec<_>>();
        assert_eq!(floats(sum), wanted);
        // A quarter of the way between two pixels' centres.
        let large = floats(large);
        assert_eq!((large.len(), large[0], large[1]), (32, 12.25, 0.75 * 12.25 + 0.25 * 11.5));
    }

    #[test]
    fn what_cannot_be_run_is_said_by_the_name_of_the_node() {
        let (json, bin) = file();
        let whole = graph(&json, &bin).unwrap();
        let said = |wanted: &str| whole.run("in", picture(), [wanted]).unwrap_err();
        assert_eq!(said("odd"), "has a node odd that does LSTM, which is not run here");
        assert_eq!(said("nowhere"), "takes nowhere, which no node makes");
        assert_eq!(said("round"), "has a node round that needs its own result");
        let one = Tensor::zeros([1, 3, 4, 4], &Device::flex());
        assert!(whole.run("in", one, ["sum"]).unwrap_err().starts_with("has a node conv that has a kernel"));
        assert!((0..bin.len()).all(|end| graph(&json, &bin[..end]).unwrap_err() == SHORT));
        assert_eq!(
            graph(&json, &[bin.clone(), vec![0]].concat()).unwrap_err(),
            "has 1 bytes of numbers after the last constant"
        );
        assert_eq!(graph(&json!({}), &[]).unwrap_err(), "describes no graph of TensorFlow.js");
        let spoilt = |path: &str, value: Value| {
            let mut json = json.clone();
            *json.pointer_mut(path).unwrap() = value;
            graph(&json, &bin).unwrap_err()
        };
        let (weights, nodes) = ("/weightsManifest/0/weights", "/modelTopology/node");
        assert!(spoilt(&format!("{weights}/1/dtype"), json!("string")).contains("bias of the kind string"));
        assert!(spoilt(&format!("{weights}/1/shape"), json!([1, 1, 1, 1, 2])).contains("more than 4"));
        assert_eq!(spoilt(&format!("{weights}/1/shape"), json!([1_u64 << 40, 1_u64 << 40])), SHORT);
        assert!(
            spoilt(&format!("{nodes}/5/attr/strides/list/i"), json!([1, 0, 0, 1]))
                .contains("conv that has the strides")
        );
        assert!(spoilt(&format!("{nodes}/5/attr/fused_ops/list/s"), json!([BIAS, "RWx1"])).contains("is followed by"));
        assert!(
            spoilt(&format!("{nodes}/5/attr/padding/s"), json!("RVhQTElDSVQ=")).contains("conv that has the padding")
        );
        assert!(spoilt(&format!("{nodes}/7/input"), json!(["sum"])).contains("large that does not say a size"));
        assert!(decode(b"PK", &[], &Device::flex()).unwrap_err().starts_with("is no JSON"));
    }
}
