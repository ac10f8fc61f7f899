"""Prints the routes that OpenAI's SDKs call, read from their sources: `METHOD /path`, `{}` for each variable.

    python sdk.py [FOLDER ...]

A folder is the package `openai` of Python or of npm; default: the `openai` that this Python has installed. The output
for all SDKs is the first section of `openai.txt`; its first line is a comment with the versions. WebSockets are GET. A
path that can't be read is an error, so that no route is missed silently.
"""

import ast
import importlib.util
import json
import re
import sys
from pathlib import Path

# Folders without routes: copies of other libraries, types, and TypeScript of the compiled files.
SKIPPED = {"_vendor", "node_modules", "src", "types"}
# The other methods of the clients (`_get_api_list`, `getAPIList`) are lists by GET, unless an argument `method` differs.
VERBS = {"get", "post", "put", "patch", "delete"}


def route(method, path):
    """The line of a route, without the query and without names of variables."""
    return f"{method.upper()} {re.sub(r'[$]?[{][^}]*[}]', '{}', path.partition('?')[0])}"


def deployments(source):
    """The routes of the Azure clients, which insert the deployment before some paths."""
    listed = re.search(r"_deployments_endpoints = [^\[{]*([^\]}]*)", source)
    paths = re.findall(r"""["'](/[^"']*)["']""", listed[1]) if listed else []
    # The base is `{azure_endpoint}/openai`, or a base URL without `/openai`.
    return {route("post", f"{base}/deployments/{{}}{path}") for path in paths for base in ("", "/openai")}


def literal(node):
    """The path that this expression builds, or None."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "path_template":
        node = node.args[0]
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
    value = node.value if isinstance(node, ast.Constant) else None
    value = value.decode() if isinstance(value, bytes) else value
    return value if isinstance(value, str) and re.match(r"/\w", value) else None


def python_calls(tree, name):
    """The routes of calls such as `self._post(path_template("/files/{file_id}", ...), ...)`."""
    for call in ast.walk(tree):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
            continue
        attribute = call.func.attr
        verb = attribute.lstrip("_")
        if verb not in VERBS and verb != "get_api_list":
            continue
        target = call.args[0] if call.args else next((word.value for word in call.keywords if word.arg == "path"), None)
        path = literal(target)
        if path is None:
            # Without the underscore, it may be a method of another class, such as `dict.get`.
            if attribute.startswith("_"):
                raise ValueError(f"{name}:{call.lineno}: no path in {ast.unparse(call)[:80]}")
            continue
        methods = [word.value.value for word in call.keywords if word.arg == "method"]
        yield route(methods[0] if methods else verb.removesuffix("_api_list"), path)


def python_websockets(tree):
    """The paths that `_prepare_url` of a WebSocket appends to the base."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef) and function.name == "_prepare_url":
            paths = [literal(node) for node in ast.walk(function)]
            yield from {route("get", path) for path in paths if path}


def python_routes(package):
    routes = set()
    for file in sorted(package.rglob("*.py")):
        parts = file.relative_to(package).parts
        if SKIPPED.isdisjoint(parts):
            source = file.read_text()
            tree = ast.parse(source)
            routes |= set(python_calls(tree, file)) | deployments(source)
            if parts[0] == "resources":
                routes |= set(python_websockets(tree))
    return routes


COMMENT = re.compile(r"^\s*(?:/\*.*?\*/|//[^\n]*)", re.DOTALL | re.MULTILINE)
NODE_CALL = re.compile(r"\b_?client\s*\.(get|post|put|patch|delete|getAPIList)\(\s*(?:path\s*)?(?:(['\"`])(/.*?)\2)?")
NODE_PATH = re.compile(r"(['\"`])(/(?!v1\b)\w[^'\"`\s]*)\1")


def arguments(source, start):
    """The source from here to the end of the call's arguments."""
    depth = 1
    for end in range(start, len(source)):
        depth += {"(": 1, ")": -1}.get(source[end], 0)
        if depth == 0:
            return source[start:end]
    raise ValueError("a call without an end")


def node_routes(package):
    routes = set()
    for file in sorted(package.rglob("*.mjs")):
        parts = file.relative_to(package).parts
        if not SKIPPED.isdisjoint(parts):
            continue
        source = COMMENT.sub("", file.read_text())
        routes |= deployments(source)
        for call in NODE_CALL.finditer(source):
            if call[3] is None:
                raise ValueError(f"{file}: no path in {call[0]}{source[call.end() : call.end() + 60]}")
            method = re.search(r"\bmethod: '(\w+)'", arguments(source, call.end()))
            routes.add(route(method[1] if method else call[1].removesuffix("APIList"), call[3]))
        if {"resources", "realtime"} & set(parts):
            # The remaining paths are of WebSockets.
            routes |= {route("get", path[2]) for path in NODE_PATH.finditer(NODE_CALL.sub("", source))}
    return routes


def read(package):
    """The SDK's name with its version, and its routes."""
    manifest = package / "package.json"
    if manifest.exists():
        return f"openai-node {json.loads(manifest.read_text())['version']}", node_routes(package)
    version = re.search(r'__version__ = "(.*?)"', (package / "_version.py").read_text())[1]
    return f"openai-python {version}", python_routes(package)


def main(folders):
    packages = [Path(folder) for folder in folders] or [Path(importlib.util.find_spec("openai").origin).parent]
    names, routes = zip(*(read(package) for package in packages))
    if not all(routes):
        raise ValueError("an SDK without routes")
    print(f"# {', '.join(names)}", *sorted(set().union(*routes), key=lambda line: line.split()[::-1]), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
