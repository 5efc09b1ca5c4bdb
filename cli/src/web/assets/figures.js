// The figures of "How a GAN works", drawn as SVG.
import { drawn } from "./dom.js";

const text = (x, y, words, attributes = {}) => drawn("text", { x, y, "text-anchor": "middle", ...attributes }, words);
const arrow = (d, kind = "") => drawn("path", { d, class: `arrow ${kind}`, "marker-end": kind === "back" ? "url(#head-back)" : "url(#head)" });
const head = (id, kind) => drawn("marker", { id, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" }, drawn("path", { d: "M0 0L8 4L0 8z", class: kind }));

/** Noise, the two networks, and what goes between them. */
export function networks(words) {
	const box = (x, y, wide, tall, kind) => drawn("rect", { x, y, width: wide, height: tall, rx: 10, class: `box ${kind}` });
	return drawn("svg", { viewBox: "0 -36 640 262", class: "figure networks", role: "img", "aria-label": words.networksAlt },
		drawn("defs", {}, head("head", "head"), head("head-back", "head back")),
		box(150, 24, 120, 72, "g"), text(210, 56, "G", { class: "big" }), text(210, 80, words.generator),
		box(374, 74, 136, 92, "d"), text(442, 116, "D", { class: "big" }), text(442, 144, words.discriminator),
		box(150, 158, 120, 56, "data"), text(210, 191, words.data),
		...[0, 1, 2, 3, 4].map((i) => drawn("circle", { cx: 40 + (i % 2) * 12, cy: 40 + i * 10, r: 4, class: "noise" })),
		text(46, 112, words.noise), arrow("M72 60H144"),
		arrow("M276 60C320 60 320 100 368 104"), text(326, 54, words.fake, { class: "tone-fake" }),
		arrow("M276 186C320 186 320 142 368 138"), text(326, 206, words.real, { class: "tone-real" }),
		arrow("M516 120H552"), text(594, 125, "0 … 1", { class: "mid" }), text(582, 156, words.verdict),
		arrow("M442 70C436 -14 240 -30 212 18", "back"), text(350, -22, words.lesson, { class: "small" }));
}

/** D(x) and D(G(z)) on the way from 0 to 1; `move` puts them where they are now. */
export function scale(words) {
	const at = (value) => 40 + 560 * value;
	const marker = (kind, label, up) => drawn("g", { class: `marker tone-${kind}` },
		drawn("path", { d: up ? "M0 -2L-8 -16H8z" : "M0 2L-8 16H8z" }), text(0, up ? -24 : 32, label));
	const real = marker("real", "D(x)", true);
	const fake = marker("fake", "D(G(z))", false);
	const figure = drawn("svg", { viewBox: "0 0 640 130", class: "figure scale", role: "img" },
		drawn("path", { d: `M${at(0)} 65H${at(1)}`, class: "axis" }),
		...[0, 0.5, 1].map((value) => drawn("path", { d: `M${at(value)} ${value === 0.5 ? 40 : 57}V${value === 0.5 ? 90 : 73}`, class: "axis" })),
		text(at(0), 120, words.isFake), text(at(1) - 4, 120, words.isReal), text(at(0.5), 120, "1/2"), real, fake);
	return {
		figure,
		move(d_real, d_fake, label) {
			real.setAttribute("transform", `translate(${at(d_real)} 65)`);
			fake.setAttribute("transform", `translate(${at(d_fake)} 65)`);
			figure.setAttribute("aria-label", label);
		},
	};
}

/** Both losses of G over D(G(z)), and where that is now. */
export function losses(words) {
	const x = (value) => 60 + 500 * value;
	const y = (value) => 120 - 24 * value;
	const curve = (loss) => Array.from({ length: 99 }, (_, i) => (i + 1) / 100).map((p, i) => `${i === 0 ? "M" : "L"}${x(p).toFixed(1)} ${y(Math.max(-4.2, Math.min(4.2, loss(p)))).toFixed(1)}`).join("");
	const now = drawn("path", { d: "M0 12V228", class: "now", visibility: "hidden" });
	const figure = drawn("svg", { viewBox: "0 0 640 260", class: "figure losses", role: "img", "aria-label": words.lossesAlt },
		drawn("path", { d: `M${x(0)} 12V228M${x(0)} ${y(0)}H${x(1)}`, class: "axis" }),
		text(x(0) - 14, y(0) + 4, "0"), text(x(0), 250, "0"), text(x(0.5), 250, "D(G(z))"), text(x(1), 250, "1"),
		now,
		drawn("path", { d: curve((p) => -Math.log(p)), class: "curve tone-g" }), text(x(0.78), 98, "−log D(G(z))", { class: "tone-g" }),
		drawn("path", { d: curve((p) => Math.log(1 - p)), class: "curve tone-d" }), text(x(0.36), 160, "log(1 − D(G(z)))", { class: "tone-d" }));
	return {
		figure,
		move(d_fake, label) {
			now.setAttribute("transform", `translate(${x(d_fake)} 0)`);
			now.setAttribute("visibility", "visible");
			figure.setAttribute("aria-label", label);
		},
	};
}
