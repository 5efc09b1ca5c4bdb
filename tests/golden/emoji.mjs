// Makes emoji.json: the mean levels of 8 x 8 squares of emoji as Chromium draws them, an engine that is not resvg.
//
// In a folder of its own: npm i openmoji@17.0.0 @iconify-json/openmoji@1.2.29 @iconify-json/twemoji@1.2.5
// @iconify-json/noto@1.2.9 @iconify-json/fluent-emoji-flat@1.2.6, copy this file there, then: node emoji.mjs chromium > emoji.json

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";

// An outline, a person, an extra of OpenMoji's own; a package on which older releases of resvg gave up, a cockroach that
// reaches beyond its frame, a watermelon and a swan in frames that are not square, masks and gradients.
const pairs = ["1F600", "1F6B2", "1F469-200D-1F373", "E0A3"];
const hands = [
  ["openmoji", "1f98b"], ["openmoji", "1f349"], ["twemoji", "1f349"], ["twemoji", "1fab3"], ["twemoji", "1f468-200d-1f373"],
  ["noto", "1f4e6"], ["noto", "1f3d4"], ["noto", "1f308"], ["fluent", "1f9a2"], ["fluent", "1f600"],
];

const svg = (body, width, height) =>
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">${body}</svg>`;
const cases = [];
for (const code of pairs)
  for (const style of ["black", "color"])
    cases.push({ style, code, svg: readFileSync(`node_modules/openmoji/${style}/svg/${code}.svg`, "utf8"), side: [72, 72] });
for (const [style, code] of hands) {
  const folder = `node_modules/@iconify-json/${style === "fluent" ? "fluent-emoji-flat" : style}`;
  const read = (name) => JSON.parse(readFileSync(`${folder}/${name}.json`, "utf8"));
  const [icons, chars] = [read("icons"), read("chars")];
  const found = Object.keys(chars).find((own) => own.split("-").filter((part) => part !== "fe0f").join("-") === code);
  const icon = icons.icons[chars[found]];
  const side = [icon.width ?? icons.width, icon.height ?? icons.height];
  cases.push({ style, code, svg: svg(icon.body, ...side), side });
}

// Runs in the browser: a whole OpenMoji frame, or what is drawn of an emoji at 56/64 of the frame, in 8 x 8 squares.
async function measure(cases) {
  const canvas = (side) => {
    const made = Object.assign(document.createElement("canvas"), { width: side, height: side });
    return [made, made.getContext("2d", { willReadFrequently: true })];
  };
  const golden = [];
  for (const { style, code, svg, side } of cases) {
    const image = new Image();
    image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(svg);
    await image.decode();
    const [large, pen] = canvas(1024);
    const scale = 1024 / Math.max(...side);
    pen.drawImage(image, 0, 0, side[0] * scale, side[1] * scale);
    let [left, top, span] = [0, 0, 1024];
    if (!["black", "color"].includes(style)) {
      const { data } = pen.getImageData(0, 0, 1024, 1024);
      let [x0, y0, x1, y1] = [1024, 1024, 0, 0];
      for (let at = 0; at < 1024 * 1024; at++) {
        if (data[at * 4 + 3] < 8) continue;
        const [x, y] = [at % 1024, Math.floor(at / 1024)];
        [x0, y0, x1, y1] = [Math.min(x0, x), Math.min(y0, y), Math.max(x1, x + 1), Math.max(y1, y + 1)];
      }
      span = (Math.max(x1 - x0, y1 - y0) * 64) / 56;
      [left, top] = [(x0 + x1 - span) / 2, (y0 + y1 - span) / 2];
    }
    const [, shown] = canvas(512);
    shown.fillStyle = "white";
    shown.fillRect(0, 0, 512, 512);
    shown.imageSmoothingQuality = "high";
    shown.scale(512 / span, 512 / span);
    shown.drawImage(large, -left, -top);
    const { data } = shown.getImageData(0, 0, 512, 512);
    const levels = Array(8 * 8 * 3).fill(0);
    for (let at = 0; at < 512 * 512; at++)
      for (let channel = 0; channel < 3; channel++)
        levels[(Math.floor(at / 512 / 64) * 8 + Math.floor((at % 512) / 64)) * 3 + channel] += data[at * 4 + channel] / 4096;
    golden.push({ style, code, levels: levels.map(Math.round) });
  }
  document.body.textContent = "[\n" + golden.map((one) => JSON.stringify(one)).join(",\n") + "\n]";
}

const call = `(${measure})(${JSON.stringify(cases)})`.replaceAll("</", "<\\/");
writeFileSync("emoji.html", `<!doctype html><meta charset="utf-8"><body><script>${call}</script>`);
const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=60000", "--dump-dom"];
const page = execFileSync(process.argv[2] ?? "chromium", [...flags, `file://${process.cwd()}/emoji.html`], { encoding: "utf8", maxBuffer: 1 << 26 });
console.log(page.slice(page.indexOf("<body>") + 6, page.indexOf("</body>")).trim());
