#include "connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define IN_ROOM (64u * 1024u)
#define HANDSHAKE_SECONDS 10

static unsigned char tls_key[64];
static size_t tls_key_length;

static unsigned give_identity_and_key(SSL *ssl, const char *hint, char *identity, unsigned identity_room,
                                      unsigned char *key, unsigned key_room) {
  (void) hint;
  const struct connection *connection = SSL_get_app_data(ssl);
  if (strlen(connection->id) >= identity_room || tls_key_length > key_room)
    return 0;
  strcpy(identity, connection->id);
  memcpy(key, tls_key, tls_key_length);
  return (unsigned) tls_key_length;
}

SSL_CTX *connection_tls(const char *key) {
  if (!OPENSSL_hexstr2buf_ex(tls_key, sizeof tls_key, &tls_key_length, key, '\0'))
    fail("the key must be hexadecimal digits, at most %zu bytes", sizeof tls_key);
  SSL_CTX *context = SSL_CTX_new(TLS_client_method());
  if (!context || !SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) ||
      !SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION) ||
      !SSL_CTX_set_cipher_list(context, "ECDHE-PSK-CHACHA20-POLY1305"))
    fail("OpenSSL here has no ECDHE-PSK-CHACHA20-POLY1305");
  SSL_CTX_set_psk_client_callback(context, give_identity_and_key);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  return context;
}

static void shake_hands(struct connection *connection, SSL_CTX *context) {
  struct timeval bound = {HANDSHAKE_SECONDS, 0};
  setsockopt(connection->fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
  connection->ssl = SSL_new(context);
  if (!connection->ssl || !SSL_set_app_data(connection->ssl, connection) ||
      !SSL_set_fd(connection->ssl, connection->fd) || SSL_connect(connection->ssl) != 1)
    fail("the broker did not agree to TLS with the key of %s", connection->id);
}

void connection_open(struct connection *connection, uint16_t port, SSL_CTX *context, size_t out_room, int epoll) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  connection->publisher = connection->subscriber = -1;
  connection->epoll = epoll;
  connection->out_room = out_room;
  connection->in = allocate(IN_ROOM, 1);
  connection->out = allocate(out_room, 1);
  connection->fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connection->fd < 0 || connect(connection->fd, (struct sockaddr *) &address, sizeof address))
    fail("can't connect to port %u: %s", port, strerror(errno));
  int yes = 1;
  setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  if (context)
    shake_hands(connection, context);
  fcntl(connection->fd, F_SETFL, fcntl(connection->fd, F_GETFL) | O_NONBLOCK);
}

static void watch(struct connection *connection, int operation, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = connection};
  if (epoll_ctl(connection->epoll, operation, connection->fd, &event))
    fail("can't watch a connection: %s", strerror(errno));
}

void connection_watch(struct connection *connection) { watch(connection, EPOLL_CTL_ADD, EPOLLIN); }

char *connection_command(struct connection *connection, size_t size) {
  if (connection->out_length + size > connection->out_room)
    fail("%s has more to send than fits", connection->id);
  return connection->out + connection->out_length;
}

void connection_wrote(struct connection *connection, size_t size) { connection->out_length += size; }

// Bytes written, or 0 where the socket takes none now.
static size_t write_some(struct connection *connection, const char *bytes, size_t length) {
  ssize_t written;
  if (connection->ssl) {
    written = SSL_write(connection->ssl, bytes, (int) length);
    if (written <= 0 && SSL_get_error(connection->ssl, (int) written) == SSL_ERROR_WANT_WRITE)
      return 0;
  } else {
    written = send(connection->fd, bytes, length, MSG_NOSIGNAL);
    if (written < 0 && errno == EAGAIN)
      return 0;
  }
  if (written <= 0)
    fail("%s can't send: the broker has closed the connection", connection->id);
  return (size_t) written;
}

void connection_flush(struct connection *connection) {
  while (connection->out_sent < connection->out_length) {
    size_t written =
        write_some(connection, connection->out + connection->out_sent, connection->out_length - connection->out_sent);
    if (!written)
      break;
    connection->out_sent += written;
  }
  bool blocked = connection->out_sent < connection->out_length;
  memmove(connection->out, connection->out + connection->out_sent, connection->out_length - connection->out_sent);
  connection->out_length -= connection->out_sent;
  connection->out_sent = 0;
  if (blocked != connection->waits_to_write) {
    connection->waits_to_write = blocked;
    watch(connection, EPOLL_CTL_MOD, EPOLLIN | (blocked ? (uint32_t) EPOLLOUT : 0));
  }
}

bool connection_read(struct connection *connection) {
  char *at = connection->in + connection->in_length;
  size_t room = IN_ROOM - connection->in_length;
  ssize_t size;
  if (!room)
    fail("a message of more than %u bytes", IN_ROOM);
  if (connection->ssl) {
    size = SSL_read(connection->ssl, at, (int) room);
    if (size <= 0 && SSL_get_error(connection->ssl, (int) size) == SSL_ERROR_WANT_READ)
      return false;
  } else {
    size = recv(connection->fd, at, room, 0);
    if (size < 0 && errno == EAGAIN)
      return false;
  }
  if (size <= 0)
    fail("the broker has closed the connection of %s", connection->id);
  connection->in_length += (size_t) size;
  return true;
}

void connection_took(struct connection *connection, size_t taken) {
  connection->in_length -= taken;
  memmove(connection->in, connection->in + taken, connection->in_length);
}
