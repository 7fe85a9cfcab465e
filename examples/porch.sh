#!/usr/bin/env bash
# A TextMQ client in bash alone: ./porch.sh [HOST] [PORT] [ID]
host="${1:-homeassistant.local}" port="${2:-7883}" id="${3:-porch}"
silence=60 pause=2 nap=60  # seconds: of a dead link, before a new try, asleep

trap '' PIPE  # a lost connection must not end this script

# send TEXT: one command. printf writes the whole line at once.
send() { printf 'START | COMMAND=%s | END\n' "$1" >&3; }

# param KEY: prints a parameter of $line; fails where it is not there. The broker writes one blank on each side of a bar.
param() {
  [[ $line == *" | $1="* ]] || return 1
  local rest="${line#*" | $1="}"
  printf '%s' "${rest%%" | "*}"
}

# handle: acts on $line.
handle() {
  local sender text token receipt
  case "$line" in
    *" | COMMAND=HELLO? | "*) send "HELLO!" ;;
    *" | COMMAND=OK | SEQ=id | "*)  # we are let in
      send "DEF | VARIABLE=$id/temperature | TYPE=sensor | NAME=Temperature | UNIT=\u00b0C | CLASS=temperature"
      send "PUB | VARIABLE=$id/temperature | VALUE=21.5"  # your sensor
      send "SUB | VARIABLE=house/dark" ;;
    *" | COMMAND=SUB | "*)  # the lamp is on while it is dark
      send "PUB | VARIABLE=$id/lamp | VALUE=$(param VALUE)" ;;
    *" | COMMAND=MSG | "*)
      sender="$(param DEVICE)" text="$(param VALUE)"
      if [[ $text == ping && -n $sender ]]; then
        token="$(param RE)"
        send "MSG | DEVICE=$sender | VALUE=pong${token:+" | RE=$token"}"
      fi
      if receipt="$(param RECEIPT)"; then
        send "GOT | RECEIPT=$receipt"  # before sleeping, or it would come again
      fi
      if [[ $text == sleep ]]; then
        send "CLOSE | SLEEP=$nap"
        while read -r -t "$silence" -u 3; do :; done  # what is left unread could cut off our last words
        exit
      fi ;;
    *" | COMMAND=BAD | "* | *" | COMMAND=CLOSE | "*) echo "$line" >&2 ;;
  esac
}

while true; do
  if exec 3<>"/dev/tcp/$host/$port"; then
    send "ID | ID=$id | NAME=Porch | MODEL=bash | RECEIPTS=YES | SEQ=id"
    # The broker asks every 30 seconds: after twice that the link is dead.
    while IFS= read -r -t "$silence" -u 3 line; do
      handle
    done
    exec 3>&-
  fi
  sleep "$pause"
done
