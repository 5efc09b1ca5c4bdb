// The previews as a film of the learning: a slider through them, and a player.
import { button, element, labelled, section } from "./dom.js";
import { kimg } from "./numbers.js";
import { Picture } from "./picture.js";
import { fileAddress } from "./server.js";
import { say } from "./words.js";

const AHEAD = 16;
const SPEEDS = [2, 5, 10, 20];

export function film(run) {
	const picture = new Picture("film-picture");
	const loaded = new Map();
	let at = run.detail.previews.length - 1;
	let timer = 0;

	const label = element("output", { id: "film-kimg", for: "film-position" });
	const slider = element("input", { type: "range", id: "film-position", min: 0, step: 1, "aria-label": say("filmPosition"), oninput: () => { stop(); show(Number(slider.value)); } });
	const player = button("", () => (timer ? stop() : start()), { id: "film-play", class: "primary" });
	const speed = element("select", { id: "film-speed" }, ...SPEEDS.map((rate) => element("option", { value: rate, selected: rate === 5 }, say("perSecond", { rate }))));

	/** The picture of preview `place`, kept once it has come. */
	function picked(place) {
		const { path } = run.detail.previews[place];
		if (!loaded.has(path)) {
			const image = new Image();
			image.src = fileAddress(run.id, path);
			loaded.set(path, image);
		}
		return loaded.get(path);
	}

	function show(place) {
		const { previews } = run.detail;
		at = Math.max(0, Math.min(place, previews.length - 1));
		const none = previews.length === 0;
		slider.disabled = player.disabled = none || previews.length === 1;
		slider.max = Math.max(0, previews.length - 1);
		if (none) {
			picture.say(say("noPreviewYet"));
			label.textContent = "";
			return;
		}
		slider.value = at;
		const words = kimg(previews[at].kimg);
		label.textContent = words;
		slider.setAttribute("aria-valuetext", words);
		picture.show(picked(at).src, say("previewAt", { kimg: words }));
	}

	function start() {
		if (at >= run.detail.previews.length - 1) show(0);
		player.textContent = say("pause");
		tick();
	}

	function stop() {
		clearTimeout(timer);
		timer = 0;
		player.textContent = say("play");
	}

	/** The next picture, after its time and not before it has come. */
	function tick() {
		for (let place = at + 1; place <= Math.min(at + AHEAD, run.detail.previews.length - 1); place += 1) picked(place);
		timer = setTimeout(() => {
			if (at >= run.detail.previews.length - 1) {
				stop();
				return;
			}
			if (picked(at + 1).complete) show(at + 1);
			tick();
		}, 1000 / Number(speed.value));
	}

	run.hear("record", (record) => {
		if (record.event !== "preview") return;
		// Who looks at the newest goes on looking at the newest.
		const newest = at >= run.detail.previews.length - 2;
		show(newest && !timer ? run.detail.previews.length - 1 : at);
	});
	run.hear("again", () => show(timer ? at : run.detail.previews.length - 1));
	run.signal.addEventListener("abort", stop);

	stop();
	show(at);
	return section("film", say("film"), { class: "film" },
		picture.frame,
		element("div", { class: "film-bar" }, player, slider, label),
		element("div", { class: "film-more" }, labelled(say("speed"), speed)));
}
