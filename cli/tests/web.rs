//! The dashboard as a browser meets it, and as those meet it who should not.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

fn ganvas(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ganvas"));
    ganvas_made_up::prepare(&mut command).current_dir(folder).args(args).stdin(Stdio::null()).stderr(Stdio::null());
    command
}

/// A folder with a trained toy, `runs/0001-toy`, and a secret beside the runs.
struct Served {
    folder: TempDir,
    server: Child,
    address: String, // with its query
    port: u16,
}

impl Drop for Served {
    fn drop(&mut self) {
        _ = self.server.kill();
        _ = self.server.wait();
    }
}

/// An answer.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&self.body)))
    }

    /// A header's value; its name in lower case.
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")))
    }
}

const SETS: [&str; 4] = ["--set", "train.steps=40", "--set", "train.log_every_kimg=0.3"];

impl Served {
    fn with(before: impl FnOnce(&Path), args: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let train = [&["train", "ring", "--name", "toy"], SETS.as_slice()].concat();
        assert!(ganvas(folder.path(), &train).stdout(Stdio::null()).status().unwrap().success());
        fs::write(folder.path().join("secret.toml"), "secret").unwrap();
        before(folder.path());
        let mut server =
            ganvas(folder.path(), &[&["serve", "--port", "0"], args].concat()).stdout(Stdio::piped()).spawn().unwrap();
        let mut address = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut address).unwrap();
        let address = address.trim().to_owned();
        let port = address.split(['/', ':']).nth(4).unwrap().parse().unwrap();
        Served { folder, server, address, port }
    }

    fn new() -> Self {
        Served::with(|_| (), &[])
    }

    fn run(&self) -> PathBuf {
        self.folder.path().join("runs/0001-toy")
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    /// The answer to these bytes, sent as they are.
    fn raw(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let at = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer has a head");
        let head = String::from_utf8(bytes[..at].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head, body: bytes.split_off(at + 4) }
    }

    fn ask(&self, method: &str, path: &str, headers: &[&str]) -> Answer {
        let mut lines = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|header| header.starts_with("Host:")) {
            lines += &format!("Host: localhost:{}\r\n", self.port);
        }
        headers.iter().for_each(|header| lines += &format!("{header}\r\n"));
        let answer = self.raw((lines + "\r\n").as_bytes());
        assert!(!String::from_utf8_lossy(&answer.body).contains("secret"), "{path} gives what it must not");
        answer
    }

    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[])
    }

    /// The answer to a file that is sent.
    fn post(&self, path: &str, file: &[u8], headers: &[&str]) -> Answer {
        let mut head = format!("POST {path} HTTP/1.1\r\nConnection: close\r\nHost: localhost:{}\r\n", self.port);
        headers.iter().for_each(|header| head += &format!("{header}\r\n"));
        head += &format!("Content-Length: {}\r\n\r\n", file.len());
        self.raw(&[head.as_bytes(), file].concat())
    }
}

/// `runs/upscaler`, imported: a network that makes every pixel a square of four by four.
fn with_upscaler(folder: &Path) {
    let shapes =
        [("0", vec![4, 3, 3, 3]), ("2", vec![4, 4, 3, 3]), ("4", vec![48, 4, 3, 3]), ("1", vec![4]), ("3", vec![4])];
    let weights = shapes.iter().map(|(layer, shape)| (format!("body.{layer}.weight"), shape.clone()));
    let biases = shapes[..3].iter().map(|(layer, shape)| (format!("body.{layer}.bias"), shape[..1].to_vec()));
    let (mut header, mut end) = (serde_json::Map::new(), 0);
    for (name, shape) in weights.chain(biases) {
        let begin = end;
        end += 4 * shape.iter().product::<usize>();
        header.insert(name, serde_json::json!({ "dtype": "F32", "shape": shape, "data_offsets": [begin, end] }));
    }
    let header = Value::Object(header).to_string();
    let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &vec![0; end]].concat();
    fs::write(folder.join("tiny.safetensors"), bytes).unwrap();
    let import = ["import", "tiny.safetensors", "-o", "runs/upscaler"];
    assert!(ganvas(folder, &import).stdout(Stdio::null()).status().unwrap().success());
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let picture = image::RgbImage::from_fn(width, height, |x, y| image::Rgb([(x * 40) as u8, (y * 60) as u8, 90]));
    picture.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// Every file below a folder with its bytes, but for the trainer's lock.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(files(&path));
        } else if !path.ends_with(".lock") {
            found.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

#[test]
fn the_page_waits_for_the_first_run_where_there_is_no_folder_yet() {
    let served = Served::with(|folder| fs::rename(folder.join("runs"), folder.join("trained")).unwrap(), &[]);
    assert_eq!((served.get("/").status, served.get("/api/runs").json()), (200, Value::Array(Vec::new())));
    fs::rename(served.folder.path().join("trained"), served.folder.path().join("runs")).unwrap();
    let begun = Instant::now();
    while served.get("/api/runs").json()[0]["id"] != "0001-toy" {
        assert!(begun.elapsed() < Duration::from_secs(60), "the run is never seen");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_run_is_shown_with_its_state_curves_events_and_files() {
    let served = Served::new();
    let page = served.get("/");
    assert_eq!(page.status, 200);
    assert!(page.header("content-security-policy").unwrap().contains("script-src 'self'"), "{}", page.head);
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    let runs = served.get("/api/runs").json();
    let run = &runs[0];
    assert_eq!((&run["id"], &run["state"], &run["step"]), (&"0001-toy".into(), &"finished".into(), &40.into()));
    assert_eq!(run["kimg"], run["total_kimg"]);

    let detail = served.get("/api/runs/0001-toy").json();
    assert_eq!(
        (&detail["media"], &detail["picture"], &detail["has_chance"]),
        (&"point".into(), &Value::Null, &true.into())
    );
    assert_eq!(detail["fields"], Value::Array(Vec::new()), "there is nothing to choose but seeds");
    let changes = detail["changes"].as_array().unwrap();
    assert!(changes.iter().any(|change| change["key"] == "train.steps" && change["value"] == "40"), "{changes:?}");
    assert!(detail["parameters"]["generator"].as_u64().unwrap() > 0);
    assert_eq!((&detail["game"]["generator"], &detail["game"]["is_halved"]), (&"non_saturating".into(), &true.into()));
    assert_eq!(detail["batch"], 256);

    let scalars = served.get("/api/runs/0001-toy/scalars?names=d_loss&points=10").json();
    let (steps, series) = (scalars["step"].as_array().unwrap(), scalars["series"].as_object().unwrap());
    assert_eq!((series.len(), steps.last().unwrap()), (1, &40.into()));
    let mean = |at: usize| series["d_loss"]["mean"][at].as_f64().unwrap();
    assert!(mean(0).is_finite() && steps.len() == series["d_loss"]["high"].as_array().unwrap().len());
    let part = served.get("/api/runs/0001-toy/scalars?from=20&to=30").json();
    assert!(part["step"].as_array().unwrap().iter().all(|step| (20..=30).contains(&step.as_u64().unwrap())));

    let events = served.get("/api/runs/0001-toy/events").json();
    let kinds = events["events"].as_array().unwrap().iter().map(|event| event["event"].as_str().unwrap());
    assert_eq!(kinds.collect::<Vec<_>>(), ["started", "preview", "preview", "checkpoint", "finished"]);
    let last = served.get("/api/runs/0001-toy/events?after=3").json();
    assert_eq!((last["events"].as_array().unwrap().len(), &last["next"]), (1, &5.into()));

    let preview = detail["previews"][1]["path"].as_str().unwrap();
    let picture = served.get(&format!("/api/runs/0001-toy/files/{preview}?download"));
    assert_eq!(picture.body, fs::read(served.run().join(preview)).unwrap());
    assert_eq!(picture.header("content-type"), Some("image/png"));
    assert!(picture.header("content-disposition").unwrap().contains("0001-toy-"), "{}", picture.head);
    for name in ["config.toml", "events.jsonl"] {
        assert_eq!(
            served.get(&format!("/api/runs/0001-toy/files/{name}")).body,
            fs::read(served.run().join(name)).unwrap()
        );
    }
    for absent in ["/api/runs/0002-x", "/api/runs/0002-x/scalars", "/x", "/assets/x", "/api/runs/0001-toy/x"] {
        let answer = served.get(absent);
        assert!(answer.status == 404 && answer.json()["error"].is_string(), "{absent}: {}", answer.status);
    }
}

#[test]
fn samples_are_those_of_the_command_byte_for_byte() {
    let served = Served::new();
    let by_command = |args: &[&str]| {
        let args = [&["sample", "runs/0001-toy", "-o", "x.png"], args].concat();
        assert!(ganvas(served.folder.path(), &args).stdout(Stdio::null()).status().unwrap().success());
        fs::read(served.folder.path().join("x.png")).unwrap()
    };
    let sample = |query: &str| {
        let answer = served.get(&format!("/api/runs/0001-toy/sample?{query}"));
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("image/png")), "{query}");
        answer.body
    };
    assert_eq!(sample("seeds=0-63&columns=8"), by_command(&["--seeds", "0-63", "--grid", "8x8"]));
    assert_eq!(sample("seeds=7&columns=1&zoom=2"), by_command(&["--seeds", "7", "--zoom", "2"]));
    assert_eq!(sample("from=3&to=9&t=0"), sample("seed=3"));
    assert_eq!(sample("chain=5,9@1"), sample("seed=9"));
    assert_eq!(sample("near=5&count=1&columns=1"), sample("seed=5"));
    assert_ne!(sample("near=5&width=0.3"), sample("near=5&width=0.3&round=1"));
    for wrong in [
        "",
        "seed=x",
        "seeds=9-3",
        "seeds=0-999",
        "seed=1&zoom=99",
        "seed=1&truncation=0.5", // it has no styles
        "seed=1&with.chords=C",  // and takes no chords
        "from=1&to=2&t=5",
        "chain=1,2",
        "seed=1&truncation=nan",
        "near=1&count=0",
        "seed=1&checkpoint=../../elsewhere",
        "seed=1&as=wav", // it makes no music
        "seed=1&as=mp3",
    ] {
        let answer = served.get(&format!("/api/runs/0001-toy/sample?{wrong}"));
        assert_eq!(answer.status, 400, "{wrong}: {}", String::from_utf8_lossy(&answer.body));
        assert!(answer.json()["error"].as_str().unwrap().len() > 10);
    }
}

#[test]
fn nothing_outside_the_runs_can_be_read_by_any_spelling_or_link() {
    #[cfg(unix)]
    let link = |folder: &Path| {
        use std::os::unix::fs::symlink;
        symlink(folder.join("secret.toml"), folder.join("runs/0001-toy/previews/link.png")).unwrap();
        symlink(folder, folder.join("runs/0001-toy/eval")).unwrap();
        fs::create_dir(folder.join("outside")).unwrap();
        fs::write(folder.join("outside/config.toml"), "recipe = \"ring\" # secret").unwrap();
        symlink(folder.join("outside"), folder.join("runs/0002-outside")).unwrap();
    };
    #[cfg(not(unix))]
    let link = |_: &Path| ();
    let served = Served::with(link, &[]);
    fs::write(served.run().join("previews/.hidden.png"), "secret").unwrap();
    fs::write(served.run().join("notes.txt"), "secret").unwrap();
    for path in [
        "../../secret.toml",
        "..%2f..%2fsecret.toml",
        "%2e%2e/%2e%2e/secret.toml",
        "previews/../../../secret.toml",
        "previews/..%2f..%2f..%2fsecret.toml",
        "previews/%2e%2e%5c%2e%2e%5csecret.png",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "previews/link.png",
        "eval/secret.json",
        "previews/.hidden.png",
        "notes.txt",
        ".lock",
        "previews",
        "previews/",
        "checkpoints/../config.toml/model.safetensors",
        "config.toml%00",
        "previews/00000000k000.png/..",
    ] {
        assert_eq!(served.get(&format!("/api/runs/0001-toy/files/{path}")).status, 404, "{path}");
    }
    for path in [
        "/../secret.toml",
        "/assets/../../secret.toml",
        "/assets/..%2f..%2fsecret.toml",
        "/api/runs/..",
        "/api/runs/%2e%2e/files/secret.toml",
    ] {
        assert_eq!(served.get(path).status, 404, "{path}");
    }
    let runs = served.get("/api/runs").json();
    assert_eq!(runs.as_array().unwrap().len(), 1, "a run that is a link to elsewhere is not shown: {runs}");
    assert_eq!(served.get("/api/runs/0002-outside/files/config.toml").status, 404);
}

#[test]
fn a_picture_that_is_sent_becomes_what_the_command_makes_of_it_and_is_written_nowhere() {
    let served = Served::with(with_upscaler, &[]);
    let detail = served.get("/api/runs/upscaler").json();
    assert_eq!((&detail["picture"]["scale"], &detail["has_chance"]), (&4.into(), &false.into()));
    let fields = detail["fields"].as_array().unwrap().iter().map(|field| &field["name"]).collect::<Vec<_>>();
    assert_eq!(fields, ["strength"], "no seed and no truncation is offered");
    let (picture, before) = (png(5, 3), files(served.folder.path()));
    let answer = served.post("/api/runs/upscaler/apply", &picture, &[]);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("image/png")));
    assert_eq!(files(served.folder.path()), before, "the server writes nothing");
    fs::write(served.folder.path().join("small.png"), &picture).unwrap();
    let apply = ["apply", "runs/upscaler", "small.png", "-o", "large.png"];
    assert!(ganvas(served.folder.path(), &apply).stdout(Stdio::null()).status().unwrap().success());
    assert_eq!(answer.body, fs::read(served.folder.path().join("large.png")).unwrap());
    let smaller = served.post("/api/runs/upscaler/apply?side=10", &png(40, 20), &[]);
    let smaller = image::load_from_memory(&smaller.body).unwrap();
    assert_eq!((smaller.width(), smaller.height()), (40, 20), "brought to 10 x 5 first");

    let send = |path: &str, file: &[u8], headers: &[&str]| {
        let answer = served.post(path, file, headers);
        assert!(answer.json()["error"].as_str().unwrap().len() > 10, "{path}");
        answer.status
    };
    let apply = "/api/runs/upscaler/apply";
    assert_eq!(send(apply, b"no picture", &[]), 400);
    assert_eq!(send(apply, b"", &[]), 400);
    for wrong in ["side=0", "side=4000", "side=x", "seed=3", "with.truncation=0.5", "with.show=x", "checkpoint=../x"] {
        assert_eq!(send(&format!("{apply}?{wrong}"), &picture, &[]), 400, "{wrong}");
    }
    assert_eq!(send("/api/runs/0001-toy/apply", &picture, &[]), 400, "it draws points");
    assert_eq!(send("/api/runs/0009-absent/apply", &picture, &[]), 404);
    // Joints are found where the network is here already: nothing is fetched for the page.
    assert_eq!(send("/api/pose", &picture, &[]), 400);
    for apply in [apply, "/api/pose"] {
        assert_eq!(served.get(apply).status, 405);
        for foreign in ["Origin: http://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site"] {
            assert_eq!(send(apply, &picture, &[foreign]), 403, "{foreign}");
        }
        let form = ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"];
        assert_eq!(send(apply, &picture, &form), 403, "a form elsewhere sends nothing");
        // Refused before a byte of it is read.
        assert_eq!(served.ask("POST", apply, &["Content-Length: 40000000"]).status, 413);
        assert_eq!(served.ask("POST", apply, &["Transfer-Encoding: chunked"]).status, 413);
        assert_eq!(served.ask("POST", apply, &["Content-Length: 9", "Host: evil.example"]).status, 421);
        assert_eq!(served.ask("PUT", apply, &["Content-Length: 0"]).status, 405);
    }
}

#[test]
fn an_imported_network_is_shown_with_its_card_and_without_a_training() {
    let served = Served::with(with_upscaler, &[]);
    let runs = served.get("/api/runs").json();
    let run = runs.as_array().unwrap().iter().find(|run| run["id"] == "upscaler").unwrap();
    assert_eq!(run["state"], "imported", "and not finished: nobody trained it here");
    assert_eq!((&run["card"]["source"], &run["card"]["licence"]), (&"tiny.safetensors".into(), &"".into()));
    assert_eq!((&run["total_kimg"], &run["total_steps"]), (&Value::Null, &Value::Null), "0 of 22,400 kimg say nothing");
    assert_eq!(runs.as_array().unwrap().iter().find(|run| run["id"] == "0001-toy").unwrap()["card"], Value::Null);
}

#[test]
fn a_run_whose_configuration_is_broken_is_shown_as_broken_with_its_reason_as_long_as_it_is() {
    const CUT: &str = "recipe = \"ring\"\nlatent = \"x";
    let broken = |folder: &Path| {
        fs::create_dir(folder.join("runs/0002-broken")).unwrap();
        fs::write(folder.join("runs/0002-broken/config.toml"), CUT).unwrap();
    };
    let served = Served::with(broken, &[]);
    let runs = served.get("/api/runs").json();
    let state = |at: usize| (runs[at]["id"].as_str().unwrap(), runs[at]["state"].as_str().unwrap());
    assert_eq!((state(0), state(1)), (("0002-broken", "broken"), ("0001-toy", "finished")));
    assert!(runs[0]["broken"].as_str().unwrap().contains("line 2"), "{}", runs[0]["broken"]);
    let detail = served.get("/api/runs/0002-broken").json();
    assert_eq!((&detail["changes"], &detail["fields"]), (&Value::Array(Vec::new()), &Value::Array(Vec::new())));
    assert!(detail["config"].as_str().unwrap().contains("latent = \"x"), "one can see what to mend");
    let whole = fs::read_to_string(served.run().join("config.toml")).unwrap();
    for (text, is_broken) in [(whole.as_str(), false), (CUT, true)] {
        fs::write(served.folder.path().join("runs/0002-broken/config.toml"), text).unwrap();
        let begun = Instant::now();
        while (served.get("/api/runs").json()[0]["state"] == "broken") != is_broken {
            assert!(begun.elapsed() < Duration::from_secs(20), "what was written is seen: {text}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

#[test]
fn the_list_the_page_and_the_terminal_tell_an_illness_from_the_same_step_and_by_its_latest_look() {
    let ill = |folder: &Path| {
        let path = folder.join("runs/0001-toy/events.jsonl");
        let sure = |step: u64| {
            let values = format!(
                "\"d_accuracy_real\":1,\"d_accuracy_fake\":1,\"d_loss\":0.1,\"g_loss\":9,\"d_fake\":{}",
                1e-4 / step as f64
            );
            format!(
                "{{\"time\":1,\"step\":{step},\"kimg\":1,\"event\":\"scalars\",\"values\":{{{values}}},\"images_per_sec\":5}}\n"
            )
        };
        let log = fs::read_to_string(&path).unwrap() + &(41..=46).map(sure).collect::<String>();
        fs::write(&path, log).unwrap();
    };
    let served = Served::with(ill, &[]);
    let terminal = ganvas(served.folder.path(), &["doctor", "runs/0001-toy", "--json"]).output().unwrap();
    let terminal = serde_json::from_slice::<Value>(&terminal.stdout).unwrap();
    let (list, page) = (served.get("/api/runs").json(), served.get("/api/runs/0001-toy").json());
    let one = &terminal[0];
    assert_eq!((&list[0]["illness"], &page["illnesses"]), (one, &terminal));
    assert_eq!((&one["since_step"], &one["found_step"], &one["seen_step"]), (&41.into(), &43.into(), &46.into()));
    assert!(one["evidence"]["d_fake"].as_f64() < one["first"]["evidence"]["d_fake"].as_f64(), "{one}");
    let told = ganvas(served.folder.path(), &["doctor", "runs/0001-toy"]).output().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("since step 41") && told.contains("When it was found, at step 43"), "{told}");
}

#[test]
fn other_hosts_other_sites_and_everything_that_would_write_are_refused() {
    let served = Served::new();
    let status = |method: &str, headers: &[&str]| served.ask(method, "/api/runs", headers).status;
    assert_eq!(status("GET", &["Host: 127.0.0.1"]), 200);
    assert_eq!(status("GET", &["Host: [::1]:7878"]), 200);
    // A name of somebody else's that points here (DNS rebinding).
    for host in
        ["evil.example", "evil.example:7878", "localhost.evil.example", "127.0.0.1.evil.example", "192.168.0.1", ""]
    {
        assert_eq!(status("GET", &[&format!("Host: {host}")]), 421, "{host}");
    }
    assert_eq!(served.raw(b"GET /api/runs HTTP/1.0\r\n\r\n").status, 421, "no Host at all");
    let own = format!("Origin: http://localhost:{}", served.port);
    assert_eq!(status("GET", &[&own, "Sec-Fetch-Site: same-origin"]), 200);
    for foreign in [
        "Origin: http://evil.example",
        "Origin: null",
        "Origin: http://localhost:1",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
    ] {
        assert_eq!(status("GET", &[foreign]), 403, "{foreign}");
    }
    // A link to the page itself may be followed. Nothing else: not a frame, and not an address that costs something.
    let navigate = ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"];
    assert_eq!(served.ask("GET", "/", &navigate).status, 200);
    for path in ["/api/runs", "/api/runs/0001-toy/sample?seeds=0-255", "/api/live", "/assets/app.js"] {
        assert_eq!(served.ask("GET", path, &navigate).status, 403, "{path}");
    }
    for within in ["iframe", "object", "embed", "frame", "empty"] {
        let dest = format!("Sec-Fetch-Dest: {within}");
        assert_eq!(served.ask("GET", "/", &[navigate[0], navigate[1], &dest]).status, 403, "{within}");
    }
    assert_eq!(served.ask("GET", "/", &navigate[..2]).status, 403, "nobody says what for");
    for path in ["/api/runs/%ff", "/api/runs/0001-toy/files/%c3%28.png", "/assets/%80", "/%fe"] {
        let answer = served.get(path);
        assert!(answer.status == 400 && answer.json()["error"].as_str().unwrap().contains("UTF-8"), "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECTED"] {
        assert_eq!(status(method, &["Content-Length: 0", "Origin: http://evil.example"]), 405, "{method}");
        assert_eq!(status(method, &["Content-Length: 0"]), 405, "{method}");
    }
    assert_eq!(served.get("/").header("x-frame-options"), Some("DENY"));
    assert!(served.get("/").header("access-control-allow-origin").is_none());
}

#[test]
fn huge_uploads_long_heads_and_bad_pictures_cost_nothing() {
    let served = Served::new();
    // The answer comes before a byte of the body does.
    let upload = ["Content-Length: 999999999999", "Content-Type: image/png"];
    assert_eq!(served.ask("POST", "/api/runs/0001-toy/files/previews/new.png", &upload).status, 405);
    assert_eq!(served.ask("GET", "/api/runs", &upload).status, 413);
    assert_eq!(served.ask("GET", "/api/runs", &["Transfer-Encoding: chunked"]).status, 413);
    let long = format!("X-Long: {}", "x".repeat(300_000));
    assert!([400, 431].contains(&served.ask("GET", "/api/runs", &[&long]).status));
    let path = format!("/api/runs/{}", "x".repeat(60_000));
    assert!([400, 404, 414].contains(&served.get(&path).status));
    // A preview that is no picture is sent as one and as nothing else.
    let bad = served.run().join("previews/bad.png");
    fs::write(&bad, "<script>alert(1)</script>").unwrap();
    let answer = served.get("/api/runs/0001-toy/files/previews/bad.png");
    assert_eq!(
        (answer.header("content-type"), answer.header("x-content-type-options")),
        (Some("image/png"), Some("nosniff"))
    );
    assert_eq!(served.get("/api/runs").status, 200);
}

#[test]
fn a_client_that_does_not_finish_its_question_is_let_go_and_holds_nobody_up() {
    let served = Served::new();
    let slow = (0..600).map(|_| served.connect()).collect::<Vec<_>>(); // more than there are places
    let begun = Instant::now();
    for mut stream in &slow {
        _ = stream.write_all(b"GET /api/runs HTTP/1.1\r\nHost: loc");
    }
    let mut first = &slow[0];
    let mut rest = Vec::new();
    _ = first.read_to_end(&mut rest);
    assert!(begun.elapsed() < Duration::from_secs(45), "let go after {:?}", begun.elapsed());
    assert_eq!(served.get("/api/runs").status, 200, "and others are answered");
    // Again: who asks while the places are taken does not wait until all those are let go.
    let slow = (0..600).map(|_| served.connect()).collect::<Vec<_>>();
    assert_eq!(served.get("/api/runs").status, 200);
    let mut first = &slow[0];
    first.set_nonblocking(true).unwrap();
    let waits = first.read(&mut [0]).unwrap_err();
    assert_eq!(waits.kind(), std::io::ErrorKind::WouldBlock, "the first of them is still given its time");
}

#[test]
#[cfg(unix)]
fn odd_files_in_the_folder_of_the_runs_hide_no_run() {
    let odd = |folder: &Path| {
        for (run, file) in [("0002-log", "events.jsonl"), ("0003-lock", ".lock"), ("0004-card", "card.toml")] {
            let path = folder.join("runs").join(run);
            fs::create_dir_all(path.join("checkpoints")).unwrap();
            fs::copy(folder.join("runs/0001-toy/config.toml"), path.join("config.toml")).unwrap();
            for pipe in [path.join(file), path.join("checkpoints/latest")] {
                assert!(std::process::Command::new("mkfifo").arg(pipe).status().unwrap().success());
            }
        }
        fs::create_dir(folder.join("runs/0005-config")).unwrap();
        let pipe = folder.join("runs/0005-config/config.toml");
        assert!(std::process::Command::new("mkfifo").arg(pipe).status().unwrap().success());
        std::os::unix::fs::symlink("/dev/zero", folder.join("runs/0001-toy/previews/zero.png")).unwrap();
    };
    let served = Served::with(odd, &[]);
    let runs = served.get("/api/runs").json();
    let ids = runs.as_array().unwrap().iter().map(|run| run["id"].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(ids, ["0004-card", "0003-lock", "0002-log", "0001-toy"]);
    for id in ids {
        assert_eq!(served.get(&format!("/api/runs/{id}")).status, 200, "{id}");
        assert!([200, 500].contains(&served.get(&format!("/api/runs/{id}/scalars")).status), "{id}");
    }
    let list = ganvas(served.folder.path(), &["runs", "--json"]).output().unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&list.stdout).unwrap().as_array().unwrap().len(), 4);
    for verb in [&["resume", "runs/0002-log"][..], &["resume", "runs/0003-lock"], &["doctor", "runs/0002-log"]] {
        let refused = ganvas(served.folder.path(), verb).status().unwrap();
        assert_eq!(refused.code(), Some(2), "{verb:?}");
    }
}

#[test]
fn what_a_request_would_cost_is_known_before_anything_is_drawn() {
    let others = |folder: &Path| {
        for name in ["midinet", "mnist"] {
            let recipe = ganvas::recipe(name).unwrap();
            let keys = ganvas::Resolved::new(recipe, None, &[]).unwrap().keys();
            let data = ganvas_made_up::settings(recipe.info.dataset, &keys);
            let small = recipe.info.small.iter().map(ToString::to_string);
            let sets = small.chain(data).chain(["train.steps=1".to_owned()]).flat_map(|set| ["--set".to_owned(), set]);
            let args = ["train", name].map(str::to_owned).into_iter().chain(sets).collect::<Vec<_>>();
            let args = args.iter().map(String::as_str).collect::<Vec<_>>();
            assert!(ganvas(folder, &args).stdout(Stdio::null()).status().unwrap().success());
        }
    };
    let served = Served::with(others, &[]);
    let answer = served.get("/api/runs/0003-mnist/sample?seeds=0-255&zoom=32");
    assert_eq!(answer.status, 400);
    assert!(answer.json()["error"].as_str().unwrap().contains("too large; ask for fewer samples"));
    assert_eq!(served.get("/api/runs/0003-mnist/sample?seeds=0-255&zoom=2").status, 200);
    let long = "C%20".repeat(3000);
    let answer = served.get(&format!("/api/runs/0002-midinet/sample?seed=1&as=mid&with.chords={long}"));
    assert_eq!(answer.status, 400);
    assert!(answer.json()["error"].as_str().unwrap().starts_with("these are 3000 bars of music"));
    assert_eq!(served.get("/api/runs/0002-midinet/sample?seed=1&as=mid&with.chords=C%20G").status, 200);
    // What is wrong with a file is said without where the runs lie.
    fs::write(served.run().join("checkpoints/latest"), "../elsewhere").unwrap();
    let answer = served.get("/api/runs/0001-toy/sample?seed=1");
    let said = answer.json()["error"].as_str().unwrap().to_owned();
    assert!(answer.status == 400 && said.starts_with("0001-toy/checkpoints/latest says `../elsewhere`"), "{said}");
}

#[test]
fn a_sentence_on_the_page_draws_what_sample_draws_byte_for_byte() {
    let others = |folder: &Path| {
        let recipe = ganvas::recipe("stackgan").unwrap();
        let keys = ganvas::Resolved::new(recipe, None, &[]).unwrap().keys();
        let data = ganvas_made_up::settings(recipe.info.dataset, &keys);
        let small = recipe.info.small.iter().map(ToString::to_string);
        let sets = small.chain(data).chain(["train.steps=1".to_owned()]).flat_map(|set| ["--set".to_owned(), set]);
        let args = ["train", "stackgan"].map(str::to_owned).into_iter().chain(sets).collect::<Vec<_>>();
        let args = args.iter().map(String::as_str).collect::<Vec<_>>();
        assert!(ganvas(folder, &args).stdout(Stdio::null()).status().unwrap().success());
    };
    let served = Served::with(others, &[]);
    let fields = served.get("/api/runs/0002-stackgan").json()["fields"].clone();
    assert_eq!(fields, serde_json::json!([{ "name": "text", "kind": "text", "usual": "" }]));
    let answer = served.get("/api/runs/0002-stackgan/sample?seed=7&zoom=1&with.text=a%20face%20with%20red%20hair");
    assert_eq!(answer.status, 200);
    let text = "text=a face with red hair";
    let args = ["sample", "runs/0002-stackgan", "--seeds", "7", "--with", text, "-o", "drawn"];
    assert!(ganvas(served.folder.path(), &args).stdout(Stdio::null()).status().unwrap().success());
    assert_eq!(answer.body, fs::read(served.folder.path().join("drawn/seed-000007.png")).unwrap());
    let other = served.get("/api/runs/0002-stackgan/sample?seed=7&zoom=1&with.text=black%20hair");
    assert!(other.status == 200 && other.body != answer.body);
    let refused = served.get("/api/runs/0002-stackgan/sample?seed=7&with.text=%3F%3F");
    assert_eq!(refused.status, 400);
    assert!(refused.json()["error"].as_str().unwrap().contains("has no words"));
}

#[test]
fn beyond_this_machine_a_token_is_demanded() {
    let served = Served::with(|_| (), &["--host", "0.0.0.0"]);
    let token = served.address.split_once("?token=").expect("the address has a token").1;
    assert_eq!(token.len(), 32);
    assert_eq!(served.get("/").status, 401);
    assert_eq!(served.get("/api/runs?token=").status, 401);
    assert_eq!(served.get(&format!("/api/runs?token={}", "0".repeat(32))).status, 401);
    assert_eq!(served.ask("GET", "/api/runs", &["Cookie: ganvas_token="]).status, 401);
    let first = served.get(&format!("/?token={token}"));
    let cookie = first.header("set-cookie").expect("a cookie for what follows");
    assert!(first.status == 200 && cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = format!("Cookie: other=1; {}", cookie.split(';').next().unwrap());
    assert_eq!(served.ask("GET", "/api/runs", &[&cookie, "Host: my-machine.example:1"]).status, 200);
    assert_eq!(served.ask("GET", "/api/runs", &[&format!("Authorization: Bearer {token}")]).status, 200);
    assert_eq!(served.ask("POST", "/api/runs", &[&cookie, "Content-Length: 0"]).status, 405);
    assert_eq!(served.ask("GET", "/api/runs", &[&cookie, "Origin: http://evil.example"]).status, 403);
}

#[test]
fn news_come_live_and_a_page_too_many_is_asked_to_wait() {
    let served = Served::new();
    let listen = |query: &str| {
        let mut stream = served.connect();
        write!(stream, "GET /api/live{query} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        BufReader::new(stream)
    };
    let mut live = listen("?run=0001-toy");
    let mut line = String::new();
    while !line.starts_with("transfer-encoding") {
        line.clear();
        live.read_line(&mut line).unwrap(); // its head
    }
    let resume = ["resume", "runs/0001-toy", "--set", "train.steps=60"];
    assert!(ganvas(served.folder.path(), &resume).stdout(Stdio::null()).status().unwrap().success());
    let (mut seen, mut event) = (Vec::new(), String::new());
    while !seen
        .iter()
        .any(|(kind, data): &(String, Value)| kind == "runs" && data["state"] == "finished" && data["step"] == 60)
    {
        line.clear();
        assert!(live.read_line(&mut line).unwrap() > 0, "it ended after {seen:?}");
        match line.trim().split_once(": ") {
            Some(("event", kind)) => event = kind.to_owned(),
            Some(("data", data)) => seen.push((event.clone(), serde_json::from_str(data).unwrap())),
            _ => (),
        }
    }
    let records = seen.iter().filter(|(kind, _)| kind == "record").map(|(_, data)| data["event"].as_str().unwrap());
    assert_eq!(records.collect::<Vec<_>>(), ["resumed", "preview", "checkpoint", "finished"], "{seen:?}");
    assert!(seen.iter().any(|(kind, data)| kind == "scalars" && data["values"]["d_loss"].is_f64()), "{seen:?}");

    let listening = (0..199).map(|_| listen("")).collect::<Vec<_>>();
    let begun = Instant::now();
    let refused = loop {
        let mut head = String::new();
        listen("").read_line(&mut head).unwrap();
        if head.contains("503") {
            break true;
        }
        if begun.elapsed() > Duration::from_secs(30) {
            break false;
        }
    };
    assert!(refused, "{} listen already", listening.len() + 1);
    assert_eq!(served.get("/api/runs").status, 200, "everything else is answered");
}

#[test]
fn a_run_that_has_ended_is_not_shown_as_in_training_while_its_trainer_still_serves_it() {
    let mut served = Served::new();
    let resume = ["resume", "runs/0001-toy", "--set", "train.steps=60", "--serve"];
    let mut trainer =
        ganvas(served.folder.path(), &resume).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(trainer.stderr.take().unwrap()).lines().map(|line| line.unwrap());
    let shown = lines.filter_map(|line| line.strip_prefix("Still shown at ").map(str::to_owned)).next().unwrap();
    _ = std::mem::replace(&mut served.server, trainer).kill();
    served.port = shown.split(['/', ':']).nth(4).unwrap().parse().unwrap();
    let begun = Instant::now();
    while served.get("/api/runs").json()[0]["state"] != "finished" {
        assert!(begun.elapsed() < Duration::from_secs(20), "{}", served.get("/api/runs").json());
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let said = |args: &[&str]| {
        let output = ganvas(folder.path(), args).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    fs::write(folder.path().join("file"), "").unwrap();
    assert!(said(&["serve", "file"]).contains("file is a file; give the folder of the runs"));
    fs::create_dir(folder.path().join("runs")).unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    assert!(said(&["serve", "--port", &port]).contains("give another --port"));
    assert!(said(&["serve", "--host", "203.0.113.1"]).contains("--host"));
}
