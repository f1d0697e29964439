import asyncio
import struct
import threading
import time
from pathlib import Path

import pytest
import traitlets
from page import Page

import lexigraft
import lexigraft.job
from lexigraft import LexigraftError


@pytest.fixture
def generate() -> lexigraft.Generate:
    return lexigraft.Generate(model=b"a model", prompt="One", temperature=0)


@pytest.fixture
def page(generate: lexigraft.Generate) -> Page:
    return Page(generate)


def later(seconds: float, do) -> None:
    threading.Timer(seconds, do).start()


def test_a_request_goes_through_its_states(generate: lexigraft.Generate, page: Page) -> None:
    states = []
    generate.observe(lambda change: states.append(change["new"]), "status")
    assert generate.status == "idle"
    assert generate.run(prompt="Two", max_tokens=3) is generate
    assert (generate.prompt, generate.max_tokens, generate._request, generate._finished) == ("Two", 3, 1, 0)
    page.values({"status": "loading", "progress": {"phase": "read", "loaded": 1, "total": 2}})
    assert generate.progress == {"phase": "read", "loaded": 1, "total": 2}
    page.values({"status": "running", "progress": {}})
    page.values({"text": " three"})
    assert generate._finished == 0
    page.values({"status": "done", "text": " three.", "ids": [5, 6], "tokens_per_second": 7}, final=True)
    assert states == ["waiting", "loading", "running", "done"]
    assert generate.wait() is generate
    assert (generate.text, generate.ids, generate.tokens_per_second) == (" three.", [5, 6], 7.0)


def test_wait_ends_when_the_page_answers_from_another_thread(generate: lexigraft.Generate, page: Page) -> None:
    generate.run()
    later(0.1, lambda: page.values({"status": "done", "text": "!"}, final=True))
    start = time.monotonic()
    assert generate.wait().text == "!"
    assert 0.05 < time.monotonic() - start < 2


def test_await_leaves_the_loop_free(generate: lexigraft.Generate, page: Page) -> None:
    async def main() -> str:
        asyncio.get_running_loop().call_later(0.1, lambda: page.values({"status": "done", "text": "!"}, final=True))
        return (await generate.run()).text

    assert asyncio.run(main()) == "!"


def test_nothing_to_wait_for_is_an_error(generate: lexigraft.Generate) -> None:
    with pytest.raises(LexigraftError, match="call run"):
        generate.wait()


def test_an_error_of_the_page_is_raised_by_each_wait(generate: lexigraft.Generate, page: Page) -> None:
    generate.run()
    record = {"code": "network", "message": "No answer.", "hint": None}
    page.values({"status": "failed", "error": record}, final=True)
    assert (generate.status, generate.error) == ("failed", LexigraftError("network", "No answer."))
    for _ in range(2):
        with pytest.raises(LexigraftError) as raised:
            generate.wait()
        assert raised.value.code == "network"
        assert raised.value is not generate.error
    generate.run()
    assert (generate.status, generate.error) == ("waiting", None)


def test_a_request_forgets_what_the_one_before_computed(generate: lexigraft.Generate, page: Page) -> None:
    generate.run()
    page.values({"text": "old", "ids": [1], "device": "The CPU.", "status": "done"}, final=True)
    generate.run()
    assert (generate.text, generate.ids, generate.device) == ("", [], "The CPU.")


def test_what_comes_late_for_an_older_request_is_dropped(generate: lexigraft.Generate, page: Page) -> None:
    generate.run()
    generate.run()
    page.values({"text": "old", "status": "done"}, request=1, final=True)
    assert (generate.text, generate.status, generate._finished) == ("", "waiting", 0)
    page.values({"text": "new", "status": "done"}, request=2, final=True)
    assert generate.wait().text == "new"
    page.values({"text": "newer", "status": "running"}, request=2)
    assert (generate.text, generate.status) == ("new", "done")


def test_messages_that_overtake_each_other_leave_the_newest_value(generate: lexigraft.Generate, page: Page) -> None:
    generate.run()
    page.values({"text": "ab"}, order=11)
    page.values({"text": "a", "device": "The CPU."}, order=10)
    assert (generate.text, generate.device) == ("ab", "The CPU.")
    # The last one has all values, and may come twice.
    for _ in range(2):
        page.values({"text": "abc", "status": "done"}, order=12, final=True)
    assert generate.wait().text == "abc"


def test_a_press_of_the_pages_button_is_a_request_too(generate: lexigraft.Generate, page: Page) -> None:
    page.update({"prompt": "From the page"})
    page.values({"status": "loading"}, request=1)
    assert (generate._request, generate.prompt) == (1, "From the page")
    page.values({"status": "done", "text": "!"}, request=1, final=True)
    assert generate.wait().text == "!"
    generate.run()
    assert generate._request == 2


def test_an_update_of_traits_sets_inputs_alone(generate: lexigraft.Generate, page: Page) -> None:
    generate.run()
    page.update({"text": "stale", "status": "done", "_finished": 9, "prompt": "new", "_request": 3})
    assert (generate.text, generate.status, generate._finished) == ("", "waiting", 0)
    assert (generate.prompt, generate._request) == ("new", 3)


def test_values_set_no_inputs(generate: lexigraft.Generate, page: Page) -> None:
    generate.run()
    page.values({"prompt": "no", "_finished": 9, "_stop": 9, "no_such": 1, "text": "yes"})
    assert (generate.prompt, generate._finished, generate._stop, generate.text) == ("One", 0, 0, "yes")


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {"type": "values"},
        {"type": "values", "request": 1, "order": 1, "values": []},
        {"type": "values", "request": "1", "order": 1, "values": {"text": "x"}},
        {"type": "other"},
    ],
)
def test_messages_that_make_no_sense_are_ignored(generate: lexigraft.Generate, page: Page, content) -> None:
    generate.run()
    page.say(content)
    assert (generate.status, generate.text, page.heard) == ("waiting", "", [])


def test_no_page_is_noticed(generate: lexigraft.Generate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lexigraft.job, "FIRST_ANSWER_SECONDS", 0.2)
    with pytest.raises(TimeoutError, match="`await` in place of"):
        generate.run().wait()
    with pytest.raises(TimeoutError, match="open in a browser"):
        asyncio.run(generate.run()._wait_async())


def test_a_page_that_was_heard_has_until_the_timeout(
    generate: lexigraft.Generate, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lexigraft.job, "FIRST_ANSWER_SECONDS", 0.1)
    generate.run()
    page.values({"status": "running"})
    with pytest.raises(TimeoutError, match=r"not finished in 0\.3 seconds; it is running"):
        generate.wait(timeout=0.3)


def test_stop_names_the_request_that_ends(generate: lexigraft.Generate, page: Page) -> None:
    generate.stop()
    generate.run()
    assert generate._stop < generate._request
    generate.stop()
    assert generate._stop == generate._request
    generate.run()
    assert generate._stop < generate._request


def test_an_interrupt_stops_the_request(generate: lexigraft.Generate, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            raise KeyboardInterrupt

    generate._answered = Interrupted()
    generate.run()
    with pytest.raises(KeyboardInterrupt):
        generate.wait()
    assert generate._stop == generate._request


def test_a_cancelled_await_stops_the_request(generate: lexigraft.Generate) -> None:
    async def main() -> None:
        await asyncio.wait_for(generate.run(), 0.2)

    with pytest.raises(TimeoutError):
        asyncio.run(main())
    assert generate._stop == generate._request


def test_the_page_reads_what_it_was_offered(generate: lexigraft.Generate, page: Page) -> None:
    key = generate._files["model"]["key"]
    page.say({"type": "read", "id": 4, "key": key, "offset": 2, "length": 5})
    assert page.heard.pop() == ({"type": "part", "id": 4}, [b"model"])
    engine = generate._files["engine"]
    assert engine["name"] == "engine.js"
    assert engine["size"] > 1_000_000
    for bad in [
        {"key": "path:/etc/passwd", "offset": 0, "length": 1},
        {"key": key, "offset": "0", "length": 1},
        {"key": key, "offset": 0, "length": 2**30},
    ]:
        page.say({"type": "read", "id": 5, **bad})
        content, buffers = page.heard.pop()
        assert content["error"]["code"] in ("not-found", "invalid-argument")
        assert buffers == []


def test_a_new_model_is_offered_in_place_of_the_old_one(generate: lexigraft.Generate, page: Page) -> None:
    old = generate._files["model"]["key"]
    generate.run(model=b"another model")
    assert generate._files["model"]["key"] != old
    page.say({"type": "read", "id": 1, "key": old, "offset": 0, "length": 1})
    assert page.heard.pop()[0]["error"]["code"] == "not-found"


def test_wrong_names_and_values_are_refused_before_anything_is_asked(generate: lexigraft.Generate) -> None:
    with pytest.raises(TypeError, match="Generate has no trait prompts"):
        generate.run(prompts="x")
    with pytest.raises(TypeError, match="Generate has no trait modell"):
        lexigraft.Generate(modell="x")
    with pytest.raises(traitlets.TraitError):
        generate.run(max_tokens="many")
    with pytest.raises(LexigraftError) as raised:
        generate.run(model="/no/such.gguf")
    assert raised.value.code == "not-found"
    assert generate._request == 0


def test_floats_and_bytes_come_as_they_are_in_memory() -> None:
    following = lexigraft.Bytes(model=b"a model", prefix=b"\xc3")
    page = Page(following)
    following.run()
    page.values({"status": "done"}, binary={"log_probs": struct.pack("<3f", -0.5, float("-inf"), 0)}, final=True)
    assert following.wait().log_probs == [-0.5, float("-inf"), 0.0]

    see = lexigraft.See(model=b"a model")
    page = Page(see)
    see.run(image=b"a picture")
    assert see.heat_rows() == []
    page.values({"heat_shape": [2, 2]}, binary={"heat": struct.pack("<4f", 0, 0.25, 0.5, 1)}, final=True)
    assert see.wait().heat_rows() == [[0.0, 0.25], [0.5, 1.0]]


def test_a_text_is_a_string_or_bytes() -> None:
    following = lexigraft.Bytes(prefix=bytearray(b"a\xff"))
    assert following.prefix == b"a\xff"
    with pytest.raises(LexigraftError, match="not int"):
        following.prefix = 5
    with pytest.raises(traitlets.TraitError):
        lexigraft.Graft(method="magic")


def test_the_widgets_scripts_are_in_the_package() -> None:
    static = Path(lexigraft.__file__).parent / "static"
    assert "initialize" in (static / "widget.js").read_text()
    assert lexigraft.Generate()._job == "generate"
