#pragma once

#include "esphome/core/defines.h"

#ifdef USE_TEXTMQ

#include "esphome/core/automation.h"
#include "esphome/core/component.h"
#include "esphome/core/helpers.h"
#include "esphome/core/string_ref.h"
#include "link.h"
#include "outbox.h"
#include "wire.h"

#include <cmath>

namespace esphome::textmq {

inline std::string_view to_view(StringRef text) { return {text.c_str(), text.size()}; }
inline std::string_view to_view(const std::string &text) { return text; }
inline std::string_view to_view(const char *text, size_t size) { return {text, size}; }

/// The length of a `%.*s` for a text that came over the network: nothing behind a control character is shown.
int shown_length(StringRef text);

#ifdef USE_TEXTMQ_ENTITIES
class EntityPublisher;
#endif

/// Something that follows a variable, or all variables that a filter matches.
class Subscription {
 public:
  explicit Subscription(const char *filter) : filter_(filter) {}

  /// Without a new value for so long, the variable counts as unavailable. In milliseconds; 0 for never.
  void set_value_timeout(uint32_t timeout) { this->timeout_ = timeout; }
  /// Whether a value that was published before this connection is of interest.
  void set_replay(bool replay) { this->replay_ = replay; }

 protected:
  friend class TextMQClient;

  /// Both texts end with a null character and are valid during the call only.
  virtual void on_value(StringRef variable, StringRef value) = 0;
  /// The variable was deleted, or nothing was heard of it for the timeout.
  virtual void on_unavailable() {}

  const char *filter_;
  uint32_t timeout_{0};
  uint32_t heard_{0};
  bool replay_{true};
  bool available_{false};
};

/// The connection of this node to the broker: keeps it up, and carries commands, answers and deliveries.
class TextMQClient final : public Component {
 public:
  // Not defaulted: that would fill the buffers with zeros.
  TextMQClient() {}  // NOLINT(modernize-use-equals-default)

  void set_host(const char *host) { this->link_.set_host(host); }
  void set_port(uint16_t port) { this->link_.set_port(port); }
#ifdef USE_TEXTMQ_TLS
  void set_key(const uint8_t *key) { this->link_.set_key(key); }
#endif
  /// Default: the name of the node.
  void set_device_id(const char *device_id) { this->device_id_ = device_id; }
  void set_model(const char *model) { this->model_ = model; }
  void set_manufacturer(const char *manufacturer) { this->manufacturer_ = manufacturer; }
  void set_version(const char *version) { this->version_ = version; }
  void set_keepalive(uint32_t keepalive) { this->keepalive_ = keepalive; }
  void set_reconnect(uint32_t min, uint32_t max) {
    this->backoff_min_ = this->backoff_ = min;
    this->backoff_max_ = max;
  }
  void set_reboot_timeout(uint32_t timeout) { this->reboot_timeout_ = timeout; }
  /// How long the node will be away after a shutdown, in seconds; 0: it does not sleep.
  void set_sleep_duration(uint32_t seconds) { this->sleep_duration_ = seconds; }
  void set_enable_on_boot(bool enable) { this->enabled_ = enable; }
  void add_subscription(Subscription *subscription) { this->subscriptions_.push_back(subscription); }
#ifdef USE_TEXTMQ_ENTITIES
  void set_entities(EntityPublisher *entities) { this->entities_ = entities; }
#endif
#ifdef USE_TEXTMQ_LOGS
  void set_logs(const char *variable, uint8_t level) {
    this->log_variable_ = variable;
    this->log_level_ = level;
  }
#endif

  void setup() override;
  void loop() override;
  void dump_config() override;
  void on_shutdown() override { this->shutting_down_ = true; }
  bool teardown() override;
  float get_setup_priority() const override { return setup_priority::AFTER_WIFI; }

  const char *device_id() const { return this->device_id_; }
  bool is_connected() const { return this->state_ == State::STATE_CONNECTED; }
  /// Connected, and the broker has taken all that was to be sent.
  bool is_flushed() const;
  void enable();
  void disable();

  /// Publishes a value. A retained one waits for the connection where there is none, as the newest of its variable; one
  /// that is not retained is an event and lost then. False where it is lost.
  bool publish(std::string_view variable, std::string_view value, bool retain = true);
  /// Deletes a variable and its value.
  bool remove(std::string_view variable);
  /// Sends a text to a device, to all (`*`) or to Home Assistant (`homeassistant`); where that is not connected, it
  /// waits there for so many seconds. False where this node is not connected.
  bool send(std::string_view device, std::string_view value, uint32_t ttl = 0);

  template<typename F> void add_on_connect_callback(F &&f) { this->on_connect_.add(std::forward<F>(f)); }
  template<typename F> void add_on_disconnect_callback(F &&f) { this->on_disconnect_.add(std::forward<F>(f)); }
  template<typename F> void add_on_refused_callback(F &&f) { this->on_refused_.add(std::forward<F>(f)); }
  template<typename F> void add_on_message_callback(F &&f) { this->on_message_.add(std::forward<F>(f)); }
#ifdef USE_TEXTMQ_TIME
  template<typename F> void add_on_time_callback(F &&f) { this->on_time_.add(std::forward<F>(f)); }
  /// Asks the broker for the time again.
  void request_time() { this->identify_(); }
#endif

  // For the parts of this component.

  enum class Queued : uint8_t { QUEUED_NOW, QUEUED_LATER, QUEUED_NEVER };
  /// Writes a command; queue() takes it, when there is room.
  wire::Writer writer(std::string_view command) { return {this->outbox_.space(), command}; }
  Queued queue(wire::Writer &writer);
  /// Queues a value to be stored; it takes the place of an older one of the variable that was not begun to be sent.
  Queued queue_value(std::string_view variable, std::string_view value);

 protected:
  enum class State : uint8_t {
    STATE_DISABLED,     // by the user
    STATE_WAITING,      // for the next attempt
    STATE_OPENING,      // of the link
    STATE_AUTHORIZING,  // ID was sent
    STATE_CONNECTED,    // ID was accepted
    STATE_CLOSING,      // CLOSE was queued
  };
  struct StateRow {
    const char *name;
    void (TextMQClient::*run)();
  };
  struct CommandRow {
    const char *name;
    void (TextMQClient::*handle)(wire::Message &message);
  };
  static const StateRow STATES[];
  static const CommandRow COMMANDS[];

  static constexpr uint32_t HELLO_TIMEOUT_MS = 10000;
  static constexpr uint32_t ANSWER_TIMEOUT_MS = 20000;
  static constexpr uint32_t CLOSE_TIMEOUT_MS = 1000;
  static constexpr uint32_t APPROVAL_NOTICE_MS = 2000;
  static constexpr uint32_t STABLE_MS = 5000;
  static constexpr uint32_t WARNING_INTERVAL_MS = 5000;
  static constexpr uint32_t TIMEOUT_CHECK_MS = 250;
  static constexpr uint8_t MESSAGES_PER_LOOP = 16;
  static constexpr uint8_t LINES_PER_LOOP = 16;

  void set_state_(State state);
  void run_disabled_() {}
  void run_waiting_();
  void run_opening_();
  void run_authorizing_();
  void run_connected_();
  void run_closing_();

  bool is_open_() const { return this->state_ >= State::STATE_AUTHORIZING; }
  void begin_session_();
  void identify_();
  void accept_();
  void refuse_(StringRef reason, StringRef detail);
  void begin_close_();
  void end_session_(StringRef reason);
  /// True where this failure is worth a line in the log: the first few are, their thousandth repetition is not.
  bool count_failure_();
  void wait_();
  void restart_outbox_();

  void receive_();
  void keep_alive_();
  void queue_subscriptions_and_entities_();
  void send_();
  void check_timeouts_();
  void check_reboot_();

  void handle_(wire::Message &message);
  void handle_hello_(wire::Message &message);
  void handle_ok_(wire::Message &message);
  void handle_bad_(wire::Message &message);
  void handle_sub_(wire::Message &message);
  void handle_del_(wire::Message &message);
  void handle_msg_(wire::Message &message);
  void handle_close_(wire::Message &message);

  bool queue_subscription_(size_t index);
  // Each says in the log why its answer is false.
  bool check_name_(bool valid, std::string_view name);
  bool check_connected_(std::string_view name);
  bool check_queued_(Queued queued, std::string_view name);
  void take_time_(wire::Message &answer);
  /// How old a replayed value is, in milliseconds; 0 where that is not known.
  uint32_t age_(std::string_view time) const;
  bool may_warn_();
#ifdef USE_TEXTMQ_LOGS
  void on_log_(uint8_t level, std::string_view text);
#endif

  Link link_;
  wire::Framer framer_{rx_};
  Outbox outbox_{tx_};
  StaticVector<Subscription *, ESPHOME_TEXTMQ_SUBSCRIPTION_COUNT> subscriptions_;
#ifdef USE_TEXTMQ_ENTITIES
  EntityPublisher *entities_{nullptr};
#endif
  LazyCallbackManager<void()> on_connect_;
  LazyCallbackManager<void(StringRef)> on_disconnect_;
  LazyCallbackManager<void(StringRef)> on_refused_;
  LazyCallbackManager<void(StringRef, StringRef)> on_message_;
#ifdef USE_TEXTMQ_TIME
  LazyCallbackManager<void(uint32_t)> on_time_;
#endif
#ifdef USE_TEXTMQ_LOGS
  const char *log_variable_{nullptr};
  uint8_t log_level_{0};
#endif
  const char *device_id_{nullptr};
  const char *model_{""};
  const char *manufacturer_{""};
  const char *version_{""};

  int64_t broker_time_{0};  // in milliseconds since 1970, 0 where it is not known
  uint32_t broker_time_at_{0};
  uint32_t keepalive_{30000};
  uint32_t backoff_min_{500};
  uint32_t backoff_max_{60000};
  uint32_t backoff_{500};
  uint32_t reboot_timeout_{0};
  uint32_t sleep_duration_{0};
  uint32_t now_{0};
  uint32_t wait_time_{0};
  uint32_t state_since_{0};
  uint32_t received_{0};
  uint32_t hello_sent_{0};
  uint32_t answered_{0};
  uint32_t last_connected_{0};
  uint32_t last_warning_{0};
  uint32_t last_timeout_check_{0};
  uint16_t suppressed_warnings_{0};
  uint16_t failures_{0};
  uint16_t next_subscription_{0};
  State state_{State::STATE_DISABLED};
  bool enabled_{true};
  bool shutting_down_{false};
  bool hello_pending_{false};
  bool more_received_{false};
  bool approval_noticed_{false};
  char rx_[ESPHOME_TEXTMQ_RX_BUFFER_SIZE + wire::Framer::LINE_END_SIZE];
  char tx_[ESPHOME_TEXTMQ_TX_BUFFER_SIZE];
};

/// The automation of on_variable; T is StringRef, or std::string where an action runs after the call.
template<typename T> class VariableTrigger final : public Trigger<T, T>, public Subscription {
 public:
  using Subscription::Subscription;

 protected:
  void on_value(StringRef variable, StringRef value) override { this->trigger(variable, value); }
};

}  // namespace esphome::textmq

#endif  // USE_TEXTMQ
