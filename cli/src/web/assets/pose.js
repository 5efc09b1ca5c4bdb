// A person's pose as a skeleton over a picture, whose joints are dragged.
import { button, drawn, element, labelled } from "./dom.js";
import { poseOf } from "./server.js";
import { jointName, say } from "./words.js";

/** A joint's radius, and a step of an arrow key, as shares of the longer side. */
const RADIUS = 0.02;
const STEP = 0.01;

/** How far a key moves a joint, in steps. */
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** A pose of a text, or null for what is none: the server says what is wrong with that. */
function parsed(text, { joints }) {
	try {
		const pose = JSON.parse(text);
		const wellFormed = pose.width > 0 && pose.height > 0 && pose.keypoints?.length === joints.length;
		return wellFormed && pose.keypoints.every((joint) => joint.length === 3 && joint.every(Number.isFinite)) ? pose : null;
	} catch {
		return null;
	}
}

/**
 * A skeleton to lie over a picture, and the controls to choose another. `field` is what the server tells of the pose that a model
 * takes; `changed` is told each new one, as the text of its file, and `failed` the sentence where a picture shows none.
 */
export class Skeleton {
	constructor(field, text, changed, failed) {
		this.field = field;
		this.changed = changed;
		this.figure = drawn("svg", { class: "skeleton", role: "group", "aria-label": say("poseTitle") });
		this.save = element("a", { class: "button", id: "save-pose", download: "pose.json" }, say("savePose"));
		const choice = element("input", { type: "file", id: "pose-file", accept: "application/json,.json,image/*", onchange: async () => {
			const [file] = choice.files;
			try {
				if (file) this.take(await (file.type.startsWith("image/") ? poseOf(file) : file.text()));
			} catch ({ message }) {
				failed(message);
			}
		} });
		this.controls = element("div", { class: "controls" }, labelled(say("choosePose"), choice),
			button(say("usualPose"), () => this.take(field.usual), { id: "usual-pose" }), this.save);
		this.show(text);
	}

	/** Offers a pose to be saved. */
	offer(text) {
		this.save.href = `data:application/json,${encodeURIComponent(text)}`;
	}

	take(text) {
		this.show(text);
		this.changed(text);
	}

	show(text) {
		this.pose = parsed(text, this.field);
		this.figure.replaceChildren();
		this.offer(text);
		if (!this.pose) return;
		const { width, height, keypoints } = this.pose;
		const radius = RADIUS * Math.max(width, height);
		this.figure.setAttribute("viewBox", `0 0 ${width} ${height}`);
		this.figure.style.setProperty("--joint", `${radius}px`);
		const known = (at) => keypoints[at][2] > 0;
		this.limbs = this.field.limbs.filter((limb) => limb.every(known)).map((limb) => ({ limb, line: drawn("line", {}) }));
		this.joints = new Map([...keypoints.keys()].filter(known).map((at) => [at, this.joint(at, radius)]));
		this.figure.append(...this.limbs.map(({ line }) => line), ...this.joints.values());
		this.place();
	}

	joint(at, radius) {
		const circle = drawn("circle", { r: radius, tabindex: 0, role: "button", "data-joint": at, "aria-label": jointName(this.field.joints[at]) });
		circle.addEventListener("pointerdown", (event) => {
			event.preventDefault();
			circle.focus();
			circle.setPointerCapture(event.pointerId);
		});
		circle.addEventListener("pointermove", (event) => {
			if (!circle.hasPointerCapture(event.pointerId)) return;
			const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.figure.getScreenCTM().inverse());
			this.move(at, [x, y]);
		});
		circle.addEventListener("keydown", (event) => {
			const way = KEYS[event.key];
			if (!way) return;
			event.preventDefault();
			const step = STEP * Math.max(this.pose.width, this.pose.height) * (event.shiftKey ? 5 : 1);
			this.move(at, way.map((one, axis) => this.pose.keypoints[at][axis] + one * step));
		});
		return circle;
	}

	move(at, to) {
		const sides = [this.pose.width, this.pose.height];
		const inside = to.map((value, axis) => Math.min(sides[axis], Math.max(0, Math.round(value * 100) / 100)));
		this.pose.keypoints[at].splice(0, 2, ...inside);
		this.place();
		const text = JSON.stringify(this.pose);
		this.offer(text);
		this.changed(text);
	}

	/** Puts every joint and limb where it belongs. */
	place() {
		const { keypoints } = this.pose;
		for (const [at, circle] of this.joints) ["cx", "cy"].forEach((name, axis) => circle.setAttribute(name, keypoints[at][axis]));
		for (const { limb: [from, to], line } of this.limbs) {
			["x1", "y1", "x2", "y2"].forEach((name, i) => line.setAttribute(name, keypoints[i < 2 ? from : to][i % 2]));
		}
	}

	/** Takes the size of the picture below, in the page's pixels. */
	fit(width, height) {
		Object.assign(this.figure.style, { width: `${width}px`, height: `${height}px` });
	}
}
