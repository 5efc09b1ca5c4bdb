// One scalar of several runs in one chart.
import { Chart } from "./chart.js";
import { smoothing } from "./charts.js";
import { element, labelled, remember, remembered, scrolled, table } from "./dom.js";
import { listen } from "./live.js";
import { number } from "./numbers.js";
import { badge } from "./runs.js";
import { detail, scalars } from "./server.js";
import { say, scalarName } from "./words.js";

const BUCKETS = 600;
const PAUSE = 5000;

export async function comparison(main, ids, signal) {
	document.title = `${say("comparing")} · Ganvas`;
	const answers = await Promise.allSettled(ids.map((id) => detail(id, signal)));
	signal.throwIfAborted();
	const known = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
	if (known.length === 0) throw answers[0].reason;
	const names = [...new Set(known.flatMap((one) => one.scalars))].sort();
	const wanted = remembered("compared", "d_loss");
	const choice = element("select", { id: "scalar", onchange: () => {
		remember("compared", choice.value);
		load().catch(() => {});
	} }, ...names.map((name) => element("option", { value: name, selected: name === wanted }, scalarName(name))));
	const smooth = smoothing(() => chart.smoothBy(smooth.weight()));
	const data = new Map();
	let zoom = [null, null];
	const chart = new Chart({
		key: "compare", title: say("comparing"), level: "h2", signal,
		zoomed: (from, to) => {
			zoom = [from, to];
			load().catch(() => {});
		},
		pointed: (x) => chart.point(x),
	});
	chart.element.classList.add("large");

	function show() {
		chart.call(scalarName(choice.value));
		chart.show(known.map(({ id }, place) => {
			const one = data.get(id);
			const series = one?.series[choice.value] ?? { mean: [], low: [], high: [] };
			return { name: id, label: id, short: id.match(/^\d+/)?.[0] ?? "", tone: `tone-${place % 8}`, x: series.mean.length > 0 ? one.kimg : [], ...series };
		}), zoom, smooth.weight());
	}

	async function ask(one) {
		if (!one.scalars.includes(choice.value)) return data.delete(one.id);
		const rate = one.step / one.kimg;
		const range = zoom[0] === null ? {} : { from: Math.max(0, Math.floor(zoom[0] * rate)), to: Math.ceil(zoom[1] * rate) };
		return data.set(one.id, await scalars(one.id, { names: choice.value, points: BUCKETS, ...range }, signal));
	}

	async function load() {
		await Promise.all(known.map(ask));
		show();
	}

	const missing = ids.filter((id) => !known.some((one) => one.id === id));
	const row = (one, place) => [
		[element("i", { class: `swatch tone-${place % 8}` }), element("a", { href: `#/run/${encodeURIComponent(one.id)}` }, one.id)],
		badge(one.state),
		one.broken ? say("state_broken") : one.changes.length === 0 ? say("allDefaults") : element("span", { lang: "en" }, one.changes.map(({ key, value }) => `${key} = ${value}`).join(", ")),
		one.metric ? `${one.metric.title} ${number(one.metric.value)}` : "–",
	];
	main.append(
		element("nav", { "aria-label": say("whereYouAre") }, element("a", { href: "#/" }, `← ${say("runs")}`)),
		element("h1", {}, say("comparing")),
		...(missing.length > 0 ? [element("p", { class: "hint" }, say("notThere", { runs: missing.join(", ") }))] : []),
		element("div", { class: "section-head" }, labelled(say("scalar"), choice), smooth.element),
		chart.element,
		scrolled(say("comparedRuns"), table(["run", "state", "differences", "metric"].map((key) => say(key)), known.map(row), { class: "compared" })));
	await load();

	const asked = new Map();
	listen(null, {
		runs: (summary) => {
			const one = known.find(({ id }) => id === summary.id);
			if (!one || zoom[0] !== null || Date.now() - (asked.get(one.id) ?? 0) < PAUSE) return;
			asked.set(one.id, Date.now());
			Object.assign(one, summary);
			ask(one).then(show, () => {});
		},
		again: (first) => first || load().catch(() => {}),
	}, signal);
}
