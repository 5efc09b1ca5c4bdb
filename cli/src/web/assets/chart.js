// A chart of lines on a canvas, read by pointer, by keyboard and as a table.
import { button, element, freshId, nextFrame, remember, remembered, scrolled, table } from "./dom.js";
import { number } from "./numbers.js";
import { say } from "./words.js";

const TOP = 10;
const BOTTOM = 24;
const TABLE_ROWS = 40;
/** A line with fewer points than this shows them. */
const FEW = 40;

/** The exponential average, not drawn to the first value; nulls are passed over. */
function smoothed(values, weight) {
	let sum = 0;
	let bias = 1;
	return values.map((value) => {
		if (value === null || value === undefined) return null;
		sum = weight * sum + (1 - weight) * value;
		bias *= weight;
		return sum / (1 - bias);
	});
}

/** Round numbers that divide `low` to `high` into about `count` parts. */
function ticks(low, high, count) {
	const rough = (high - low) / count;
	if (!(rough > 0)) return [low];
	const power = 10 ** Math.floor(Math.log10(rough));
	const step = [1, 2, 5, 10].find((factor) => factor * power >= rough) * power;
	const first = Math.ceil(low / step - 1e-9);
	const last = Math.floor(high / step + 1e-9);
	return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
}

function logTicks(low, high) {
	const all = [];
	const decades = Math.log10(high / low);
	const factors = decades < 1.5 ? [1, 2, 5] : [1];
	const every = Math.max(1, Math.ceil(decades / 5));
	for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
		if (power % every !== 0) continue;
		for (const factor of factors) {
			const value = factor * 10 ** power;
			if (value >= low && value <= high) all.push(value);
		}
	}
	return all.length > 1 ? all : ticks(low, high, 4).filter((value) => value > 0);
}

/** The place of the number nearest to `x` in an ascending list. */
function nearest(list, x) {
	let low = 0;
	let high = list.length - 1;
	while (low < high) {
		const middle = (low + high) >> 1;
		if (list[middle] < x) low = middle + 1;
		else high = middle;
	}
	return low > 0 && x - list[low - 1] < list[low] - x ? low - 1 : low;
}

export class Chart {
	/**
	 * `key` names the chart in the page and in what is remembered. `range` fixes the y axis, `mark` draws a line at
	 * `{ value, text }`, `zoomed(from, to)` is asked for a range of x (nulls: all), `pointed(x)` hears where the reader looks; all until `signal`.
	 */
	constructor({ key, title, log = false, range = null, mark = null, level = "h3", zoomed, pointed, signal }) {
		Object.assign(this, { range, mark, zoomed, pointed, series: [], marks: [], longest: [], weight: 0, x: null, window: [null, null] });
		this.log = remembered(`log.${key}`, String(log)) === "true";
		this.draw = nextFrame(() => this.paint());

		const titleId = freshId("chart-title");
		this.heading = element(level, { id: titleId });
		this.canvas = element("canvas", { tabindex: 0, role: "slider", "aria-valuemin": 0, "aria-valuemax": 0, "aria-valuenow": 0, "aria-valuetext": "" });
		this.line = element("div", { class: "cursor", hidden: true });
		this.selection = element("div", { class: "selection", hidden: true });
		this.plot = element("div", { class: "plot" }, this.canvas, this.line, this.selection);
		this.where = element("span", { class: "where" });
		this.legend = element("ul", { class: "legend" });
		this.out = button(say("zoomOut"), () => this.zoomed(null, null), { class: "small", hidden: true });
		const logBox = element("input", { type: "checkbox", checked: this.log, onchange: () => {
			this.log = logBox.checked;
			this.reach();
			remember(`log.${key}`, String(this.log));
			this.draw();
		} });
		this.table = scrolled("");
		const details = element("details", { class: "values", ontoggle: () => { if (details.open) this.fillTable(); } },
			element("summary", {}, say("asTable")), this.table);
		this.details = details;
		this.element = element("figure", { class: "chart", id: `chart-${key}`, "aria-labelledby": titleId },
			element("figcaption", {}, this.heading, this.where,
				element("span", { class: "chart-tools" }, this.out, element("label", { class: "small" }, logBox, say("log")))),
			this.legend, this.plot, details);
		this.call(title);
		this.listen();
		new ResizeObserver(this.draw).observe(this.plot);
		document.addEventListener("colours", this.draw, { signal });
	}

	call(title) {
		this.heading.textContent = title;
		this.canvas.setAttribute("aria-label", say("chartValues", { title }));
		this.table.setAttribute("aria-label", say("tableOf", { title }));
	}

	/** `series`: `{ name, label, short, tone, x, mean, low, high }` each; `window` is the zoom, `weight` the smoothing. */
	show(series, window, weight) {
		const names = series.map((one) => one.name).join();
		if (names !== this.series.map((one) => one.name).join()) this.makeLegend(series);
		this.series = series.map((one, place) => ({ ...one, ...this.marks[place] }));
		this.window = window;
		this.out.hidden = window[0] === null;
		this.longest = this.series.reduce((longest, one) => (one.x.length > longest.length ? one.x : longest), []);
		this.canvas.setAttribute("aria-valuemax", Math.max(0, this.longest.length - 1));
		this.reach();
		this.smoothBy(weight);
		this.point(this.x);
		if (this.details.open) this.fillTable();
	}

	smoothBy(weight) {
		this.weight = weight;
		for (const one of this.series) one.smooth = smoothed(one.mean, weight);
		this.draw();
	}

	makeLegend(series) {
		for (const { dot } of this.marks) dot.remove();
		this.marks = series.map(({ tone }) => ({
			swatch: element("i", { class: `swatch ${tone}` }),
			value: element("b", {}),
			dot: element("div", { class: `dot ${tone}`, hidden: true }),
		}));
		this.legend.replaceChildren(...series.map(({ label, name }, place) =>
			element("li", { title: name }, this.marks[place].swatch, label, " ", this.marks[place].value)));
		this.plot.append(...this.marks.map(({ dot }) => dot));
	}

	/** Shows the values at `x`; the last ones for null. */
	point(x) {
		this.x = x;
		const { scale } = this;
		let shown = null;
		for (const one of this.series) {
			const last = one.mean.findLastIndex((value) => value !== null);
			let place = x === null ? last : nearest(one.x, x);
			// A line with gaps has its value at the last point before one.
			while (place > 0 && one.mean[place] === null) place -= 1;
			const value = one.mean[place] ?? null;
			one.value.textContent = number(value);
			if (x !== null) shown = shown ?? one.x[nearest(one.x, x)];
			const y = value === null || !scale ? null : scale.y(this.weight > 0 ? one.smooth[place] : value);
			one.dot.hidden = x === null || y === null || !Number.isFinite(y) || one.x[place] < scale.low || one.x[place] > scale.high;
			if (!one.dot.hidden) one.dot.style.transform = `translate(${scale.x(one.x[place])}px, ${y}px)`;
		}
		this.where.textContent = shown === null || shown === undefined ? "" : say("atKimg", { kimg: number(shown, 4) });
		this.line.hidden = shown === null || shown === undefined || !scale;
		if (!this.line.hidden) this.line.style.transform = `translateX(${scale.x(shown)}px)`;
		const now = x === null ? Math.max(0, this.longest.length - 1) : nearest(this.longest, x);
		this.canvas.setAttribute("aria-valuenow", now);
		this.canvas.setAttribute("aria-valuetext", this.longest.length === 0 ? say("noPoints") :
			`${say("atKimg", { kimg: number(this.longest[now], 4) })}: ${this.series.map((one) => `${one.label} ${one.value.textContent}`).join(", ")}`);
	}

	listen() {
		const { canvas, selection } = this;
		let begun = null;
		const at = (event) => {
			const left = canvas.getBoundingClientRect().left;
			return Math.min(this.width - this.right, Math.max(this.left, event.clientX - left));
		};
		canvas.addEventListener("pointerdown", (event) => {
			if (event.button !== 0 || !this.scale) return;
			begun = at(event);
			canvas.setPointerCapture(event.pointerId);
		});
		canvas.addEventListener("pointermove", (event) => {
			if (!this.scale || this.longest.length === 0) return;
			const now = at(event);
			this.pointed(this.scale.from(now));
			selection.hidden = begun === null || Math.abs(now - begun) < 4;
			if (selection.hidden) return;
			selection.style.left = `${Math.min(begun, now)}px`;
			selection.style.width = `${Math.abs(now - begun)}px`;
		});
		canvas.addEventListener("pointerup", (event) => {
			const ends = [begun, at(event)].sort((a, b) => a - b);
			if (!selection.hidden && ends[1] - ends[0] > 8) this.zoomed(this.scale.from(ends[0]), this.scale.from(ends[1]));
			begun = null;
			selection.hidden = true;
		});
		canvas.addEventListener("pointercancel", () => {
			begun = null;
			selection.hidden = true;
		});
		canvas.addEventListener("pointerleave", () => {
			if (begun === null && document.activeElement !== canvas) this.pointed(null);
		});
		canvas.addEventListener("blur", () => this.pointed(null));
		canvas.addEventListener("dblclick", () => this.zoomed(null, null));
		canvas.addEventListener("keydown", (event) => {
			const last = this.longest.length - 1;
			if (last < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
			const now = this.x === null ? last : nearest(this.longest, this.x);
			const wide = Math.max(1, Math.round(last / 10));
			const to = { ArrowLeft: now - 1, ArrowRight: now + 1, PageDown: now - wide, PageUp: now + wide, Home: 0, End: last }[event.key];
			if (to !== undefined) this.pointed(this.longest[Math.max(0, Math.min(last, to))]);
			else if (event.key === "+" || event.key === "=") this.zoomAround(now);
			else if (event.key === "-" || event.key === "0") this.zoomed(null, null);
			else if (event.key === "Escape") this.pointed(null);
			else return;
			event.preventDefault();
		});
	}

	/** Half of what is seen, around the point `now`. */
	zoomAround(now) {
		const { low, high } = this.scale;
		const quarter = (high - low) / 4;
		const middle = Math.min(high - quarter, Math.max(low + quarter, this.longest[now]));
		this.zoomed(middle - quarter, middle + quarter);
	}

	fillTable() {
		const count = Math.min(TABLE_ROWS, this.longest.length);
		const rows = Array.from({ length: count }, (_, i) => this.longest[Math.round((i * (this.longest.length - 1)) / Math.max(1, count - 1))]);
		const cell = (one, x) => {
			const place = nearest(one.x, x);
			if (one.mean[place] === null || one.mean[place] === undefined) return "–";
			const [low, high] = [one.low[place], one.high[place]].map((value) => number(value));
			return low === high || low === "–" ? number(one.mean[place]) : `${number(one.mean[place])} (${low} ${say("to")} ${high})`;
		};
		this.table.replaceChildren(table(["kimg", ...this.series.map(({ label }) => label)],
			rows.map((x) => [number(x, 4), ...this.series.map((one) => cell(one, x))])));
	}

	/** Finds the lowest and highest value to show: of the lines all, of the bands, which may reach far, most. */
	reach() {
		const shown = (value) => value !== null && Number.isFinite(value) && (!this.log || value > 0);
		const part = (values, share) => {
			const sorted = Float64Array.from(values.filter(shown)).sort();
			return sorted.length > 0 ? [sorted[Math.round(share * (sorted.length - 1))]] : [];
		};
		this.bottom = Math.min(...this.series.flatMap((one) => [...part(one.mean, 0), ...part(one.low, 0.1)]));
		this.top = Math.max(...this.series.flatMap((one) => [...part(one.mean, 1), ...part(one.high, 0.9)]));
	}

	/** The way from values to pixels, or null where there is nothing to show. */
	scaled() {
		const [from, to] = this.window;
		const xs = this.series.filter((one) => one.x.length > 0);
		if (xs.length === 0) return null;
		const low = from ?? Math.min(0, ...xs.map((one) => one.x[0]));
		const high = to ?? Math.max(...xs.map((one) => one.x.at(-1)));
		const logarithmic = this.log;
		let { bottom, top } = this;
		if (bottom > top) return null;
		if (this.range && !logarithmic) [bottom, top] = this.range;
		else if (logarithmic) {
			if (top / bottom < 1.2) [bottom, top] = [bottom / 1.2, top * 1.2];
			[bottom, top] = [bottom / (top / bottom) ** 0.04, top * (top / bottom) ** 0.04];
		} else {
			if (bottom > 0 && bottom < top * 0.6) bottom = 0;
			const space = (top - bottom) * 0.05 || Math.abs(top) * 0.1 || 1;
			bottom = bottom === 0 ? 0 : bottom - space;
			top += space;
		}
		const wide = Math.max(1, this.width - this.left - this.right);
		const tall = this.height - TOP - BOTTOM;
		const along = logarithmic
			? (value) => (value > 0 ? Math.log(value / bottom) / Math.log(top / bottom) : NaN)
			: (value) => (value - bottom) / (top - bottom);
		return {
			low, high, bottom, top,
			x: (x) => this.left + ((x - low) / (high - low || 1)) * wide,
			y: (value) => TOP + (1 - along(value)) * tall,
			from: (pixel) => low + ((pixel - this.left) / wide) * (high - low),
		};
	}

	paint() {
		if (!this.canvas.isConnected) return;
		const { canvas } = this;
		this.width = this.plot.clientWidth;
		this.height = this.plot.clientHeight;
		const dense = devicePixelRatio || 1;
		canvas.width = Math.round(this.width * dense);
		canvas.height = Math.round(this.height * dense);
		const paper = canvas.getContext("2d");
		paper.scale(dense, dense);
		const style = getComputedStyle(canvas);
		const ink = style.color;
		paper.font = `600 11px ${style.fontFamily}`;
		this.right = Math.max(46, ...this.series.map(({ short }) => paper.measureText(short).width + 10));
		paper.font = `11px ${style.fontFamily}`;
		this.left = 50;
		this.scale = this.scaled();
		if (this.scale) {
			this.left = Math.max(50, ...this.marked().map((value) => paper.measureText(number(value)).width + 12));
			this.scale = this.scaled();
		}
		if (!this.scale) {
			paper.fillStyle = ink;
			paper.textAlign = "center";
			paper.fillText(say("noPoints"), this.width / 2, this.height / 2);
			return;
		}
		this.paintAxes(paper, ink, getComputedStyle(this.plot).borderTopColor);
		paper.save();
		paper.beginPath();
		paper.rect(this.left, TOP - 2, this.width - this.left - this.right, this.height - TOP - BOTTOM + 4);
		paper.clip();
		for (const one of this.series) this.paintSeries(paper, one);
		paper.restore();
		this.paintNames(paper);
		this.point(this.x);
	}

	/** The values that the y axis names. */
	marked() {
		const { scale: { bottom, top }, mark } = this;
		const all = this.log ? logTicks(bottom, top) : ticks(bottom, top, this.height > 300 ? 8 : 5);
		return all.filter((value) => value !== mark?.value);
	}

	paintAxes(paper, ink, grid) {
		const { scale, width, height } = this;
		paper.lineWidth = 1;
		paper.textBaseline = "middle";
		paper.textAlign = "right";
		for (const value of this.marked()) {
			const y = Math.round(scale.y(value)) + 0.5;
			paper.strokeStyle = grid;
			paper.beginPath();
			paper.moveTo(this.left, y);
			paper.lineTo(width - this.right, y);
			paper.stroke();
			paper.fillStyle = ink;
			paper.fillText(number(value), this.left - 8, y);
		}
		paper.textAlign = "center";
		for (const value of ticks(scale.low, scale.high, Math.max(2, Math.min(6, width / 90)))) {
			paper.fillText(number(value, 4), scale.x(value), height - 9);
		}
		paper.textAlign = "left";
		paper.fillText("kimg", width - this.right + 14, height - 9);
		if (this.mark) {
			const y = Math.round(scale.y(this.mark.value)) + 0.5;
			paper.strokeStyle = ink;
			paper.setLineDash([2, 4]);
			paper.beginPath();
			paper.moveTo(this.left, y);
			paper.lineTo(width - this.right, y);
			paper.stroke();
			paper.setLineDash([]);
			paper.textAlign = "right";
			paper.fillText(this.mark.text, this.left - 8, y);
		}
	}

	paintSeries(paper, one) {
		const { scale, weight } = this;
		const colour = getComputedStyle(one.swatch).color;
		const points = (values) => {
			const all = [];
			values.forEach((value, i) => {
				const y = value === null || value === undefined ? NaN : scale.y(value);
				if (Number.isFinite(y)) all.push([scale.x(one.x[i]), y]);
			});
			return all;
		};
		const trace = (all) => all.forEach(([x, y], i) => (i === 0 ? paper.moveTo(x, y) : paper.lineTo(x, y)));
		paper.lineJoin = "round";
		paper.fillStyle = paper.strokeStyle = colour;
		// On a log scale a band that reaches 0 reaches the bottom.
		const floor = this.log ? scale.bottom : -Infinity;
		const low = points(one.low.map((value) => (value === null ? null : Math.max(value, floor))));
		paper.globalAlpha = 0.13;
		paper.beginPath();
		trace([...points(one.high), ...low.reverse()]);
		paper.fill();
		const raw = points(one.mean);
		paper.globalAlpha = weight > 0 ? 0.28 : 1;
		paper.lineWidth = weight > 0 ? 1 : 1.6;
		paper.beginPath();
		trace(raw);
		paper.stroke();
		if (raw.length < FEW) {
			for (const [x, y] of raw) {
				paper.beginPath();
				paper.arc(x, y, 2.2, 0, 7);
				paper.fill();
			}
		}
		paper.globalAlpha = 1;
		if (weight > 0) {
			paper.lineWidth = 1.8;
			paper.beginPath();
			trace(points(one.smooth));
			paper.stroke();
		}
	}

	/** Each line's short name where the line ends, moved apart where lines end together. */
	paintNames(paper) {
		const { scale, weight, height } = this;
		const ends = this.series.flatMap((one) => {
			const values = weight > 0 ? one.smooth : one.mean;
			const last = values.findLast((value) => value !== null && Number.isFinite(scale.y(value)));
			return last === undefined || !one.short ? [] : [{ one, y: Math.min(height - BOTTOM, Math.max(TOP, scale.y(last))) }];
		}).sort((a, b) => a.y - b.y);
		ends.forEach((end, i) => { if (i > 0) end.y = Math.max(end.y, ends[i - 1].y + 13); });
		for (let i = ends.length - 1; i >= 0; i -= 1) {
			const limit = i === ends.length - 1 ? height - BOTTOM : ends[i + 1].y - 13;
			ends[i].y = Math.min(ends[i].y, limit);
		}
		paper.textAlign = "left";
		paper.textBaseline = "middle";
		paper.font = `600 11px ${getComputedStyle(this.canvas).fontFamily}`;
		for (const { one, y } of ends) {
			paper.fillStyle = getComputedStyle(one.swatch).color;
			paper.fillText(one.short, this.width - this.right + 6, y);
		}
	}
}
