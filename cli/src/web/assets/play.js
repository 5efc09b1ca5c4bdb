// Playing with what a run has learned, by what its model takes: a picture; or a seed, the way between two, and breeding.
import { button, element, labelled, section, settled } from "./dom.js";
import { fixed, sliding, whole } from "./numbers.js";
import { Picture } from "./picture.js";
import { Skeleton } from "./pose.js";
import { sample, sampleAddress } from "./server.js";
import { fieldName, say } from "./words.js";

/** The gap and border of a grid of samples, in its own pixels. */
const GAP = 2;
const QUIET = 120;
const HIGHEST_SEED = 999_999_999;
/** How many points a plot of a model of points shows. */
const POINTS = 256;
/** What the longer side of a given picture may be brought to. */
const SIDES = [256, 512, 1024];

/** What was chosen for a run, for as long as the page is open: a change of language or view keeps it. */
const kept = new Map();

function begin(id) {
	if (!kept.has(id)) kept.set(id, { seed: 0, from: 3, to: 9, t: 0.5, checkpoint: "", width: 0.3, first: 0, chains: [], given: {}, side: 512, picture: null });
	return kept.get(id);
}

const hasNotes = (run) => run.detail.media === "notes";

/** What is asked for, by whatever checkpoint: a newer one of a run in training answers the same question. */
const question = (values) => JSON.stringify({ ...values, checkpoint: undefined });

/** A picture that is asked for: the last question wins, and the picture before it stays until there is another. */
class Asked extends Picture {
	constructor(run, name, fitted) {
		super(name, fitted);
		this.run = run;
		this.asking = new AbortController();
		if (hasNotes(run)) {
			Object.assign(this.frame.style, { aspectRatio: 2, background: "none" }); // as a roll
			this.audio = element("audio", { controls: true, preload: "none" });
			this.midi = element("a", {}, "MIDI");
			/** What belongs below the picture of one sample that can be heard. */
			this.sound = element("div", { class: "controls" }, this.audio, this.midi);
		}
		const soon = settled((...asked) => this.fetch(...asked), QUIET);
		this.ask = (...asked) => {
			this.frame.classList.add("asking");
			this.wanted = question(asked[0]);
			soon(...asked);
		};
	}

	/** Whether what one sees is not what was asked for last, by whatever checkpoint. */
	get stale() {
		return this.wanted !== this.seen;
	}

	async fetch(values, alt, picture) {
		this.asking.abort();
		this.asking = new AbortController();
		const { signal } = this.asking;
		try {
			const blob = await sample(this.run.id, values, AbortSignal.any([signal, this.run.signal]), picture);
			if (signal.aborted) return;
			this.seen = question(values);
			const before = this.image.getAttribute("src");
			this.show(URL.createObjectURL(blob), alt);
			if (before) URL.revokeObjectURL(before);
			if (this.sound) [this.audio.src, this.midi.href] = ["wav", "mid"].map((as) => sampleAddress(this.run.id, { ...values, as }));
		} catch (error) {
			if (signal.aborted || this.run.signal.aborted) return;
			this.say(error.message);
			this.image.hidden = true;
		}
		this.frame.classList.remove("asking");
	}
}

const random = () => Math.floor(Math.random() * 1_000_000);

/** A field for a seed, and the sentence for what is none. */
function seedInput(name, value, changed) {
	const note = element("p", { class: "wrong", role: "alert" });
	const input = element("input", { type: "number", id: name, min: 0, max: HIGHEST_SEED, step: 1, inputmode: "numeric", oninput: () => {
		const valid = input.value !== "" && input.validity.valid;
		note.textContent = valid ? "" : say("wrongSeed", { highest: whole(HIGHEST_SEED) });
		input.setAttribute("aria-invalid", !valid);
		if (valid) changed(Number(input.value));
	} });
	const put = (seed) => {
		input.value = seed;
		input.dispatchEvent(new Event("input"));
	};
	input.value = value;
	return { input, note, put };
}

function oneSeed(run, state, common) {
	const picture = new Asked(run, "seed-picture");
	const ask = () => picture.ask({ seed: state.seed, zoom: 1, ...common() }, say("sampleOfSeed", { seed: whole(state.seed) }));
	const { input, note, put } = seedInput("seed", state.seed, (seed) => {
		state.seed = seed;
		ask();
	});
	return { ask, element: section("toy-seed", say("oneSeed"), { class: "panel toy" },
		element("p", { class: "muted" }, say("oneSeedHow")),
		picture.frame, picture.sound,
		element("div", { class: "controls" }, labelled("Seed", input),
			button(say("nextSeed"), () => put(Math.min(HIGHEST_SEED, state.seed + 1)), { id: "seed-next" }),
			button(say("randomSeed"), () => put(random()), { id: "seed-random" })), note) };
}

function between(run, state, common) {
	const picture = new Asked(run, "between-picture");
	const ask = () => picture.ask({ from: state.from, to: state.to, t: state.t, zoom: 1, ...common() },
		say("sampleBetween", { t: fixed(state.t, 2), from: whole(state.from), to: whole(state.to) }));
	const change = (key) => (value) => {
		state[key] = value;
		ask();
	};
	const inputs = ["from", "to"].map((key) => seedInput(`between-${key}`, state[key], change(key)));
	const [slider, shown] = sliding("between-t", { min: 0, max: 1, step: 0.01 }, state.t, change("t"));
	const exchange = () => inputs.forEach(({ put }) => put(random()));
	return { ask, element: section("toy-between", say("between"), { class: "panel toy" },
		element("p", { class: "muted" }, say("betweenHow")),
		picture.frame, picture.sound,
		element("div", { class: "controls" }, labelled(say("fromSeed"), inputs[0].input), labelled(say("toSeed"), inputs[1].input),
			button(say("randomSeeds"), exchange)), ...inputs.map(({ note }) => note),
		element("div", { class: "controls" }, labelled(say("onTheWay"), slider, shown))) };
}

/** The seed towards which neighbour `place` of a round lies; the server counts likewise. */
const neighbour = (round, place) => 1_000_003 * (round + 1) + place;

function explorer(run, state, common) {
	const side = hasNotes(run) ? 4 : 8; // rolls are wide
	const count = side * side;
	const cells = element("div", { class: "cells", role: "group", "aria-label": say("cells") });
	cells.style.gridTemplate = `repeat(${side}, 1fr) / repeat(${side}, 1fr)`;
	const picture = new Asked(run, "explorer-picture", (scale, width, height) => {
		// The buttons lie on the samples: the same border and gaps, in the page's pixels.
		cells.style.width = `${width * scale}px`;
		cells.style.height = `${height * scale}px`;
		cells.style.padding = cells.style.gap = `${GAP * scale}px`;
	});
	picture.frame.append(cells);
	const own = new Asked(run, "chosen-picture");
	const chosen = element("div", {}, own.frame, own.sound);
	const round = element("p", { class: "muted", id: "explorer-round", role: "status" });
	const back = button(say("back"), () => { state.chains.pop(); ask(); }, { id: "explorer-back" });
	const again = button(say("startAgain"), () => { state.chains = []; ask(); }, { id: "explorer-again" });
	const others = button(say("otherSeeds"), () => { state.first += count; ask(); }, { id: "explorer-others" });
	const [slider, shown] = sliding("explorer-width", { min: 0.05, max: 1, step: 0.05 }, state.width, (width) => {
		state.width = width;
		if (state.chains.length > 0) ask();
	});

	function choose(place) {
		if (picture.stale) return; // the choice would be of a sample that is not there any more
		const chain = state.chains.at(-1);
		if (chain === undefined) state.chains.push(String(state.first + place));
		else state.chains.push(place === 0 ? chain : `${chain},${neighbour(state.chains.length - 1, place)}@${state.width}`);
		ask();
	}

	const buttons = Array.from({ length: count }, (_, place) => button("", () => choose(place), { tabindex: place === 0 ? 0 : -1 }));
	cells.append(...buttons);
	cells.addEventListener("focusin", (event) => buttons.forEach((one) => { one.tabIndex = one === event.target ? 0 : -1; }));
	cells.addEventListener("keydown", (event) => {
		const now = buttons.indexOf(document.activeElement);
		const row = now - (now % side);
		const to = {
			ArrowLeft: now - 1, ArrowRight: now + 1, ArrowUp: now - side, ArrowDown: now + side, Home: row, End: row + side - 1,
		}[event.key];
		if (to === undefined) return;
		event.preventDefault();
		buttons[Math.max(0, Math.min(count - 1, to))].focus();
	});

	function ask() {
		const depth = state.chains.length;
		back.disabled = again.disabled = depth === 0;
		others.disabled = depth > 0;
		round.textContent = depth === 0
			? say("explorerSeeds", { first: whole(state.first), last: whole(state.first + count - 1) })
			: say("explorerRound", { round: depth, width: fixed(state.width, 2) });
		buttons.forEach((one, place) => one.setAttribute("aria-label", depth === 0
			? say("cellSeed", { seed: state.first + place })
			: say(place === 0 ? "cellSelf" : "cellNeighbour", { place })));
		chosen.hidden = depth === 0;
		if (depth > 0) own.ask({ chain: state.chains.at(-1), zoom: 1, ...common() }, say("chosenSample"));
		picture.ask(depth === 0
			? { seeds: `${state.first}-${state.first + count - 1}`, columns: side, zoom: 1, ...common() }
			: { chain: state.chains.at(-1), width: state.width, round: depth - 1, columns: side, count, zoom: 1, ...common() }, say("explorerGrid"));
	}

	return { ask, element: section("explorer", say("explorer"), { class: "panel explorer" },
		element("div", {},
			element("p", { class: "muted" }, say("explorerHow")),
			element("div", { class: "controls" }, back, again, others),
			labelled(say("neighbourhood"), slider, shown),
			round, chosen),
		picture.frame) };
}

function plotOfPoints(run, state, common) {
	const picture = new Asked(run, "points-picture");
	const ask = () => picture.ask({ seeds: `${state.first}-${state.first + POINTS - 1}`, zoom: 1, ...common() }, say("pointsOf", { count: POINTS }));
	return { ask, element: section("toy-points", say("pointsTitle"), { class: "panel toy" },
		element("p", { class: "muted" }, say("pointsHow", { count: POINTS })),
		picture.frame,
		element("div", { class: "controls" }, button(say("otherPoints"), () => { state.first += POINTS; ask(); }))) };
}

/** A picture that is given, and beside it what the model makes of it. */
function turning(run, state, common) {
	const { scale } = run.detail.picture;
	const given = new Picture("given-picture");
	let shown = null; // the picture that stands there as given
	const made = new Asked(run, "made-picture", (scale, width, height) => skeleton?.fit(width * scale, height * scale));
	const pose = run.detail.fields.find(({ kind }) => kind === "pose");
	const skeleton = pose && new Skeleton(pose, state.given[pose.name] ?? pose.usual, (text) => {
		state.given[pose.name] = text;
		ask();
	}, (sentence) => { sizes.textContent = sentence; });
	if (skeleton) made.frame.append(skeleton.figure);
	const pair = element("div", { class: "toys" }, ...[[say("givenPicture"), given], [say("madePicture"), made]].map(([title, { frame }]) =>
		element("div", { class: "toy" }, element("h3", {}, title), frame)));
	const save = element("a", { class: "button", id: "save" }, say("savePicture"));
	const sizes = element("p", { class: "muted", role: "status" });
	const seed = seedInput("seed", state.seed, (seed) => {
		state.seed = seed;
		ask();
	});
	const side = element("select", { id: "side", onchange: () => {
		state.side = Number(side.value);
		ask();
	} }, ...SIDES.map((pixels) => element("option", { value: pixels, selected: pixels === state.side }, `${pixels}`)));
	const choice = element("input", { type: "file", id: "picture", accept: "image/png,image/jpeg,image/webp,image/gif", onchange: () => take(choice.files[0]) });
	const drop = element("label", { class: "drop", for: "picture" }, element("span", {}, say("dropPicture")), choice);

	function take(file) {
		if (!file) return;
		state.picture = file;
		ask();
	}

	function ask() {
		pair.hidden = !state.picture;
		save.hidden = true;
		sizes.textContent = "";
		if (!state.picture) return;
		if (shown !== state.picture) {
			shown = state.picture;
			given.show(URL.createObjectURL(shown), say("givenPicture"));
		}
		if (!skeleton || made.image.hidden) made.say(say("making"));
		made.ask({ side: state.side, seed: run.detail.has_chance ? state.seed : null, ...common() }, say("madePicture"), state.picture);
	}

	given.image.addEventListener("load", () => {
		const { naturalWidth: width, naturalHeight: height } = given.image;
		for (const { frame } of [given, made]) frame.style.aspectRatio = Math.min(2, Math.max(0.5, width / height));
	});
	given.image.addEventListener("error", () => { given.image.hidden = true; });
	made.image.addEventListener("load", () => {
		const { naturalWidth: width, naturalHeight: height, src } = made.image;
		save.href = src;
		save.download = `${state.picture.name.replace(/\.\w+$/, "")}-${run.id}.png`;
		save.hidden = false;
		sizes.textContent = say("sizes", { from: `${whole(width / scale)} × ${whole(height / scale)}`, to: `${whole(width)} × ${whole(height)}` });
	});
	const place = section("toy-picture", say("pictureTitle"), { class: "panel", ondragover: (event) => event.preventDefault(), ondrop: (event) => {
		event.preventDefault();
		take(event.dataTransfer.files[0]);
	} },
		element("p", { class: "muted" }, run.detail.picture.face ? `${say("faceHow")} ` : "", say("pictureHow")), drop,
		element("div", { class: "controls" }, labelled(say("longerSide"), side), run.detail.has_chance && labelled("Seed", seed.input)), seed.note,
		pair, skeleton && element("div", { id: "pose" }, element("p", { class: "muted" }, say("poseHow")), skeleton.controls),
		element("div", { class: "controls" }, save, sizes));
	return { ask, element: place };
}

/** A control for one thing that a model takes: a menu of words, a slider, or a line of text. */
function fieldControl({ name, kind, among, low, high, usual }, state, changed) {
	const id = `given-${name}`;
	const now = state.given[name] ?? usual ?? among[0];
	const put = (value) => {
		state.given[name] = value;
		changed();
	};
	if (kind === "number") return labelled(fieldName(name), ...sliding(id, { min: low, max: high, step: (high - low) / 100 }, now, put));
	const options = among?.map((value) => element("option", { value }, value || say("any"))) ?? [];
	const control = element(among ? "select" : "input", { id, oninput: () => put(control.value) }, ...options);
	control.value = now;
	return labelled(fieldName(name), control);
}

export function play(body, run) {
	const state = begin(run.id);
	let toys = [];
	const asks = () => toys.forEach((toy) => toy.ask());
	const common = () => ({
		checkpoint: state.checkpoint || run.detail.checkpoints[0],
		...Object.fromEntries(Object.entries(state.given).map(([name, value]) => [`with.${name}`, value])),
	});

	const choice = element("select", { id: "checkpoint", onchange: () => {
		state.checkpoint = choice.value;
		asks();
	} });
	function checkpoints() {
		const names = run.detail.checkpoints;
		// The oldest are deleted as new ones come.
		if (!names.includes(state.checkpoint)) state.checkpoint = "";
		choice.replaceChildren(
			element("option", { value: "" }, say("newestCheckpoint", { name: names[0] })),
			...names.slice(1).map((name) => element("option", { value: name }, name)));
		choice.value = state.checkpoint;
	}

	function build() {
		const { detail: told } = run;
		if (told.checkpoints.length === 0 || told.trouble) {
			body.replaceChildren(element("div", { class: "empty", id: "no-checkpoint" }, element("h2", {}, say("noCheckpoint")),
				told.trouble ? element("p", { lang: "en" }, told.trouble) : element("p", {}, say("noCheckpointHow"))));
			return;
		}
		const points = told.media === "point";
		toys = told.picture ? [turning(run, state, common)] : points ? [plotOfPoints(run, state, common), oneSeed(run, state, common), between(run, state, common)]
			: [oneSeed(run, state, common), between(run, state, common), explorer(run, state, common)];
		checkpoints();
		body.replaceChildren(
			element("div", { class: "controls common" }, labelled("Checkpoint", choice),
				...told.fields.filter(({ kind }) => kind !== "pose").map((field) => fieldControl(field, state, asks)),
				told.fields.some(({ name }) => name === "truncation") && element("p", { class: "muted" }, say("truncationHow"))),
			told.picture ? toys[0].element : element("div", { class: "toys" }, ...toys.map((toy) => toy.element)));
		asks();
	}

	build();
	run.hear("record", (record) => {
		if (record.event !== "checkpoint") return;
		// With the first checkpoint the server knows what the model makes.
		if (toys.length === 0) run.tell("stale");
		else {
			const older = state.checkpoint;
			checkpoints();
			if (older === "" || older !== state.checkpoint) asks();
		}
	});
	run.hear("again", () => {
		if (toys.length === 0) build();
		else {
			checkpoints();
			asks();
		}
	});
}
