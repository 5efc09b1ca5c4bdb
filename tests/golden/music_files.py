"""Opens the music that `ganvas sample RUN -o FOLDER` wrote with other programs' readers, and listens to it.

Every .mid must be what mido and pretty_midi both read, with the same notes, in 4/4 at 120 quarters a minute and whole bars.
In the .wav beside it nothing may reach full scale, and while a note of the melody sounds, numpy's Fourier transform must be
strongest at the note's frequency, or at an overtone's or a note's of the chord, and the note's own be clearly there.

Needs mido 1.3, pretty_midi 0.2.11 and numpy. Run by hand:

    ganvas sample RUN --seeds 1-3 -o music/ && python tests/golden/music_files.py music/
"""

import sys
import wave
from pathlib import Path

import mido
import numpy as np
import pretty_midi


def check_midi(path):
    raw, read = mido.MidiFile(path), pretty_midi.PrettyMIDI(str(path))
    assert raw.type == 1 and len(raw.tracks) in (2, 3), raw
    assert list(read.get_tempo_changes()[1]) == [120.0], read.get_tempo_changes()
    signature = read.time_signature_changes
    assert [(s.numerator, s.denominator, s.time) for s in signature] == [(4, 4, 0.0)], signature
    assert raw.length % 2 == 0 and raw.length > 0, f"{raw.length} s are no whole bars"
    struck = [m for track in raw.tracks for m in track if m.type == "note_on" and m.velocity > 0]
    assert len(struck) == sum(len(instrument.notes) for instrument in read.instruments)
    melody = [instrument for instrument in read.instruments if instrument.name == "Melody"]
    return raw.length, melody[0].notes if melody else []


def check_wav(path, length, melody):
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 44100), file.getparams()
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2") / 32768
    assert abs(len(samples) / 44100 - length) < 0.5, "the sound is not as long as the music"
    assert np.abs(samples).max() < 0.9, "it clips"
    assert np.abs(np.diff(samples)).max() < 0.35, "it clicks"
    weakest = np.inf
    for note in melody:
        part = samples[int(note.start * 44100) : int(note.end * 44100)]
        size = 1 << 18
        spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part)), size))
        hertz = pretty_midi.note_number_to_hz(note.pitch)
        place = int(round(hertz * size / 44100))
        beside = max(2, int(0.01 * place))
        weakest = min(weakest, spectrum[place - beside : place + beside].max() / spectrum.max())
    assert weakest > 0.3, f"a note of the melody has only {weakest:.2f} of the strongest frequency"
    return weakest


def main(folder):
    files = sorted(Path(folder).glob("*.mid"))
    assert files, f"no .mid in {folder}"
    for path in files:
        length, melody = check_midi(path)
        weakest = check_wav(path.with_suffix(".wav"), length, melody)
        print(f"{path.name}: {length / 2:.0f} bars, {len(melody)} notes, each at least {weakest:.2f} of the strongest sound")


main(sys.argv[1])
