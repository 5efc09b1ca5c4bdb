"""Makes music.json: some tunes and a chorale as music21 10.5.1 itself reads them, and the keys it finds.

    python -m venv venv && venv/bin/pip install music21==10.5.1
    venv/bin/python tests/golden/music.py > tests/golden/music.json

The texts of the tunes are in music21's own corpus and not copied here. A measure is a flat list of pitch, start and length,
in 192nds of a whole note since the measure began; of chords the highest pitch, without grace notes and rests.
"""

import json
import re
import warnings
from pathlib import Path

import music21
from music21 import analysis, converter, stream

UNITS = 192
# The tunes of the three books that have, together, every habit of notation that the reader knows and music21 reads well, too:
# broken rhythms, triplets, ties, rests, chords, grace notes, fingerings in quotation marks, continued lines, endings, repeats,
# accidentals that hold through a measure, octave marks, modes.
TUNES = [
    ("ryansMammoth", "MountainSpriteJig.abc", "1"),
    ("ryansMammoth", "GoAsYouPleaseHornpipe.abc", "1"),
    ("ryansMammoth", "MillerOfDroneStrathspey.abc", "1"),
    ("oneills1850", "0001-0050.abc", "35"),
    ("oneills1850", "0101-0200.abc", "194"),
    ("oneills1850", "0201-0300.abc", "260"),
    ("oneills1850", "1376-1475.abc", "1406"),
    ("oneills1850", "1710-1750.abc", "1736"),
    ("airdsAirs", "book3.abc", "0435"),
    ("airdsAirs", "book4.abc", "0732"),
    ("airdsAirs", "book6.abc", "1017"),
    ("airdsAirs", "book6.abc", "1172"),
]
CHORALE = "bach/bwv66.6.mxl"


def measure(notes):
    found = []
    for note in notes:
        if note.isRest or note.duration.isGrace:
            continue
        times = [float(time) * UNITS / 4 for time in (note.offset, note.quarterLength)]
        assert all(abs(time - round(time)) < 1e-6 for time in times), times
        found += [max(pitch.midi for pitch in note.pitches), *(round(time) for time in times)]
    return found


def part(of):
    measures = (measure(each.flatten().notesAndRests) for each in of.getElementsByClass(stream.Measure))
    return [each for each in measures if each]


def key(of):
    found = analysis.discrete.KrumhanslKessler(of).getSolution(of)
    return f"{found.tonic.name} {found.mode}"


def tune(corpus, book, file, number):
    text = (corpus / book / file).read_text(encoding="utf-8", errors="replace")
    [own] = [each for each in re.split(r"(?m)^(?=X:)", text) if re.match(rf"X:\s*{number}\s", each)]
    # Of this version on, an accidental holds to the end of its measure.
    score = converter.parseData("%abc-2.1\n" + own, format="abc")
    score = score.scores[0] if isinstance(score, stream.Opus) else score
    return {"book": book, "file": file, "number": number, "key": key(score), "measures": part(score.parts[0])}


def main():
    warnings.simplefilter("ignore")
    corpus = Path(music21.__file__).parent / "corpus"
    chorale = converter.parse(corpus / CHORALE)
    facts = {
        "made_by": f"tests/golden/music.py with music21 {music21.__version__}",
        "tunes": [tune(corpus, *each) for each in TUNES],
        "chorale": {"file": CHORALE, "key": key(chorale), "parts": [part(each.stripTies()) for each in chorale.parts]},
    }
    lines = json.dumps(facts, separators=(",", ":")).replace('{"book"', '\n{"book"').replace('"chorale"', '\n"chorale"')
    print(lines)


if __name__ == "__main__":
    main()
