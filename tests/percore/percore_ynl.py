#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
Speak to percore by its description, with the kernel's own library for that.

usage: percore_ynl.py YNL-FOLDER VIP4 VIP6

Adds, tells, changes, drains and deletes services at port 81 in this network
namespace, where another at port 80 has had connections, and prints a line a
step: its name, then "ok" or what was wrong.
"""
import ipaddress
import json
import subprocess
import sys

folder, vip4, vip6 = sys.argv[1:]
sys.path.insert(0, folder)

from lib import NlError, YnlFamily  # noqa: E402 pylint: disable=wrong-import-position

SCHEMA = f'{folder}/genetlink-legacy.yaml'
KEY4 = {'vip4': int(ipaddress.IPv4Address(vip4)), 'port': 81}
KEY6 = {'vip6': ipaddress.IPv6Address(vip6).packed, 'port': 81}
PORTS = [9000, 9016, 9032, 9048]

# Checks the description against the schema as well.
family = YnlFamily(f'{folder}/percore.yaml', SCHEMA)


def name(row):
    """A service as corelane writes it."""
    return f'{row["vip4"]}:{row["port"]}' if 'vip4' in row else f'[{row["vip6"]}]:{row["port"]}'


def services():
    """What there is, by name; ours and others'."""
    return {name(svc): svc for svc in family.dump('service-get', {})}


def ours():
    """Those that were added here."""
    found = services()
    return found[f'{vip4}:81'], found[f'[{vip6}]:81']


def add():
    """One by each family of addresses."""
    lanes = [{'cpu': cpu, 'port': port} for cpu, port in enumerate(PORTS)]
    family.do('service-new', {**KEY4, 'proto': 6, 'method': 'nat', 'lane': lanes})
    family.do('service-new', {**KEY6, 'method': 'steer', 'lane': lanes[:2]})


def tell():
    """They are told as they were given."""
    four, six = ours()
    assert four['method'] == 'nat' and six['method'] == 'steer', (four, six)
    assert four['proto'] == 6 and six['proto'] == 6, (four, six)
    assert [lane['port'] for lane in four['lane']] == PORTS, four
    assert [lane['cpu'] for lane in six['lane']] == [0, 1], six


def change():
    """Other lanes and another method; a lane drained."""
    family.do('service-set', {**KEY4, 'method': 'steer', 'lane': [{'cpu': 3, 'port': 9048}]})
    family.do('lane-set', {**KEY6, 'lane': [{'cpu': 1, 'drain': 1}]})
    family.do('service-set', {**KEY6, 'balance': 'spill', 'cpu-mark': 90})
    four, six = ours()
    assert four['method'] == 'steer', four
    assert [lane['cpu'] for lane in four['lane'] if 'retired' not in lane] == [3], four
    assert [lane['drain'] for lane in six['lane']] == [0, 1], six
    assert six['cpu-mark'] == 90 and all({'load', 'leave'} <= lane.keys()
                                         for lane in six['lane']), six


def refuse():
    """An error names what is wrong, and where."""
    try:
        family.do('service-new', {**KEY4, 'lane': [{'cpu': 0, 'port': 9100}]})
    except NlError as error:
        said = error.nl_msg.extack['msg']
        assert 'has a service already' in said, said
        return
    raise AssertionError('a second service was taken')


def corelane(what):
    """What our own tool says."""
    return json.loads(subprocess.check_output(['corelane', 'nat', what, '--json']))


def alike():
    """corelane tells the same services."""
    told = [(svc['service'], svc['method'], [(lane['cpu'], lane['port'], lane['drain'])
                                             for lane in svc['lanes']])
            for svc in corelane('show')['services']]
    here = [(name(svc), svc['method'], [(lane['cpu'], lane['port'], bool(lane['drain']))
                                        for lane in svc['lane']])
            for svc in services().values()]
    assert told == here, (told, here)


def count():
    """corelane tells the same counters by the same names, none missing."""
    told = [{key: value for key, value in row.items() if key not in ('service', 'proto', 'port')}
            for row in corelane('stats')['stats']]
    here = [{key.replace('-', '_'): value for key, value in row.items()
             if key not in ('vip4', 'vip6', 'port', 'proto', 'lane-port')}
            for row in family.dump('stats-get', {})]
    assert told == here, (told, here)
    assert sum(row['new'] for row in here) > 0, here


def delete():
    """The other is left."""
    family.do('service-del', KEY4)
    family.do('service-del', KEY6)
    assert list(services()) == [f'{vip4}:80'], services()


for step in add, tell, alike, count, change, refuse, delete:
    try:
        step()
        print(step.__name__, 'ok', flush=True)
    except (AssertionError, NlError, KeyError) as wrong:
        print(step.__name__, 'wrong:', repr(wrong), flush=True)
