// A TextMQ client in Node.js without packages: node porch.js [HOST] [PORT] [ID]
"use strict";
const net = require("node:net");
const readline = require("node:readline");

const [host = "homeassistant.local", port = "7883", id = "porch"] = process.argv.slice(2);
const SILENCE = 60, PAUSE = 2, SLEEP = 60; // seconds: of a dead link, before a new try, asleep

// Sends one command, in one write.
function send(socket, command, params = {}) {
  const fields = Object.entries({ COMMAND: command, ...params }).map(([key, value]) => `${key}=${value}`);
  socket.write(`START | ${fields.join(" | ")} | END\n`);
}

// Acts on a line of the broker, which writes one blank on each side of a bar.
function handle(socket, line) {
  const fields = line.split(" | ").slice(1, -1);
  const params = Object.fromEntries(fields.map((field) => field.split(/=(.*)/s, 2)));
  const { COMMAND: command, DEVICE: sender, VALUE: text, RE: token, RECEIPT: receipt } = params;
  if (command === "HELLO?") {
    send(socket, "HELLO!");
  } else if (command === "OK" && params.SEQ === "id") { // we are let in
    const about = { NAME: "Temperature", UNIT: "\\u00b0C", CLASS: "temperature" };
    send(socket, "DEF", { VARIABLE: `${id}/temperature`, TYPE: "sensor", ...about });
    send(socket, "PUB", { VARIABLE: `${id}/temperature`, VALUE: 21.5 }); // your sensor
    send(socket, "SUB", { VARIABLE: "house/dark" });
  } else if (command === "SUB") { // the lamp is on while it is dark
    send(socket, "PUB", { VARIABLE: `${id}/lamp`, VALUE: text });
  } else if (command === "MSG") {
    if (text === "ping" && sender) {
      send(socket, "MSG", { DEVICE: sender, VALUE: "pong", ...(token && { RE: token }) });
    }
    if (receipt) send(socket, "GOT", { RECEIPT: receipt }); // before sleeping, or it would come again
    if (text === "sleep") {
      send(socket, "CLOSE", { SLEEP });
      socket.on("close", () => process.exit()); // not before: what is left unread could cut off our last words
    }
  } else if (command === "BAD" || command === "CLOSE") {
    console.error(line);
  }
}

function connect() {
  const socket = net.connect(Number(port), host, () => {
    send(socket, "ID", { ID: id, NAME: "Porch", MODEL: "Node.js", RECEIPTS: "YES", SEQ: "id" });
  });
  readline.createInterface({ input: socket }).on("line", (line) => handle(socket, line));
  // The broker asks every 30 seconds: after twice that the link is dead.
  socket.setTimeout(SILENCE * 1000, () => socket.destroy());
  socket.on("error", (error) => console.error(error.message));
  socket.on("close", () => setTimeout(connect, PAUSE * 1000));
}

connect();
