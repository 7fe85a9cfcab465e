#include "link.h"

#ifdef USE_TEXTMQ

#include "esphome/core/hal.h"

#include <cerrno>

namespace esphome::textmq {

static const char *const TAG = "textmq.link";

static bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK; }

static const LogString *describe(int error) {
  switch (error) {
    case ECONNREFUSED:
      return LOG_STR("refused: nothing listens there, check host and port");
    case ETIMEDOUT:
      return LOG_STR("no answer from the host");
    case EHOSTUNREACH:
    case ENETUNREACH:
      return LOG_STR("no route to the host");
    case ECONNRESET:
      return LOG_STR("reset by the broker's side");
    default:
      return LOG_STR("socket error");
  }
}

void Link::open(const char *identity) {
  this->close();
  this->identity_ = identity;
  this->started_ = millis();
  this->state_ = State::STATE_RESOLVING;
}

void Link::close() {
#ifdef USE_TEXTMQ_TLS
  this->tls_.end(this->state_ == State::STATE_OPEN);
#endif
  if (this->socket_ != nullptr) {
    this->socket_->shutdown(SHUT_RDWR);
    this->socket_->close();
    this->socket_.reset();
  }
  this->address_.forget();
  this->problem_ = LOG_STR("closed by this node");
  this->state_ = State::STATE_CLOSED;
}

Link::State Link::fail_(const LogString *problem) {
  this->close();
  this->problem_ = problem;
  return this->state_;
}

Link::State Link::poll() {
  switch (this->state_) {
    case State::STATE_RESOLVING:
      this->resolve_();
      break;
    case State::STATE_CONNECTING:
      this->poll_connect_();
      break;
#ifdef USE_TEXTMQ_TLS
    case State::STATE_HANDSHAKE:
      switch (this->tls_.handshake()) {
        case TlsPsk::Handshake::HANDSHAKE_DONE:
          this->state_ = State::STATE_OPEN;
          break;
        case TlsPsk::Handshake::HANDSHAKE_FAILED:
          return this->fail_(LOG_STR("no encrypted connection: is the key the one that Home Assistant shows?"));
        default:
          break;
      }
      break;
#endif
    default:
      return this->state_;
  }
  if (this->state_ != State::STATE_OPEN && this->state_ != State::STATE_CLOSED &&
      millis() - this->started_ > CONNECT_TIMEOUT_MS) {
    return this->fail_(LOG_STR("no answer from the host"));
  }
  return this->state_;
}

void Link::resolve_() {
  this->address_.start(this->host_, this->port_, TAG);
  if (this->address_.ready()) {
    this->connect_();
  } else if (this->address_.consume_failure()) {
    this->fail_(LOG_STR("the name of the host can't be found"));
  }
}

void Link::connect_() {
  struct sockaddr_storage address;
  auto *destination = reinterpret_cast<struct sockaddr *>(&address);
  const socklen_t length = this->address_.to_sockaddr(destination, sizeof(address), this->port_);
  if (length != 0)
    this->socket_ = socket::socket_loop_monitored(address.ss_family, SOCK_STREAM, IPPROTO_TCP);
  if (this->socket_ == nullptr || this->socket_->setblocking(false) != 0) {
    this->fail_(LOG_STR("no socket is free"));
    return;
  }
  // Lines are small and whole: the stack has nothing to gain from waiting. Failure only costs some latency.
  int yes = 1;
  this->socket_->setsockopt(IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
  this->state_ = State::STATE_CONNECTING;
  if (this->socket_->connect(destination, length) != 0 && errno != EINPROGRESS)
    this->fail_(describe(errno));
}

void Link::poll_connect_() {
  int error = 0;
  switch (socket::poll_connect(*this->socket_, error)) {
    case socket::ConnectPollResult::CONNECT_POLL_RESULT_PENDING:
      return;
    case socket::ConnectPollResult::CONNECT_POLL_RESULT_ERROR:
      this->fail_(describe(error));
      return;
    default:
      break;
  }
#ifdef USE_TEXTMQ_TLS
  if (this->is_encrypted()) {
    if (this->tls_.begin(this->socket_.get(), this->key_, this->identity_)) {
      this->state_ = State::STATE_HANDSHAKE;
    } else {
      this->fail_(LOG_STR("not enough memory for an encrypted connection"));
    }
    return;
  }
#endif
  this->state_ = State::STATE_OPEN;
}

ssize_t Link::read(std::span<char> buffer) {
  if (this->state_ != State::STATE_OPEN)
    return -1;
#ifdef USE_TEXTMQ_TLS
  if (this->is_encrypted()) {
    const ssize_t size = this->tls_.read(buffer);
    if (size < 0)
      this->fail_(LOG_STR("closed by the broker's side"));
    return size;
  }
#endif
  const ssize_t size = this->socket_->read(buffer.data(), buffer.size());
  if (size > 0)
    return size;
  if (size < 0 && would_block())
    return 0;
  this->fail_(size == 0 ? LOG_STR("closed by the broker's side") : describe(errno));
  return -1;
}

ssize_t Link::write(std::string_view data) {
  if (this->state_ != State::STATE_OPEN)
    return -1;
#ifdef USE_TEXTMQ_TLS
  if (this->is_encrypted()) {
    const ssize_t size = this->tls_.write(data);
    if (size < 0)
      this->fail_(LOG_STR("closed by the broker's side"));
    return size;
  }
#endif
  if (data.empty())
    return 0;
  const ssize_t size = this->socket_->write(data.data(), data.size());
  if (size >= 0)
    return size;
  if (would_block())
    return 0;
  this->fail_(describe(errno));
  return -1;
}

}  // namespace esphome::textmq

#endif  // USE_TEXTMQ
