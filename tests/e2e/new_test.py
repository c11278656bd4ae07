# SPDX-License-Identifier: Apache-2.0
"""`weft new`: whatever the model drafts is a valid document; nothing is overwritten."""
from harness import Place, main


def test_any_draft_is_valid():
    with Place() as place:
        for seed, wish in enumerate(("sort inquiries and let a person approve refunds",
                                     "문의를 분류하고 담당자에게 알림을 보내기", "{{ 7 * 7 }} {% if %} \" ' \\ #",
                                     "traduce el texto a tres idiomas", "x" * 900)):
            name = f"draft{seed}.yaml"
            place.weft_bare("new", "--from", wish, "-o", name, "--seed", str(seed))
            place.weft_bare("validate", name)
            assert "steps:" in (place.path / name).read_text()


def test_nothing_is_overwritten_and_nothing_is_guessed():
    with Place() as place:
        place.write("mine.yaml", "precious")
        for words in (("--from", "a thing", "-o", "mine.yaml"), ("--from", " ")):
            try:
                place.weft_bare("new", *words)
            except Exception as error:
                assert "E0904" in error.stderr, error.stderr
            else:
                raise AssertionError(words)
        assert (place.path / "mine.yaml").read_text() == "precious"
        printed = place.weft_bare("new", "--from", "answer mail").stdout
        assert printed.startswith("# Drafted from: answer mail\n"), printed


if __name__ == "__main__":
    main(dict(globals()))
