"""Holds the hub to its own description: every operation of /openapi.json, with data that fits it and data that does not.

    run.py MUSTER    where MUSTER is the program, and this Python has the packages of requirements.txt

A demo hub is started, so that there are connectors, runs, users and groups to be asked for; then schemathesis asks. An
answer that the document does not describe, or a 5xx, is a failure.
"""

import json
import pathlib
import select
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

USERS = 60
SEED = 1
MAXIMUM_EXAMPLES = 8
SECONDS = 100
START_SECONDS = 90
# Signing out would end the session that all else is asked with; parcels and offers of agents are packed, which no generator
# does. Muster-web's own tests do both.
LEFT_OUT = ["signOut", "offerRecords", "putParcel"]
# So would a change of the user who asks, whom schemathesis finds in answers: it comes alone, and changes another user.
ALONE = "updateUser"
SECONDS_ALONE = 15
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
# Where ids of things that are there come from. They go to what reads; what changes or deletes gets made-up ids, and the
# things that it made itself.
IDS = {
    "connectors": "/api/v1/connectors",
    "runs": "/api/v1/runs",
    "jobs": "/api/v1/jobs",
    "users": "/api/v1/users",
    "transform-maps": "/api/v1/transform-maps",
    "inventory/users": "/api/v1/inventory/users",
    "inventory/groups": "/api/v1/inventory/groups",
    "inventory/roles": "/api/v1/inventory/roles",
    "inventory/apis": "/api/v1/inventory/apis",
}
IDS_PER_LIST = 5


class Hub:
    """A demo hub in a temporary directory; ends with the block."""

    def __init__(self, program, directory):
        command = [program, "demo", "--listen", "127.0.0.1:0", "--data", directory, "--users", str(USERS)]
        self.log = open(pathlib.Path(directory) / "stderr", "w+", encoding="utf-8")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True)

    def __enter__(self):
        ready, _, _ = select.select([self.process.stdout], [], [], START_SECONDS)
        line = self.process.stdout.readline() if ready else ""
        if not line:
            self.__exit__()
            self.log.seek(0)
            sys.exit(f"the hub did not start: {self.log.read()}")
        self.banner = json.loads(line)
        self.url = self.banner["url"]
        form = {"username": self.banner["username"], "password": self.banner["password"]}
        self.token = None
        self.token = self.ask("/auth", urllib.parse.urlencode(form).encode()).strip()
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def ask(self, path, body=None, media_type="application/x-www-form-urlencoded"):
        headers = {"Content-Type": media_type} if body else {}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        with urllib.request.urlopen(urllib.request.Request(self.url + path, body, headers), timeout=20) as answer:
            return answer.read().decode()

    def items(self, path):
        page = json.loads(self.ask(path))
        return page if isinstance(page, list) else page["items"]


def ids(hub):
    """Ids by the list that they come from."""
    found = {}
    for name, path in IDS.items():
        entries = [entry.get("id", entry.get("assetId")) for entry in hub.items(path)[:IDS_PER_LIST]]
        found[name] = [entry for entry in entries if entry is not None]
        if not found[name]:
            sys.exit(f"the demo hub has nothing under {path}")
    found["profiles"] = [profile["id"] for profile in hub.items(f"/api/v1/connectors/{found['connectors'][0]}/profiles")]
    return found


def another_user(hub):
    user = {"username": "another", "password": "a password for tests only", "role": "viewer"}
    return json.loads(hub.ask("/api/v1/users", json.dumps(user).encode(), "application/json"))["id"]


def configuration(document, found, other):
    """What schemathesis.toml says: three reads of four ask for what is there."""
    lines = ["[dictionaries]"]
    for name, entries in found.items():
        lines.append(f"{json.dumps(name)} = {{ values = {json.dumps(entries)} }}")
    for path, operations in document["paths"].items():
        place = path.removeprefix("/api/v1/").split("/{id}")[0]
        if "get" in operations and "{id}" in path and place in found:
            lines += [
                "[[operations]]",
                f"include-name = {json.dumps('GET ' + path)}",
                f'parameters = {{ "path.id" = {{ dictionary = {json.dumps(place)}, probability = 0.75 }} }}',
            ]
    lines += ["[[operations]]", f"include-operation-id = {json.dumps(ALONE)}"]
    lines += [f'parameters = {{ "path.id" = {json.dumps(other)} }}']
    return "\n".join(lines) + "\n"


def main(program):
    beside = pathlib.Path(sys.executable).parent
    with tempfile.TemporaryDirectory(prefix="muster-openapi-") as directory, Hub(program, directory) as hub:
        text = hub.ask("/openapi.json")
        document = pathlib.Path(directory) / "openapi.json"
        document.write_text(text, encoding="utf-8")
        subprocess.run([beside / "openapi-spec-validator", document], check=True)
        settings = pathlib.Path(directory) / "schemathesis.toml"
        settings.write_text(configuration(json.loads(text), ids(hub), another_user(hub)), encoding="utf-8")
        command = [beside / "schemathesis", "--config-file", settings, "run", document, "--url", hub.url]
        command += ["--header", f"Authorization: Bearer {hub.token}", "--checks", CHECKS, "--mode", "all"]
        command += ["--phases", "examples,coverage,fuzzing", "--max-examples", str(MAXIMUM_EXAMPLES)]
        command += ["--seed", str(SEED), "--request-timeout", "15", "--generation-database", "none"]
        command += ["--continue-on-failure", "--warnings", "off", "--no-color"]
        selections = [
            (SECONDS, [part for name in [*LEFT_OUT, ALONE] for part in ("--exclude-operation-id", name)]),
            (SECONDS_ALONE, ["--include-operation-id", ALONE]),
        ]
        has_failed = False
        for seconds, selection in selections:
            result = subprocess.run([*command, "--max-time", str(seconds), *selection], cwd=directory)
            has_failed |= result.returncode != 0
            hub.ask("/api/v1/session")  # Still signed in, so nothing was refused for want of a session.
        return int(has_failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
