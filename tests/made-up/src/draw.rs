//! How each kind is drawn.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;

/// Random numbers that are the same everywhere: splitmix64.
pub struct Chances(u64);

impl Chances {
    /// A row of its own for each seed.
    pub fn new(seed: u64) -> Self {
        Chances(seed.wrapping_mul(0xD134_2543_DE82_EF95))
    }

    /// From 0 up to but not including 1.
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A whole number from `low` to `high`, both included.
    fn whole(&mut self, low: usize, high: usize) -> usize {
        low + (self.unit() * (high - low + 1) as f64) as usize
    }

    /// One of a few things.
    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.whole(0, of.len() - 1)]
    }

    fn colour(&mut self) -> [u8; 3] {
        [0; 3].map(|_| self.whole(40, 220) as u8)
    }
}

/// A picture in RGB of 8 bits.
#[derive(Clone)]
pub struct Picture {
    size: [usize; 2],
    pixels: Vec<[u8; 3]>,
}

impl Picture {
    /// Of one colour.
    pub fn plain(size: [usize; 2], colour: [u8; 3]) -> Self {
        Picture { size, pixels: vec![colour; size[0] * size[1]] }
    }

    /// Covers what lies within a shape: `inside` is how many pixels a place is inside, negative outside.
    fn fill(&mut self, colour: [u8; 3], inside: impl Fn(f64, f64) -> f64) {
        let [width, _] = self.size;
        for (at, pixel) in self.pixels.iter_mut().enumerate() {
            let cover = (inside((at % width) as f64 + 0.5, (at / width) as f64 + 0.5) + 0.5).clamp(0.0, 1.0);
            for (old, new) in pixel.iter_mut().zip(colour) {
                *old = (f64::from(*old) + (f64::from(new) - f64::from(*old)) * cover).round() as u8;
            }
        }
    }

    /// Another picture of the same height to its right.
    fn beside(&self, right: &Picture) -> Self {
        let rows = self.pixels.chunks(self.size[0]).zip(right.pixels.chunks(right.size[0]));
        let size = [self.size[0] + right.size[0], self.size[1]];
        Picture { size, pixels: rows.flat_map(|(left, right)| [left, right].concat()).collect() }
    }

    /// Writes it as a PNG.
    pub fn write(&self, file: &Path) {
        let to = BufWriter::new(File::create(file).expect("target can be written"));
        let mut encoder = png::Encoder::new(to, self.size[0] as u32, self.size[1] as u32);
        encoder.set_color(png::ColorType::Rgb);
        let mut writer = encoder.write_header().expect("a picture has a size");
        writer.write_image_data(self.pixels.as_flattened()).expect("a picture holds all its pixels");
    }
}

/// Within an ellipse around a place.
fn ellipse([x, y]: [f64; 2], [wide, high]: [f64; 2]) -> impl Fn(f64, f64) -> f64 {
    move |px, py| (1.0 - ((px - x) / wide).hypot((py - y) / high)) * wide.min(high)
}

/// Within a rectangle around a place.
fn rectangle([x, y]: [f64; 2], [wide, high]: [f64; 2]) -> impl Fn(f64, f64) -> f64 {
    move |px, py| (wide - (px - x).abs()).min(high - (py - y).abs())
}

/// Near a shape's edge.
fn edge(inside: impl Fn(f64, f64) -> f64, width: f64) -> impl Fn(f64, f64) -> f64 {
    move |x, y| width - inside(x, y).abs()
}

/// Folders and how many pictures each has, drawn by their number.
fn folders(into: &Path, parts: &[(&str, usize)], mut draw: impl FnMut(&str, u64) -> Picture) {
    let mut first = 0;
    for (part, count) in parts {
        fs::create_dir_all(into.join(part)).expect("target can be written");
        for i in 0..*count {
            draw(part, first + i as u64).write(&into.join(format!("{part}/{i:03}.png")));
        }
        first += *count as u64;
    }
}

/// The strokes of each digit, from corner to corner of a field of 2 x 4 halves: x to the right, y downwards.
const STROKES: [&[[f64; 2]]; 10] = [
    &[[0.0, 0.0], [2.0, 0.0], [2.0, 4.0], [0.0, 4.0], [0.0, 0.0]],
    &[[0.3, 0.8], [1.2, 0.0], [1.2, 4.0]],
    &[[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 4.0], [2.0, 4.0]],
    &[[0.0, 0.0], [2.0, 0.0], [0.8, 1.8], [2.0, 2.2], [2.0, 4.0], [0.0, 4.0]],
    &[[1.6, 4.0], [1.6, 0.0], [0.0, 2.8], [2.2, 2.8]],
    &[[2.0, 0.0], [0.0, 0.0], [0.0, 1.8], [2.0, 1.8], [2.0, 4.0], [0.0, 4.0]],
    &[[1.8, 0.0], [0.0, 2.0], [0.0, 4.0], [2.0, 4.0], [2.0, 2.2], [0.0, 2.2]],
    &[[0.0, 0.0], [2.0, 0.0], [0.7, 4.0]],
    &[[0.0, 0.0], [2.0, 0.0], [2.0, 4.0], [0.0, 4.0], [0.0, 0.0], [0.0, 2.0], [2.0, 2.0]],
    &[[2.0, 1.9], [0.0, 1.9], [0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [1.2, 4.0]],
];

/// One digit, 28 x 28 grey levels, 255 for ink.
fn digit(class: usize, chances: &mut Chances) -> Vec<u8> {
    let [left, top] = [chances.between(8.0, 10.5), chances.between(4.5, 7.5)];
    let [wide, high] = [chances.between(3.4, 4.8), chances.between(3.6, 4.3)];
    let (slant, thick) = (chances.between(-0.12, 0.12), chances.between(1.0, 1.9));
    let place = |[x, y]: [f64; 2]| [left + x * wide + (2.0 - y) * slant * high, top + y * high];
    let strokes = STROKES[class].windows(2).map(|ends| [place(ends[0]), place(ends[1])]).collect::<Vec<_>>();
    let level = |at: usize| {
        let [x, y] = [(at % 28) as f64 + 0.5, (at / 28) as f64 + 0.5];
        let away = |[[ax, ay], [bx, by]]: &[[f64; 2]; 2]| {
            let [dx, dy] = [bx - ax, by - ay];
            let along = (((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
            (x - ax - along * dx).hypot(y - ay - along * dy)
        };
        let nearest = strokes.iter().map(away).fold(f64::INFINITY, f64::min);
        ((thick - nearest + 0.5).clamp(0.0, 1.0) * 255.0).round() as u8
    };
    (0..28 * 28).map(level).collect()
}

pub fn digits(into: &Path) {
    for (part, count, seed) in [("train", 1_500, 1), ("t10k", 500, 2)] {
        let mut chances = Chances::new(seed);
        let (mut images, mut labels) = (Vec::new(), Vec::new());
        for word in [0x803, count, 28, 28] {
            images.extend(u32::to_be_bytes(word));
        }
        for word in [0x801, count] {
            labels.extend(u32::to_be_bytes(word));
        }
        for _ in 0..count {
            let class = chances.whole(0, 9);
            images.extend(digit(class, &mut chances));
            labels.push(class as u8);
        }
        fs::write(into.join(format!("{part}-images-idx3-ubyte")), images).expect("target can be written");
        fs::write(into.join(format!("{part}-labels-idx1-ubyte")), labels).expect("target can be written");
    }
}

pub fn faces(into: &Path) {
    const SKINS: [(&str, [u8; 3]); 4] = [
        ("light", [0xf2, 0xd3, 0xb1]),
        ("tan", [0xc6, 0x86, 0x42]),
        ("brown", [0x8d, 0x55, 0x24]),
        ("pale", [0xff, 0xdb, 0xac]),
    ];
    const HAIR: [(&str, [u8; 3]); 4] =
        [("black", [40, 30, 30]), ("brown", [150, 90, 40]), ("blonde", [220, 180, 80]), ("red", [170, 50, 40])];
    const TRAINED: u64 = 240;
    let (mut captions, mut labels) = ("file,caption\n".to_owned(), "file,hair,skin\n".to_owned());
    folders(into, &[("train", TRAINED as usize), ("held-out", 64)], |part, number| {
        let mut chances = Chances::new(number);
        let mut face = Picture::plain([64, 64], [0xe8, 0xec, 0xf2]);
        let [x, y] = [chances.between(30.0, 34.0), chances.between(32.0, 36.0)];
        let [wide, high] = [chances.between(15.0, 20.0), chances.between(19.0, 23.0)];
        let shirt = chances.colour();
        face.fill(shirt, ellipse([x, 68.0], [26.0, 16.0]));
        let ((hair, hair_colour), (skin, skin_colour)) = (chances.one(&HAIR), chances.one(&SKINS));
        face.fill(hair_colour, ellipse([x, y - 5.0], [wide + 3.0, high]));
        face.fill(skin_colour, ellipse([x, y + 2.0], [wide, high]));
        let name = format!("{part}/{:03}.png", if part == "train" { number } else { number - TRAINED });
        captions += &format!("{name},a face with {hair} hair\n{name},\"{hair} hair, {skin} skin\"\n");
        labels += &format!("{name},{hair},{skin}\n");
        let [apart, size] = [chances.between(6.0, 9.0), chances.between(1.5, 3.0)];
        for side in [-1.0, 1.0] {
            face.fill([255; 3], ellipse([x + side * apart, y], [size + 1.2, size + 0.6]));
            face.fill([30, 30, 40], ellipse([x + side * apart, y], [size * 0.6, size * 0.6]));
        }
        let mouth = [chances.between(4.0, 8.0), chances.between(1.0, 3.5)];
        face.fill([170, 60, 60], ellipse([x, y + 11.0], mouth));
        face
    });
    fs::write(into.join("captions.csv"), captions).expect("target can be written");
    fs::write(into.join("labels.csv"), labels).expect("target can be written");
}

pub fn classes(into: &Path) {
    let parts = [("train", 40), ("validation", 24)];
    let parts = parts.map(|(part, count)| ["cross", "disc", "square"].map(|class| (format!("{part}/{class}"), count)));
    let parts = parts.iter().flatten().map(|(folder, count)| (folder.as_str(), *count)).collect::<Vec<_>>();
    folders(into, &parts, |folder, number| {
        let class = folder.rsplit('/').next().unwrap_or_default();
        let mut chances = Chances::new(1_000 + number);
        let mut picture = Picture::plain([32, 32], [245, 245, 240]);
        let (place, size) = ([chances.between(13.0, 19.0), chances.between(13.0, 19.0)], chances.between(6.0, 11.0));
        let colour = chances.colour();
        match class {
            "disc" => picture.fill(colour, ellipse(place, [size, size])),
            "square" => picture.fill(colour, rectangle(place, [size, size])),
            _ => {
                picture.fill(colour, rectangle(place, [size, size / 3.0]));
                picture.fill(colour, rectangle(place, [size / 3.0, size]));
            }
        }
        picture
    });
}

pub fn pairs(into: &Path) {
    folders(into, &[("train", 80), ("val", 64), ("test", 32)], |_, number| {
        let mut chances = Chances::new(2_000 + number);
        let [mut outline, mut coloured] = [(); 2].map(|()| Picture::plain([64, 64], [255; 3]));
        for _ in 0..chances.whole(1, 3) {
            let place = [chances.between(18.0, 46.0), chances.between(18.0, 46.0)];
            let size = [chances.between(8.0, 16.0), chances.between(8.0, 16.0)];
            let is_round = chances.unit() < 0.5;
            // What is round is warm, what has corners is cold: so there is something to learn.
            let colour = if is_round {
                [230, chances.whole(90, 180) as u8, 60]
            } else {
                [50, chances.whole(90, 180) as u8, 220]
            };
            for (picture, is_outline) in [(&mut outline, true), (&mut coloured, false)] {
                match (is_round, is_outline) {
                    (true, true) => picture.fill([0; 3], edge(ellipse(place, size), 1.0)),
                    (true, false) => picture.fill(colour, ellipse(place, size)),
                    (false, true) => picture.fill([0; 3], edge(rectangle(place, size), 1.0)),
                    (false, false) => picture.fill(colour, rectangle(place, size)),
                }
            }
        }
        outline.beside(&coloured)
    });
}

pub fn domains(into: &Path) {
    let parts = [("trainA", 60), ("trainB", 60), ("testA", 64), ("testB", 64)];
    folders(into, &parts, |part, number| {
        // Those of the test show the same on both sides.
        let mut chances = Chances::new(3_000 + if part == "testB" { number - 64 } else { number });
        let mut picture = Picture::plain([32, 32], [255; 3]);
        let (place, size) = ([chances.between(12.0, 20.0), chances.between(12.0, 20.0)], chances.between(5.0, 11.0));
        let colour = chances.colour();
        match part.ends_with('A') {
            true => picture.fill(colour, ellipse(place, [size, size])),
            false => picture.fill(colour, rectangle(place, [size, size])),
        }
        picture
    });
}

/// Hills before a sky, with a sun and grain.
pub fn photograph([width, height]: [usize; 2], chances: &mut Chances) -> Picture {
    let mut picture = Picture::plain([width, height], [0; 3]);
    let waves = [(); 4].map(|()| [chances.between(0.02, 0.2), chances.between(0.0, 6.3), chances.between(1.0, 5.0)]);
    let (sky, ground) = ([chances.whole(90, 160), chances.whole(130, 200), chances.whole(190, 250)], chances.colour());
    let middle = height as f64 * chances.between(0.4, 0.7);
    for (at, pixel) in picture.pixels.iter_mut().enumerate() {
        let [x, y] = [(at % width) as f64, (at / width) as f64];
        let hill = middle + waves.iter().map(|[rate, phase, size]| (x * rate + phase).sin() * size).sum::<f64>();
        let colour = if y < hill {
            sky.map(|level| level as f64 - 40.0 * y / height as f64)
        } else {
            let furrow = 30.0 * (x * 0.9 + y * 1.7).sin();
            ground.map(|level| f64::from(level) * 0.8 + furrow)
        };
        let grain = chances.between(-6.0, 6.0);
        *pixel = colour.map(|level| (level + grain).clamp(0.0, 255.0) as u8);
    }
    let sun = [width as f64 * chances.between(0.2, 0.8), middle * 0.4];
    picture.fill([250, 240, 180], ellipse(sun, [5.0, 5.0]));
    picture
}

pub fn photographs(into: &Path) {
    folders(into, &[("train", 32), ("validation", 64), ("test", 24)], |_, number| {
        let mut chances = Chances::new(4_000 + number);
        let size = [chances.whole(48, 96), chances.whole(48, 96)];
        photograph(size, &mut chances)
    });
}

/// A tune of so many bars of four beats: degrees of a major scale that wander, in quarters and eighths.
fn tune(bars: usize, chances: &mut Chances) -> Vec<Vec<(usize, usize)>> {
    let mut degree = chances.whole(3, 10);
    let mut step = || {
        degree = (degree + chances.whole(0, 4)).saturating_sub(2).clamp(0, 13);
        degree
    };
    let mut lengths = Chances::new(bars as u64 + step() as u64);
    let mut bar = |_| {
        let mut notes = Vec::new();
        for _ in 0..4 {
            match lengths.unit() < 0.4 {
                true => notes.extend([(step(), 1), (step(), 1)]),
                false => notes.push((step(), 2)),
            }
        }
        notes
    };
    (0..bars).map(&mut bar).collect()
}

/// Two octaves of C major in ABC.
const NAMES: [&str; 14] = ["C", "D", "E", "F", "G", "A", "B", "c", "d", "e", "f", "g", "a", "b"];
/// The same as semitones above middle C.
const SEMITONES: [u8; 14] = [0, 2, 4, 5, 7, 9, 11, 12, 14, 16, 17, 19, 21, 23];

fn abc(number: usize, tune: &[Vec<(usize, usize)>]) -> String {
    let note = |(degree, eighths): &(usize, usize)| {
        format!("{}{}", NAMES[*degree], if *eighths == 1 { String::new() } else { eighths.to_string() })
    };
    let bar = |bar: &Vec<(usize, usize)>| bar.iter().map(note).collect::<Vec<_>>().join(" ") + " |";
    let bars = tune.iter().map(bar).collect::<Vec<_>>().join(" ");
    format!("X:{number}\nT:Made up {number}\nM:4/4\nL:1/8\nK:C\n{bars}]\n")
}

/// A MIDI file of format 0 with 480 ticks a quarter.
fn midi(tune: &[Vec<(usize, usize)>]) -> Vec<u8> {
    let mut track = vec![0, 0xFF, 0x58, 4, 4, 2, 24, 8]; // 4/4
    for (degree, eighths) in tune.iter().flatten() {
        let (pitch, ticks) = (60 + SEMITONES[*degree], *eighths as u16 * 240);
        track.extend([0, 0x90, pitch, 100]);
        track.extend([0x80 | (ticks >> 7) as u8, ticks as u8 & 0x7F, 0x80, pitch, 0]); // the time in seven bits a byte
    }
    track.extend([0, 0xFF, 0x2F, 0]);
    let mut bytes = b"MThd\0\0\0\x06\0\0\0\x01\x01\xE0MTrk".to_vec();
    bytes.extend(u32::to_be_bytes(track.len() as u32));
    bytes.extend(track);
    bytes
}

pub fn tunes(into: &Path) {
    let mut number = 0;
    for (part, count) in [("train", 32), ("held-out", 24)] {
        fs::create_dir_all(into.join(part)).expect("target can be written");
        for i in 0..count {
            number += 1;
            let tune = tune(8 + i % 3 * 4, &mut Chances::new(5_000 + number as u64));
            let (name, bytes) = match (part, i) {
                ("train", 30..) => (format!("{part}/{i:03}.mid"), midi(&tune)),
                _ => (format!("{part}/{i:03}.abc"), abc(number, &tune).into_bytes()),
            };
            fs::write(into.join(name), bytes).expect("target can be written");
        }
    }
}

/// What is within so many pixels of the line between two places.
fn limb([from, to]: [[f64; 2]; 2], reach: f64) -> impl Fn(f64, f64) -> f64 {
    move |x, y| {
        let [along_x, along_y] = [to[0] - from[0], to[1] - from[1]];
        let length = (along_x * along_x + along_y * along_y).max(1e-9);
        let share = (((x - from[0]) * along_x + (y - from[1]) * along_y) / length).clamp(0.0, 1.0);
        reach - (x - from[0] - share * along_x).hypot(y - from[1] - share * along_y)
    }
}

/// A person of two colours: nose, shoulders, elbows, wrists, hips, knees and ankles as COCO counts them, the eyes and ears unknown.
fn person(colours: [[u8; 3]; 2], chances: &mut Chances) -> (Picture, String) {
    let middle = chances.between(13.0, 19.0);
    let mut joints = [[0.0; 2]; 17];
    joints[0] = [middle, 5.0];
    for (side, out) in [(0, 1.0), (1, -1.0)] {
        let mut place = |joint: usize, from: [f64; 2], length: f64, angle: f64| {
            joints[joint + side] = [from[0] + out * length * angle.sin(), from[1] + length * angle.cos()];
            joints[joint + side]
        };
        let shoulder = place(5, [middle + 3.0 * out, 9.0], 0.0, 0.0);
        let elbow = place(7, shoulder, 5.0, chances.between(0.2, 2.4));
        place(9, elbow, 5.0, chances.between(0.0, 2.8));
        let hip = place(11, [middle + 2.0 * out, 17.0], 0.0, 0.0);
        let knee = place(13, hip, 6.0, chances.between(-0.1, 1.0));
        place(15, knee, 6.0, chances.between(-0.4, 0.6));
    }
    let mut picture = Picture::plain([32, 32], [205; 3]);
    let bones = [([11, 13], 1), ([13, 15], 1), ([12, 14], 1), ([14, 16], 1), ([5, 11], 0), ([6, 12], 0), ([5, 12], 0)];
    let arms = [([5, 7], 0), ([7, 9], 0), ([6, 8], 0), ([8, 10], 0)];
    for (ends, part) in bones.into_iter().chain(arms) {
        picture.fill(colours[part], limb(ends.map(|end| joints[end]), 1.5));
    }
    picture.fill([220, 170, 140], ellipse(joints[0], [3.0, 3.0]));
    let joint = |(at, [x, y]): (usize, &[f64; 2])| match at {
        1..=4 => "[0, 0, 0]".to_owned(),
        _ => format!("[{x:.2}, {y:.2}, 0.9]"),
    };
    let joints = joints.iter().enumerate().map(joint).collect::<Vec<_>>().join(", ");
    (picture, format!("{{\"width\": 32, \"height\": 32, \"keypoints\": [{joints}]}}\n"))
}

pub fn persons(into: &Path) {
    for (part, first, count) in [("train", 0, 12), ("held-out", 12, 8)] {
        for number in first..first + count {
            let mut chances = Chances::new(8_000 + number);
            let colours = [chances.colour(), chances.colour()];
            let folder = into.join(format!("{part}/{number:02}"));
            fs::create_dir_all(&folder).expect("target can be written");
            for pose in 0..8 {
                let (picture, joints) = person(colours, &mut chances);
                picture.write(&folder.join(format!("{pose}.png")));
                fs::write(folder.join(format!("{pose}.json")), joints).expect("target can be written");
            }
        }
    }
}

pub fn portraits(into: &Path) {
    let persons = [("ann", [0xf2, 0xd3, 0xb1], [40, 30, 30]), ("bob", [0xc6, 0x86, 0x42], [220, 180, 80])];
    let parts = [("train", 40), ("held-out", 32)];
    let parts = parts.map(|(part, count)| persons.map(|(name, ..)| (format!("{part}/{name}"), count)));
    let parts = parts.iter().flatten().map(|(folder, count)| (folder.as_str(), *count)).collect::<Vec<_>>();
    folders(into, &parts, |folder, number| {
        let mut chances = Chances::new(9_000 + number);
        let of_bob = usize::from(folder.ends_with("bob"));
        let (_, skin, hair) = persons[of_bob];
        let mut face = Picture::plain([32, 32], chances.colour());
        let [x, y] = [chances.between(15.0, 17.0), chances.between(16.0, 18.0)];
        face.fill(hair, ellipse([x, y - 3.0], [12.0, 14.0]));
        face.fill(skin, ellipse([x, y], [10.0 + of_bob as f64, 13.0]));
        for side in [-1.0, 1.0] {
            face.fill([255; 3], ellipse([x + 4.0 * side, y - 1.5], [2.2, 1.4]));
            let look = chances.between(-0.8, 0.8);
            face.fill([30, 30, 40], ellipse([x + 4.0 * side + look, y - 1.5], [1.0, 1.0]));
        }
        face.fill([170, 60, 60], ellipse([x, y + 8.0], [chances.between(2.0, 4.5), chances.between(0.6, 2.0)]));
        face
    });
}
