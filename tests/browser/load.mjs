// How much viewers slow a trainer: windows without and with N of them in turn, on a run that is training.
//
//     node tests/browser/load.mjs http://127.0.0.1:7878 0001-mnist 50 [pairs] [seconds]
//
// A viewer listens to the run's news, loads its page's files, its curves and its newest preview, and once in ten seconds the
// curves again. The speed is the trainer's own: steps by its log over the log's time.

const [address, run, count = "50", pairs = "5", seconds = "20"] = process.argv.slice(2);
const base = new URL(address);
const url = (path) => new URL(path, base);
const wait = (secs) => new Promise((done) => setTimeout(done, secs * 1000));

async function progress() {
  const { series, step, time } = await (await fetch(url(`/api/runs/${run}/scalars?names=images_per_sec&points=2000`))).json();
  return step.map((at, i) => ({ step: at, time: time[i], speed: series.images_per_sec.mean[i] }));
}

/** Median of the logged speeds between two moments of the trainer's clock. */
async function speed(from, to) {
  const speeds = (await progress()).filter((row) => row.time > from && row.time <= to).map((row) => row.speed);
  speeds.sort((a, b) => a - b);
  return speeds[Math.floor(speeds.length / 2)];
}

async function viewer(stop) {
  const options = { signal: stop.signal };
  const read = async (path) => (await fetch(url(path), options)).arrayBuffer();
  try {
    await Promise.all(["/", "/assets/app.js", "/assets/style.css", "/api/runs"].map(read));
    const detail = await (await fetch(url(`/api/runs/${run}`), options)).json();
    const curves = () => read(`/api/runs/${run}/scalars?points=600`);
    await Promise.all([curves(), detail.preview ? read(`/api/runs/${run}/files/${detail.preview}`) : null]);
    const again = setInterval(() => curves().catch(() => {}), 10_000);
    stop.signal.addEventListener("abort", () => clearInterval(again));
    const news = (await fetch(url(`/api/live?run=${run}`), options)).body.getReader();
    while (!(await news.read()).done);
  } catch (error) {
    if (!stop.signal.aborted) console.error(`a viewer failed: ${error}`);
  }
}

const ratios = [];
for (let pair = 0; pair < Number(pairs); pair++) {
  const found = {};
  for (const watched of pair % 2 ? [true, false] : [false, true]) {
    const stop = new AbortController();
    if (watched) for (let i = 0; i < Number(count); i++) viewer(stop);
    await wait(2);
    const from = Date.now() / 1000;
    await wait(Number(seconds));
    found[watched] = await speed(from, Date.now() / 1000);
    stop.abort();
  }
  ratios.push(found.true / found.false);
  console.log(`alone ${found.false.toFixed(0)} img/s, with ${count} viewers ${found.true.toFixed(0)}: ${ratios.at(-1).toFixed(3)}`);
}
ratios.sort((a, b) => a - b);
console.log(`median of the ratios: ${ratios[Math.floor(ratios.length / 2)].toFixed(3)}`);
