// "How a GAN works": the story of forger and policeman beside what this run's two networks are doing now.
import { element } from "./dom.js";
import { losses, networks, scale } from "./figures.js";
import { fixed, number, whole } from "./numbers.js";
import { FIGURES, NOTES, OTHER_LOSSES, STORY } from "./story.js";
import { chosen, say } from "./words.js";

const LOG2 = Math.log(2);
/** Closer to 1/2 than this, both of them, D can hardly tell; further than FAR, it nearly always can. */
const NEAR = 0.1;
const FAR = 0.4;

/** Which game a run plays, by its recipe: how D is judged and how G is. */
function rules({ game, batch }) {
	const crossed = ["minimax", "non_saturating"].includes(game?.discriminator);
	return {
		loss: crossed ? "cross_entropy" : game?.discriminator in OTHER_LOSSES ? game.discriminator : "unknown",
		generator: crossed ? game.generator : null,
		halved: game?.is_halved,
		target: game?.real_label ?? 1,
		batch: batch ?? NaN,
	};
}

/** D's loss at one answer for all real samples and one for all fake ones. */
function lossOfD(real, fake, { target, halved }) {
	const sum = -target * Math.log(real) - (target < 1 ? (1 - target) * Math.log(1 - real) : 0) - Math.log(1 - fake);
	return halved ? sum / 2 : sum;
}

/** Every number that the story may name, as words. */
function numbers(detail, game) {
	const { d_real: real, d_fake: fake, d_loss, g_loss } = detail.latest ?? {};
	const said = {
		log2: fixed(LOG2, 3), log4: fixed(2 * LOG2, 3), step: whole(detail.step), batch: Number.isNaN(game.batch) ? "–" : whole(game.batch),
		d_loss: number(d_loss), g_loss: number(g_loss), target: number(game.target), target_half: number(game.target / 2),
		target_loss: fixed(lossOfD(game.target / 2, game.target / 2, game), 3),
		parameters: Object.entries(detail.parameters ?? {}).map(([name, count]) => `${name} ${whole(count)}`).join(", "),
	};
	if (real === undefined || fake === undefined) return said;
	const far = Math.max(Math.abs(real - 0.5), Math.abs(fake - 0.5));
	return Object.assign(said, {
		d_real: number(real), d_fake: number(fake), term_real: number(-Math.log(real)), term_fake: number(-Math.log(1 - fake)),
		sum: number(-Math.log(real) - Math.log(1 - fake)), reckoned: number(lossOfD(real, fake, game)),
		g_minimax: number(Math.log(1 - fake)), g_non_saturating: number(-Math.log(fake)), pull: number(1 - fake), ratio: number((1 - fake) / fake, 2),
		off_real: number(Math.abs(real - 0.5)), off_fake: number(Math.abs(fake - 0.5)),
		verdict: chosen(NOTES[far > FAR ? "verdictFar" : far > NEAR ? "verdictMiddle" : "verdictNear"]),
	});
}

/** Numbers that never change are part of the sentence. */
const STILL = new Set(["log2", "log4", "target", "target_half", "target_loss", "batch", "parameters", "verdict"]);

/** The nodes of a sentence with its marks; numbers of the run keep their name, to be changed later. */
function rich(pair, said) {
	const value = (name) => element("span", { "data-live": name, class: STILL.has(name) ? null : "live" }, said[name] ?? "–");
	const parts = (words) => words.split(/(\{\w+\})/).map((part) => (/^\{\w+\}$/.test(part) ? value(part.slice(1, -1)) : part));
	return chosen(pair).split(/(\*[^*]+\*|\$[^$]+\$)/).map((part) => {
		if (/^\*.*\*$/.test(part)) return element("em", {}, ...parts(part.slice(1, -1)));
		if (/^\$.*\$$/.test(part)) return element("span", { class: "formula", translate: "no" }, ...parts(part.slice(1, -1).replaceAll("-", "−")));
		return parts(part);
	}).flat();
}

function open(key) {
	const title = document.getElementById(`learn-${key}-title`);
	title?.scrollIntoView();
	title?.focus({ preventScroll: true });
}

/** Writes the chapter into `body`; gives a function that brings its numbers up to date, and whether it has any. */
function lesson(body, run) {
	const game = rules(run.detail);
	const crossed = game.loss === "cross_entropy";
	let said = numbers(run.detail, game);
	const known = said.d_real !== undefined;
	const filling = known && crossed;
	const words = Object.fromEntries(Object.entries(FIGURES).map(([key, pair]) => [key, chosen(pair)]));
	const filled = (sentence) => sentence.replace(/\{(\w+)\}/g, (_, name) => said[name] ?? "–");
	const paragraph = (pair) => element("p", {}, ...rich(pair, said));
	const display = (...formula) => element("p", { class: "display", translate: "no" }, ...formula);
	const live = (name) => element("span", { class: "live", "data-live": name }, said[name] ?? "–");
	const scales = [scale(words), scale(words)];
	const pulls = losses(words);

	const extra = {
		networks: () => [networks(words), run.detail.parameters && paragraph(NOTES.parameters)],
		discriminator: () => [
			display("−log D(x) − log(1 − D(G(z)))"),
			!crossed && paragraph(NOTES.originalOnly),
			!known && crossed && paragraph(NOTES.noNumbers),
			filling && element("div", { class: "worked", id: "worked-d" },
				paragraph(NOTES.nowD),
				display("−log ", live("d_real"), " − log(1 − ", live("d_fake"), ") = ", live("term_real"), " + ", live("term_fake"), " = ", live("sum")),
				paragraph(NOTES.loggedD),
				element("details", {}, element("summary", {}, chosen(NOTES.whyOther)),
					element("ul", {}, ...[game.halved && NOTES.halved, game.target < 1 && NOTES.target, NOTES.jensen].filter(Boolean).map((pair) => element("li", {}, ...rich(pair, said)))),
					(game.halved || game.target < 1) && paragraph(NOTES.reckoned))),
			filling && scales[0].figure,
		],
		generator: () => [
			element("h3", {}, chosen(NOTES.minimaxTitle)), display("min log(1 − D(G(z)))"), filling && paragraph(NOTES.minimax),
			element("h3", {}, chosen(NOTES.nonSaturatingTitle)), display("min −log D(G(z))"), filling && paragraph(NOTES.nonSaturating),
			pulls.figure, paragraph(NOTES.gradients), filling && paragraph(NOTES.gradientsNow),
			paragraph(game.generator === "minimax" ? NOTES.usesMinimax : game.generator === "non_saturating" ? NOTES.usesNonSaturating : NOTES.usesOther),
		],
		equilibrium: () => [
			filling && scales[1].figure, paragraph(NOTES.atEquilibrium),
			crossed && game.halved && paragraph(NOTES.equilibriumHalved), crossed && game.target < 1 && paragraph(NOTES.equilibriumTarget),
			filling && paragraph(NOTES.distance), paragraph(NOTES.seldom),
		],
	};

	const address = `#/run/${encodeURIComponent(run.id)}/learn`;
	const contents = element("nav", { class: "contents", "aria-label": say("contents") }, element("ol", {}, ...Object.entries(STORY).map(([key, { title }]) =>
		element("li", {}, element("a", { href: `${address}/${key}`, onclick: (event) => {
			// The chapter is here already: no need to build the page again.
			event.preventDefault();
			history.replaceState(history.state, "", `${address}/${key}`);
			open(key);
		} }, chosen(title))))));
	const chapters = Object.entries(STORY).map(([key, part]) => element("section", { id: `learn-${key}`, "aria-labelledby": `learn-${key}-title` },
		element("h2", { id: `learn-${key}-title`, tabindex: -1 }, chosen(part.title)),
		...(part.text ?? []).map(paragraph),
		part.steps && element("ol", {}, ...part.steps.map((pair) => element("li", {}, ...rich(pair, said)))),
		part.items && element("ul", {}, ...part.items.map((pair) => element("li", {}, ...rich(pair, said)))),
		...(extra[key]?.() ?? []),
		...(part.after ?? []).map(paragraph)));

	function show() {
		said = numbers(run.detail, game);
		for (const span of body.querySelectorAll("[data-live]")) span.textContent = said[span.dataset.live] ?? "–";
		if (!filling) return;
		const { d_real, d_fake } = run.detail.latest;
		for (const one of scales) one.move(d_real, d_fake, filled(words.scaleAlt));
		pulls.move(d_fake, filled(`${words.lossesAlt} ${words.lossesNow}`));
	}

	const other = !crossed && element("div", { class: "hint" }, paragraph(OTHER_LOSSES[game.loss]), known && paragraph(NOTES.scores));
	body.replaceChildren(element("div", { class: "lesson" }, contents,
		element("article", {}, element("p", { class: "lead" }, chosen(NOTES.intro)), other, ...chapters)));
	show();
	return { known, show };
}

export function learning(body, run, section) {
	let told = lesson(body, run);
	if (section) open(section);
	const show = () => {
		// With the first numbers, the formulas have something to be filled with.
		if (!told.known && run.detail.latest?.d_real !== undefined) told = lesson(body, run);
		else told.show();
	};
	run.hear("scalars", show);
	run.hear("again", show);
}
