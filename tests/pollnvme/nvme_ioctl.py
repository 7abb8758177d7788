#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
NVMe commands that nvme-cli would not send, and a file kept open.

  nvme_ioctl.py try NODE
        each line on stdin is WANT admin|io OPCODE NSID CDW10 CDW12 LEN
        [FIELD=VALUE...]: send the command with LEN bytes of memory; it must
        bring WANT, an NVMe status in hex or the name of an errno
  nvme_ioctl.py hold NODE
        open NODE, say "open", wait for a line on stdin, send Identify
  nvme_ioctl.py keep NODE NSID
        open NODE, say "open", for each line on stdin read a block
  nvme_ioctl.py ask NODE NSID
        again and again until stdin ends open NODE, read a block and send Identify;
        then say how often which answer came
"""
import array
import collections
import errno
import fcntl
import select
import struct
import sys

ADMIN, IO = 0xC0484E41, 0xC0484E43
FIELDS = ("opcode", "flags", "rsvd1", "nsid", "cdw2", "cdw3", "metadata", "addr",
          "metadata_len", "data_len", "cdw10", "cdw11", "cdw12", "cdw13", "cdw14",
          "cdw15", "timeout_ms", "result")


def send(file, request, **values):
    """Sends a command; its memory is longer than it says and must stay as it is there."""
    length = values["data_len"]
    memory = array.array("B", b"\xa5" * (min(length, 1 << 20) + 8192))
    values.setdefault("addr", memory.buffer_info()[0])
    command = struct.pack("=BBHIIIQQIIIIIIIIII", *(values.get(name, 0) for name in FIELDS))
    try:
        told = "%#x" % fcntl.ioctl(file, request, bytearray(command), True)
    except OSError as error:
        told = errno.errorcode[error.errno]
    if any(byte != 0xa5 for byte in memory[length:]):
        told += " and an overrun"
    return told


def attempt(file, line):
    """Sends the command of a line; returns whether it brought what it should."""
    want, kind, *words = line.split()
    numbers = [int(word, 0) for word in words[:5]]
    values = dict(zip(("opcode", "nsid", "cdw10", "cdw12", "data_len"), numbers))
    for pair in words[5:]:
        name, value = pair.split("=")
        values[name] = int(value, 0)
    told = send(file, ADMIN if kind == "admin" else IO, **values)
    if told != want:
        print("# %s: %s" % (line.strip(), told))
    return told == want


def ask(path, nsid):
    """Asks a node that may go and come; returns how often which answer came."""
    told = collections.Counter()
    while not select.select([sys.stdin], [], [], 0)[0]:
        try:
            with open(path, "rb", buffering=0) as file:
                told[send(file, IO, opcode=2, nsid=nsid, data_len=512)] += 1
                told[send(file, ADMIN, opcode=6, nsid=nsid, data_len=4096)] += 1
        except OSError as error:
            told["no " + errno.errorcode[error.errno]] += 1
    return told


def main():
    if sys.argv[1] == "ask":
        told = ask(sys.argv[2], int(sys.argv[3]))
        print(", ".join("%s %d" % pair for pair in sorted(told.items())))
        return 0
    file = open(sys.argv[2], "rb", buffering=0)
    if sys.argv[1] == "hold":
        print("open", flush=True)
        sys.stdin.readline()
        print(send(file, ADMIN, opcode=6, cdw10=1, data_len=4096), flush=True)
        return 0
    if sys.argv[1] == "keep":
        print("open", flush=True)
        for _ in sys.stdin:
            print(send(file, IO, opcode=2, nsid=int(sys.argv[3]), data_len=512), flush=True)
        return 0
    # All are sent, whatever the first ones bring.
    return not all([attempt(file, line) for line in sys.stdin])


sys.exit(main())
