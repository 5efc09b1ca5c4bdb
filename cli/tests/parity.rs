//! `ganvas eval` beside the tools it speaks of: the same arrays and pictures, measured by torch-fidelity, clean-fid and prdc
//! themselves. Without the environment variable GANVAS_PYTHON, a python that has them (tests/golden/parity.py says which
//! versions), the test says so and checks nothing.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn printed(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn eval_gives_the_numbers_of_torch_fidelity_clean_fid_and_prdc() {
    let Ok(python) = std::env::var("GANVAS_PYTHON") else {
        return eprintln!("skipped: GANVAS_PYTHON names no python with torch-fidelity, clean-fid and prdc");
    };
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/parity.py");
    let cases = printed(&Command::new(python).arg(script).arg(folder.path()).output().unwrap());
    let cases = cases.as_array().unwrap();
    assert_eq!(cases.len(), 17);
    let mut far = Vec::new();
    for case in cases {
        let args = case["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()).collect::<Vec<_>>();
        let mut command = Command::new(env!("CARGO_BIN_EXE_ganvas"));
        command.env("GANVAS_CACHE", ganvas_made_up::cache());
        let output = command.current_dir(folder.path()).arg("eval").args(&args).arg("--json").output().unwrap();
        let passports = printed(&output);
        let passports = passports.as_array().unwrap();
        for wanted in case["wanted"].as_array().unwrap() {
            let (name, share) = (wanted[0].as_str().unwrap(), wanted[2].as_f64().unwrap());
            let number = |passport: &Value, name: &str| passport[name].as_f64().unwrap();
            let found = match passports.iter().find(|passport| passport["quantity"] == name) {
                Some(passport) => number(passport, "value"),
                None => number(&passports[0], "high") - number(&passports[0], "value"), // the deviation
            };
            let wanted = wanted[1].as_f64().unwrap();
            let off = (found / wanted - 1.0).abs();
            let said =
                format!("{}: {name} {found}, not {wanted}, off by {off:.1e}; {share:.0e} may be", args.join(" "));
            eprintln!("{said}");
            if off.is_nan() || off > share {
                far.push(said);
            }
        }
    }
    assert!(far.is_empty(), "{}", far.join("\n"));
}
