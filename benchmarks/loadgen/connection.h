// One client's connection to the broker on 127.0.0.1: plain, or TLS with a pre-shared key.
#ifndef LOADGEN_CONNECTION_H
#define LOADGEN_CONNECTION_H

#include "common.h"
#include "protocol.h"

#include <openssl/ssl.h>

struct connection {
  int fd;
  int epoll;
  SSL *ssl;
  char id[NAME_SIZE];
  char *in;
  size_t in_length;
  char *out;
  size_t out_room, out_length, out_sent;
  bool waits_to_write;
  unsigned unanswered;  // commands of the set-up
  unsigned packet;      // the number of the last of them
  int publisher;        // its number, or -1
  int subscriber;       // its number, or -1
  bool subscribes;      // gets what it publishes itself
};

// What TLS connections share: TLS 1.2 with the cipher suite that the nodes use, the key (in hexadecimal digits) of
// every device, identity = its ID.
SSL_CTX *connection_tls(const char *key);

// Connects, shakes hands and makes the socket non-blocking. context is NULL for a plain connection.
void connection_open(struct connection *connection, uint16_t port, SSL_CTX *context, size_t out_room, int epoll);

// Takes part in epoll from now on; the event's data points to the connection.
void connection_watch(struct connection *connection);

// Where the next command of at most size bytes is to be written; connection_wrote says how long it became.
char *connection_command(struct connection *connection, size_t size);
void connection_wrote(struct connection *connection, size_t size);

// Sends what was written; what the socket does not take now goes when it can.
void connection_flush(struct connection *connection);

// Reads what is there, if anything, into in. Ends the program where the broker has closed the connection.
bool connection_read(struct connection *connection);

// The first `taken` bytes of in have been dealt with.
void connection_took(struct connection *connection, size_t taken);

#endif
