"""The sandbox's fraud engine as a process, for tests of the service that asks it."""

import signal
import socket
import subprocess
import sys
import time

import httpx

from online.platform.settings import ROOT


class Engine:
    """A fraud engine process of our own."""

    def __init__(self, *arguments: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._arguments = arguments
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "online.sandbox", "fraud-engine"]
        command += ["--port", str(self.port), *self._arguments]
        self.process = subprocess.Popen(command, cwd=ROOT)
        for _ in range(300):
            try:
                if httpx.get(f"{self.url}/health", trust_env=False).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
        raise TimeoutError("the engine does not start")

    def stop(self, by: signal.Signals = signal.SIGKILL) -> int:
        self.process.send_signal(by)
        return self.process.wait(timeout=20)
