//! How tests hold a network against numbers that a script under tests/golden/ made.

#[cfg(test)]
pub(crate) mod tests {
    use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
    use burn::tensor::{Device, Gradients, Tensor, TensorData};
    use serde_json::Value;

    /// sin(rate (i + 1) + 0.3 sin(0.01 i²)) at the flat index i.
    pub(crate) fn wave<const D: usize>(shape: [usize; D], rate: f64) -> Tensor<D> {
        scaled(shape, rate, 1.0, 0.0)
    }

    fn scaled<const D: usize>(shape: [usize; D], rate: f64, scale: f64, offset: f64) -> Tensor<D> {
        let value = |i: usize| {
            let i = i as f64;
            let wave = (rate * (i + 1.0) + 0.3 * (0.01 * i * i).sin()).sin() as f32;
            (scale * f64::from(wave) + offset) as f32
        };
        let values = (0..shape.iter().product()).map(value).collect::<Vec<f32>>();
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    /// What a batch norm keeps beside its parameters.
    const RUNNING: [&str; 2] = ["mean", "variance"];

    /// Gives every parameter its values by its place in the order of the visit, as tests/golden/translation.py says.
    struct Fill {
        path: Vec<String>,
        count: usize,
    }

    impl ModuleMapper for Fill {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            if RUNNING.contains(&self.path.last().map_or("", String::as_str)) {
                return param;
            }
            let shape = param.dims();
            let fan_in = if D == 2 { shape[0] } else { shape[1..].iter().product() };
            let (scale, offset) = match self.path.last().map_or("", String::as_str) {
                "weight" => (1.5 / (fan_in as f64).sqrt(), 0.0),
                "gamma" => (0.2, 1.0),
                _ => (0.1, 0.0),
            };
            let value = scaled(shape, 0.37 + 0.05 * self.count as f64, scale, offset).autodiff();
            self.count += 1;
            param.map(|_| value.require_grad())
        }
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.path.push(name.to_owned());
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.pop();
        }
    }

    /// The network with the scripts' parameters, on the autodiff device.
    pub(crate) fn filled<M: Module>(net: M) -> M {
        net.map(&mut Fill { path: Vec::new(), count: 0 })
    }

    pub(crate) fn numbers(value: &Value) -> Vec<f64> {
        value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
    }

    pub(crate) fn assert_near<const D: usize>(found: Tensor<D>, wanted: &Value, what: &str) {
        let found = found.into_data().iter::<f64>().collect::<Vec<f64>>();
        let wanted = if wanted.is_number() { vec![wanted.as_f64().unwrap()] } else { numbers(wanted) };
        assert_eq!(found.len(), wanted.len(), "{what}");
        let size = wanted.iter().fold(0.0, |size: f64, v| size.max(v.abs()));
        for (i, (a, b)) in found.iter().zip(&wanted).enumerate() {
            assert!((a - b).abs() <= 1e-4 * size, "{what}[{i}] is {a}, not {b}");
        }
    }

    /// Every parameter's gradient against its norm and its product with a wave.
    struct Compare<'a> {
        gradients: &'a Gradients,
        wanted: std::slice::Iter<'a, Value>,
        what: &'a str,
        within: f64,
        largest: f64, // of the gradients' norms: f32 cannot tell what is far below it
        met: usize,
    }

    impl ModuleVisitor for Compare<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if !param.val().is_require_grad() {
                return; // a running statistic
            }
            let wanted = numbers(self.wanted.next().unwrap());
            let gradient = param.val().grad(self.gradients).unwrap().without_autodiff();
            let along = wave(gradient.dims(), 0.71);
            let found = [gradient.clone().square().sum().sqrt(), (gradient * along).sum()];
            let found = found.map(|value| value.into_scalar::<f64>());
            for (a, b) in found.iter().zip(&wanted) {
                // Where f32 takes the other side of a kink, of an absolute value or a ReLU, one value's share is lost.
                let close = (a - b).abs() <= self.within * wanted[0] + 2e-6 * self.largest;
                assert!(close, "{}: parameter {} has {found:?}, not {wanted:?}", self.what, self.met);
            }
            self.met += 1;
        }
    }

    /// Within a thousandth.
    pub(crate) fn assert_gradients<M: Module>(net: &M, gradients: &Gradients, wanted: &Value, what: &str) {
        assert_gradients_within(1e-3, net, gradients, wanted, what);
    }

    pub(crate) fn assert_gradients_within<M: Module>(
        within: f64,
        net: &M,
        gradients: &Gradients,
        wanted: &Value,
        what: &str,
    ) {
        let wanted = wanted.as_array().unwrap();
        let largest = wanted.iter().map(|pair| numbers(pair)[0]).fold(0.0, f64::max);
        let mut compare = Compare { gradients, wanted: wanted.iter(), what, within, largest, met: 0 };
        net.visit(&mut compare);
        assert_eq!(compare.met, wanted.len(), "{what}");
    }
}
