#include "tls_psk.h"

#ifdef USE_TEXTMQ_TLS

#include "esphome/core/helpers.h"
#include "esphome/core/log.h"

#include <mbedtls/net_sockets.h>
#include <mbedtls/version.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace esphome::textmq {

static const char *const TAG = "textmq.tls";

static bool wants_more(int result) {
  return result == MBEDTLS_ERR_SSL_WANT_READ || result == MBEDTLS_ERR_SSL_WANT_WRITE;
}

#if MBEDTLS_VERSION_NUMBER < 0x04000000
static int random(void *context, unsigned char *out, size_t size) {
  return random_bytes(out, size) ? 0 : MBEDTLS_ERR_SSL_INTERNAL_ERROR;
}
#endif

bool TlsPsk::begin(socket::Socket *socket, const uint8_t *key, const char *identity) {
  static const int SUITES[] = {MBEDTLS_TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256, 0};
  this->socket_ = socket;
  this->unflushed_ = false;
  mbedtls_ssl_init(&this->ssl_);
  mbedtls_ssl_config_init(&this->config_);
  int result = mbedtls_ssl_config_defaults(&this->config_, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
                                           MBEDTLS_SSL_PRESET_DEFAULT);
#if MBEDTLS_VERSION_NUMBER < 0x04000000
  mbedtls_ssl_conf_rng(&this->config_, random, nullptr);
#endif
#if MBEDTLS_VERSION_NUMBER >= 0x03020000
  mbedtls_ssl_conf_min_tls_version(&this->config_, MBEDTLS_SSL_VERSION_TLS1_2);
  mbedtls_ssl_conf_max_tls_version(&this->config_, MBEDTLS_SSL_VERSION_TLS1_2);
#else
  mbedtls_ssl_conf_min_version(&this->config_, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
  mbedtls_ssl_conf_max_version(&this->config_, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
#endif
  mbedtls_ssl_conf_ciphersuites(&this->config_, SUITES);
#ifdef MBEDTLS_SSL_MAX_FRAGMENT_LENGTH
  if (result == 0)
    result = mbedtls_ssl_conf_max_frag_len(&this->config_, MBEDTLS_SSL_MAX_FRAG_LEN_1024);
#endif
  if (result == 0) {
    result = mbedtls_ssl_conf_psk(&this->config_, key, KEY_SIZE, reinterpret_cast<const unsigned char *>(identity),
                                  strlen(identity));
  }
  if (result == 0)
    result = mbedtls_ssl_setup(&this->ssl_, &this->config_);
  if (result != 0) {
    ESP_LOGE(TAG, "Setup failed: -0x%04X", -result);
    this->end(false);
    return false;
  }
  mbedtls_ssl_set_bio(&this->ssl_, this, TlsPsk::send, TlsPsk::receive, nullptr);
  return true;
}

TlsPsk::Handshake TlsPsk::handshake() {
  const int result = mbedtls_ssl_handshake(&this->ssl_);
  if (result == 0)
    return Handshake::HANDSHAKE_DONE;
  if (wants_more(result))
    return Handshake::HANDSHAKE_GOES_ON;
  ESP_LOGD(TAG, "Handshake failed: -0x%04X", -result);
  return Handshake::HANDSHAKE_FAILED;
}

ssize_t TlsPsk::read(std::span<char> buffer) {
  const int result = mbedtls_ssl_read(&this->ssl_, reinterpret_cast<unsigned char *>(buffer.data()), buffer.size());
  if (result > 0)
    return result;
  return wants_more(result) ? 0 : -1;
}

ssize_t TlsPsk::write(std::string_view data) {
  if (this->unflushed_) {
    // mbedTLS holds a whole record that the socket did not take. Any call goes on to send that, and takes no new bytes.
    static const unsigned char NOTHING[1] = {};
    const int result = mbedtls_ssl_write(&this->ssl_, NOTHING, sizeof(NOTHING));
    if (result < 0)
      return wants_more(result) ? 0 : -1;
    this->unflushed_ = false;
  }
  if (data.empty())
    return 0;
  const int result = mbedtls_ssl_write(&this->ssl_, reinterpret_cast<const unsigned char *>(data.data()), data.size());
  if (result != MBEDTLS_ERR_SSL_WANT_WRITE)
    return result >= 0 ? result : -1;
  this->unflushed_ = true;
  return std::min<ssize_t>(data.size(), mbedtls_ssl_get_max_out_record_payload(&this->ssl_));
}

void TlsPsk::end(bool notify) {
  if (this->socket_ == nullptr)
    return;
  if (notify)
    mbedtls_ssl_close_notify(&this->ssl_);
  mbedtls_ssl_free(&this->ssl_);
  mbedtls_ssl_config_free(&this->config_);
  this->socket_ = nullptr;
}

int TlsPsk::send(void *self, const unsigned char *data, size_t size) {
  const ssize_t sent = static_cast<TlsPsk *>(self)->socket_->write(data, size);
  if (sent >= 0)
    return static_cast<int>(sent);
  return errno == EAGAIN || errno == EWOULDBLOCK ? MBEDTLS_ERR_SSL_WANT_WRITE : MBEDTLS_ERR_NET_SEND_FAILED;
}

int TlsPsk::receive(void *self, unsigned char *data, size_t size) {
  const ssize_t received = static_cast<TlsPsk *>(self)->socket_->read(data, size);
  if (received > 0)
    return static_cast<int>(received);
  if (received == 0)
    return MBEDTLS_ERR_SSL_CONN_EOF;
  return errno == EAGAIN || errno == EWOULDBLOCK ? MBEDTLS_ERR_SSL_WANT_READ : MBEDTLS_ERR_NET_RECV_FAILED;
}

}  // namespace esphome::textmq

#endif  // USE_TEXTMQ_TLS
