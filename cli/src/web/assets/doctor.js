// What the doctor found: each illness as the latest look showed it, what comes of it and what to try.
import { element, section } from "./dom.js";
import { number, whole } from "./numbers.js";
import { diagnosisAdvice, diagnosisFound, diagnosisName, say, scalarName } from "./words.js";

/** From when to when; the same in the list of runs. */
export const since = ({ since_step: from, ended_step: to }) => (to
	? say("fromToStep", { from: whole(from), to: whole(to) })
	: say("sinceStep", { step: whole(from) }));

const told = (term, sentence) => (sentence ? [element("dt", {}, term), element("dd", sentence.foreign ? { lang: "en" } : {}, sentence.text)] : []);

/** What a look found, in the reader's language: with its numbers as that writes them. */
function found(name, look) {
	const ours = diagnosisFound(name);
	if (!ours) return { text: look.sentence, foreign: true };
	const layer = look.sentence.match(/that of (.+) \w+ most|units of (.+)\.$/);
	const values = { ...look.evidence, layer: layer?.[1] ?? layer?.[2] };
	const value = (key, percent) => (key === "layer" ? values[key] : percent ? `${number(100 * values[key])} %` : number(values[key]));
	// A part between bars is left out where the look has not its numbers.
	const parts = ours.split("|").filter((part) => [...part.matchAll(/\{(\w+)/g)].every(([, key]) => values[key] !== undefined));
	return { text: parts.join("").replace(/\{(\w+)(%?)\}/g, (_, key, percent) => value(key, percent)) };
}

function card(one) {
	const { leadsTo, remedy } = diagnosisAdvice(one);
	const [now, then] = [one, one.first].map((look) => found(one.name, look));
	const sentence = ({ text, foreign }, before) => element("p", {}, before, element("span", foreign ? { lang: "en" } : {}, text));
	return element("li", { class: one.ended ? "diagnosis ended" : "diagnosis", "data-diagnosis": one.name },
		element("h3", {}, diagnosisName(one.name)),
		element("p", { class: "muted" }, since(one)),
		sentence(now),
		element("dl", { class: "told" }, ...told(say("leadsTo"), leadsTo), ...told(say("whatToTry"), remedy)),
		element("details", {}, element("summary", {}, say("evidence")),
			element("dl", { class: "pairs" }, ...Object.entries(one.evidence).map(([name, value]) =>
				element("div", {}, element("dt", {}, scalarName(name)), element("dd", {}, number(value))))),
			then.text !== now.text && sentence(then, say("whenFound", { step: whole(one.found_step) }))));
}

export function doctor(run) {
	const list = element("ul", { class: "plain" });
	const well = element("p", { class: "well" });
	const panel = section("doctor", say("doctor"), { class: "panel doctor" }, well, list);
	const show = () => {
		const { illnesses, state } = run.detail;
		const ill = illnesses.some((one) => !one.ended);
		panel.classList.toggle("ill", ill);
		well.textContent = ill ? "" : say(state === "waiting" ? "nothingToJudge" : illnesses.length ? "allPassed" : "noDiagnosis");
		well.hidden = ill;
		list.replaceChildren(...illnesses.toSorted((a, b) => a.ended - b.ended || b.since_step - a.since_step).map(card));
	};
	show();
	for (const kind of ["illnesses", "summary", "again"]) run.hear(kind, show);
	return panel;
}
