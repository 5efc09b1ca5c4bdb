// Questions to the server: addresses, JSON, and the sentence it gives where something is wrong.

const path = (run, rest = "") => `/api/runs/${encodeURIComponent(run)}${rest}`;

const query = (values) => {
	const given = Object.entries(values).filter(([, value]) => value !== null && value !== undefined);
	// Commas and @ stand for themselves in a query, and a chain of seeds stays readable.
	return given.map(([name, value]) => `${name}=${encodeURIComponent(value).replaceAll("%2C", ",").replaceAll("%40", "@")}`).join("&");
};

/** The error that an answer other than what was asked for stands for. */
async function refused(response) {
	const said = await response.json().catch(() => null);
	return Object.assign(new Error(said?.error ?? `${response.status} ${response.statusText}`), { status: response.status });
}

/** The answer; where there is none, the error is `offline`. */
async function answer(address, options) {
	try {
		return await fetch(address, options);
	} catch (error) {
		throw Object.assign(error, { offline: true });
	}
}

async function json(address, signal) {
	const response = await answer(address, { signal });
	if (!response.ok) throw await refused(response);
	return response.json();
}

export const about = (signal) => json("/api/about", signal);
export const runs = (signal) => json("/api/runs", signal);
export const detail = (run, signal) => json(path(run), signal);
export const scalars = (run, values, signal) => json(path(run, `/scalars?${query(values)}`), signal);

/** All records after `number` that are not scalars, over as many calls as it takes. */
export async function records(run, signal) {
	const all = [];
	let next = null;
	for (;;) {
		const page = await json(path(run, next === null ? "/events" : `/events?after=${next}`), signal);
		all.push(...page.events);
		if (page.events.length === 0 || page.next === next) return all;
		next = page.next;
	}
}

/** The pose of the person in a picture, as the text of its file. */
export async function poseOf(picture) {
	const response = await answer("/api/pose", { method: "POST", body: picture });
	if (!response.ok) throw await refused(response);
	return response.text();
}

/** Where a file of the run's folder is. */
export function fileAddress(run, name, download = false) {
	return path(run, `/files/${name.split("/").map(encodeURIComponent).join("/")}${download ? "?download" : ""}`);
}

/** Where samples are: a PNG, unless `values.as` says otherwise. */
export const sampleAddress = (run, values) => path(run, `/sample?${query(values)}`);

/** The PNG that `values` ask for; that which becomes of a `picture`, where one is given. A busy server is asked again, until `signal` says that nobody waits any longer. */
export async function sample(run, values, signal, picture) {
	const address = picture ? path(run, `/apply?${query(values)}`) : sampleAddress(run, values);
	for (;;) {
		const response = await answer(address, { signal, method: picture ? "POST" : "GET", body: picture });
		if (response.ok) return response.blob();
		if (response.status !== 503) throw await refused(response);
		const wait = Math.min(10, Math.max(0.2, Number(response.headers.get("Retry-After")) || 1));
		await new Promise((resolve) => setTimeout(resolve, wait * 1000));
		signal.throwIfAborted();
	}
}
