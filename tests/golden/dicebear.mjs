// Makes dicebear.json: avatars of explicit choices, composed by DiceBear's own core and averaged over 16 x 16 squares.
//
// In a folder of its own: npm i @dicebear/core@10.7.0 @dicebear/styles@10.6.0 @resvg/resvg-js@2.6.2, copy this file there,
// then: node dicebear.mjs > dicebear.json

import { readFileSync } from "node:fs";
import { Avatar, Style } from "@dicebear/core";
import { Resvg } from "@resvg/resvg-js";

const cases = [
  {
    style: "avataaars", // a component within a component, a gradient with a blend mode, colours
    variants: {
      accessories: "sunglasses", clothes: "graphicShirt", clothesGraphic: "bear", eyebrows: "upDown", eyes: "happy",
      facialHair: "beardMedium", mouth: "smile", nose: "default", top: "shortCurly",
    },
    colors: { accessories: "#65c9ff", clothes: "#ff5c5c", facialHair: "#c93305", hair: "#2c1b18", skin: "#edb98a" },
  },
  {
    style: "toon-head", // a mask by alpha, a component that is not there, strokes
    variants: {
      body: "body", clothes: "openJacket", eyebrows: "raised", eyes: "wide", hair: "bun", head: "head",
      mouth: "laugh", rearHair: "longWavy",
    },
    colors: { clothes: "#147f3c", hair: "#b58143", skin: "#c68e7a", stroke: "#000000" },
  },
  {
    style: "adventurer", // earrings within the hair
    variants: {
      details: "freckles", earrings: "variant03", eyebrows: "variant05", eyes: "variant11", glasses: "variant02",
      hair: "long07", head: "default", mouth: "variant21",
    },
    colors: {
      earrings: "#000000", eyes: "#000000", glasses: "#000000", hair: "#3eac2c", ink: "#000000", lips: "#d31e1e",
      sclera: "#ffffff", skin: "#ecad80", teeth: "#ffffff", throat: "#8f2e45", tongue: "#ea869e", uvula: "#d32020",
    },
  },
];

const golden = cases.map(({ style, variants, colors }) => {
  const definition = JSON.parse(readFileSync(`node_modules/@dicebear/styles/dist/${style}.min.json`, "utf8"));
  const options = { seed: "one", backgroundColor: ["#e8ecf2"] };
  for (const name of Object.keys(definition.components)) {
    options[`${name}Probability`] = variants[name] ? 100 : 0;
    if (variants[name]) options[`${name}Variant`] = [variants[name]];
  }
  for (const [name, color] of Object.entries(colors)) options[`${name}Color`] = [color];
  // This resvg does not see a mask's type in a style and would take its luminance.
  const svg = new Avatar(new Style(definition), options).toString().replaceAll('style="mask-type:alpha"', 'mask-type="alpha"');
  const { pixels } = new Resvg(svg, { fitTo: { mode: "width", value: 256 } }).render();
  const levels = [];
  for (let at = 0; at < 16 * 16 * 3; at++) {
    const [row, column, channel] = [Math.floor(at / 48), Math.floor(at / 3) % 16, at % 3];
    let sum = 0;
    for (let y = row * 16; y < row * 16 + 16; y++)
      for (let x = column * 16; x < column * 16 + 16; x++) sum += pixels[(y * 256 + x) * 4 + channel];
    levels.push(Math.round(sum / 256));
  }
  return { style, variants, colors, levels };
});
console.log(`[\n${golden.map((one) => JSON.stringify(one)).join(",\n")}\n]`);
