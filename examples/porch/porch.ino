// A TextMQ client for an ESP32 with Arduino.
#include <WiFi.h>

const char *const SSID = "network", *const PASSWORD = "password";
const char *const HOST = "homeassistant.local";
const uint16_t PORT = 7883;
const String ID = "porch";
const uint32_t SILENCE = 60, PAUSE = 2, SLEEP = 60;  // seconds: of a dead link, before a new try, asleep

WiFiClient broker;
uint32_t heard;  // when the last line came, in milliseconds

// Sends one command, in one write.
void send(const String &text) { broker.print("START | COMMAND=" + text + " | END\n"); }

// Returns a parameter of a line of the broker, which writes one blank on each side of a bar; empty where there is none.
String param(const String &line, const String &key) {
  const int start = line.indexOf(" | " + key + "=");
  const int value = start + key.length() + 4;
  return start < 0 ? String() : line.substring(value, line.indexOf(" | ", value));
}

void handle(const String &line) {
  const String command = param(line, "COMMAND"), text = param(line, "VALUE"), sender = param(line, "DEVICE");
  const String token = param(line, "RE"), receipt = param(line, "RECEIPT");
  heard = millis();
  if (command == "HELLO?") {
    send("HELLO!");
  } else if (command == "OK" && param(line, "SEQ") == "id") {  // we are let in
    const String about = "TYPE=sensor | NAME=Temperature | UNIT=\\u00b0C | CLASS=temperature";
    send("DEF | VARIABLE=" + ID + "/temperature | " + about);
    send("PUB | VARIABLE=" + ID + "/temperature | VALUE=21.5");  // your sensor
    send("SUB | VARIABLE=house/dark");
  } else if (command == "SUB") {  // the lamp is on while it is dark
    send("PUB | VARIABLE=" + ID + "/lamp | VALUE=" + text);
  } else if (command == "MSG") {
    if (text == "ping" && sender != "")
      send("MSG | DEVICE=" + sender + " | VALUE=pong" + (token == "" ? String() : " | RE=" + token));
    if (receipt != "") send("GOT | RECEIPT=" + receipt);  // before sleeping, or it would come again
    if (text == "sleep") {
      send("CLOSE | SLEEP=" + String(SLEEP));
      while (broker.connected()) broker.read();  // what is left unread could cut off our last words
      esp_deep_sleep(SLEEP * 1000000ULL);        // in microseconds; begins with setup() when it wakes up
    }
  } else if (command == "BAD" || command == "CLOSE") {
    Serial.println(line);
  }
}

void setup() { Serial.begin(115200), WiFi.begin(SSID, PASSWORD); }

void loop() {
  if (broker.available()) handle(broker.readStringUntil('\n'));
  // The broker asks every 30 seconds: after twice that the link is dead.
  if (broker.connected() && millis() - heard < SILENCE * 1000) return;
  broker.stop(), delay(PAUSE * 1000), heard = millis();
  if (broker.connect(HOST, PORT)) send("ID | ID=" + ID + " | NAME=Porch | MODEL=Arduino | RECEIPTS=YES | SEQ=id");
}
