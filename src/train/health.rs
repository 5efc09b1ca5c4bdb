//! What the trainer sees of a run's health: every layer, how far D tells what it learned from apart, and where a number is not
//! finite.

use std::collections::BTreeMap;

use burn::tensor::{Tensor, TensorData};

use crate::parts::{LayerHealth, Parts, Saved};
use crate::run::Layer;
use crate::session::Session;
use crate::step::Scalars;

/// How many standard deviations D's logits `[n, 1]` on what it learned from are above those on what it did not.
pub(super) fn gap(seen: Tensor<2>, held: Tensor<2>) -> Option<f64> {
    let moments = |logits: Tensor<2>| {
        let values = logits.into_data().iter::<f64>().collect::<Vec<f64>>();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (values.len() as f64 - 1.0);
        (mean, variance)
    };
    let ((seen, a), (held, b)) = (moments(seen), moments(held));
    let deviation = ((a + b) / 2.0).sqrt();
    (deviation > 0.0).then(|| (seen - held) / deviation)
}

/// Every layer's health, in numbers.
pub(super) fn layers(session: &mut dyn Session) -> BTreeMap<String, Layer> {
    let mut layers = Vec::new();
    session.parts(&mut Parts::health(&mut layers));
    let number = |tensor: Tensor<1>| tensor.into_scalar::<f64>();
    let rounded = |value: f64| format!("{:.3e}", value.min(f64::MAX)).parse().unwrap_or(f64::MAX); // a log to keep
    let layer = |health: LayerHealth| Layer {
        weight: rounded(number(health.weight).sqrt()),
        gradient: rounded(number(health.gradient).sqrt()),
        dead: health.dead.map(|dead| rounded(number(dead))),
    };
    layers.into_iter().map(|(part, health)| (format!("{part} {}", health.layer), layer(health))).collect()
}

/// The first tensor of a part that holds a value that is not finite, as "part name".
pub(super) fn first_not_finite(part: &str, tensors: &BTreeMap<String, Saved>) -> Option<String> {
    let bad = |data: TensorData| data.as_slice::<f32>().is_ok_and(|values| values.iter().any(|v| !v.is_finite()));
    tensors.iter().find(|(_, saved)| bad(saved.read())).map(|(name, _)| format!("{part} {name}"))
}

/// What a step's scalars say when they are not all finite.
pub(super) struct NotFinite {
    /// The scalar, the step, and the first layer whose value or gradient is not finite.
    pub sentence: String,
    /// Whether that layer's weights were so before the step.
    pub in_a_weight: bool,
}

/// Of scalars that are not all finite.
pub(super) fn not_finite(scalars: &Scalars, session: &mut dyn Session, step: u64) -> NotFinite {
    let values = scalars.read();
    let found = values.iter().find(|(_, value)| !value.is_finite());
    let (name, value) = found.copied().unwrap_or(("a scalar", f64::NAN));
    let mut layers = Vec::new();
    session.parts(&mut Parts::health(&mut layers));
    let bad = |squares: &Tensor<1>| !squares.clone().into_scalar::<f32>().is_finite();
    let first = |is_bad: &dyn Fn(&LayerHealth) -> bool| {
        layers.iter().find(|(_, layer)| is_bad(layer)).map(|(part, layer)| format!("{part} {}", layer.layer))
    };
    // A weight that was not finite before the step is a cause; a gradient may be a consequence. So weights first.
    let (weight, gradient) = (first(&|layer| bad(&layer.weight)), first(&|layer| bad(&layer.gradient)));
    let in_a_weight = weight.is_some();
    let place = match (weight, gradient) {
        (Some(layer), _) => format!("the first layer whose value is not finite is {layer}"),
        (None, Some(layer)) => format!("the first layer whose gradient is not finite is {layer}"),
        (None, None) => "every layer's value and gradient are finite, so the loss itself overflowed".into(),
    };
    NotFinite { sentence: format!("{name} became {value} in step {step}: {place}."), in_a_weight }
}
