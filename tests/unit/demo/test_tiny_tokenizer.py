from perllm.demo.tiny_tokenizer import (
    END_OF_TURN,
    END_OF_TURN_TOKEN,
    START_OF_TURN,
    START_OF_TURN_TOKEN,
    VOCABULARY_TOKENS,
    byte_letters,
    learn_merges,
    tiny_tokenizer,
)


def test_every_byte_has_a_letter_of_its_own() -> None:
    assert 256 == len(set(byte_letters()))


def test_letters_are_those_of_gpt2() -> None:
    letters = byte_letters()

    assert ["Ā", "Ċ", "Ġ", "A", "ġ", "Ń", "ÿ"] == [letters[byte] for byte in (0x00, 0x0A, 0x20, 0x41, 0x7F, 0xAD, 0xFF)]


def test_every_byte_is_a_token() -> None:
    assert tuple(byte_letters()) == tiny_tokenizer().tokens[:256]


def test_the_vocabulary_is_full_and_names_nothing_twice() -> None:
    assert VOCABULARY_TOKENS == len(set(tiny_tokenizer().tokens))


def test_the_marks_of_turns_stand_where_clients_are_told() -> None:
    tokens = tiny_tokenizer().tokens

    assert (START_OF_TURN, END_OF_TURN) == (tokens[START_OF_TURN_TOKEN], tokens[END_OF_TURN_TOKEN])


def test_every_merge_joins_tokens_that_stand_before_its_own() -> None:
    tokenizer = tiny_tokenizer()
    rank = {token: place for place, token in enumerate(tokenizer.tokens)}

    assert all(max(rank[left], rank[right]) < rank[left + right] for left, right in tokenizer.merges)


def test_merges_take_the_most_frequent_pair_and_of_equals_the_first_seen() -> None:
    words = {"low": 5, "lower": 2, "newest": 6, "widest": 3}

    assert [("e", "s"), ("es", "t"), ("l", "o"), ("lo", "w")] == learn_merges(words, 4)


def test_a_pair_that_overlaps_itself_is_joined_from_the_left() -> None:
    assert [("a", "a"), ("aa", "aa"), ("aaaa", "a")] == learn_merges({"aaaaa": 1}, 3)


def test_printable_tokens_are_printable_text_and_no_marks() -> None:
    tokenizer = tiny_tokenizer()
    printable = tokenizer.printable()
    text = "".join(tokenizer.tokens[token] for token in printable).replace("Ġ", " ")

    assert text.isascii()
    assert text.isprintable()
    assert not {START_OF_TURN_TOKEN, END_OF_TURN_TOKEN} & set(printable)


def test_every_printable_character_can_be_said() -> None:
    assert set(range(0x20, 0x7F)) <= set(tiny_tokenizer().printable())
