// What the doctor found: each illness with its evidence, what comes of it and what to try.
import { element, section } from "./dom.js";
import { number, whole } from "./numbers.js";
import { diagnosisAdvice, diagnosisName, say, scalarName } from "./words.js";

/** The diagnoses of the records, the newest first; one that has passed is closed by its record with `ended`. */
export function diagnoses(records) {
	let all = [];
	for (const record of records) {
		// What a run went back behind was not.
		if (record.event === "resumed" || record.event === "started") all = all.filter((one) => one.step <= record.step);
		if (record.event !== "diagnosis") continue;
		const open = all.findLast((one) => one.name === record.name && !one.endedAt);
		if (record.ended) {
			if (open) open.endedAt = record.step;
			else all.push({ ...record, endedAt: record.step });
		} else if (open) Object.assign(open, record);
		else all.push({ ...record });
	}
	return all.sort((a, b) => Boolean(a.endedAt) - Boolean(b.endedAt) || b.step - a.step);
}

function told(term, sentence) {
	return sentence ? [element("dt", {}, term), element("dd", sentence.foreign ? { lang: "en" } : {}, sentence.text)] : [];
}

function card(one) {
	const evidence = Object.entries(one.evidence ?? {}).filter(([, value]) => value !== null);
	const { leadsTo, remedy } = diagnosisAdvice(one);
	return element("li", { class: one.endedAt ? "diagnosis ended" : "diagnosis", "data-diagnosis": one.name },
		element("h3", {}, diagnosisName(one.name)),
		element("p", { class: "muted" }, one.endedAt
			? say("fromToStep", { from: whole(one.since_step ?? one.step), to: whole(one.endedAt) })
			: say("sinceStep", { step: whole(one.since_step ?? one.step) })),
		element("p", { lang: "en" }, one.sentence),
		element("dl", { class: "told" }, ...told(say("leadsTo"), leadsTo), ...told(say("whatToTry"), remedy)),
		evidence.length > 0 && element("details", {}, element("summary", {}, say("evidence")),
			element("dl", { class: "pairs" }, ...evidence.map(([name, value]) =>
				element("div", {}, element("dt", { title: name }, scalarName(name)), element("dd", {}, number(value)))))));
}

export function doctor(run, heard) {
	const list = element("ul", { class: "plain" });
	const well = element("p", { class: "well" });
	const panel = section("doctor", say("doctor"), { class: "panel doctor" }, well, list);
	const show = (records) => {
		const all = diagnoses(records);
		const ill = all.some((one) => !one.endedAt);
		panel.classList.toggle("ill", ill);
		well.textContent = ill ? "" : say(run.detail.state === "waiting" ? "nothingToJudge" : all.length ? "allPassed" : "noDiagnosis");
		well.hidden = ill;
		list.replaceChildren(...all.map(card));
	};
	heard(show);
	return panel;
}
