"""Makes tests/golden/music_metrics.json: what numpy and pretty_midi say of made melodies, for src/eval/music.rs.

The melodies are eight bars in 4/4, drawn from numpy's generator: random walks on a scale, walks off every scale, bars that
come again as they are, transposed or with one note changed, notes held over bar lines, rests, silent bars, with and without
chords. A note is [start, length, pitch] in sixteenths. Times are written to a MIDI file with mido and read with pretty_midi,
so that note beginnings, durations and pitch classes are a MIDI library's, not ours.

Made with numpy 2.4, mido 1.3 and pretty_midi 0.2.11. Run by hand, from anywhere:

    python tests/golden/music_metrics.py
"""

import io
import json
import math
from pathlib import Path

import mido
import numpy as np
import pretty_midi

BAR = 16
BARS = 8
TICKS = 120  # in a sixteenth
SECONDS = 0.125  # a sixteenth at 120 quarters a minute
MAJOR = [2, 2, 1, 2, 2, 2, 1]
MINOR = [2, 1, 2, 2, 1, 2, 2]


def scale(root, steps):
    return frozenset((root + sum(steps[:i])) % 12 for i in range(7))


SCALES = [scale(root, steps) for root in range(12) for steps in (MAJOR, MINOR)]
NAMES = ["C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"]


def bar_of(rng, pitches, at):
    """Notes of one bar, relative to it, and where the walk ends."""
    notes, step = [], 0
    while step < BAR:
        length = min(int(rng.choice([1, 2, 2, 4, 4, 8])), BAR - step)
        at = int(np.clip(at + rng.integers(-2, 3), 0, len(pitches) - 1))
        if rng.random() > 0.15:
            notes.append([step, length, int(pitches[at])])
        step += length
    return notes, at


def melody(rng, kind):
    root = int(rng.integers(12))
    pitches = [p for p in range(55, 91) if kind % 3 == 2 or p % 12 in scale(root, MAJOR if kind % 2 else MINOR)]
    bars, at = [], len(pitches) // 2
    for i in range(BARS):
        turn = rng.random()
        if i and turn < 0.25:
            bar = [list(note) for note in bars[int(rng.integers(i))]]
        elif i and turn < 0.4:
            bar = [[start, length, pitch + 1] for start, length, pitch in bars[int(rng.integers(i))]]
        elif i and turn < 0.5:
            bar = [list(note) for note in bars[int(rng.integers(i))]]
            if bar:
                bar[-1][2] += 2
        elif turn < 0.57:
            bar = []
        else:
            bar, at = bar_of(rng, pitches, at)
        bars.append(bar)
    notes = [[i * BAR + start, length, pitch] for i, bar in enumerate(bars) for start, length, pitch in bar]
    for one, following in zip(notes, notes[1:]):  # some notes are held over the bar line, until the next begins
        if one[0] // BAR != following[0] // BAR and rng.random() < 0.3:
            one[1] = min(following[0] - one[0], one[1] + 6)
    names = [NAMES[int(rng.integers(12))] + ("m" if rng.random() < 0.4 else "") for _ in range(BARS)]
    chords = [[i * BAR, name] for i, name in enumerate(names)]
    return notes, [[], chords[1:], chords, chords][kind % 4]


def through_midi(notes):
    """The notes as pretty_midi has them after mido wrote them."""
    turns = [(start, 1, pitch) for start, _, pitch in notes] + [(start + n, 0, pitch) for start, n, pitch in notes]
    track, now = mido.MidiTrack(), 0
    for step, begins, pitch in sorted(turns):
        track.append(mido.Message("note_on" if begins else "note_off", note=pitch, time=(step - now) * TICKS))
        now = step
    written = io.BytesIO()
    mido.MidiFile(tracks=[track], ticks_per_beat=4 * TICKS).save(file=written)
    written.seek(0)
    read = pretty_midi.PrettyMIDI(written)
    return read.instruments[0] if read.instruments else pretty_midi.Instrument(0)


def triad(name):
    root = NAMES.index(name.rstrip("m"))
    return {root, (root + (3 if name.endswith("m") else 4)) % 12, (root + 7) % 12}


def entropy(histogram):
    p = histogram[histogram > 0] / histogram.sum()
    return float(-(p * np.log2(p)).sum())


def mean(values):
    values = list(values)
    return float(np.mean(values)) if values else None


def clipped(instrument, begin, end):
    """The histogram of pitch classes by duration within a span of time."""
    part = pretty_midi.Instrument(0)
    for note in instrument.notes:
        low, high = max(note.start, begin), min(note.end, end)
        if high - low > 1e-6:
            part.notes.append(pretty_midi.Note(64, note.pitch, low, high))
    return np.zeros(12) if not part.notes else np.asarray(part.get_pitch_class_histogram(use_duration=True))


def repeated(instrument, of_pitch):
    seen, again = [], []
    for i in range(BARS):
        begin, end = i * BAR * SECONDS, (i + 1) * BAR * SECONDS
        inside = [n for n in instrument.notes if n.start < end - 1e-6 and n.end > begin + 1e-6]
        facts = [
            (round((n.start - begin) / SECONDS) if n.start > begin - 1e-6 else "before",
             round((min(n.end, end) - begin) / SECONDS), of_pitch(n.pitch))
            for n in sorted(inside, key=lambda n: n.start)
        ]
        if facts:
            again.append(facts in seen)
            seen.append(facts)
    return mean(again[1:])


def numbers(notes, chords):
    instrument = through_midi(notes)
    assert len(instrument.notes) == len(notes)
    whole = np.asarray(instrument.get_pitch_class_histogram(use_duration=True)) if notes else np.zeros(12)
    bars = [clipped(instrument, i * BAR * SECONDS, (i + 1) * BAR * SECONDS) for i in range(BARS)]

    inside = below = 0.0
    for i, (start, name) in enumerate(chords):
        end = chords[i + 1][0] if i + 1 < len(chords) else BARS * BAR
        for note in instrument.notes:
            shared = max(0.0, min(note.end, end * SECONDS) - max(note.start, start * SECONDS))
            below += shared
            inside += shared * (note.pitch % 12 in triad(name))

    leaps = []
    for i in range(1, BARS):
        line = i * BAR * SECONDS
        before = [n for n in instrument.notes if n.start < line - 1e-6 and n.end > line - BAR * SECONDS + 1e-6]
        after = [n for n in instrument.notes if line - 1e-6 < n.start < line + BAR * SECONDS - 1e-6]
        if before and after:
            last, first = max(before, key=lambda n: n.start), min(after, key=lambda n: n.start)
            leaps.append(abs(last.pitch - first.pitch))
    changes = [
        np.abs(a / a.sum() - b / b.sum()).sum() / 2 for a, b in zip(bars, bars[1:]) if a.sum() > 0 and b.sum() > 0
    ]
    return [
        ("in-key", max(whole[sorted(s)].sum() for s in SCALES) / whole.sum() if notes else None),
        ("chord-tones", inside / below if below > 0 else None),
        ("pitch-entropy", entropy(whole) if notes else None),
        ("notes-per-bar", len(instrument.get_onsets()) / BARS),
        ("repeated-bars", repeated(instrument, lambda pitch: pitch)),
        ("repeated-rhythms", repeated(instrument, lambda pitch: 0)),
        ("bar-leap", mean(leaps)),
        ("bar-change", mean(changes)),
    ]


def main():
    rng = np.random.default_rng(7)
    samples = []
    for kind in range(48):
        notes, chords = melody(rng, kind)
        samples.append({"steps": BARS * BAR, "notes": notes, "chords": chords, "numbers": numbers(notes, chords)})
    samples.append({"steps": BARS * BAR, "notes": [], "chords": [], "numbers": numbers([], [])})
    means = []
    for i, (name, _) in enumerate(samples[0]["numbers"]):
        values = [sample["numbers"][i][1] for sample in samples if sample["numbers"][i][1] is not None]
        means.append((name, math.fsum(values) / len(values)))
    rounded = lambda pairs: [(name, None if value is None else round(float(value), 12)) for name, value in pairs]
    for sample in samples:
        sample["numbers"] = rounded(sample["numbers"])
    text = "{\n\"samples\": [\n" + ",\n".join(json.dumps(sample, separators=(",", ":")) for sample in samples)
    text += "\n],\n\"means\": " + json.dumps(rounded(means)) + "\n}\n"
    Path(__file__).with_suffix(".json").write_text(text)


main()
