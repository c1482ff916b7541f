"""The tokenizer of the tiny models: a byte-level BPE learnt from Python's own documentation."""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cache
from itertools import count, pairwise
from pydoc_data.topics import topics

VOCABULARY_TOKENS = 2048
START_OF_TURN = "<|im_start|>"
END_OF_TURN = "<|im_end|>"
# The 256 bytes come first, then the two marks of ChatML, then what was learnt.
START_OF_TURN_TOKEN = 256
END_OF_TURN_TOKEN = 257
_FIRST_LEARNT_TOKEN = 258

# The bytes which GPT-2's alphabet writes as the character of the same number; every other byte gets
# the next free character from 256 on. Engines that read a "gpt2" vocabulary expect this alphabet.
_WRITTEN_AS_THEMSELVES = (range(0x21, 0x7F), range(0xA1, 0xAD), range(0xAE, 0x100))

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokenizer:
    """What an engine needs to know to turn text into tokens and back.

    `tokens` are spelt in the alphabet of `byte_letters`; `merges` stand in order of rank.
    """

    tokens: tuple[str, ...]
    merges: tuple[Pair, ...]

    def printable(self) -> list[int]:
        """List the tokens that stand for printable ASCII text and nothing else."""
        letters = {letter for byte, letter in enumerate(byte_letters()) if 0x20 <= byte < 0x7F}
        # The two marks of ChatML are spelt in printable letters but are no text.
        marks = (START_OF_TURN_TOKEN, END_OF_TURN_TOKEN)
        return [
            token for token, spelling in enumerate(self.tokens) if token not in marks and letters.issuperset(spelling)
        ]


def byte_letters() -> list[str]:
    """Give the letter of each of the 256 bytes, as the vocabularies of GPT-2 spell them."""
    spare = count(256)
    return [chr(byte if any(byte in block for block in _WRITTEN_AS_THEMSELVES) else next(spare)) for byte in range(256)]


@cache
def tiny_tokenizer() -> Tokenizer:
    """Learn the tokenizer. It differs between releases of Python, as their documentation does."""
    space = byte_letters()[ord(" ")]
    # Letters alone: the engine's own splitter keeps every such word whole, so each merge can apply.
    words = Counter(re.findall(" ?[A-Za-z]+", "\n".join(topics.values())))
    merges = learn_merges(
        {word.replace(" ", space): count for word, count in words.items()},
        VOCABULARY_TOKENS - _FIRST_LEARNT_TOKEN,
    )
    learnt = (left + right for left, right in merges)
    return Tokenizer(tokens=(*byte_letters(), START_OF_TURN, END_OF_TURN, *learnt), merges=tuple(merges))


def learn_merges(words: dict[str, int], wanted: int) -> list[Pair]:
    """Join the most frequent pair of neighbours, `wanted` times; of equals the one seen first.

    Source: Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units", 2016.
    """
    spellings = [list(word) for word in words]
    frequencies = list(words.values())
    pairs: Counter[Pair] = Counter()
    places: defaultdict[Pair, set[int]] = defaultdict(set)

    def tally(place: int, sign: int) -> None:
        for pair in pairwise(spellings[place]):
            pairs[pair] += sign * frequencies[place]
            places[pair].add(place)

    for place in range(len(spellings)):
        tally(place, 1)
    merges: list[Pair] = []
    while len(merges) < wanted:
        best = max(pairs, key=pairs.__getitem__)
        merges.append(best)
        # In order of place, so that new pairs are met in an order that no hash seed shifts.
        for place in sorted(places.pop(best)):
            tally(place, -1)
            spellings[place] = _joined(spellings[place], best)
            tally(place, 1)
        del pairs[best]
    return merges


def _joined(spelling: list[str], pair: Pair) -> list[str]:
    joined = spelling[:1]
    for letter in spelling[1:]:
        if (joined[-1], letter) == pair:
            joined[-1] += letter
        else:
            joined.append(letter)
    return joined
