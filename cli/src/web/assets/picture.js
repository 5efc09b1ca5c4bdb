// A picture in a frame whose size is known before the picture is: small ones are enlarged by whole pixels.
import { element } from "./dom.js";

export class Picture {
	/** `name` becomes the id of the image; `fitted` is told how many pixels of the page one of the picture has. */
	constructor(name, fitted = () => {}) {
		this.image = element("img", { id: name, alt: "", hidden: true, decoding: "sync" });
		this.note = element("p", { class: "note", role: "status" });
		this.frame = element("div", { class: "frame" }, this.image, this.note);
		this.fitted = fitted;
		this.image.addEventListener("load", () => this.fit());
		new ResizeObserver(() => this.fit()).observe(this.frame);
	}

	show(address, alt) {
		this.image.alt = alt;
		if (this.image.getAttribute("src") !== address) this.image.src = address;
		this.image.hidden = false;
		this.say("");
	}

	say(sentence) {
		this.note.textContent = sentence;
		this.note.hidden = sentence === "";
	}

	fit() {
		const { naturalWidth: width, naturalHeight: height } = this.image;
		const wanted = Math.min(this.frame.clientWidth / width, this.frame.clientHeight / height);
		if (!width || !wanted) return;
		// As many pixels of the screen as fit for each of the picture's, all the same.
		const dense = Math.floor(wanted * devicePixelRatio) / devicePixelRatio;
		const scale = dense >= 1 ? dense : wanted;
		this.image.classList.toggle("pixels", dense >= 1);
		this.image.style.width = `${width * scale}px`;
		this.image.style.height = `${height * scale}px`;
		this.fitted(scale, width, height);
	}
}
