// A run's scalars, grouped by what they mean; the charts share their zoom, their smoothing and the point one looks at.
import { Chart } from "./chart.js";
import { element, labelled, nextFrame, remember, remembered } from "./dom.js";
import { sliding, whole } from "./numbers.js";
import { scalars } from "./server.js";
import { say, scalarName } from "./words.js";

const BUCKETS = 600;
/** With so many points more than asked for, the server makes buckets of them again. */
const TOO_MANY = 1.5 * BUCKETS;

const HALF = { value: 0.5, text: "1/2" };
const GROUPS = [
	{ key: "losses", names: ["d_loss", "g_loss"] },
	{ key: "decisions", names: ["d_real", "d_fake"], range: [0, 1], mark: HALF },
	{ key: "accuracies", names: ["d_accuracy_real", "d_accuracy_fake"], range: [0, 1], mark: HALF },
	{ key: "gradients", names: ["d_gradient_norm", "g_gradient_norm"], log: true },
	{ key: "penalties", names: ["d_penalty", "path_length_penalty"] },
	{ key: "spread", names: ["sample_spread", "real_spread", "sample_change"] },
	{ key: "variety", names: ["sample_rank", "real_rank"] },
	{ key: "other", names: [] },
	{ key: "speed", names: ["images_per_sec"] },
];
const SHORT = {
	d_loss: "D", g_loss: "G", d_real: "D(x)", d_fake: "D(G(z))", d_accuracy_real: "x", d_accuracy_fake: "G(z)", d_gradient_norm: "D", g_gradient_norm: "G",
	d_penalty: "D", path_length_penalty: "PL", sample_spread: "G(z)", real_spread: "x", sample_rank: "G(z)", real_rank: "x",
};
const TONES = {
	d_loss: "d", d_gradient_norm: "d", g_loss: "g", g_gradient_norm: "g", d_real: "real", d_accuracy_real: "real", real_spread: "real",
	d_fake: "fake", d_accuracy_fake: "fake", sample_spread: "fake", sample_change: "d", sample_rank: "fake", real_rank: "real", d_penalty: "d", path_length_penalty: "g",
};

/** The slider that all charts share, and what it says. */
export function smoothing(changed) {
	const [slider, shown] = sliding("smoothing", { min: 0, max: 0.98, step: 0.02 }, remembered("smoothing", "0.6"), (weight) => {
		remember("smoothing", weight);
		changed();
	});
	return { element: labelled(say("smoothing"), slider, shown), weight: () => Number(slider.value) };
}

/** The section, at once and with empty charts, and `load`, which fills them. */
export function charts(run) {
	const all = new Map();
	const grid = element("div", { class: "charts" });
	const count = element("p", { class: "muted", id: "point-count", role: "status" });
	const smooth = smoothing(() => all.forEach((one) => one.smoothBy(smooth.weight())));
	let zoom = [null, null];
	let data = { step: [], kimg: [], time: [], series: Object.fromEntries(run.detail.scalars.map((name) => [name, { mean: [], low: [], high: [] }])) };
	let asked = new AbortController();
	let loading = false;

	function chart(group) {
		if (all.has(group.key)) return all.get(group.key);
		const made = new Chart({
			key: group.key, title: say(`group_${group.key}`), log: group.log, range: group.range, mark: group.mark, signal: run.signal,
			zoomed: (from, to) => {
				zoom = [from, to];
				load().catch(() => {});
			},
			pointed: (x) => all.forEach((one) => one.point(x)),
		});
		if (all.size === 0) grid.replaceChildren();
		all.set(group.key, made);
		// The order of the groups, whichever comes first.
		const after = GROUPS.slice(GROUPS.indexOf(group) + 1).map(({ key }) => all.get(key)).find(Boolean);
		grid.insertBefore(made.element, after?.element ?? null);
		return made;
	}

	function showAll() {
		const names = Object.keys(data.series).filter((name) => run.detail.scalars.includes(name) || data.series[name].mean.some((value) => value !== null));
		const grouped = new Set(GROUPS.flatMap((group) => group.names));
		for (const group of GROUPS) {
			const mine = group.key === "other" ? names.filter((name) => !grouped.has(name)) : group.names.filter((name) => names.includes(name));
			if (mine.length === 0) continue;
			chart(group).show(mine.map((name, place) => ({
				name, label: scalarName(name), short: SHORT[name] ?? "", tone: `tone-${TONES[name] ?? place}`, x: data.kimg, ...data.series[name],
			})), zoom, smooth.weight());
		}
		count.textContent = say(data.kimg.length === 1 ? "onePoint" : "points", { count: whole(data.kimg.length) });
	}
	const showSoon = nextFrame(showAll);

	async function load() {
		asked.abort();
		asked = new AbortController();
		loading = true;
		// The log counts steps, the axis thousands of images; a step has always as many images.
		const rate = data.kimg.length > 0 && data.kimg.at(-1) > 0 ? data.step.at(-1) / data.kimg.at(-1) : run.detail.step / run.detail.kimg;
		const [from, to] = zoom;
		const range = from === null ? {} : { from: Math.max(0, Math.floor(from * rate)), to: Math.ceil(to * rate) };
		const { signal } = asked;
		try {
			data = await scalars(run.id, { points: BUCKETS, ...range }, AbortSignal.any([signal, run.signal]));
			showAll();
		} finally {
			if (!signal.aborted) loading = false;
		}
	}

	function append(line) {
		if (loading || zoom[0] !== null) return;
		const values = { ...line.values, images_per_sec: line.images_per_sec };
		const strange = Object.keys(values).some((name) => !(name in data.series));
		if (strange || data.step.length >= TOO_MANY || line.step <= data.step.at(-1)) {
			load().catch(() => {});
			return;
		}
		for (const key of ["step", "kimg", "time"]) data[key].push(line[key]);
		for (const [name, series] of Object.entries(data.series)) {
			for (const key of ["mean", "low", "high"]) series[key].push(values[name] ?? null);
		}
		showSoon();
	}

	run.hear("scalars", append);
	run.hear("again", () => load().catch(() => {}));
	showAll();
	if (all.size === 0) grid.append(element("p", { class: "muted" }, say("noScalars")));
	const section = element("section", { id: "charts", "aria-labelledby": "charts-title" },
		element("div", { class: "section-head" }, element("h2", { id: "charts-title" }, say("charts")), count, smooth.element),
		element("p", { class: "muted how" }, say("chartsHow")), grid);
	return { section, load };
}
