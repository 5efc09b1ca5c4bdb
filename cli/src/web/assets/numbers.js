// Numbers, times and lengths of time as the chosen language writes them.
import { element } from "./dom.js";
import { language, say } from "./words.js";

const made = new Map();
function formatter(kind, options) {
	const key = `${language()} ${kind.name} ${JSON.stringify(options)}`;
	if (!made.has(key)) made.set(key, new kind(language(), options));
	return made.get(key);
}

const RAISED = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

/** A measured number, to `digits` significant ones; powers of ten where zeros would have to be counted. */
export function number(value, digits = 3) {
	if (value === null || value === undefined || Number.isNaN(Number(value))) return "–";
	const size = Math.abs(value);
	if (size !== 0 && Number.isFinite(size) && (size < 1e-3 || size >= 1e7)) {
		const power = Math.floor(Math.log10(size) + 1e-9);
		const factor = formatter(Intl.NumberFormat, { maximumSignificantDigits: Math.min(digits, 2) }).format(value / 10 ** power).replace("-", "−");
		const raised = [...String(power)].map((sign) => RAISED[sign]).join("");
		return factor === "1" ? `10${raised}` : `${factor}·10${raised}`;
	}
	if (size >= 1000) return whole(value);
	return formatter(Intl.NumberFormat, { maximumSignificantDigits: digits }).format(value).replace("-", "−");
}

/** With always the same number of decimals, so that what changes does not dance. */
export function fixed(value, decimals) {
	if (value === null || value === undefined || Number.isNaN(value)) return "–";
	return formatter(Intl.NumberFormat, { minimumFractionDigits: decimals, maximumFractionDigits: decimals }).format(value);
}

/** A slider for numbers, and the number it stands at, to two decimals. */
export function sliding(name, range, value, changed) {
	const shown = element("output", { for: name });
	const slider = element("input", { type: "range", id: name, ...range, value, oninput: () => {
		tell();
		changed(Number(slider.value));
	} });
	const tell = () => {
		shown.textContent = fixed(Number(slider.value), 2);
		slider.setAttribute("aria-valuetext", shown.textContent);
	};
	tell();
	return [slider, shown];
}

export function whole(value) {
	return value === null || value === undefined ? "–" : formatter(Intl.NumberFormat, { maximumFractionDigits: 0 }).format(value);
}

export function share(value) {
	return formatter(Intl.NumberFormat, { style: "percent", maximumFractionDigits: 0 }).format(value);
}

export function kimg(value) {
	return `${formatter(Intl.NumberFormat, value < 1 ? { maximumSignificantDigits: 1 } : { maximumFractionDigits: value < 100 ? 1 : 0 }).format(value ?? 0)} kimg`;
}

/** A length of time by its two largest units. */
export function duration(seconds) {
	if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
	const parts = [];
	let left = Math.max(0, Math.round(seconds));
	for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]]) {
		const count = Math.floor(left / size);
		if (count > 0 || (unit === "second" && parts.length === 0)) {
			parts.push(formatter(Intl.NumberFormat, { style: "unit", unit, unitDisplay: "short" }).format(count));
		}
		left -= count * size;
		if (parts.length === 2 || (parts.length === 1 && count === 0)) break;
	}
	return parts.join(" ");
}

export function moment(seconds) {
	if (!seconds) return "–";
	return formatter(Intl.DateTimeFormat, { dateStyle: "medium", timeStyle: "short" }).format(new Date(seconds * 1000));
}

export function interval(metric) {
	if (metric.low === null || metric.low === undefined || metric.high === null || metric.high === undefined) return number(metric.value);
	return `${number(metric.value)} [${number(metric.low)} ${say("to")} ${number(metric.high)}]`;
}
