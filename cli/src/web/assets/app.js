// The page: its routes, its language and its colours.
import { button, element, remember, remembered } from "./dom.js";
import { comparison } from "./compare.js";
import { about } from "./server.js";
import { runList } from "./runs.js";
import { run } from "./run.js";
import { language, say, setLanguage } from "./words.js";

const main = document.getElementById("main");
const root = document.documentElement;
/** How far each page that was visited was scrolled, by the `place` of its entry in the history. */
const heights = new Map();
let current = new AbortController();
let version = null;

/** The parts of the address after `#/`, each as it was before it was encoded. */
function parts() {
	return location.hash.replace(/^#\/?/, "").split("/").filter((part) => part !== "");
}

async function show() {
	current.abort();
	current = new AbortController();
	const { signal } = current;
	const [first, second, tab, section] = parts();
	main.replaceChildren();
	main.setAttribute("aria-busy", "true");
	try {
		if (first === "run" && second) await run(main, decodeURIComponent(second), tab ?? "", section ?? null, signal);
		else if (first === "compare" && second) await comparison(main, second.split(",").map(decodeURIComponent), signal);
		else await runList(main, signal);
	} catch (error) {
		if (signal.aborted) return;
		failed(error);
	}
	if (!signal.aborted) main.removeAttribute("aria-busy");
}

function failed(error) {
	if (!error.status) console.error(error);
	main.replaceChildren(element("div", { class: "empty" },
		element("h1", {}, say("cannotShow")),
		// The server's own sentence, in English, or what the page stumbled over.
		error.offline ? element("p", {}, say("noServer")) : element("p", { lang: "en" }, error.message),
		button(say("tryAgain"), show)));
}

function frameTexts() {
	root.lang = language();
	document.getElementById("skip").textContent = say("skip");
	document.getElementById("theme-label").textContent = say("colours");
	document.getElementById("home").setAttribute("aria-label", say("home"));
	for (const option of document.getElementById("theme").options) option.textContent = say(`theme_${option.value}`);
	document.getElementById("version").textContent = version === null ? "" : `Ganvas ${version}`;
}

function colours(theme) {
	if (theme === "system") delete root.dataset.theme;
	else root.dataset.theme = theme;
	document.dispatchEvent(new Event("colours"));
}

const languages = document.getElementById("language");
languages.value = language();
languages.addEventListener("change", () => {
	setLanguage(languages.value);
	frameTexts();
	show();
});

const themes = document.getElementById("theme");
themes.value = remembered("theme", "system");
colours(themes.value);
themes.addEventListener("change", () => {
	remember("theme", themes.value);
	colours(themes.value);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => document.dispatchEvent(new Event("colours")));

// The address is the page's route, so that the link to the content must not change it.
document.getElementById("skip").addEventListener("click", (event) => {
	event.preventDefault();
	main.focus();
});

/** Shows the page of the entry that the history is at, scrolled as it was left. */
async function visit(moved) {
	let place = history.state?.place;
	if (!place) history.replaceState({ place: place = String(Math.random()) }, "");
	if (shown) heights.set(shown, scrollY);
	shown = null; // until it is whole: the height of a page that is still empty says nothing
	const before = heights.get(place) ?? 0;
	scrollTo(0, 0);
	await show();
	if (history.state?.place !== place) return; // another visit has begun
	if (moved && parts().length < 4) {
		main.focus({ preventScroll: true });
		scrollTo(0, before);
	}
	shown = place;
}
let shown = null;
history.scrollRestoration = "manual";
addEventListener("hashchange", visit);

frameTexts();
visit();
about().then((said) => {
	version = said.version;
	frameTexts();
}, () => {});
