//! The network of BERT (Devlin et al. 2019), whose last layer's average is a sentence's vector (Reimers and Gurevych 2019,
//! "Sentence-BERT").

use burn::tensor::activation::{gelu, softmax};
use burn::tensor::{Device, Int, Tensor, TensorData};
use ganvas_kernels::linear;

use crate::parts::Tensors;

const EPSILON: f64 = 1e-12;

/// Affine layer norm over the last axis: γ and β `[width]`.
#[derive(Debug)]
struct Norm {
    gamma: Tensor<1>,
    beta: Tensor<1>,
}

/// W `[inputs, outputs]` and b `[outputs]`.
#[derive(Debug)]
struct Dense {
    weight: Tensor<2>,
    bias: Tensor<1>,
}

#[derive(Debug)]
struct Layer {
    /// Of queries, keys and values.
    asks: [Dense; 3],
    mixed: Dense,
    mixed_norm: Norm,
    up: Dense,
    down: Dense,
    down_norm: Norm,
}

/// Numbers of pieces to a vector.
#[derive(Debug)]
pub struct Bert {
    words: Tensor<2>,     // [pieces, width]
    positions: Tensor<2>, // [most, width]
    kind: Tensor<1>,      // [width], of a first sentence
    norm: Norm,
    layers: Vec<Layer>,
    heads: usize,
}

/// Tensors by their names in a file.
struct Named<'a>(&'a mut Tensors, &'a Device);

impl Named<'_> {
    fn tensor<const D: usize>(&mut self, name: &str) -> Result<Tensor<D>, String> {
        let data = self.0.remove(name).ok_or_else(|| format!("it has no tensor {name}"))?;
        let shape = data.shape().to_vec();
        if shape.len() != D {
            return Err(format!("{name} is {shape:?} and has not {D} axes"));
        }
        Ok(Tensor::from_data(data, self.1))
    }

    fn dense(&mut self, name: &str) -> Result<Dense, String> {
        let weight = self.tensor::<2>(&format!("{name}.weight"))?;
        Ok(Dense { weight: weight.transpose(), bias: self.tensor(&format!("{name}.bias"))? })
    }

    fn norm(&mut self, name: &str) -> Result<Norm, String> {
        let name = format!("{name}.LayerNorm");
        Ok(Norm { gamma: self.tensor(&format!("{name}.weight"))?, beta: self.tensor(&format!("{name}.bias"))? })
    }
}

impl Norm {
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let centred = x.clone() - x.mean_dim(1);
        let deviation = (centred.clone().square().mean_dim(1) + EPSILON).sqrt();
        centred / deviation * self.gamma.clone().unsqueeze() + self.beta.clone().unsqueeze()
    }
}

impl Dense {
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        linear(x, self.weight.clone(), self.bias.clone(), 1.0, None)
    }
}

impl Bert {
    /// With the tensors of a file, whose names are those of the published networks, and so many heads of attention; or why not.
    pub fn of(mut tensors: Tensors, heads: usize, device: &Device) -> Result<Self, String> {
        let mut named = Named(&mut tensors, device);
        let (words, positions) = (
            named.tensor("embeddings.word_embeddings.weight")?,
            named.tensor("embeddings.position_embeddings.weight")?,
        );
        let kinds = named.tensor::<2>("embeddings.token_type_embeddings.weight")?;
        let norm = named.norm("embeddings")?;
        let mut layers = Vec::new();
        while named.0.contains_key(&format!("encoder.layer.{}.output.dense.weight", layers.len())) {
            let name = |part: &str| format!("encoder.layer.{}.{part}", layers.len());
            layers.push(Layer {
                asks: [
                    named.dense(&name("attention.self.query"))?,
                    named.dense(&name("attention.self.key"))?,
                    named.dense(&name("attention.self.value"))?,
                ],
                mixed: named.dense(&name("attention.output.dense"))?,
                mixed_norm: named.norm(&name("attention.output"))?,
                up: named.dense(&name("intermediate.dense"))?,
                down: named.dense(&name("output.dense"))?,
                down_norm: named.norm(&name("output"))?,
            });
        }
        Ok(Bert { words, positions, kind: kinds.narrow(0, 0, 1).flatten(0, 1), norm, layers, heads })
    }

    /// The vectors `[n, width]`, of length 1, of sentences of as many pieces each: the average of what the last layer makes of all
    /// their pieces.
    pub fn vectors(&self, sentences: &[Vec<u32>]) -> Tensor<2> {
        let (n, length) = (sentences.len(), sentences[0].len());
        let [_, width] = self.words.dims();
        let numbers = sentences.iter().flatten().map(|piece| *piece as i32).collect::<Vec<i32>>();
        assert_eq!(numbers.len(), n * length, "sentences of one length are seen together");
        let numbers = Tensor::<1, Int>::from_data(TensorData::new(numbers, [n * length]), &self.words.device());
        let places = self.positions.clone().narrow(0, 0, length).unsqueeze::<3>() + self.kind.clone().unsqueeze();
        let x = self.words.clone().select(0, numbers).reshape([n, length, width]) + places;
        let mut x = self.norm.forward(x.reshape([n * length, width]));
        for layer in &self.layers {
            let mixed = layer.mixed.forward(self.attention(layer, x.clone(), [n, length]));
            x = layer.mixed_norm.forward(x + mixed);
            let inner = layer.down.forward(gelu(layer.up.forward(x.clone())));
            x = layer.down_norm.forward(x + inner);
        }
        let mean: Tensor<2> = x.reshape([n, length, width]).mean_dim(1).flatten(1, 2);
        let size = mean.clone().square().sum_dim(1).sqrt().clamp_min(1e-12);
        mean / size
    }

    /// What each piece takes of the others of its sentence, by every head: `[n length, width]`.
    fn attention(&self, layer: &Layer, x: Tensor<2>, [n, length]: [usize; 2]) -> Tensor<2> {
        let [_, width] = x.dims();
        let depth = width / self.heads;
        let split = |dense: &Dense| {
            dense.forward(x.clone()).reshape([n, length, self.heads, depth]).swap_dims(1, 2) // [n, heads, length, depth]
        };
        let [queries, keys, values] = layer.asks.each_ref().map(split);
        let weights = softmax(queries.matmul(keys.transpose()) / (depth as f64).sqrt(), 3);
        weights.matmul(values).swap_dims(1, 2).reshape([n * length, width])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::{assert_near, wave};
    use serde_json::Value;

    /// A network of two layers and three heads, whose p-th tensor by name is a wave of the rate 0.37 + 0.05 p.
    fn small() -> Tensors {
        let (pieces, width, inner) = (11, 12, 20);
        let mut shapes = vec![
            ("embeddings.word_embeddings.weight".to_owned(), vec![pieces, width]),
            ("embeddings.position_embeddings.weight".to_owned(), vec![9, width]),
            ("embeddings.token_type_embeddings.weight".to_owned(), vec![2, width]),
        ];
        let norm =
            |name: &str| ["weight", "bias"].map(|part| (format!("{name}.LayerNorm.{part}"), vec![width])).to_vec();
        let norms = ["embeddings".to_owned()]
            .into_iter()
            .chain((0..2).flat_map(|i| ["attention.output", "output"].map(|part| format!("encoder.layer.{i}.{part}"))));
        let norms = norms.flat_map(|name| norm(&name)).collect::<Vec<_>>();
        shapes.extend(norms);
        for i in 0..2 {
            for (part, [inputs, outputs]) in [
                ("attention.self.query", [width, width]),
                ("attention.self.key", [width, width]),
                ("attention.self.value", [width, width]),
                ("attention.output.dense", [width, width]),
                ("intermediate.dense", [width, inner]),
                ("output.dense", [inner, width]),
            ] {
                shapes.push((format!("encoder.layer.{i}.{part}.weight"), vec![outputs, inputs]));
                shapes.push((format!("encoder.layer.{i}.{part}.bias"), vec![outputs]));
            }
        }
        shapes.sort();
        let filled = (0..).zip(shapes).map(|(p, (name, shape))| {
            let values = wave([shape.iter().product()], 0.37 + 0.05 * f64::from(p)).into_data();
            let offset = if name.ends_with("LayerNorm.weight") { 1.0 } else { 0.0 };
            let scale = if name.contains("LayerNorm") { 0.2 } else { 0.6 };
            let values = values.iter::<f32>().map(|value| offset + scale * value).collect::<Vec<f32>>();
            (name, TensorData::new(values, shape))
        });
        filled.collect()
    }

    /// Made by tests/golden/sentences.py, in PyTorch and f64.
    #[test]
    fn vectors_of_sentences_are_those_of_an_independent_implementation() {
        let golden: Value = serde_json::from_str(include_str!("../../../tests/golden/sentences.json")).unwrap();
        let bert = Bert::of(small(), 3, &Device::flex()).unwrap();
        assert_eq!(bert.layers.len(), 2);
        let found = bert.vectors(&[vec![1, 5, 7, 3, 2], vec![1, 9, 9, 0, 2]]);
        assert_near(found, &golden["vectors"], "vectors");
        let alone = bert.vectors(&[vec![1, 2]]);
        assert_near(alone, &golden["shortest"], "a sentence without words");
    }

    #[test]
    fn a_file_that_lacks_a_tensor_is_refused_by_its_name() {
        let mut tensors = small();
        tensors.remove("encoder.layer.1.intermediate.dense.bias");
        let refused = Bert::of(tensors, 3, &Device::flex()).unwrap_err();
        assert_eq!(refused, "it has no tensor encoder.layer.1.intermediate.dense.bias");
    }
}
