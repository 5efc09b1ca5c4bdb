// What was measured: a chart for each number, and its passport with every key.
import { Chart } from "./chart.js";
import { element, scrolled, section, table } from "./dom.js";
import { kimg, number } from "./numbers.js";
import { say } from "./words.js";

/** A passport's keys and those of what is in it, each under its whole name. */
function flat(value, prefix = "") {
	if (value === null || value === undefined) return [];
	if (typeof value !== "object") return [[prefix, typeof value === "number" ? number(value, 6) : String(value)]];
	return Object.entries(value).flatMap(([key, inner]) => flat(inner, prefix === "" ? key : `${prefix}.${key}`));
}

const nameOf = (passport) => {
	const features = typeof passport.features === "string" ? passport.features : passport.by?.features;
	return [features, passport.metric, passport.quantity].filter(Boolean).join(" ");
};

export function measurements(heard, signal) {
	const charts = new Map();
	const grid = element("div", { class: "charts" });
	const tables = element("div", { class: "passports" });
	const place = section("metrics", say("measurements"), { hidden: true }, element("p", { class: "muted how" }, say("intervalMeans")), grid, tables);

	function curves(measured) {
		const series = new Map();
		for (const record of measured) {
			for (const passport of record.passports ?? []) {
				const name = nameOf(passport);
				if (!series.has(name)) series.set(name, { name, label: name, short: "", tone: `tone-${series.size % 8}`, x: [], mean: [], low: [], high: [] });
				const one = series.get(name);
				one.x.push(record.kimg);
				one.mean.push(passport.value);
				one.low.push(passport.low ?? null);
				one.high.push(passport.high ?? null);
			}
		}
		for (const [name, one] of series) {
			if (one.x.length < 2) continue;
			if (!charts.has(name)) {
				const key = `metric-${name.replaceAll(/[^\w-]+/g, "-")}`;
				const chart = new Chart({ key, title: name, signal, zoomed: (from, to) => chart.show([one], [from, to], 0), pointed: (x) => chart.point(x) });
				charts.set(name, chart);
				grid.append(chart.element);
			}
			charts.get(name).show([one], [null, null], 0);
		}
	}

	heard((records) => {
		const measured = records.filter((record) => record.event === "metrics");
		place.hidden = measured.length === 0;
		if (measured.length === 0) return;
		curves(measured);
		const newest = measured.at(-1);
		tables.replaceChildren(
			element("h3", {}, say("passportsAt", { kimg: kimg(newest.kimg) })),
			...(newest.passports ?? []).map((passport) => element("details", {},
				element("summary", {}, nameOf(passport), " ", element("b", {}, `${number(passport.value)} [${number(passport.low)} ${say("to")} ${number(passport.high)}]`)),
				scrolled(nameOf(passport), table([], flat(passport).map(([key, value]) => [element("code", {}, key), value]))))));
	});
	return place;
}
