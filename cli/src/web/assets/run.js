// One run: its head, its three views, and the news that all of them hear.
import { element, withCode } from "./dom.js";
import { learning } from "./learn.js";
import { listen } from "./live.js";
import { overview } from "./overview.js";
import { play } from "./play.js";
import { badge, progress } from "./runs.js";
import { detail } from "./server.js";
import { say } from "./words.js";

const VIEWS = { "": overview, play, learn: learning };

/**
 * What the views share. Events: `summary` (it changed), `record`, `scalars` (new ones), `illnesses` (what is known of them) and `again` (`detail` was loaded
 * anew, and so must be all that a view keeps). A view that needs that tells `stale`.
 */
class Run extends EventTarget {
	constructor(told, signal) {
		super();
		this.id = told.id;
		this.detail = told;
		this.signal = signal;
	}

	hear(kind, act) {
		this.addEventListener(kind, (event) => act(event.detail), { signal: this.signal });
	}

	tell(kind, value) {
		this.dispatchEvent(new CustomEvent(kind, { detail: value }));
	}

	/** Takes a record into `detail`, as the server would tell it. */
	take(record) {
		const { previews, checkpoints } = this.detail;
		if (record.event === "preview" && previews.at(-1)?.path !== record.path) previews.push(record);
		if (record.event === "checkpoint") checkpoints.unshift(record.path.split("/").pop());
		this.tell("record", record);
	}
}

export async function run(main, id, tab, section, signal) {
	const shared = new Run(await detail(id, signal), signal);
	document.title = `${id} · Ganvas`;

	const state = element("div", { class: "run-state" });
	const headline = () => {
		const { detail: told } = shared;
		state.replaceChildren(...[badge(told.state), progress(told)].filter(Boolean));
		const strange = ["waiting", "killed", "failed", "broken", "imported"].includes(told.state);
		hint.replaceChildren(...(strange ? withCode(say(`hint_${told.state}`), told.path) : []),
			...(told.broken ? [element("pre", { lang: "en" }, told.broken)] : []));
		hint.hidden = !strange;
	};
	const hint = element("div", { class: "hint", id: "state-hint" });
	const address = `#/run/${encodeURIComponent(id)}`;
	// A network that others trained plays no game that one could watch.
	const tabs = Object.keys(VIEWS).filter((name) => name !== "learn" || !shared.detail.card).map((name) =>
		element("a", { href: name === "" ? address : `${address}/${name}`, "aria-current": name === tab ? "page" : null }, say(`view_${name}`)));
	main.append(
		element("header", { class: "run-head" },
			element("div", {},
				element("nav", { "aria-label": say("whereYouAre") }, element("a", { href: "#/" }, `← ${say("runs")}`)),
				element("h1", {}, id),
				element("p", { class: "muted", lang: "en" }, shared.detail.card ? shared.detail.title : shared.detail.title && `${shared.detail.title}. ${shared.detail.sentence}`)),
			state),
		hint,
		element("nav", { class: "tabs", "aria-label": say("views") }, ...tabs));
	headline();

	const again = async () => {
		shared.detail = await detail(id, signal);
		headline();
		shared.tell("again");
	};
	const body = element("div", { class: `view view-${tab || "overview"}` });
	main.append(body);
	await (VIEWS[tab] ?? overview)(body, shared, section);

	let asking = false;
	const reload = () => {
		if (asking) return;
		asking = true;
		again().catch(() => {}).finally(() => { asking = false; });
	};
	shared.hear("stale", reload);
	listen(id, {
		runs: (summary) => {
			if (summary.id !== id) return;
			Object.assign(shared.detail, summary);
			headline();
			shared.tell("summary", summary);
		},
		record: (record) => {
			// A run that began or went on has undone what came after its checkpoint.
			if (record.event === "started" || record.event === "resumed") reload();
			else shared.take(record);
		},
		illnesses: (illnesses) => {
			Object.assign(shared.detail, { illnesses });
			shared.tell("illnesses");
		},
		scalars: (line) => {
			Object.assign(shared.detail, { step: line.step, kimg: line.kimg, images_per_sec: line.images_per_sec });
			shared.detail.latest = { ...shared.detail.latest, ...line.values, images_per_sec: line.images_per_sec };
			shared.tell("scalars", line);
		},
		again: async (first) => {
			const { step, last_event_number: last } = shared.detail;
			const now = first ? await detail(id, signal).catch(() => null) : null;
			if (!first || (now !== null && (now.step !== step || now.last_event_number !== last))) reload();
		},
	}, signal);
}
