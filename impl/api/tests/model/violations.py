#!/usr/bin/env python3
"""Writes violations.tsv: a request for every constraint of the service model, and what it must say.

The model is data of the PyPI package botocore (Apache License 2.0, Amazon.com, Inc. or its affiliates):

    python3 -m venv venv && venv/bin/pip install botocore
    venv/bin/python violations.py > violations.tsv

A line is operation, body, rule. In a body, <<N*TEXT>> stands for N times TEXT, with # for the number of
the copy. The rule `-` says that nothing is violated. A rule that begins with `=` lists the words of an
enumeration, whose order the model does not tell.
"""

import gzip
import json
import pathlib
import sys

import botocore

OPERATIONS = """CreateTable DescribeTable ListTables UpdateTable DeleteTable PutItem GetItem UpdateItem
DeleteItem Query Scan BatchGetItem BatchWriteItem TransactGetItems TransactWriteItems TagResource
UntagResource ListTagsOfResource DescribeTimeToLive UpdateTimeToLive""".split()

MODEL = pathlib.Path(botocore.__file__).parent / "data/dynamodb/2012-08-10/service-2.json.gz"
model = json.loads(gzip.decompress(MODEL.read_bytes()))
shapes = model["shapes"]


def valid(name):
    """The smallest valid value of a shape, as JSON text."""
    shape = shapes[name]
    kind = shape["type"]
    if name == "AttributeValue":
        return '{"S":"x"}'
    if kind == "string":
        return json.dumps(shape["enum"][0] if "enum" in shape else "x" * max(shape.get("min", 1), 3))
    if kind in ("integer", "long"):
        return str(shape.get("min", 1))
    if kind == "boolean":
        return "true"
    if kind == "list":
        return "[" + ",".join([valid(shape["member"]["shape"])] * shape.get("min", 0)) + "]"
    if kind == "map":
        entries = {"abc": valid(shape["value"]["shape"])} if shape.get("min", 0) else {}
        return structure(entries)
    return structure(required_members(shape))


def required_members(shape):
    return {member: valid(shape["members"][member]["shape"]) for member in shape.get("required", [])}


def structure(members):
    return "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in members.items()) + "}"


def at_most(what, bound):
    return f"Member must have {what} less than or equal to {bound}"


def at_least(what, bound):
    return f"Member must have {what} greater than or equal to {bound}"


def own(name):
    """Violations of a shape's own rules: (JSON text, rule)."""
    shape = shapes[name]
    kind = shape["type"]
    low, high = shape.get("min"), shape.get("max")
    if kind == "string":
        if "enum" in shape:
            yield '"NO_SUCH_WORD"', "=" + ",".join(sorted(shape["enum"]))
        if high is not None:
            yield f'"<<{high + 1}*x>>"', at_most("length", high)
        if low:
            yield json.dumps("x" * (low - 1)), at_least("length", low)
        if "pattern" in shape:
            yield '"no spaces"', f"Member must satisfy regular expression pattern: {shape['pattern']}"
    elif kind in ("integer", "long"):
        if high is not None:
            yield str(high + 1), at_most("value", high)
        if low is not None:
            yield str(low - 1), at_least("value", low)
    elif kind == "list":
        element = valid(shape["member"]["shape"])
        if high is not None:
            yield f"[<<{high}*{element},>>{element}]", at_most("length", high)
        if low:
            yield "[]", at_least("length", low)
    elif kind == "map":
        value = valid(shape["value"]["shape"])
        if high is not None:
            yield f'{{<<{high}*"abc#":{value},>>"abc":{value}}}', at_most("length", high)
        if low:
            yield "{}", at_least("length", low)


def violations(name, at):
    """All violations in a value of a shape: (JSON text, path, rule)."""
    shape = shapes[name]
    for value, rule in own(name):
        yield value, at, rule
    if name == "AttributeValue":
        return
    if shape["type"] == "structure":
        base = required_members(shape)
        for member, reference in shape["members"].items():
            path = (at + "." if at else "") + member[0].lower() + member[1:]
            if member in base:
                rest = {name: value for name, value in base.items() if name != member}
                yield structure(rest), path, "Member must not be null"
            for value, where, rule in violations(reference["shape"], path):
                yield structure({**base, member: value}), where, rule
    elif shape["type"] == "list":
        inner = shape["member"]["shape"]
        if shapes[inner]["type"] == "string":
            for value, rule in own(inner):
                yield f"[{value}]", at, "Member must satisfy constraint: [ " + rule
        else:
            for value, where, rule in violations(inner, at + ".1.member"):
                yield f"[{value}]", where, rule
    elif shape["type"] == "map":
        inner = shape["value"]["shape"]
        for key, rule in own(shape["key"]["shape"]):
            yield f"{{{key}:{valid(inner)}}}", at, "Map keys must satisfy constraint: [ " + rule
        bounded = shapes[inner]["type"] in ("string", "list")
        for value, where, rule in violations(inner, at + ".abc.member"):
            entry = f'{{"abc":{value}}}'
            if bounded and where == at + ".abc.member":
                yield entry, at, "Map value must satisfy constraint: [ " + rule
            else:
                yield entry, where, rule


def main():
    print(__doc__.splitlines()[0], file=sys.stderr)
    for operation in OPERATIONS:
        name = model["operations"][operation]["input"]["shape"]
        print(operation, valid(name), "-", sep="\t")
        for body, path, rule in violations(name, ""):
            print(operation, body, f"at '{path}' failed to satisfy constraint: {rule}", sep="\t")


main()
