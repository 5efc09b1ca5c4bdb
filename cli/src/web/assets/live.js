// News from the server: one stream, opened again when it breaks, and what was missed loaded anew.
import { say } from "./words.js";

const RETRY = 3000;

function tell(text) {
	const line = document.getElementById("connection");
	if (line.textContent !== text) line.textContent = text;
}

/** Hears of `run`, or of all runs, until `signal`. `hear` has a function for each event, and `again` for "load everything", told whether it is the first time. */
export function listen(run, hear, signal) {
	let stream = null;
	let timer = 0;
	let missed = false;
	let first = true;

	function open() {
		close();
		stream = new EventSource(run === null ? "/api/live" : `/api/live?run=${encodeURIComponent(run)}`);
		stream.addEventListener("open", () => {
			tell("");
			// Between what was loaded and the first word of the stream, something may have happened.
			if (first || missed) hear.again(first);
			first = missed = false;
		});
		stream.addEventListener("error", () => {
			missed = true;
			tell(say("connectionLost"));
			// The browser tries again by itself, but not after an answer that is not a stream.
			if (stream?.readyState === EventSource.CLOSED) timer = setTimeout(open, RETRY);
		});
		stream.addEventListener("lost", () => hear.again(false));
		for (const kind of ["runs", "record", "scalars", "illnesses"]) {
			stream.addEventListener(kind, (event) => hear[kind]?.(JSON.parse(event.data)));
		}
	}

	function close() {
		clearTimeout(timer);
		stream?.close();
		stream = null;
	}

	// A browser has few connections to one server: a page that nobody looks at gives its own back.
	function look() {
		if (document.hidden) {
			close();
			missed = true;
		} else if (stream === null) {
			open();
		}
	}

	document.addEventListener("visibilitychange", look, { signal });
	signal.addEventListener("abort", () => {
		close();
		tell("");
	});
	look();
}
