// The list of runs: a card for each, kept up to date, and a choice of several to compare.
import { drawn, element, word } from "./dom.js";
import { listen } from "./live.js";
import { duration, interval, kimg, share } from "./numbers.js";
import { Picture } from "./picture.js";
import { about, fileAddress, runs } from "./server.js";
import { since } from "./doctor.js";
import { diagnosisName, say } from "./words.js";

const SHAPES = {
	running: "M4 2.5v11l9-5.5z",
	finished: "M2.5 8.5l3.5 3.5 7.5-8",
	stopped: "M3.5 3.5h9v9h-9z",
	failed: "M3 3l10 10M13 3L3 13",
	killed: "M8 2.5a5.5 5.5 0 1 1-.01 0zM4.2 4.2l7.6 7.6",
	imported: "M8 2.5v8M4.5 7.5L8 11l3.5-3.5M3 13.5h10",
	broken: "M3 3l10 10M13 3L3 13",
	waiting: "M8 2.5a5.5 5.5 0 1 1-.01 0zM8 5v3.2l2.2 1.6",
};

/** The state in a shape, a word and a colour. */
export function badge(state) {
	const figure = drawn("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, drawn("path", { d: SHAPES[state] ?? SHAPES.waiting }));
	return element("span", { class: `badge ${state}` }, figure, say(`state_${state}`));
}

/** How far a run is, as a bar and in words; where an imported network comes from. */
export function progress(summary) {
	if (summary.state === "imported") return element("p", { class: "muted" }, sourceOf(summary.card));
	if (summary.state === "broken") return null;
	const done = summary.total_steps ? Math.min(1, summary.step / summary.total_steps) : 0;
	const bar = element("progress", { max: 1, value: done, "aria-label": say("progress") });
	const words = [summary.total_kimg ? say("ofAll", { done: kimg(summary.kimg), all: kimg(summary.total_kimg) }) : kimg(summary.kimg)];
	if (summary.total_steps) words.push(share(done));
	if (summary.state === "running") words.push(say("left", { time: duration(summary.eta_secs) }));
	return element("div", { class: "progress" }, bar, element("p", {}, words.join(" · ")));
}

/** Where an imported network comes from and under which licence. */
export const sourceOf = (card) => say("from", { source: card.source, licence: card.licence || say("noLicence") });

class Card {
	constructor(summary, chosen) {
		const { id } = summary;
		this.box = element("input", { type: "checkbox", value: id, "aria-label": say("chooseRun", { run: id }), onchange: chosen });
		this.picture = new Picture(null);
		this.body = element("div", { class: "card-body" });
		const link = element("a", { href: `#/run/${encodeURIComponent(id)}`, class: "card-name" }, id);
		this.title = element("h2", {}, link);
		this.element = element("li", { class: "card", "data-run": id },
			this.picture.frame, element("div", { class: "card-head" }, this.title, element("label", { class: "choose" }, this.box)), this.body);
		this.show(summary);
	}

	show(summary) {
		this.summary = summary;
		if (summary.preview) this.picture.show(fileAddress(summary.id, summary.preview), say("lastPreviewOf", { run: summary.id }));
		else this.picture.say(say(summary.card ? "importedNetwork" : "noPreviewYet"));
		const { metric, illness } = summary;
		const parts = [
			element("p", { class: "card-recipe" }, badge(summary.state), element("span", { lang: "en" }, summary.title)),
			progress(summary),
			metric && element("p", { class: "card-metric" }, element("span", {}, metric.title), " ", element("b", {}, interval(metric))),
			summary.broken && element("pre", { lang: "en" }, summary.broken),
			illness && element("p", { class: illness.ended ? "card-diagnosis ended" : "card-diagnosis" },
				element("b", {}, diagnosisName(illness.name)), " ", since(illness)),
		];
		this.body.replaceChildren(...parts.filter(Boolean));
	}
}

export async function runList(main, signal) {
	const cards = new Map();
	const list = element("ul", { class: "cards", id: "runs" });
	const compare = element("a", { class: "button primary", id: "compare" });
	const bar = element("div", { class: "comparing", role: "region", "aria-label": say("comparing"), hidden: true },
		element("p", { id: "chosen-count", role: "status" }), compare);
	document.title = `${say("runs")} · Ganvas`;
	const { folder } = await about(signal);

	function chosen() {
		const ids = [...cards.values()].filter((card) => card.box.checked).map((card) => card.summary.id);
		bar.hidden = ids.length === 0;
		bar.firstChild.textContent = ids.length === 1 ? say("chosenOne") : say("chosenMany", { count: ids.length });
		compare.textContent = say("compareThem");
		compare.hidden = ids.length < 2;
		compare.href = `#/compare/${ids.map(encodeURIComponent).join(",")}`;
	}

	function put(summaries) {
		const known = new Set(summaries.map((summary) => summary.id));
		for (const [id, card] of cards) {
			if (known.has(id)) continue;
			card.element.remove();
			cards.delete(id);
		}
		summaries.forEach((summary, place) => {
			const card = cards.get(summary.id);
			if (card) card.show(summary);
			else cards.set(summary.id, new Card(summary, chosen));
			const { element: item } = cards.get(summary.id);
			if (list.children[place] !== item) list.insertBefore(item, list.children[place] ?? null);
		});
		empty.hidden = cards.size > 0;
		list.hidden = cards.size === 0;
		chosen();
	}

	const empty = element("div", { class: "empty", id: "empty" },
		element("h2", {}, say("noRuns")), element("p", {}, say("noRunsHow")),
		element("pre", {}, element("code", {}, `ganvas train mnist --runs ${word(folder)}`)), element("p", {}, say("noRunsThen")));
	empty.hidden = true;
	main.append(element("h1", {}, say("runs")), element("p", { class: "muted", id: "folder" }, say("inFolder"), " ", element("code", {}, folder)), empty, list, bar);

	const load = async () => put(await runs(signal));
	await load();
	listen(null, {
		runs: (summary) => {
			if (cards.has(summary.id)) cards.get(summary.id).show(summary);
			else load().catch(() => {});
		},
		again: () => load().catch(() => {}),
	}, signal);
}
