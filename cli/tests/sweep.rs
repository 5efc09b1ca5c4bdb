//! Every verb for every recipe and for imported networks, at its small size on made-up data: nothing panics, every verb that
//! suits ends well, and every address of the dashboard answers. A new recipe is swept by its one line in the registry.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use ganvas::eval::{METRICS, Measure, On, Subject};
use ganvas::field::{Field, Kind};
use ganvas::import::PUBLISHED;
use ganvas::model::taken_picture;
use ganvas::{Device, Entry, Model, RECIPES, Resolved, RunDir};
use ganvas_made_up as made_up;
use serde_json::Value;
use tempfile::TempDir;

/// Whether the networks that others trained are there: by SqueezeNet's features more can be measured.
#[derive(Clone, Copy, PartialEq)]
enum Networks {
    Real,
    None,
}

/// A folder in which commands run.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Place(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ganvas"));
        made_up::prepare(&mut command).current_dir(self.0.path()).args(args).stdin(Stdio::null());
        command
    }

    /// The exit code and all that was said, by a command that must not panic.
    fn told(&self, args: &[&str]) -> (i32, String, String) {
        let Output { status, stdout, stderr } = self.command(args).output().unwrap();
        let [out, said] = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        assert!(!out.contains("panicked") && !said.contains("panicked"), "{args:?} panicked: {said}");
        (status.code().unwrap_or(-1), out, said)
    }

    /// What a command prints that must end well.
    fn done(&self, args: &[&str]) -> String {
        let (code, out, said) = self.told(args);
        assert_eq!(code, 0, "{args:?}: {said}");
        out.trim().to_owned()
    }

    /// What a command says that may refuse, in one sentence with exit code 2.
    fn done_or_refused(&self, args: &[&str]) -> (i32, String) {
        let (code, _, said) = self.told(args);
        let last = said.trim_end().lines().last().unwrap_or_default().to_owned();
        assert!(code == 0 || code == 2 && said.contains("ganvas: "), "{args:?} ends with {code}: {said}");
        (code, last)
    }
}

/// Settings that make a recipe small, on made-up data.
fn small(entry: &Entry, networks: Networks) -> Vec<String> {
    let keys = Resolved::new(*entry, None, &[]).unwrap().keys();
    let of_data = made_up::settings(entry.info.dataset, &keys);
    let of_data = of_data.into_iter().filter(|set| networks == Networks::None || set.starts_with("data."));
    let settings = entry.info.small.iter().map(|set| set.to_string()).chain(of_data);
    settings.flat_map(|set| ["--set".to_owned(), set]).collect()
}

/// Everything that one does with a recipe but to look at it: leaves a run called after it.
fn train_and_use(place: &Place, entry: &Entry, networks: Networks) {
    let name = entry.info.name;
    let small = small(entry, networks);
    let small = small.iter().map(String::as_str).collect::<Vec<_>>();
    assert!(place.done(&["list"]).contains(name) && place.done(&["list", "--json"]).contains(name));
    fs::write(place.path("config.toml"), place.done(&["init", name])).unwrap();

    let dry = place.done(&[&["train", "config.toml", "--dry-run"][..], &small].concat());
    assert!(dry.contains(&format!("recipe = \"{name}\"")) && dry.contains("# time: "), "{name}: {dry}");
    let steps = ["--set", "train.steps=3", "--set", "train.log_every_kimg=0.001", "--name", name, "--threads", "1"];
    let run = place.done(&[&["train", "config.toml"][..], &small, &steps].concat());
    assert_eq!(place.done(&["resume", &run, "--set", "train.steps=5"]), run);
    assert_eq!(RunDir::open(&place.path(&run)).unwrap().checkpoint(None).unwrap().unwrap().step(), 5, "{name}");

    let opened = RunDir::open(&place.path(&run)).unwrap();
    let config = opened.config(RECIPES).unwrap();
    let model = config.model(&Device::flex()).unwrap();
    use_model(place, &run, model.as_ref());
    measure(place, &run, &Subject::of(&config, model.as_ref(), false).unwrap(), model.as_ref(), networks);
    let looked = place.done(&["doctor", &run]);
    assert!(!looked.is_empty(), "{name}: the doctor says something");
    place.done(&["doctor", &run, "--json"]);
}

/// Values for what a model takes beside a seed or a picture.
fn value(field: &Field) -> Option<String> {
    let value = match &field.kind {
        Kind::Choice { among } => among.last()?.clone(),
        Kind::Class { names } => names.last()?.clone(),
        Kind::Number { low, high, .. } => ((low + high) / 2.0).to_string(),
        Kind::Chords { usual } => usual.clone(),
        Kind::Text { .. } => "a red disc".to_owned(),
        Kind::Bar { .. } => "C4 E4 G4 C5".to_owned(),
        Kind::Pose { usual } => usual.clone(),
        _ => return None,
    };
    Some(format!("{}={value}", field.name))
}

/// Samples of what is drawn from seeds; results from a picture, a folder of pictures and each value of what else is taken.
fn use_model(place: &Place, run: &str, model: &dyn Model) {
    let takes = model.takes();
    let given = takes.iter().filter_map(value).collect::<Vec<_>>();
    let with = given.iter().flat_map(|given| ["--with", given.as_str()]).collect::<Vec<_>>();
    if taken_picture(model).is_some() {
        fs::create_dir_all(place.path("photos")).unwrap();
        made_up::photograph(&place.path("photos/a.png"), [50, 40], 1);
        made_up::photograph(&place.path("photos/b.png"), [33, 61], 2);
        // The network that finds faces would be fetched.
        let by_face = takes.iter().any(|field| matches!(field.kind, Kind::Face { .. }));
        let aligned = if by_face { &["--aligned"][..] } else { &[] };
        place.done(&[&["apply", run, "photos/a.png", "-o", "made.png"][..], aligned].concat());
        place.done(&[&["apply", run, "photos", "-o", "made", "--json"][..], &with, aligned].concat());
        assert!(place.path("made.png").is_file() && place.path("made/b.png").is_file(), "{run}");
        let (code, said) = place.done_or_refused(&["sample", run, "-o", "grid.png"]);
        assert!(code == 2 && said.contains("apply"), "{run}: {said}");
        fs::remove_dir_all(place.path("made")).unwrap();
        return;
    }
    let (one, many) =
        if model.makes()[0].kind == Kind::Notes { ("made.mid", "made.wav") } else { ("made.png", "grid.png") };
    place.done(&[&["sample", run, "-o", one, "--seeds", "5-5"][..], &with].concat());
    place.done(&["sample", run, "-o", many, "--seeds", if many == "grid.png" { "0-7" } else { "0-0" }, "--json"]);
    let (code, said) = place.done_or_refused(&["apply", run, "nothing.png", "-o", "x.png"]);
    assert_eq!(code, 2, "{run}: {said}");
}

/// Measures a run by every metric: those that suit end well, the others refuse.
fn measure(place: &Place, run: &str, subject: &Subject, model: &dyn Model, networks: Networks) {
    let on = subject.on();
    let is_real = networks == Networks::Real;
    // Pictures of one size have pixels that compare. Whole photographs need a network that brings them to one.
    let is_seen = is_real || matches!(subject, Subject::Pictures(_)) || sizes(subject) == 1;
    for metric in METRICS {
        let suits = match (metric.measure, on) {
            (Measure::Features(_), On::Pictures | On::Answers) => {
                is_seen && (is_real || metric.name != "fd" || levels(subject) < 1_000) // of wider features fd is slow
            }
            (Measure::Pairs(_), On::Answers) => !["psnr", "ms-ssim"].contains(&metric.name), // equal, or small, pictures
            (Measure::Masks(_), On::Answers) => masks(subject),
            (Measure::Bodies(_), On::Answers) => {
                model.takes().iter().any(|field| matches!(field.kind, Kind::Pose { .. }))
            }
            (Measure::SeenPairs(_), On::Answers) => is_real,
            (Measure::Styles(_), On::Pictures) => is_real && model.style_space().is_some(),
            (Measure::Modes(_), On::Points) | (Measure::Music(_), On::Music) => true,
            _ => false,
        };
        if metric.name == "fd" && !suits && is_seen {
            continue; // how much memory is free decides whether it refuses
        }
        // Nothing else may be asked of a network that is not there: it would be fetched.
        let needs_network = matches!(metric.measure, Measure::SeenPairs(_) | Measure::Styles(_) | Measure::Logits(_));
        if needs_network && !is_real {
            continue;
        }
        let many = if on == On::Answers { &[][..] } else { &["--samples", "30"] };
        let by = if is_real { &[][..] } else { &["--features", "pixels"] };
        let args = [&["eval", run, "--json", "--metric", metric.name][..], many, by].concat();
        if suits {
            let passports = serde_json::from_str::<Value>(&place.done(&args)).unwrap();
            assert!(passports.as_array().is_some_and(|all| !all.is_empty()), "{run}: {}", metric.name);
        } else {
            place.done_or_refused(&args);
        }
    }
    if is_real {
        place.done(
            &[&["eval", run, "--table"][..], if on == On::Answers { &[] } else { &["--samples", "30"] }].concat(),
        );
    }
    if on == On::Answers {
        place.done(&["eval", run, "--metric", "l1", "--baselines", "--panel", "panel.png"]);
    }
}

/// How many sizes the wanted pictures have.
fn sizes(subject: &Subject) -> usize {
    let Subject::Answers(asked) = subject else { return 1 };
    let sizes = asked.iter().filter_map(|example| match &example.wanted {
        Some(ganvas::media::Media::Image(image)) => Some((image.width, image.height, image.channels)),
        _ => None,
    });
    sizes.collect::<std::collections::BTreeSet<_>>().len()
}

/// The levels of the largest picture, all channels together.
fn levels(subject: &Subject) -> usize {
    match subject {
        Subject::Pictures(shape) => shape.channels * shape.side * shape.side,
        Subject::Answers(asked) => {
            let levels = asked.iter().filter_map(|example| match &example.wanted {
                Some(ganvas::media::Media::Image(image)) => Some(image.pixels.len()),
                _ => None,
            });
            levels.max().unwrap_or(0)
        }
        _ => 0,
    }
}

/// Whether something is to be found in pictures, and it is known where.
fn masks(subject: &Subject) -> bool {
    matches!(subject, Subject::Answers(asked) if asked.iter().any(|example| example.asked.text("show").is_some()))
}

/// A dashboard of the runs in a place, ended with this value.
struct Served {
    server: Child,
    port: u16,
    said: PathBuf,
}

impl Drop for Served {
    fn drop(&mut self) {
        _ = self.server.kill();
        _ = self.server.wait();
    }
}

/// The status and the body of an answer. A broken one is a failure, whatever was asked.
fn answered(path: &str, mut stream: TcpStream) -> (u16, Vec<u8>) {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let at = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer has a head");
    let head = String::from_utf8_lossy(&bytes[..at]).into_owned();
    let status = head.split(' ').nth(1).unwrap().parse::<u16>().unwrap();
    let body = bytes.split_off(at + 4);
    assert!(status < 500, "{path}: {status} {}", String::from_utf8_lossy(&body));
    (status, body)
}

/// A picture to give, as a PNG.
fn picture() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("given.png");
    ganvas_made_up::photograph(&file, [64, 48], 5);
    fs::read(file).unwrap()
}

impl Served {
    fn of(place: &Place) -> Self {
        let said = place.path("said.txt");
        let mut command = place.command(&["serve", "--port", "0"]);
        let mut server = command.stdout(Stdio::piped()).stderr(File::create(&said).unwrap()).spawn().unwrap();
        let mut address = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut address).unwrap();
        let port = address.trim().split(['/', ':']).nth(4).unwrap().parse().unwrap();
        Served { server, port, said }
    }

    fn ask(&self, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        let port = self.port;
        write!(stream, "GET {path} HTTP/1.1\r\nConnection: close\r\nHost: localhost:{port}\r\n\r\n").unwrap();
        stream
    }

    /// The status and the body of an address.
    fn get(&self, path: &str) -> (u16, Vec<u8>) {
        answered(path, self.ask(path))
    }

    /// The same where a body is given.
    fn post(&self, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let (port, length) = (self.port, body.len());
        let head = format!("Connection: close\r\nHost: localhost:{port}\r\nContent-Length: {length}\r\n\r\n");
        write!(stream, "POST {path} HTTP/1.1\r\n{head}").unwrap();
        stream.write_all(body).unwrap();
        answered(path, stream)
    }

    fn found(&self, path: &str) -> Vec<u8> {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
        body
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_slice(&self.found(path)).unwrap()
    }

    /// An address that never ends: its first bytes.
    fn begins(&self, path: &str) {
        let mut first = [0; 12];
        self.ask(path).read_exact(&mut first).unwrap();
        assert_eq!(&first, b"HTTP/1.1 200", "{path}");
    }

    /// Every address of docs/dashboard.md for one run.
    fn sweep(&self, id: &str) {
        let run = format!("/api/runs/{id}");
        let detail = self.json(&run);
        assert_eq!(detail["id"], id);
        self.json(&format!("{run}/scalars?points=20"));
        self.json(&format!("{run}/scalars?names=d_loss&points=10&from=1&to=4"));
        self.json(&format!("{run}/events"));
        self.json(&format!("{run}/events?after=1"));
        self.found(&format!("{run}/files/config.toml?download"));
        for preview in detail["previews"].as_array().into_iter().flatten() {
            self.found(&format!("{run}/files/{}", preview["path"].as_str().unwrap()));
        }
        assert_eq!(self.get(&format!("{run}/files/secret")).0, 404);
        self.begins(&format!("/api/live?run={id}"));

        let is_drawn = detail["picture"].is_null();
        if !is_drawn {
            let seed = if detail["has_chance"] == true { 3 } else { 0 };
            let (status, body) = self.post(&format!("{run}/apply?side=64&seed={seed}"), &picture());
            let said = String::from_utf8_lossy(&body);
            match detail["picture"]["face"] == true {
                // Nothing is fetched for the page, and what is made up has no face.
                true => assert!(status == 400 && (said.contains("MTCNN") || said.contains("no face")), "{id}: {said}"),
                false => assert_eq!((status, &body[..4]), (200, b"\x89PNG".as_slice()), "{id}: {said}"),
            }
        }
        let sample = |query: &str| {
            let path = format!("{run}/sample?{query}");
            match is_drawn {
                true => drop(self.found(&path)),
                false => assert_eq!(self.get(&path).0, 400, "{path}: it takes a picture"),
            }
        };
        for query in
            ["seeds=0-7&columns=4&zoom=2", "seed=7", "from=3&to=9&t=0.25", "near=7&width=0.3&round=2&count=6&columns=3"]
        {
            sample(query);
        }
        sample("chain=7,1000010@0.3");
        for field in detail["fields"].as_array().into_iter().flatten() {
            let value = match field["kind"].as_str() {
                Some("choice") => field["among"][0].as_str().unwrap().to_owned(),
                _ => field["usual"].to_string().trim_matches('"').replace(' ', "%20"),
            };
            let name = field["name"].as_str().unwrap();
            let path = format!("seed=7&with.{name}={value}");
            sample(&if name == "truncation" { format!("seed=7&truncation={value}") } else { path });
        }
        let is_music = detail["media"] == "notes";
        for ending in ["wav", "mid"] {
            let (status, _) = self.get(&format!("{run}/sample?seed=7&as={ending}"));
            assert_eq!(status == 200, is_music, "{id} as {ending}");
        }
    }

    /// Ends it; all its answers were given without a panic.
    fn end(self) {
        let said = fs::read_to_string(&self.said).unwrap();
        assert!(!said.contains("panicked"), "{said}");
    }
}

/// A network as others store one: the compact one of Real-ESRGAN with two layers between, as safetensors with small weights.
fn write_foreign_network(file: &Path) {
    let shapes = [
        ("body.0.weight", vec![4, 3, 3, 3]),
        ("body.0.bias", vec![4]),
        ("body.1.weight", vec![4]),
        ("body.2.weight", vec![4, 4, 3, 3]),
        ("body.2.bias", vec![4]),
        ("body.3.weight", vec![4]),
        ("body.4.weight", vec![48, 4, 3, 3]),
        ("body.4.bias", vec![48]),
    ];
    let (mut header, mut numbers) = (serde_json::Map::new(), Vec::<u8>::new());
    for (name, shape) in shapes {
        let (start, count) = (numbers.len(), shape.iter().product::<usize>());
        numbers.extend((0..count).flat_map(|i| ((i as f32 * 0.37).sin() * 0.1).to_le_bytes()));
        let entry = serde_json::json!({ "dtype": "F32", "shape": shape, "data_offsets": [start, numbers.len()] });
        header.insert(name.to_owned(), entry);
    }
    let header = Value::Object(header).to_string();
    fs::write(file, [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &numbers].concat()).unwrap();
}

/// Every verb for a network that others trained: those that need a training refuse.
fn import_and_use(place: &Place, network: &str, name: &str) {
    let run = format!("runs/{name}");
    place.done(&["import", network, "-o", &run]);
    let opened = RunDir::open(&place.path(&run)).unwrap();
    let model = opened.config(RECIPES).unwrap().model(&Device::flex()).unwrap();
    use_model(place, &run, model.as_ref());
    place.done_or_refused(&["resume", &run]);
    place.done_or_refused(&["eval", &run, "--features", "pixels", "--metric", "kid"]);
    place.done_or_refused(&["doctor", &run]);
}

fn sweep(networks: Networks) {
    let place = Place::new();
    for entry in RECIPES {
        train_and_use(&place, entry, networks);
    }
    write_foreign_network(&place.path("network.safetensors"));
    import_and_use(&place, "network.safetensors", "imported");
    if networks == Networks::Real {
        for published in PUBLISHED {
            import_and_use(&place, published.name, published.name);
        }
    }
    let served = Served::of(&place);
    served.found("/");
    served.begins("/api/live");
    let runs = served.json("/api/runs");
    let ids = runs.as_array().unwrap().iter().map(|run| run["id"].as_str().unwrap()).collect::<Vec<_>>();
    assert!(ids.len() > RECIPES.len(), "{ids:?}");
    for id in ids {
        served.sweep(id);
    }
    served.end();
}

#[test]
fn every_verb_of_every_recipe_and_of_an_imported_network_does_what_it_should_and_nothing_panics() {
    sweep(Networks::None);
}

#[test]
#[ignore = "needs pip"]
fn every_verb_does_so_too_with_the_networks_that_others_trained() {
    sweep(Networks::Real);
}
