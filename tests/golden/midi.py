"""Damaged and unusual MIDI files, and the notes in them as mido reads them in the sound file that each was made of.

    pip install mido numpy && python tests/golden/midi.py > tests/golden/midi.json

Times are in ticks of 96 a quarter. `lost` is the byte that is told where something is lost.
"""

import io
import json
import struct

import mido
import numpy as np

EOT = b"\x00\xff\x2f\x00"


def vlq(number):
    out = [number & 0x7F]
    while number := number >> 7:
        out.append(number & 0x7F | 0x80)
    return bytes(reversed(out))


def chunk(name, body, length=None):
    return name + struct.pack(">I", len(body) if length is None else length) + body


def file(*tracks, form=1):
    return chunk(b"MThd", struct.pack(">HHH", form, len(tracks), 96)) + b"".join(tracks)


def line(pitches, length=96, between=None, running=True):
    """Notes one after the other, ended by a velocity of 0; `between` stands before every eighth one."""
    out = b""
    for at, pitch in enumerate(pitches):
        extra = between is not None and at and at % 8 == 0
        out += b"\x00" + between if extra else b""
        status = b"\x90" if at == 0 or not running else b""
        out += b"\x00" + status + bytes([pitch, 90]) + vlq(length) + (b"" if running else b"\x90") + bytes([pitch, 0])
    return out


def read(data):
    """(start, end, pitch, track) of every note, by mido."""
    notes = []
    for number, track in enumerate(mido.MidiFile(file=io.BytesIO(data)).tracks):
        now, struck = 0, {}
        for message in track:
            now += message.time
            if message.type in ("note_on", "note_off"):
                if message.note in struck:
                    notes.append((struck.pop(message.note), now, message.note, number))
                if message.type == "note_on" and message.velocity:
                    struck[message.note] = now
    return sorted(notes)


def top(notes):
    """The highest pitch that sounds at each tick, as notes: of music whose top voice has no rests."""
    end = max(note[1] for note in notes)
    roll = np.zeros((128, end), bool)
    for start, stop, pitch, _ in notes:
        roll[pitch, start:stop] = True
    highest = 127 - roll[::-1].argmax(axis=0)
    starts = {(start, pitch) for start, _, pitch, _ in notes}
    found = []
    for tick, pitch in enumerate(highest):
        if not found or found[-1][2] != pitch or (tick, pitch) in starts:
            found.append([tick, tick, int(pitch)])
        found[-1][1] = tick + 1
    return found


scale = [60, 62, 64, 65, 67, 69, 71, 72] * 4
body = line(scale)
sound = file(chunk(b"MTrk", body + EOT))
low = line([48, 50, 52, 53] * 8, running=False)
two = file(chunk(b"MTrk", body + EOT), chunk(b"MTrk", low + EOT))
text, sysex = b"\xff\x01\x03la!", b"\xf0\x03\x7e\x7f\xf7"
realtime = b"\xf8"
cut = sound[: len(sound) * 3 // 4]
half = line(scale[:16])
bad = file(chunk(b"MTrk", half + b"\x00\x90\xff\xff" + body[len(half) + 4 :] + EOT))
first_small = file(chunk(b"MTrk", body + EOT, 60), chunk(b"MTrk", low + EOT))
first_large = file(chunk(b"MTrk", body + EOT, 5000), chunk(b"MTrk", low + EOT))

cases = {}


def case(name, data, of, lost=None, notes=None):
    notes = read(of) if notes is None else notes
    cases[name] = {"file": data.hex(), "notes": notes, "lost": lost}


case("sound", sound, sound)
case("running status after a text", file(chunk(b"MTrk", line(scale, between=text) + EOT)), sound)
case("running status after system exclusive", file(chunk(b"MTrk", line(scale, between=sysex) + EOT)), sound)
case("running status after a clock", file(chunk(b"MTrk", line(scale, between=realtime) + EOT)), sound)
case("a track's length too small", file(chunk(b"MTrk", body + EOT, 60)), sound)
case("a track's length zero", file(chunk(b"MTrk", body + EOT, 0)), sound)
case("a track's length too large", file(chunk(b"MTrk", body + EOT, 9000)), sound)
case("the first track's length too small", first_small, two)
case("the first track's length too large", first_large, two)
case("no end of track", file(chunk(b"MTrk", body), chunk(b"MTrk", low)), two)
case("no end of track and a length too large", file(chunk(b"MTrk", body, 999), chunk(b"MTrk", low + EOT)), two)
case("an end of track before the track's end", file(chunk(b"MTrk", body + EOT + b"\x00" * 9), chunk(b"MTrk", low + EOT)), two)
case("a chunk that is no track", file(chunk(b"MTrk", body + EOT)) + chunk(b"XFIH", b"12345") + chunk(b"MTrk", low + EOT), two)
case("a file in a RIFF file", chunk(b"RIFF", b"RMID" + chunk(b"data", sound)), sound)
case("bytes before the head", b"\x00" * 128 + sound, sound)
case("bytes after the last track", sound + b"\x1a" * 40, sound)
case("a longer head", chunk(b"MThd", struct.pack(">HHH", 1, 1, 96) + b"\0\0") + chunk(b"MTrk", body + EOT), sound)

# What mido reads of the events before the cut, closed with an end of track.
events = cut[22:]
for length in range(len(events), 0, -1):
    try:
        notes = read(file(chunk(b"MTrk", events[:length] + EOT)))
        break
    except (OSError, EOFError, ValueError, IndexError):
        continue
case("cut off", cut, None, len(cut), notes)
case("no event in the middle", bad, None, 22 + len(half), read(file(chunk(b"MTrk", half + EOT))))

# Both hands on one channel: whole notes below quarters.
piano = b""
melody = [72, 74, 76, 77, 79, 77, 76, 74] * 4
for at, pitch in enumerate(melody):
    chord = [48, 52, 55] if at // 4 % 2 == 0 else [47, 50, 55]
    if at % 4 == 0:
        piano += b"".join(b"\x00\x90" + bytes([low_pitch, 80]) for low_pitch in chord)
    piano += b"\x00\x90" + bytes([pitch, 80]) + b"\x60\x80" + bytes([pitch, 64])
    if at % 4 == 3:
        piano += b"".join(b"\x00\x80" + bytes([low_pitch, 64]) for low_pitch in chord)
piano = file(chunk(b"MTrk", piano + EOT))
case("piano", piano, piano)
cases["piano"]["top"] = top(read(piano))

print(json.dumps(cases, separators=(",", ":")).replace('},"', '},\n"'))
