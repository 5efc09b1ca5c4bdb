//! Which tensors of a file are a network, by names and by shapes.

use super::*;
use crate::golden::torch_saved;

/// Tensors of these names and sides, each filled with its place in the list.
fn filled<'a>(tensors: &[(&'a str, &[usize])]) -> Vec<(&'a str, TensorData)> {
    let of = |(i, (name, sides)): (usize, &(&'a str, &[usize]))| {
        (*name, TensorData::new(vec![i as f32; sides.iter().product()], sides.to_vec()))
    };
    tensors.iter().enumerate().map(of).collect()
}

fn as_pickle(tensors: &[(&str, &[usize])]) -> Vec<(String, Vec<u8>)> {
    vec![("net.pth".to_owned(), torch_saved(&filled(tensors)))]
}

fn as_safetensors(tensors: &[(&str, &[usize])]) -> Vec<(String, Vec<u8>)> {
    let tensors = filled(tensors).into_iter().map(|(name, data)| (name.to_owned(), data)).collect();
    vec![("net.safetensors".to_owned(), safetensors::encode(&tensors).unwrap())]
}

fn wanted(tensors: &[(&str, &[usize])]) -> Vec<Wanted> {
    tensors.iter().map(|(name, sides)| ((*name).to_owned(), sides.to_vec())).collect()
}

/// The first of each wanted tensor's numbers in the first candidate that fits and its name, and what is left; or the first reason.
fn taken(files: &[(String, Vec<u8>)], wanted: &[Wanted]) -> Reason<(String, Vec<f32>, [Vec<String>; 2])> {
    let foreign = Foreign::decode(files).unwrap();
    let mut why = None;
    for candidate in foreign.candidates() {
        let Candidate::Tensors(part) = candidate else { panic!("no ncnn here") };
        match part.tensors(wanted) {
            Ok(found) => {
                let first = wanted.iter().map(|(name, _)| found[name].iter::<f32>().next().unwrap()).collect();
                return Ok((part.name().to_owned(), first, part.left()));
            }
            Err(reason) => drop(why.get_or_insert(reason)),
        }
    }
    Err(why.unwrap())
}

/// Two layers of one shape and one of another, as a network wants them.
fn two() -> Vec<Wanted> {
    wanted(&[("a.weight", &[2, 2]), ("a.bias", &[2]), ("b.weight", &[2, 2]), ("b.bias", &[2]), ("c.weight", &[3, 2])])
}

#[test]
fn a_network_is_known_by_its_shapes_in_their_order_whatever_its_tensors_are_called() {
    let file = [
        ("fc1.weight", [2, 2].as_slice()),
        ("fc2.weight", &[2, 2]),
        ("last.weight", &[3, 2]),
        ("fc1.bias", &[2]),
        ("fc2.bias", &[2]),
    ];
    let numbers = vec![0.0, 3.0, 1.0, 4.0, 2.0];
    assert_eq!(taken(&as_pickle(&file), &two()).unwrap().1, numbers);
    // Names that differ in a number alone say the order where the file keeps none.
    assert_eq!(taken(&as_safetensors(&file), &two()).unwrap().1, numbers);
    let called = |name| match name {
        "fc2.weight" => "hidden.weight",
        "fc2.bias" => "hidden.bias",
        name => name,
    };
    let unsaid = file.map(|(name, sides)| (called(name), sides));
    let why = taken(&as_safetensors(&unsaid), &two()).unwrap_err();
    assert!(why.contains("its fc1.bias") && why.contains("its hidden.bias") && why.contains("give the .pth"), "{why}");
    assert_eq!(taken(&as_pickle(&unsaid), &two()).unwrap().1, numbers);
}

#[test]
fn names_decide_where_they_are_known_and_say_what_is_wrong() {
    let file = [
        ("b.weight", [2, 2].as_slice()),
        ("b.bias", &[2]),
        ("a.weight", &[2, 2]),
        ("a.bias", &[2]),
        ("c.weight", &[3, 2]),
    ];
    assert_eq!(taken(&as_pickle(&file), &two()).unwrap().1, [2.0, 3.0, 0.0, 1.0, 4.0]);
    assert_eq!(taken(&as_pickle(&file[..4]), &two()).unwrap_err(), "it has no c.weight");
    let mut other = file;
    other[4].1 = &[4, 2];
    assert_eq!(taken(&as_pickle(&other), &two()).unwrap_err(), "its c.weight is [4, 2] and should be [3, 2]");
    let called = |name: &'static str| match name {
        "b.weight" => "x.weight",
        "b.bias" => "x.bias",
        "a.weight" => "y.weight",
        "a.bias" => "y.bias",
        name => name,
    };
    let few = file[..4].iter().map(|(name, sides)| (called(name), *sides)).collect::<Vec<_>>();
    assert_eq!(
        taken(&as_pickle(&few), &two()).unwrap_err(),
        "it has 0 times a weight of [3, 2], and this kind of network has 1"
    );
}

#[test]
fn of_several_networks_the_average_is_taken_and_what_is_left_is_listed() {
    let one = wanted(&[("w.weight", &[2])]);
    let file = [
        ("params.w.weight", [2].as_slice()),
        ("params_ema.w.weight", &[2]),
        ("optimizer.state.0.exp_avg", &[2]),
        ("optimizer.state.0.exp_avg_sq", &[2]),
        ("norm.num_batches_tracked", &[]),
    ];
    for file in [as_pickle(&file), as_safetensors(&file)] {
        let (name, numbers, [like, left]) = taken(&file, &one).unwrap();
        assert_eq!((name.as_str(), numbers[0]), ("params_ema", 1.0));
        assert_eq!(like, ["params"]);
        assert_eq!(left, ["optimizer (2 tensors)"]);
    }
    let many = (0..30).map(|i| format!("other{i}.x")).collect::<Vec<_>>();
    let mut file = vec![("module.w.weight", [2].as_slice())];
    file.extend(many.iter().map(|name| (name.as_str(), [7].as_slice())));
    let (name, _, [_, left]) = taken(&as_pickle(&file), &one).unwrap();
    assert_eq!((name.as_str(), left.len(), left.last().unwrap().as_str()), ("module", 9, "22 more"));
}

#[test]
fn only_words_of_a_name_make_an_average() {
    let is = |within: &str| {
        let files = as_pickle(&[(&format!("{within}.w.weight"), &[1])]);
        let foreign = Foreign::decode(&files).unwrap();
        let candidates = foreign.candidates();
        candidates.iter().any(|part| matches!(part, Candidate::Tensors(part) if part.is_average()))
    };
    assert!(["params_ema", "g_ema.module", "EMA", "swa_model", "netG_avg"].iter().all(|name| is(name)));
    assert!(["params", "schema", "cinema", "avgpool", "netG"].iter().all(|name| !is(name)));
}
