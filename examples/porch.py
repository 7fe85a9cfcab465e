"""A TextMQ client that needs Python alone: python3 porch.py [HOST] [PORT] [ID]."""

import socket
import sys
import time

ARGUMENTS = dict(enumerate(sys.argv))
ADDRESS = ARGUMENTS.get(1, "homeassistant.local"), int(ARGUMENTS.get(2, "7883"))
ID = ARGUMENTS.get(3, "porch")
SILENCE, PAUSE, SLEEP = 60, 2, 60  # seconds: of a dead link, before a new try, asleep


def send(sock: socket.socket, command: str, **params: object) -> None:
    """Send one command, in one write."""
    fields = [f"COMMAND={command}", *(f"{key}={params[key]}" for key in params)]
    sock.sendall(f"START | {' | '.join(fields)} | END\n".encode("ascii"))


def handle(sock: socket.socket, line: str) -> None:
    """Act on a line of the broker, which writes one blank on each side of a bar."""
    params = dict(field.split("=", 1) for field in line.split(" | ")[1:-1])
    match params.pop("COMMAND"), params:
        case "HELLO?", _:
            send(sock, "HELLO!")
        case "OK", {"SEQ": "id"}:  # we are let in
            temperature = f"{ID}/temperature"
            about = {"NAME": "Temperature", "UNIT": r"\u00b0C", "CLASS": "temperature"}
            send(sock, "DEF", VARIABLE=temperature, TYPE="sensor", **about)
            send(sock, "PUB", VARIABLE=temperature, VALUE=21.5)  # your sensor
            send(sock, "SUB", VARIABLE="house/dark")
        case "SUB", {"VALUE": dark}:  # the lamp is on while it is dark
            send(sock, "PUB", VARIABLE=f"{ID}/lamp", VALUE=dark)
        case "MSG", {"DEVICE": sender, "VALUE": text}:
            if text == "ping" and sender:
                token = {"RE": params["RE"]} if "RE" in params else {}
                send(sock, "MSG", DEVICE=sender, VALUE="pong", **token)
            if "RECEIPT" in params:  # before sleeping, or it would come again
                send(sock, "GOT", RECEIPT=params["RECEIPT"])
            if text == "sleep":
                send(sock, "CLOSE", SLEEP=SLEEP)
                while sock.recv(4096):  # what is left unread could cut off our words
                    pass
                sys.exit()
        case "BAD" | "CLOSE", _:
            print(line, file=sys.stderr)


while True:
    try:
        # The broker asks every 30 seconds: after twice that the link is dead.
        with socket.create_connection(ADDRESS, SILENCE) as sock:
            about = {"NAME": "Porch", "MODEL": "Python", "RECEIPTS": "YES"}
            send(sock, "ID", ID=ID, SEQ="id", **about)
            for line in sock.makefile("r", encoding="ascii", newline="\n"):
                handle(sock, line)
    except OSError as error:
        print(error, file=sys.stderr)
    time.sleep(PAUSE)
