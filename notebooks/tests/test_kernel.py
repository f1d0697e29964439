"""Waiting in a real kernel: this test is the page, and speaks to it as JupyterLab does."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

WIDGET = "import lexigraft\ngenerate = lexigraft.Generate(model=b'a model')\n"


@pytest.fixture
def client() -> Iterator[BlockingKernelClient]:
    manager, client = start_new_kernel()
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def subshell_of(client: BlockingKernelClient) -> str | None:
    """A subshell, as JupyterLab makes one for its widgets; None where the kernel has none."""
    info = client.kernel_info(reply=True, timeout=10)["content"]
    if "kernel subshells" not in info.get("supported_features", []):
        return None
    client.control_channel.send(client.session.msg("create_subshell_request"))
    return client.get_control_msg(timeout=10)["content"]["subshell_id"]


def run_cell(client: BlockingKernelClient, code: str, subshell: str | None) -> str:
    """Runs a cell, and answers each request for it meanwhile; gives what the cell printed."""
    asked = client.execute(code)
    printed = ""
    comm = None

    def say(request: int, values: dict[str, Any], final: bool) -> None:
        content = {
            "type": "values",
            "request": request,
            "order": time.time_ns() // 1000,
            "values": values,
            "final": final,
        }
        message = client.session.msg("comm_msg", {"comm_id": comm, "data": {"method": "custom", "content": content}})
        if subshell is not None:
            message["header"]["subshell_id"] = subshell
        client.shell_channel.send(message)

    while True:
        message = client.get_iopub_msg(timeout=30)
        content, kind = message["content"], message["msg_type"]
        if kind == "comm_open" and content["data"]["state"].get("_model_name") == "AnyModel":
            comm = content["comm_id"]
        elif kind == "comm_msg" and content["data"].get("state", {}).get("status") == "waiting":
            comm = content["comm_id"]
            request = content["data"]["state"]["_request"]
            say(request, {"status": "loading", "text": ""}, final=False)
            say(request, {"text": "a"}, final=False)
            say(request, {"status": "done", "text": "ab"}, final=True)
        elif kind == "stream":
            printed += content["text"]
        elif kind == "error":
            raise AssertionError("\n".join(content["traceback"]))
        elif kind == "status" and content["execution_state"] == "idle":
            if message["parent_header"].get("msg_id") == asked:
                return printed


@pytest.mark.parametrize("wait", ["generate.run().wait()", "await generate.run()"])
def test_a_cell_gets_the_values_in_its_next_line(client: BlockingKernelClient, wait: str) -> None:
    subshell = subshell_of(client)
    code = f"{WIDGET}{wait}\nprint(generate.status, generate.text)\n{wait}\nprint(generate._finished)"
    assert run_cell(client, code, subshell) == "done ab\n2\n"


def test_await_needs_no_subshell(client: BlockingKernelClient) -> None:
    assert run_cell(client, f"{WIDGET}print((await generate.run()).text)", None) == "ab\n"
