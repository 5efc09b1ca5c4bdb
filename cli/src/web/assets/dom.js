// Elements: made here and nowhere from text, so that nothing the server says can become markup.

function filled(node, attributes, children) {
	for (const [name, value] of Object.entries(attributes ?? {})) {
		if (value === null || value === undefined || value === false) continue;
		if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
		else node.setAttribute(name, value === true ? "" : value);
	}
	node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
	return node;
}

/** An element; attributes that begin with `on` are listeners, and those that are null or false are left out. */
export function element(tag, attributes, ...children) {
	return filled(document.createElement(tag), attributes, children);
}

/** The same for a figure. */
export function drawn(tag, attributes, ...children) {
	return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

export function button(text, act, attributes) {
	return element("button", { type: "button", onclick: act, ...attributes }, text);
}

/** A section with its heading, called `name` in the page. */
export function section(name, title, attributes, ...children) {
	const id = `${name}-title`;
	return element("section", { id: name, "aria-labelledby": id, ...attributes }, element("h2", { id }, title), ...children);
}

/** A table of texts or elements; the first of a row is its heading. */
export function table(head, rows, attributes) {
	const cells = (row) => row.map((cell, i) => (i === 0 ? element("th", { scope: "row" }, cell) : element("td", {}, cell)));
	return element("table", attributes,
		head.length > 0 && element("thead", {}, element("tr", {}, ...head.map((text) => element("th", { scope: "col" }, text)))),
		element("tbody", {}, ...rows.map((row) => element("tr", {}, ...cells(row)))));
}

/** A control with its label before it. */
export function labelled(text, control, value) {
	return element("label", { class: "field" }, element("span", {}, text), control, value);
}

/** A sentence in which `code` stands between backticks, `{path}` in it for that of a run. */
export function withCode(sentence, path) {
	return sentence.split("`").map((part, i) => (i % 2 === 1 ? element("code", {}, part.replace("{path}", () => word(path))) : part));
}

/** A text as one word of a shell. */
export const word = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** A place for wide or long things that scrolls by itself, by keyboard too. */
export function scrolled(label, ...children) {
	return element("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": label }, ...children);
}

/** Calls `act` once things have been quiet for `wait` milliseconds. */
export function settled(act, wait) {
	let timer = 0;
	return (...values) => {
		clearTimeout(timer);
		timer = setTimeout(act, wait, ...values);
	};
}

/** Calls `act` before the next frame, however often it is asked to. */
export function nextFrame(act) {
	let asked = false;
	return () => {
		if (asked) return;
		asked = true;
		requestAnimationFrame(() => {
			asked = false;
			act();
		});
	};
}

/** What the browser remembers for this page; nothing where it is told to remember nothing. */
export function remembered(key, fallback) {
	try {
		return localStorage.getItem(`ganvas.${key}`) ?? fallback;
	} catch {
		return fallback;
	}
}

export function remember(key, value) {
	try {
		localStorage.setItem(`ganvas.${key}`, value);
	} catch {
		// A browser that keeps nothing works as well, but for this.
	}
}

let names = 0;
/** An id that nothing else has, for labels that point at things. */
export function freshId(stem) {
	names += 1;
	return `${stem}-${names}`;
}
