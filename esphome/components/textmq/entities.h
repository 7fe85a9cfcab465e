#pragma once

#include "esphome/core/defines.h"

#ifdef USE_TEXTMQ_ENTITIES

#include "client.h"
#include "esphome/core/application.h"
#include "esphome/core/entity_includes.h"

namespace esphome::textmq {

/// What of an entity waits to be queued.
enum Pending : uint8_t {
  PENDING_NOTHING = 0,
  PENDING_DEFINITION = 1 << 0,
  PENDING_SUBSCRIPTION = 1 << 1,
  PENDING_STATE = 1 << 2,
};

using StateBuffer = std::span<char, VALUE_ACCURACY_MAX_LEN>;

/// How one kind of entity is spelled on the wire.
struct KindRow {
  const char *type;
  /// Adds what only this kind has to its DEF.
  void (*describe)(EntityBase *entity, wire::Writer &writer);
  /// The state as text, in the buffer or in the entity; nullptr where the kind has none.
  std::string_view (*state)(EntityBase *entity, StateBuffer buffer);
  /// Carries out a command; false where the text is none. nullptr where the kind takes none.
  bool (*command)(EntityBase *entity, StringRef text);
};

/// The kinds of entity that become variables. One more kind is one more specialization, with its row.
template<typename T> struct Kind { static constexpr bool IS_PUBLISHED = false; };
struct PublishedKind {
  static constexpr bool IS_PUBLISHED = true;
};
#ifdef USE_SENSOR
template<> struct Kind<sensor::Sensor> : PublishedKind { static const KindRow ROW; };
#endif
#ifdef USE_BINARY_SENSOR
template<> struct Kind<binary_sensor::BinarySensor> : PublishedKind { static const KindRow ROW; };
#endif
#ifdef USE_TEXT_SENSOR
template<> struct Kind<text_sensor::TextSensor> : PublishedKind { static const KindRow ROW; };
#endif
#ifdef USE_SWITCH
template<> struct Kind<switch_::Switch> : PublishedKind { static const KindRow ROW; };
#endif
#ifdef USE_NUMBER
template<> struct Kind<number::Number> : PublishedKind { static const KindRow ROW; };
#endif
#ifdef USE_SELECT
template<> struct Kind<select::Select> : PublishedKind { static const KindRow ROW; };
#endif
#ifdef USE_TEXT
template<> struct Kind<text::Text> : PublishedKind { static const KindRow ROW; };
#endif
#ifdef USE_BUTTON
template<> struct Kind<button::Button> : PublishedKind { static const KindRow ROW; };
#endif
#ifdef USE_EVENT
template<> struct Kind<event::Event> : PublishedKind { static const KindRow ROW; };
#endif

/// Publishes the entities of the node as variables, describes them, and carries out what is published to
/// `<variable>/set`.
class EntityPublisher final {
 public:
  explicit EntityPublisher(TextMQClient *client) : client_(client) {}

  /// Default: the device ID.
  void set_prefix(const char *prefix) { this->prefix_ = prefix; }
  /// Publish only entities that have a rule.
  void set_only_listed(bool only_listed) { this->only_listed_ = only_listed; }
  /// Whether an entity that has no state yet is published as unknown.
  void set_publish_unknown(bool publish_unknown) { this->publish_unknown_ = publish_unknown; }
  /// variable: its name; empty for the usual name; nullptr for an entity that is not to be published.
  void add_rule(EntityBase *entity, const char *variable) { this->rules_.push_back({entity, variable}); }

  /// Collects the entities. Called once all of them are there.
  void setup();
  void dump_config();
  /// On a new connection everything is to be told again.
  void restart();
  bool is_pending() const { return this->any_pending_; }
  /// Queues the next line that is pending; false where none is, or where there is no room.
  bool queue_next();
  /// Carries out a command, if the variable is one of an entity's.
  void command(std::string_view variable, StringRef text);
  bool owns(std::string_view variable) const;

  // NOLINTBEGIN(bugprone-macro-parentheses)
  // Contract of esphome/core/controller_dispatch.h: one member for each entity type in the build.
#define ENTITY_TYPE_(type, singular, plural, count, upper)
#define ENTITY_CONTROLLER_TYPE_(type, singular, plural, count, upper, callback) \
  void on_##callback(type *entity) { this->changed_(entity); }
#include "esphome/core/entity_types.h"
#undef ENTITY_TYPE_
#undef ENTITY_CONTROLLER_TYPE_
  // NOLINTEND(bugprone-macro-parentheses)

 protected:
  struct Rule {
    EntityBase *entity;
    const char *variable;
  };
  struct Entry {
    EntityBase *entity;
    const KindRow *kind;
    const char *variable;
    uint8_t pending;
  };
  /// Room for a variable's name, SET_SUFFIX and a null character.
  using NameBuffer = char[wire::MAX_VARIABLE_LENGTH + 5];
  static constexpr std::string_view SET_SUFFIX = "/set";

  template<typename T> void add_(T *entity) {
    if constexpr (Kind<T>::IS_PUBLISHED)
      this->add_entry_(entity, &Kind<T>::ROW);
  }
  void add_entry_(EntityBase *entity, const KindRow *kind);
  void changed_(EntityBase *entity);
#ifdef USE_EVENT
  void changed_(event::Event *event);
#endif
  void set_pending_(Entry &entry, uint8_t pending) {
    entry.pending |= pending;
    this->any_pending_ = true;
  }
  std::string_view variable_(const Entry &entry, NameBuffer &buffer) const;
  TextMQClient::Queued queue_step_(const Entry &entry, Pending step);
  TextMQClient::Queued queue_definition_(const Entry &entry, std::string_view variable);
  TextMQClient::Queued queue_state_(const Entry &entry, std::string_view variable);

  // NOLINTBEGIN(bugprone-macro-parentheses)
  static constexpr size_t MAX_ENTRIES = 0
#define ENTITY_TYPE_(type, singular, plural, count, upper) +(Kind<type>::IS_PUBLISHED ? (count) : 0)
#define ENTITY_CONTROLLER_TYPE_(type, singular, plural, count, upper, callback) \
  ENTITY_TYPE_(type, singular, plural, count, upper)
#include "esphome/core/entity_types.h"
#undef ENTITY_TYPE_
#undef ENTITY_CONTROLLER_TYPE_
      ;
  // NOLINTEND(bugprone-macro-parentheses)

  TextMQClient *client_;
  const char *prefix_{nullptr};
  StaticVector<Rule, ESPHOME_TEXTMQ_ENTITY_RULE_COUNT> rules_;
  StaticVector<Entry, MAX_ENTRIES> entries_;
  size_t next_{0};
  bool any_pending_{false};
  bool only_listed_{false};
  bool publish_unknown_{true};
};

}  // namespace esphome::textmq

#endif  // USE_TEXTMQ_ENTITIES
