// A run at a glance: film, numbers, doctor, charts, measurements, configuration, events, files.
import { charts } from "./charts.js";
import { doctor } from "./doctor.js";
import { element, scrolled, section, table, withCode } from "./dom.js";
import { film } from "./film.js";
import { measurements } from "./metrics.js";
import { duration, interval, kimg, moment, number, whole } from "./numbers.js";
import { fileAddress, records } from "./server.js";
import { eventSentence, say } from "./words.js";

const EVENTS_SHOWN = 300;

function facts(run) {
	const list = element("dl", { class: "facts", id: "facts" });
	const show = () => {
		const { detail: told } = run;
		const { card } = told;
		const { d_real: real, d_fake: fake } = told.latest ?? {};
		const rows = card ? [
			[say("network"), card.name],
			[say("source"), card.source],
			[say("licence"), card.licence || say("noLicence")],
			[say("imported"), moment(told.started)],
		] : [
			[say("step"), told.total_steps ? say("ofAll", { done: whole(told.step), all: whole(told.total_steps) }) : whole(told.step)],
			told.state === "running" && [say("eta"), duration(told.eta_secs)],
			[say("speed"), told.images_per_sec ? say("imagesPerSecond", { count: number(told.images_per_sec) }) : "–"],
			real !== undefined && ["D(x)", number(real)],
			fake !== undefined && ["D(G(z))", number(fake)],
			told.metric && [told.metric.title, interval(told.metric)],
			told.parameters && [say("parameters"), Object.entries(told.parameters).map(([name, count]) => `${name} ${whole(count)}`).join(", ")],
			[say("started"), moment(told.started)],
			[say("changed"), moment(told.changed)],
		].filter(Boolean);
		list.replaceChildren(...rows.map(([term, value]) => element("div", {}, element("dt", {}, term), element("dd", {}, value))));
	};
	show();
	for (const kind of ["summary", "scalars", "again"]) run.hear(kind, show);
	return list;
}

function configuration(run) {
	const { changes, config, paper } = run.detail;
	const code = (text) => element("code", {}, text);
	const differences = scrolled(say("differences"), table(["key", "value", "default"].map((key) => say(key)),
		changes.map(({ key, value, default: usual }) => [key, value, usual ?? "–"].map(code))));
	return section("config", say("config"), { class: "panel" },
		paper && element("p", { class: "muted", lang: "en" }, paper),
		changes.length > 0 ? differences : !run.detail.broken && element("p", {}, say("allDefaults")),
		element("details", {}, element("summary", {}, say("wholeConfig")),
			element("pre", { tabindex: 0, role: "group", "aria-label": "config.toml" }, code(config))));
}

/** The records as sentences, the newest first; a row of previews is one. */
function sentences(all, { card }) {
	const rows = [];
	for (const record of all) {
		if (card && record.event === "finished") continue; // there was no training
		const last = rows.at(-1);
		if (record.event === "preview" && last?.record.event === "preview") Object.assign(last, { to: record, count: last.count + 1 });
		else rows.push({ record, to: record, count: 1 });
	}
	return rows.reverse().flatMap((row) => {
		const sentence = eventSentence(row);
		return sentence ? [{ ...row, sentence }] : [];
	});
}

function events(run, heard) {
	const list = element("ol", { class: "plain events", reversed: true });
	const none = element("p", { class: "muted" }, say("noEvents"));
	heard((all) => {
		none.hidden = all.length > 0;
		list.replaceChildren(...sentences(all, run.detail).slice(0, EVENTS_SHOWN).map(({ to, sentence }) => element("li", {},
			element("span", { class: "muted" }, run.detail.card ? "" : kimg(to.kimg)),
			element("span", {}, ...withCode(sentence.text, run.detail.path), sentence.foreign && element("span", { lang: "en" }, ` ${sentence.foreign}`)),
			element("time", { class: "muted", datetime: new Date(to.time * 1000).toISOString() }, moment(to.time)))));
	});
	return section("events", say("events"), { class: "panel" }, none, scrolled(say("events"), list));
}

function downloads(run) {
	const list = element("ul", { class: "downloads" });
	const show = () => {
		const { checkpoints, previews } = run.detail;
		const files = ["config.toml", "events.jsonl"];
		if (checkpoints.length > 0) files.push(`checkpoints/${checkpoints[0]}/model.safetensors`);
		if (previews.length > 0) files.push(previews.at(-1).path);
		list.replaceChildren(...files.map((name) => element("li", {}, element("a", { href: fileAddress(run.id, name, true), download: name.split("/").pop() }, name))));
	};
	show();
	run.hear("record", show);
	run.hear("again", show);
	return section("downloads", say("downloads"), { class: "panel" }, list);
}

export async function overview(body, run) {
	let all = [];
	const hearers = [];
	const heard = (act) => { hearers.push(act); };
	const tell = () => hearers.forEach((act) => act(all));
	const load = async () => {
		all = await records(run.id, run.signal);
		tell();
	};

	const curves = charts(run);
	const parts = [
		element("div", { class: "pair" }, configuration(run), element("div", {}, events(run, heard), downloads(run))),
	];
	if (run.detail.card) parts.unshift(facts(run));
	else parts.unshift(element("div", { class: "stage" }, film(run), element("div", { class: "beside" }, facts(run), doctor(run))), curves.section, measurements(heard, run.signal));
	run.hear("record", (record) => {
		if (all.length > 0 && record.number <= all.at(-1).number) return;
		all.push(record);
		tell();
	});
	run.hear("again", () => load().catch(() => {}));
	// Put in once the records are there: what they say moves nothing then.
	await load();
	body.append(...parts);
	if (!run.detail.card) await curves.load();
}
