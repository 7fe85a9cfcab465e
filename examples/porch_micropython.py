"""A TextMQ client in MicroPython: main.py of a board whose boot.py connects the Wi-Fi."""

import socket
import sys
import time

ARGUMENTS = dict(enumerate(sys.argv))
HOST = ARGUMENTS.get(1, "homeassistant.local")
PORT = int(ARGUMENTS.get(2, "7883"))
ID = ARGUMENTS.get(3, "porch")
SILENCE, PAUSE, SLEEP = 60, 2, 60  # seconds: of a dead link, before a new try, asleep


def send(text):
    """Send one command, in one write."""
    sock.sendall(f"START | COMMAND={text} | END\n".encode())


def handle(line):
    """Act on a line of the broker, which writes one blank on each side of a bar."""
    params = dict(field.split("=", 1) for field in line.split(" | ")[1:-1])
    command, text = params["COMMAND"], params.get("VALUE")
    if command == "HELLO?":
        send("HELLO!")
    elif command == "OK" and params.get("SEQ") == "id":  # we are let in
        about = r"NAME=Temperature | UNIT=\u00b0C | CLASS=temperature"
        send(f"DEF | VARIABLE={ID}/temperature | TYPE=sensor | {about}")
        send(f"PUB | VARIABLE={ID}/temperature | VALUE=21.5")  # your sensor
        send("SUB | VARIABLE=house/dark")
    elif command == "SUB":  # the lamp is on while it is dark
        send(f"PUB | VARIABLE={ID}/lamp | VALUE={text}")
    elif command == "MSG":
        if text == "ping" and params["DEVICE"]:
            token = " | RE=" + params["RE"] if "RE" in params else ""
            send(f"MSG | DEVICE={params['DEVICE']} | VALUE=pong{token}")
        if "RECEIPT" in params:  # before sleeping, or it would come again
            send("GOT | RECEIPT=" + params["RECEIPT"])
        if text == "sleep":
            send(f"CLOSE | SLEEP={SLEEP}")
            while sock.read(256):  # what is left unread could cut off our words
                pass
            sys.exit()  # on a board: machine.deepsleep(SLEEP * 1000)
    elif command in ("BAD", "CLOSE"):
        print(line)


while True:
    sock = socket.socket()
    try:
        # The broker asks every 30 seconds: after twice that the link is dead.
        sock.settimeout(SILENCE)
        sock.connect(socket.getaddrinfo(HOST, PORT)[0][-1])
        send(f"ID | ID={ID} | NAME=Porch | MODEL=MicroPython | RECEIPTS=YES | SEQ=id")
        while line := sock.readline():
            handle(line.decode())
    except OSError as error:
        print(error)
    sock.close()
    time.sleep(PAUSE)
