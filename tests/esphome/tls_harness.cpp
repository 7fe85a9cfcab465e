// Runs the TLS code of the ESPHome component (tls_psk.cpp) against a server of mbedTLS in the same program, over
// sockets that take a few bytes at a time, which a real network seldom does. Ends with 0 where everything arrived.

#include "esphome/core/helpers.h"
#include "tls_psk.h"

#include <mbedtls/net_sockets.h>

#include <cstdio>
#include <cstdlib>
#include <string>

using namespace esphome;

static const uint8_t KEY[textmq::TlsPsk::KEY_SIZE] = {1, 2, 3};
static const uint8_t OTHER_KEY[textmq::TlsPsk::KEY_SIZE] = {4, 5, 6};
static const char *const IDENTITY = "node";

static void require(bool condition, const char *what) {
  if (!condition) {
    fprintf(stderr, "does not hold: %s\n", what);
    abort();
  }
}

static int random(void *context, unsigned char *out, size_t size) { return random_bytes(out, size) ? 0 : -1; }

class Server {
 public:
  explicit Server(socket::Socket *socket) {
    mbedtls_ssl_init(&this->ssl_);
    mbedtls_ssl_config_init(&this->config_);
    mbedtls_ssl_config_defaults(&this->config_, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM,
                                MBEDTLS_SSL_PRESET_DEFAULT);
    mbedtls_ssl_conf_rng(&this->config_, random, nullptr);
    mbedtls_ssl_conf_psk(&this->config_, KEY, sizeof(KEY), reinterpret_cast<const unsigned char *>(IDENTITY), 4);
    require(mbedtls_ssl_setup(&this->ssl_, &this->config_) == 0, "the server is set up");
    mbedtls_ssl_set_bio(
        &this->ssl_, socket,
        [](void *socket, const unsigned char *data, size_t size) {
          const ssize_t sent = static_cast<socket::Socket *>(socket)->write(data, size);
          return sent < 0 ? MBEDTLS_ERR_SSL_WANT_WRITE : static_cast<int>(sent);
        },
        [](void *socket, unsigned char *data, size_t size) {
          const ssize_t received = static_cast<socket::Socket *>(socket)->read(data, size);
          return received < 0 ? MBEDTLS_ERR_SSL_WANT_READ : static_cast<int>(received);
        },
        nullptr);
  }
  ~Server() {
    mbedtls_ssl_free(&this->ssl_);
    mbedtls_ssl_config_free(&this->config_);
  }

  bool handshake() { return mbedtls_ssl_handshake(&this->ssl_) == 0; }

  // Sends back what comes.
  void echo() {
    unsigned char buffer[4096];
    const int size = mbedtls_ssl_read(&this->ssl_, buffer, sizeof(buffer));
    if (size > 0)
      this->pending_.append(reinterpret_cast<char *>(buffer), size);
    if (this->pending_.empty())
      return;
    const int sent =
        mbedtls_ssl_write(&this->ssl_, reinterpret_cast<const unsigned char *>(this->pending_.data()), this->chunk_());
    if (sent > 0) {
      this->pending_.erase(0, sent);
      this->unsent_ = 0;
    }
  }

 protected:
  // A record that was begun has to go on as it is.
  size_t chunk_() { return this->unsent_ = this->unsent_ != 0 ? this->unsent_ : this->pending_.size(); }

  mbedtls_ssl_context ssl_;
  mbedtls_ssl_config config_;
  std::string pending_;
  size_t unsent_{0};
};

static void echo_through(size_t room) {
  socket::Pipe up{"", room};
  socket::Pipe down{"", room};
  socket::Socket client_socket(&up, &down);
  socket::Socket server_socket(&down, &up);
  Server server(&server_socket);
  textmq::TlsPsk tls;
  require(tls.begin(&client_socket, KEY, IDENTITY), "the client is set up");
  auto state = textmq::TlsPsk::Handshake::HANDSHAKE_GOES_ON;
  bool server_done = false;
  for (int turn = 0; turn < 100000 && (state != textmq::TlsPsk::Handshake::HANDSHAKE_DONE || !server_done); turn++) {
    if (state == textmq::TlsPsk::Handshake::HANDSHAKE_GOES_ON)
      state = tls.handshake();
    require(state != textmq::TlsPsk::Handshake::HANDSHAKE_FAILED, "the handshake goes well");
    server_done = server_done || server.handshake();
  }
  require(server_done, "the handshake comes to its end");

  std::string text;
  for (int line = 0; line < 200; line++)
    text += "line " + std::to_string(line) + std::string(line, '.') + "\n";
  std::string got;
  size_t sent = 0;
  for (int turn = 0; turn < 1000000 && got.size() < text.size(); turn++) {
    // As the client does: no more than there is, and again with nothing left.
    const ssize_t size = tls.write(std::string_view(text).substr(sent, 700));
    require(size >= 0, "writing goes on");
    sent += size;
    server.echo();
    char buffer[300];
    const ssize_t received = tls.read(buffer);
    require(received >= 0, "reading goes on");
    got.append(buffer, received);
  }
  require(got == text, "what went out comes back, in order");
  tls.end(true);
  tls.end(true);
}

static void refuse() {
  socket::Pipe up{"", 10000};
  socket::Pipe down{"", 10000};
  socket::Socket client_socket(&up, &down);
  socket::Socket server_socket(&down, &up);
  Server server(&server_socket);
  textmq::TlsPsk tls;
  require(tls.begin(&client_socket, OTHER_KEY, IDENTITY), "the client is set up");
  auto state = textmq::TlsPsk::Handshake::HANDSHAKE_GOES_ON;
  for (int turn = 0; turn < 1000 && state == textmq::TlsPsk::Handshake::HANDSHAKE_GOES_ON; turn++) {
    state = tls.handshake();
    require(!server.handshake(), "the server does not take another key");
    down.closed = turn > 100;
  }
  require(state == textmq::TlsPsk::Handshake::HANDSHAKE_FAILED, "nor does the client get in with it");
  tls.end(false);
}

int main() {
  for (const size_t room : {3, 50, 1000, 100000})
    echo_through(room);
  refuse();
}
