#include "client.h"

#ifdef USE_TEXTMQ

#include "esphome/components/network/util.h"
#include "esphome/core/application.h"
#include "esphome/core/hal.h"
#include "esphome/core/log.h"
#ifdef USE_TEXTMQ_ENTITIES
#include "entities.h"
#endif
#ifdef USE_TEXTMQ_LOGS
#include "esphome/components/logger/logger.h"
#endif

#include <algorithm>
#include <cinttypes>
#include <cstdio>

namespace esphome::textmq {

static const char *const TAG = "textmq";

// In the order of State.
constinit const TextMQClient::StateRow TextMQClient::STATES[] = {
    {"disabled", &TextMQClient::run_disabled_},   {"waiting", &TextMQClient::run_waiting_},
    {"connecting", &TextMQClient::run_opening_},  {"asking to be let in", &TextMQClient::run_authorizing_},
    {"connected", &TextMQClient::run_connected_}, {"closing", &TextMQClient::run_closing_},
};

constinit const TextMQClient::CommandRow TextMQClient::COMMANDS[] = {
    {"OK", &TextMQClient::handle_ok_},        {"SUB", &TextMQClient::handle_sub_},
    {"MSG", &TextMQClient::handle_msg_},      {"BAD", &TextMQClient::handle_bad_},
    {"HELLO?", &TextMQClient::handle_hello_}, {"DEL", &TextMQClient::handle_del_},
    {"CLOSE", &TextMQClient::handle_close_},
};

struct RefusalHint {
  const char *reason;
  const LogString *hint;
};

static const RefusalHint REFUSAL_HINTS[] = {
    {"denied", LOG_STR("it was denied or is ignored in Home Assistant; let it in there")},
    {"revoked", LOG_STR("it was removed from Home Assistant; let it in there again")},
    {"key-required", LOG_STR("it has a key there; add encryption: key: to textmq: with the key that is shown")},
    {"bad-name", LOG_STR("the device_id of textmq: is not one that the broker takes; choose another")},
    {"limit", LOG_STR("a limit of the broker stands in the way, which its settings or some patience may help")},
};

// The two arguments of a `%.*s`.
static int print_length(std::string_view text) { return static_cast<int>(std::min<size_t>(text.size(), 200)); }
static const char *print_begin(std::string_view text) { return text.data(); }

int shown_length(StringRef text) {
  size_t length = 0;
  while (length < text.size() && length < 60 && static_cast<uint8_t>(text[length]) >= ' ')
    length++;
  return static_cast<int>(length);
}

// Ends a parameter's text with a null character. The byte behind it is part of the line's syntax, which nothing reads
// any more when the text is used.
static StringRef terminate(std::optional<std::string_view> text, StringRef otherwise = {}) {
  if (!text.has_value() || text->data() == nullptr)
    return otherwise;
  const_cast<char *>(text->data())[text->size()] = '\0';
  return {text->data(), text->size()};
}

// The variable whose value to be stored the line publishes, or nothing.
static std::string_view stored_variable(std::string_view line) {
  static constexpr std::string_view BEFORE = "PUB | VARIABLE=";
  line.remove_prefix(wire::Writer::HEAD.size());
  if (!line.starts_with(BEFORE))
    return {};
  line.remove_prefix(BEFORE.size());
  const std::string_view variable = line.substr(0, line.find(" | "));
  line.remove_prefix(variable.size());
  return line.starts_with(" | VALUE=") ? variable : std::string_view{};
}

static bool is_command(std::string_view line, std::string_view command) {
  line.remove_prefix(wire::Writer::HEAD.size());
  return line.starts_with(command) && line.substr(command.size()).starts_with(" |");
}

// ---- life cycle

void TextMQClient::setup() {
  this->now_ = this->last_connected_ = millis();
  if (this->device_id_ == nullptr)
    this->device_id_ = App.get_name().c_str();
#ifdef USE_TEXTMQ_ENTITIES
  this->entities_->setup();
#endif
#ifdef USE_TEXTMQ_LOGS
  if (logger::global_logger != nullptr) {
    logger::global_logger->add_log_callback(
        this, [](void *self, uint8_t level, const char *tag, const char *message, size_t message_len) {
          static_cast<TextMQClient *>(self)->on_log_(level, {message, message_len});
        });
  }
#endif
  if (this->enabled_)
    this->enable();
}

void TextMQClient::dump_config() {
  ESP_LOGCONFIG(TAG,
                "TextMQ:\n"
                "  Broker: %s:%u, %s\n"
                "  Device ID: %s\n"
                "  State: %s\n"
                "  Subscriptions: %u\n"
                "  Buffers: receive %u, send %u bytes",
                this->link_.host(), this->link_.port(), this->link_.is_encrypted() ? "encrypted" : "plain text",
                this->device_id_, STATES[static_cast<size_t>(this->state_)].name,
                static_cast<unsigned>(this->subscriptions_.size()), static_cast<unsigned>(sizeof(this->rx_)),
                static_cast<unsigned>(sizeof(this->tx_)));
#ifdef USE_TEXTMQ_ENTITIES
  this->entities_->dump_config();
#endif
}

void TextMQClient::loop() {
  this->now_ = millis();
  (this->*STATES[static_cast<size_t>(this->state_)].run)();
  this->check_timeouts_();
  this->check_reboot_();
}

bool TextMQClient::teardown() {
  if (this->is_flushed())
    this->begin_close_();
  if (!network::is_connected() || this->approval_noticed_)
    this->link_.close();
  if (this->state_ != State::STATE_WAITING && this->state_ != State::STATE_DISABLED)
    this->loop();
  return this->state_ == State::STATE_WAITING || this->state_ == State::STATE_DISABLED;
}

void TextMQClient::enable() {
  this->enabled_ = true;
  if (this->state_ != State::STATE_DISABLED)
    return;
  this->last_connected_ = this->now_;
  this->backoff_ = this->backoff_min_;
  this->wait_time_ = 0;
  this->set_state_(State::STATE_WAITING);
}

void TextMQClient::disable() {
  this->enabled_ = false;
  if (this->state_ == State::STATE_CONNECTED) {
    this->begin_close_();
  } else if (this->state_ != State::STATE_CLOSING) {
    this->link_.close();
    this->restart_outbox_();
    this->set_state_(State::STATE_DISABLED);
  }
}

bool TextMQClient::is_flushed() const {
  if (!this->is_connected() || !this->outbox_.empty() || this->next_subscription_ < this->subscriptions_.size())
    return false;
#ifdef USE_TEXTMQ_ENTITIES
  return !this->entities_->is_pending();
#else
  return true;
#endif
}

void TextMQClient::set_state_(State state) {
  this->state_ = state;
  this->state_since_ = this->now_;
  ESP_LOGV(TAG, "Now %s", STATES[static_cast<size_t>(state)].name);
}

// ---- states

void TextMQClient::run_waiting_() {
  if (!network::is_connected()) {
    // The first attempt follows at once, but not from all nodes of the network in the same moment.
    this->wait_time_ = random_uint32() % this->backoff_min_;
    this->state_since_ = this->now_;
  } else if (this->now_ - this->state_since_ >= this->wait_time_) {
    ESP_LOGD(TAG, "Connecting to %s:%u", this->link_.host(), this->link_.port());
    this->link_.open(this->device_id_);
    this->set_state_(State::STATE_OPENING);
  }
}

void TextMQClient::run_opening_() {
  switch (this->link_.poll()) {
    case Link::State::STATE_OPEN:
      this->begin_session_();
      break;
    case Link::State::STATE_CLOSED:
      if (this->count_failure_()) {
        ESP_LOGW(TAG, "No connection to %s:%u (attempt %u): %s", this->link_.host(), this->link_.port(),
                 this->failures_, LOG_STR_ARG(this->link_.problem()));
      }
      this->wait_();
      break;
    default:
      break;
  }
}

void TextMQClient::run_authorizing_() {
  this->receive_();
  this->keep_alive_();
  this->send_();
  if (this->state_ == State::STATE_AUTHORIZING && !this->approval_noticed_ &&
      this->now_ - this->state_since_ > APPROVAL_NOTICE_MS) {
    this->approval_noticed_ = true;
    ESP_LOGI(TAG, "Waiting to be let in: add the discovered device '%s' in Home Assistant", this->device_id_);
  }
}

void TextMQClient::run_connected_() {
  this->last_connected_ = this->now_;
  this->receive_();
  this->keep_alive_();
  if (this->state_ == State::STATE_CONNECTED)
    this->queue_subscriptions_and_entities_();
  this->send_();
}

void TextMQClient::run_closing_() {
  this->receive_();
  this->send_();
  if (this->state_ == State::STATE_CLOSING && this->now_ - this->state_since_ > CLOSE_TIMEOUT_MS)
    this->end_session_(StringRef::from_lit("closed"));
}

// ---- session

void TextMQClient::begin_session_() {
  this->framer_.reset();
  this->received_ = this->now_;
  this->hello_pending_ = this->more_received_ = this->approval_noticed_ = false;
  this->set_state_(State::STATE_AUTHORIZING);
  this->identify_();
}

void TextMQClient::identify_() {
  if (!this->is_open_() || this->state_ == State::STATE_CLOSING)
    return;
  char mac[MAC_ADDRESS_PRETTY_BUFFER_SIZE];
  const StringRef &name = App.get_friendly_name().empty() ? App.get_name() : App.get_friendly_name();
  wire::Writer writer(this->outbox_.urgent_space(), "ID");
  writer.param("ID", this->device_id_)
      .optional_param("NAME", to_view(name))
      .optional_param("MODEL", this->model_)
      .optional_param("MANUFACTURER", this->manufacturer_)
      .optional_param("SW", this->version_)
      .optional_param("MAC", get_mac_address_pretty_into_buffer(mac))
      .optional_param("AREA", App.get_area());
  this->outbox_.push_urgent(writer.finish());
}

void TextMQClient::accept_() {
  this->failures_ = 0;
  this->next_subscription_ = 0;
  this->approval_noticed_ = false;
#ifdef USE_TEXTMQ_ENTITIES
  this->entities_->restart();
#endif
  this->set_state_(State::STATE_CONNECTED);
  this->status_clear_warning();
  ESP_LOGI(TAG, "Connected to %s:%u as '%s'", this->link_.host(), this->link_.port(), this->device_id_);
  this->on_connect_.call();
}

void TextMQClient::refuse_(StringRef reason, StringRef detail) {
  const LogString *hint = LOG_STR("see the log of Home Assistant");
  for (const auto &row : REFUSAL_HINTS) {
    if (reason == row.reason)
      hint = row.hint;
  }
  if (this->count_failure_()) {
    ESP_LOGE(TAG, "The broker refuses '%s': %s %s\n  %s", this->device_id_, reason.c_str(), detail.c_str(),
             LOG_STR_ARG(hint));
  }
  this->on_refused_.call(reason);
  this->end_session_(reason);
}

void TextMQClient::begin_close_() {
  wire::Writer writer(this->outbox_.urgent_space(), "CLOSE");
  if (this->shutting_down_ && this->sleep_duration_ != 0) {
    char seconds[11];
    const int size = snprintf(seconds, sizeof(seconds), "%" PRIu32, this->sleep_duration_);
    writer.param("SLEEP", {seconds, static_cast<size_t>(size)});
  }
  this->outbox_.push(writer.finish());
  this->set_state_(State::STATE_CLOSING);
}

void TextMQClient::end_session_(StringRef reason) {
  const bool was_connected = this->state_ == State::STATE_CONNECTED || this->state_ == State::STATE_CLOSING;
  const bool was_closing = this->state_ == State::STATE_CLOSING;
  this->link_.close();
  this->restart_outbox_();
  // Another device with the same ID would only be thrown out in turn.
  if (reason == "taken-over") {
    this->backoff_ = this->backoff_max_;
    ESP_LOGE(TAG, "Another device has connected as '%s': give each its own device_id", this->device_id_);
  } else if (was_connected && this->now_ - this->state_since_ > STABLE_MS) {
    this->backoff_ = this->backoff_min_;
  }
  if (was_connected && !was_closing)
    ESP_LOGW(TAG, "Disconnected: %s", reason.c_str());
  if (this->enabled_) {
    this->wait_();
  } else {
    this->set_state_(State::STATE_DISABLED);
  }
  if (was_connected)
    this->on_disconnect_.call(reason);
}

bool TextMQClient::count_failure_() {
  this->failures_++;
  return (this->failures_ & (this->failures_ - 1)) == 0;
}

void TextMQClient::wait_() {
  this->status_set_warning(LOG_STR("not connected"));
  const uint32_t jitter = this->backoff_ / 5;
  this->wait_time_ = this->backoff_ - jitter + random_uint32() % (2 * jitter + 1);
  this->backoff_ = std::min(this->backoff_ * 2, this->backoff_max_);
  this->set_state_(State::STATE_WAITING);
}

void TextMQClient::restart_outbox_() {
  // What the state of an entity or of this component makes is made anew; events and messages of then would mislead.
  this->outbox_.restart([this](std::string_view line) {
    const std::string_view variable = stored_variable(line);
    if (variable.empty())
      return is_command(line, "DEL");
#ifdef USE_TEXTMQ_ENTITIES
    return !this->entities_->owns(variable);
#else
    return true;
#endif
  });
}

// ---- receiving

void TextMQClient::receive_() {
  // While shutting down nobody else looks whether the socket is ready.
  if (!this->more_received_ && !this->shutting_down_ && !this->link_.ready())
    return;
  this->more_received_ = true;
  for (uint8_t left = MESSAGES_PER_LOOP; left > 0 && this->is_open_();) {
    wire::Message message;
    switch (this->framer_.next(message)) {
      case wire::Frame::FRAME_NONE: {
        const ssize_t size = this->link_.read(this->framer_.space());
        if (size < 0) {
          ESP_LOGD(TAG, "Connection: %s", LOG_STR_ARG(this->link_.problem()));
          this->end_session_(this->state_ == State::STATE_CLOSING ? StringRef::from_lit("closed")
                                                                  : StringRef::from_lit("lost"));
          return;
        }
        if (size == 0) {
          this->more_received_ = false;
          return;
        }
        this->framer_.received(size);
        this->received_ = this->now_;
        this->hello_pending_ = false;
        break;
      }
      case wire::Frame::FRAME_MESSAGE:
        left--;
        this->handle_(message);
        break;
      case wire::Frame::FRAME_TOO_LONG:
        if (this->may_warn_()) {
          ESP_LOGW(TAG, "A line of the broker is longer than rx_buffer_size (%u) and was dropped",
                   ESPHOME_TEXTMQ_RX_BUFFER_SIZE);
        }
        break;
      case wire::Frame::FRAME_MALFORMED:
        if (this->may_warn_())
          ESP_LOGW(TAG, "A line that is no message of TextMQ came from %s:%u", this->link_.host(), this->link_.port());
        break;
    }
  }
}

void TextMQClient::handle_(wire::Message &message) {
  for (const auto &row : COMMANDS) {
    if (message.command() == row.name) {
      (this->*row.handle)(message);
      return;
    }
  }
}

void TextMQClient::handle_hello_(wire::Message &message) {
  wire::Writer writer(this->outbox_.urgent_space(), "HELLO!");
  if (const size_t size = writer.finish(); size != 0)
    this->outbox_.push_urgent(size);
}

void TextMQClient::handle_ok_(wire::Message &message) {
  const std::string_view line = this->outbox_.oldest();
  if (line.empty()) {
    this->end_session_(StringRef::from_lit("unexpected-answer"));
    return;
  }
  const bool is_id = is_command(line, "ID");
  this->outbox_.pop_oldest();
  this->answered_ = this->now_;
  if (!is_id)
    return;
  this->take_time_(message);
  if (this->state_ == State::STATE_AUTHORIZING)
    this->accept_();
}

void TextMQClient::handle_bad_(wire::Message &message) {
  const std::string_view line = this->outbox_.oldest();
  if (line.empty()) {
    this->end_session_(StringRef::from_lit("unexpected-answer"));
    return;
  }
  const StringRef detail = terminate(message.get("DETAIL"));
  const StringRef reason = terminate(message.get("REASON"), StringRef::from_lit("unknown"));
  const bool is_id = is_command(line, "ID");
  // What was to be deleted is not there, which is what was wanted.
  const bool is_done = is_command(line, "DEL") && reason == "no-such-variable";
  if (!is_id && !is_done && this->may_warn_()) {
    // The name that it is about tells enough, and the value is not everybody's business.
    const std::string_view command = line.substr(wire::Writer::HEAD.size());
    const size_t name = command.find(" | ") + 3;
    const std::string_view shown = command.substr(0, command.find(" | ", name));
#ifdef USE_TEXTMQ_LOGS
    // A warning about a warning would never end.
    if (shown.substr(shown.find('=') + 1) == this->log_variable_)
      this->log_level_ = ESPHOME_LOG_LEVEL_NONE;
#endif
    ESP_LOGW(TAG, "The broker refuses %.*s: %s %s", print_length(shown), print_begin(shown), reason.c_str(),
             detail.c_str());
  }
  this->outbox_.pop_oldest();
  this->answered_ = this->now_;
  if (is_id)
    this->refuse_(reason, detail);
}

void TextMQClient::handle_sub_(wire::Message &message) {
  const auto variable = message.get("VARIABLE");
  if (!variable.has_value() || !wire::is_variable_name(*variable))
    return;
  const auto time = message.get("TIME");
  const uint32_t age = time.has_value() ? this->age_(*time) : 0;
  const StringRef value = terminate(message.take_text("VALUE"));
  const StringRef name = terminate(variable);
#ifdef USE_TEXTMQ_ENTITIES
  this->entities_->command(to_view(name), value);
#endif
  for (auto *subscription : this->subscriptions_) {
    if ((time.has_value() && !subscription->replay_) || !wire::filter_matches(subscription->filter_, to_view(name)))
      continue;
    subscription->heard_ = this->now_ - age;
    subscription->available_ = subscription->timeout_ == 0 || age < subscription->timeout_;
    if (subscription->available_) {
      subscription->on_value(name, value);
    } else {
      subscription->on_unavailable();
    }
  }
}

void TextMQClient::handle_del_(wire::Message &message) {
  const auto variable = message.get("VARIABLE");
  if (!variable.has_value() || !wire::is_variable_name(*variable))
    return;
  for (auto *subscription : this->subscriptions_) {
    if (wire::filter_matches(subscription->filter_, *variable)) {
      subscription->available_ = false;
      subscription->on_unavailable();
    }
  }
}

void TextMQClient::handle_msg_(wire::Message &message) {
  const auto device = message.get("DEVICE");
  if (!device.has_value())
    return;
  const StringRef value = terminate(message.take_text("VALUE"));
  this->on_message_.call(terminate(device), value);
}

void TextMQClient::handle_close_(wire::Message &message) {
  const StringRef reason = terminate(message.get("REASON"), StringRef::from_lit("closed"));
  if (this->state_ == State::STATE_AUTHORIZING && (reason == "denied" || reason == "revoked")) {
    this->refuse_(reason, {});
  } else {
    this->end_session_(reason);
  }
}

// ---- time

void TextMQClient::take_time_(wire::Message &answer) {
  const auto time = wire::parse_time(answer.get("TIME").value_or(""));
  if (!time.has_value())
    return;
  this->broker_time_ = *time;
  this->broker_time_at_ = this->now_;
#ifdef USE_TEXTMQ_TIME
  this->on_time_.call(static_cast<uint32_t>((*time + 500) / 1000));
#endif
}

uint32_t TextMQClient::age_(std::string_view time) const {
  const auto published = wire::parse_time(time);
  if (this->broker_time_ == 0 || !published.has_value())
    return 0;
  const int64_t age = this->broker_time_ + (this->now_ - this->broker_time_at_) - *published;
  return static_cast<uint32_t>(std::clamp<int64_t>(age, 0, INT32_MAX));
}

void TextMQClient::check_timeouts_() {
  if (this->now_ - this->last_timeout_check_ < TIMEOUT_CHECK_MS)
    return;
  this->last_timeout_check_ = this->now_;
  for (auto *subscription : this->subscriptions_) {
    if (subscription->available_ && subscription->timeout_ != 0 &&
        this->now_ - subscription->heard_ >= subscription->timeout_) {
      subscription->available_ = false;
      subscription->on_unavailable();
    }
  }
}

void TextMQClient::check_reboot_() {
  if (this->reboot_timeout_ == 0 || !this->enabled_ || this->is_connected() || this->shutting_down_ ||
      this->now_ - this->last_connected_ < this->reboot_timeout_)
    return;
  ESP_LOGE(TAG, "Not connected for reboot_timeout: rebooting");
  App.reboot();
}

void TextMQClient::keep_alive_() {
  if (!this->is_open_())
    return;
  if (this->hello_pending_) {
    if (this->now_ - this->hello_sent_ >= HELLO_TIMEOUT_MS)
      this->end_session_(StringRef::from_lit("keep-alive"));
  } else if (this->now_ - this->received_ >= this->keepalive_) {
    wire::Writer writer(this->outbox_.urgent_space(), "HELLO?");
    if (const size_t size = writer.finish(); size != 0)
      this->outbox_.push_urgent(size);
    this->hello_pending_ = true;
    this->hello_sent_ = this->now_;
  }
  if (this->state_ == State::STATE_CONNECTED && !this->outbox_.oldest().empty() &&
      this->now_ - this->answered_ >= ANSWER_TIMEOUT_MS)
    this->end_session_(StringRef::from_lit("no-answer"));
}

bool TextMQClient::may_warn_() {
  if (this->last_warning_ != 0 && this->now_ - this->last_warning_ < WARNING_INTERVAL_MS) {
    this->suppressed_warnings_++;
    return false;
  }
  if (this->suppressed_warnings_ != 0)
    ESP_LOGW(TAG, "%u warnings were left out", this->suppressed_warnings_);
  this->suppressed_warnings_ = 0;
  this->last_warning_ = this->now_;
  return true;
}

// ---- sending

void TextMQClient::send_() {
  while (this->is_open_()) {
    // Until the node was let in, what is kept for later stays here.
    const std::string_view data =
        this->state_ == State::STATE_AUTHORIZING ? this->outbox_.unsent_urgent() : this->outbox_.unsent();
    const ssize_t size = this->link_.write(data);
    if (size < 0) {
      ESP_LOGD(TAG, "Connection: %s", LOG_STR_ARG(this->link_.problem()));
      this->end_session_(StringRef::from_lit("lost"));
      return;
    }
    if (size == 0)
      return;
    if (this->outbox_.oldest().empty())
      this->answered_ = this->now_;
    this->outbox_.sent(size);
  }
}

void TextMQClient::queue_subscriptions_and_entities_() {
  for (uint8_t left = LINES_PER_LOOP; left > 0; left--) {
    if (this->next_subscription_ < this->subscriptions_.size()) {
      if (!this->queue_subscription_(this->next_subscription_))
        return;
      this->next_subscription_++;
      continue;
    }
#ifdef USE_TEXTMQ_ENTITIES
    if (this->entities_->queue_next())
      continue;
#endif
    return;
  }
}

bool TextMQClient::queue_subscription_(size_t index) {
  const std::string_view filter = this->subscriptions_[index]->filter_;
  bool replay = false;
  for (size_t i = 0; i < this->subscriptions_.size(); i++) {
    if (filter != this->subscriptions_[i]->filter_)
      continue;
    if (i < index)
      return true;
    replay = replay || this->subscriptions_[i]->replay_;
  }
  wire::Writer writer = this->writer("SUB");
  writer.param("VARIABLE", filter);
  if (!replay)
    writer.param("REPLAY", "NO");
  return this->queue(writer) == Queued::QUEUED_NOW;
}

TextMQClient::Queued TextMQClient::queue(wire::Writer &writer) {
  const size_t size = writer.finish();
  if (size != 0) {
    this->outbox_.push(size);
    return Queued::QUEUED_NOW;
  }
  return this->outbox_.empty() ? Queued::QUEUED_NEVER : Queued::QUEUED_LATER;
}

TextMQClient::Queued TextMQClient::queue_value(std::string_view variable, std::string_view value) {
  this->outbox_.drop_unsent([variable](std::string_view line) { return stored_variable(line) == variable; });
  wire::Writer writer = this->writer("PUB");
  writer.param("VARIABLE", variable).param("VALUE", value);
  return this->queue(writer);
}

bool TextMQClient::check_queued_(Queued queued, std::string_view name) {
  if (queued == Queued::QUEUED_NOW)
    return true;
  if (this->may_warn_()) {
    ESP_LOGW(TAG, "%.*s: %s", print_length(name), print_begin(name),
             queued == Queued::QUEUED_NEVER ? "the line is longer than tx_buffer_size allows, it was not sent"
                                            : "too much waits to be sent already, it was not sent");
  }
  return false;
}

bool TextMQClient::check_name_(bool valid, std::string_view name) {
  if (!valid && this->may_warn_())
    ESP_LOGW(TAG, "'%.*s' is no name that can be used here: nothing was sent", print_length(name), print_begin(name));
  return valid && this->state_ != State::STATE_CLOSING;
}

bool TextMQClient::check_connected_(std::string_view name) {
  if (!this->is_connected())
    ESP_LOGD(TAG, "Not connected: nothing was sent to %.*s", print_length(name), print_begin(name));
  return this->is_connected();
}

bool TextMQClient::publish(std::string_view variable, std::string_view value, bool retain) {
  if (!this->check_name_(wire::is_variable_name(variable), variable))
    return false;
  if (retain)
    return this->check_queued_(this->queue_value(variable, value), variable);
  if (!this->check_connected_(variable))
    return false;
  wire::Writer writer = this->writer("PUB");
  writer.param("VARIABLE", variable).param("RETAIN", "NO").param("VALUE", value);
  return this->check_queued_(this->queue(writer), variable);
}

bool TextMQClient::remove(std::string_view variable) {
  if (!this->check_name_(wire::is_variable_name(variable), variable))
    return false;
  wire::Writer writer = this->writer("DEL");
  writer.param("VARIABLE", variable);
  return this->check_queued_(this->queue(writer), variable);
}

bool TextMQClient::send(std::string_view device, std::string_view value, uint32_t ttl) {
  if (!this->check_name_(wire::is_recipient(device), device) || !this->check_connected_(device))
    return false;
  wire::Writer writer = this->writer("MSG");
  writer.param("DEVICE", device);
  if (ttl != 0) {
    char seconds[11];
    const int size = snprintf(seconds, sizeof(seconds), "%" PRIu32, ttl);
    writer.param("TTL", {seconds, static_cast<size_t>(size)});
  }
  writer.param("VALUE", value);
  return this->check_queued_(this->queue(writer), device);
}

#ifdef USE_TEXTMQ_LOGS
void TextMQClient::on_log_(uint8_t level, std::string_view text) {
  if (level > this->log_level_ || !this->is_connected())
    return;
  // Colours are for terminals.
  if (text.starts_with("\033["))
    text.remove_prefix(std::min(text.find('m') + 1, text.size()));
  text = text.substr(0, text.find("\033["));
  wire::Writer writer = this->writer("PUB");
  writer.param("VARIABLE", this->log_variable_).param("RETAIN", "NO").param("VALUE", text);
  this->queue(writer);
}
#endif

}  // namespace esphome::textmq

#endif  // USE_TEXTMQ
