// Arduino's WiFi and its client over this machine's sockets. Every connection goes to the address in the environment
// (TEXTMQ_HOST, TEXTMQ_PORT) in place of the one in the sketch.
#pragma once

#include "Arduino.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

class WiFiAdapter {
 public:
  void begin(const char *, const char *) {}
};

inline WiFiAdapter WiFi;

class WiFiClient {
 public:
  int connect(const char *, uint16_t) {
    this->stop();
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(std::atoi(std::getenv("TEXTMQ_PORT"))));
    inet_pton(AF_INET, std::getenv("TEXTMQ_HOST"), &address.sin_addr);
    this->socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
    if (::connect(this->socket_, reinterpret_cast<sockaddr *>(&address), sizeof(address)) == 0)
      return 1;
    this->stop();
    return 0;
  }

  // Waits a little, so that a sketch that looks again and again leaves the processor to others.
  int available() {
    if (this->socket_ < 0)
      return 0;
    pollfd wanted{this->socket_, POLLIN, 0};
    if (::poll(&wanted, 1, 20) <= 0)
      return 0;
    char next;
    return ::recv(this->socket_, &next, 1, MSG_PEEK) > 0;
  }

  // As on a board: true also while something is left to be read of a connection that has ended.
  bool connected() {
    if (this->socket_ < 0)
      return false;
    char next;
    const ssize_t found = ::recv(this->socket_, &next, 1, MSG_PEEK | MSG_DONTWAIT);
    return found > 0 || (found < 0 && (errno == EAGAIN || errno == EWOULDBLOCK));
  }

  // As on a board: the next byte, -1 where there is none.
  int read() {
    unsigned char next;
    return this->available() && ::recv(this->socket_, &next, 1, 0) == 1 ? next : -1;
  }

  // As on a board: what came within a second, without the end.
  String readStringUntil(char end) {
    String line;
    pollfd wanted{this->socket_, POLLIN, 0};
    char next;
    while (::poll(&wanted, 1, 1000) > 0 && ::recv(this->socket_, &next, 1, 0) == 1 && next != end)
      line += next;
    return line;
  }

  void print(const String &text) { ::send(this->socket_, text.c_str(), text.length(), MSG_NOSIGNAL); }

  void stop() {
    if (this->socket_ >= 0)
      ::close(this->socket_);
    this->socket_ = -1;
  }

 private:
  int socket_ = -1;
};
